#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "adapters/worker/http_key.h"

static struct http_key key_of(const char *text)
{
    struct http_key key = {.size = strlen(text)};
    snprintf(key.text, sizeof key.text, "%s", text);
    return key;
}

static void expect(const char *secret, const char *text, const char *masked)
{
    const struct http_key key = key_of(secret);
    struct buffer got;
    buffer_init(&got);
    assert_int_equal(http_key_mask(&key, span_str(text), false, &got), strlen(text));
    assert_true(span_is(buffer_span(&got), masked));
    /* The same in two pieces, wherever the cut is. */
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        buffer_reset(&got);
        size_t taken = http_key_mask(&key, span_of(text, cut), true, &got);
        assert_true(taken <= cut);
        http_key_mask(&key, span_str(text + taken), false, &got);
        assert_true(span_is(buffer_span(&got), masked));
    }
    buffer_done(&got);
}

static void key_is_masked_wherever_it_stands(void **state)
{
    (void)state;
    expect("sk-12345", "", "");
    expect("sk-12345", "sk-12345", "[key]");
    expect("sk-12345", "a sk-12345, sk-12345sk-1234 b", "a [key], [key]sk-1234 b");
    expect("sk-12345", "sk-sk-12345", "sk-[key]");
    expect("abababab", "xababababab", "x[key]ab");
}

static void key_is_known_behind_the_backslashes_of_json(void **state)
{
    (void)state;
    expect("sk/\\\"1234", "\"sk\\/\\\\\\\"1234\" sk/\\\"1234 \\n", "\"[key]\" [key] \\n");
}

static void short_key_is_no_secret(void **state)
{
    (void)state;
    expect("none", "none of it", "none of it");
    expect("", "text", "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_is_masked_wherever_it_stands),
        cmocka_unit_test(key_is_known_behind_the_backslashes_of_json),
        cmocka_unit_test(short_key_is_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
