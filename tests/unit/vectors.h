/* Test vectors: JSON files in proto/vectors, each an array of objects. Needs cmocka's headers and
 * the definition of TAILGATE_PROTO. */
#ifndef TAILGATE_TESTS_UNIT_VECTORS_H
#define TAILGATE_TESTS_UNIT_VECTORS_H

#include <jansson.h>

#include "proto/span.h"

/* Loads a file of vectors; the caller calls json_decref(). Fails the test when it is no array. */
static inline json_t *vectors_load(const char *name)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/vectors/%s", TAILGATE_PROTO, name);
    json_t *vectors = json_load_file(path, JSON_ALLOW_NUL, &error);
    if (!vectors)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    assert_true(json_is_array(vectors) && json_array_size(vectors) > 0);
    return vectors;
}

/* The string member NAME; size 0 when it is absent or null. */
static inline struct span vector_span(const json_t *vector, const char *name)
{
    const json_t *value = json_object_get(vector, name);
    return span_of(json_string_value(value), json_string_length(value));
}

/* Fails with the vector's name unless ACTUAL holds the bytes of EXPECTED. */
static inline void vector_same(const json_t *vector, const char *what, struct span actual,
                               struct span expected)
{
    if (!span_equal(actual, expected))
        fail_msg("%s: %s is\n  %.*s\nand not\n  %.*s",
                 json_string_value(json_object_get(vector, "name")), what, (int)actual.size,
                 actual.size ? actual.data : "", (int)expected.size,
                 expected.size ? expected.data : "");
}

#endif
