#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/vectors.h"

#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/pack.h"

#define SECRET "s3cret"
#define TAKEN "[X]"

static struct buffer text, blob, metadata, storage;
static struct span frame[LIMIT_BODY_FRAMES], read_frame[LIMIT_BODY_FRAMES];

/* Takes SECRET out of a text. */
static int take_secret(void *context, struct span name, struct span given, struct buffer *ret_text)
{
    (void)context, (void)name;
    const char *at = given.size ? memmem(given.data, given.size, SECRET, strlen(SECRET)) : NULL;
    if (!at)
        return 0;
    buffer_add(ret_text, span_of(given.data, (size_t)(at - given.data)));
    buffer_text(ret_text, TAKEN);
    at += strlen(SECRET);
    buffer_add(ret_text, span_of(at, (size_t)(given.data + given.size - at)));
    return 1;
}

static const struct rewriter redactor = {.run = take_secret};
static const struct reply_facts facts = {.message_id = 17,
                                         .service = {"law", 3},
                                         .worker = {"w1", 2},
                                         .attempt = 2,
                                         .took_us = 1234567,
                                         .redactor = &redactor};

static int set_up(void **state)
{
    (void)state;
    buffer_reset(&text);
    buffer_reset(&blob);
    buffer_reset(&metadata);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    buffer_done(&text);
    buffer_done(&blob);
    buffer_done(&metadata);
    buffer_done(&storage);
    return 0;
}

/* A frame of a vector: hexadecimal digits, or {"hex","times"}. The caller frees its data. */
static struct span frame_of(const json_t *value)
{
    const char *digits =
        json_string_value(json_is_object(value) ? json_object_get(value, "hex") : value);
    size_t times =
        json_is_object(value) ? (size_t)json_integer_value(json_object_get(value, "times")) : 1;
    size_t size = strlen(digits) / 2;
    char *data = memory_new(size * times);
    for (size_t i = 0; i < size * times; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(digits + 2 * (i % size), "%2x", &byte), 1);
        data[i] = (char)byte;
    }
    return span_of(data, size * times);
}

static size_t frames_of(const json_t *list)
{
    size_t count = json_array_size(list);
    assert_true(count <= LIMIT_BODY_FRAMES);
    for (size_t i = 0; i < count; i++)
        frame[i] = frame_of(json_array_get(list, i));
    return count;
}

static void forget_frames(size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)frame[i].data);
}

/* Reads text and blob back: the same frames. */
static void check_read(enum body_form form, size_t count)
{
    size_t read_count = 0;
    assert_int_equal(
        body_read(form, buffer_span(&text), buffer_span(&blob), &storage, read_frame, &read_count),
        0);
    assert_int_equal(read_count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(span_equal(read_frame[i], frame[i]));
}

static void check_query(const json_t *vector, size_t count)
{
    struct span expected = vector_span(vector, "query");
    enum body_form form = body_compose_query(frame, count, &text, &blob);
    vector_same(vector, "form", span_str(body_form_name(form)), vector_span(vector, "form"));
    if (form == BODY_TEXT)
        expected = frame[0];
    if (expected.size)
        vector_same(vector, "query", buffer_span(&text), expected);
    assert_int_equal(blob.size, form == BODY_BLOB ? pack_size(frame, count) : 0);
    check_read(form, count);
    set_up(NULL);
}

static void check_reply(const json_t *vector, size_t count)
{
    struct span expected = vector_span(vector, "reply");
    struct span form_name = vector_span(vector, "reply_form");
    enum body_form meta;
    int redacted = 42;
    enum body_form form =
        body_compose_reply(frame, count, &facts, &text, &metadata, &blob, &redacted);
    vector_same(vector, "form of the reply", span_str(body_form_name(form)),
                form_name.size ? form_name : vector_span(vector, "form"));
    assert_int_equal(redacted, 0);
    if (expected.size)
        vector_same(vector, "reply", buffer_span(&text), expected);
    assert_true(body_reply_form(buffer_span(&metadata), &meta));
    assert_int_equal(meta, form);
    check_read(form, count);
    set_up(NULL);
}

static void bodies_stand_in_their_rows_as_the_vectors_say(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("bodies.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        size_t count = frames_of(json_object_get(vector, "frames"));
        check_query(vector, count);
        check_reply(vector, count);
        if (json_object_get(vector, "packed")) {
            struct span packed = frame_of(json_object_get(vector, "packed"));
            pack_write(frame, count, &blob);
            assert_true(span_equal(buffer_span(&blob), packed));
            free((void *)(uintptr_t)packed.data);
            set_up(NULL);
        }
        forget_frames(count);
    }
    json_decref(vectors);
}

static void every_row_text_keeps_its_limit(void **state)
{
    (void)state;
    struct buffer zeros;
    struct reply_facts late = facts;
    int redacted;
    buffer_init(&zeros);
    zeros.size = LIMIT_BODY_IN_ROW;
    zeros.data = memory_zero(zeros.size + 1, 1);
    late.message_id = INT64_MAX;
    /* Sizes that leave the most to padding: one byte more than a multiple of three. */
    for (size_t i = 0; i < LIMIT_BODY_FRAMES; i++)
        frame[i] =
            span_of(zeros.data, i + 1 < LIMIT_BODY_FRAMES ? 658 : LIMIT_BODY_IN_ROW - 658 * 55);
    assert_int_equal(
        body_compose_reply(frame, LIMIT_BODY_FRAMES, &late, &text, &metadata, &blob, &redacted),
        BODY_BASE64);
    assert_true(text.size <= LIMIT_REPLY_CHARS);
    check_read(BODY_BASE64, LIMIT_BODY_FRAMES);
    buffer_done(&zeros);
}

static void metadata_of_a_raw_answer_names_its_form(void **state)
{
    (void)state;
    int redacted;
    frame[0] = span_str("\xff");
    body_compose_reply(frame, 1, &facts, &text, &metadata, &blob, &redacted);
    assert_string_equal(metadata.data,
                        "{\"in_reply_to\":17,\"service\":\"law\",\"worker\":\"w1\",\"attempt\":2,"
                        "\"response_time_sec\":1.235,\"body\":\"base64\"}");
}

static void text_of_an_answer_is_redacted(void **state)
{
    (void)state;
    int redacted;
    frame[0] = span_str("the " SECRET "!");
    assert_int_equal(body_compose_reply(frame, 1, &facts, &text, &metadata, &blob, &redacted),
                     BODY_TEXT);
    assert_string_equal(text.data, "the [X]!");
    assert_int_equal(redacted, 1);
}

static void json_of_an_answer_is_redacted_string_by_string(void **state)
{
    (void)state;
    int redacted;
    frame[0] = span_str("{\"a\":\"\\u00733cret\",\"b\":[\"" SECRET "\", 1]}");
    body_compose_reply(frame, 1, &facts, &text, &metadata, &blob, &redacted);
    assert_string_equal(text.data, "{\"a\":\"[X]\",\"b\":[\"[X]\", 1]}");
    assert_int_equal(redacted, 2);
}

static void names_in_metadata_are_redacted(void **state)
{
    (void)state;
    struct reply_facts named = facts;
    int redacted;
    named.worker = span_str("w-" SECRET);
    named.service = span_str(SECRET);
    frame[0] = span_str("ok");
    body_compose_reply(frame, 1, &named, &text, &metadata, &blob, &redacted);
    assert_null(strstr(metadata.data, SECRET));
    assert_int_equal(redacted, 2);
}

static void other_bytes_are_not_redacted(void **state)
{
    (void)state;
    int redacted;
    frame[0] = span_str(SECRET);
    frame[1] = span_str(SECRET);
    assert_int_equal(body_compose_reply(frame, 2, &facts, &text, &metadata, &blob, &redacted),
                     BODY_BASE64);
    assert_int_equal(redacted, 0);
    check_read(BODY_BASE64, 2);
}

/* The secret stands where the cut is: it is gone before. */
static void long_answer_is_cut_on_a_character_and_its_redacted_whole_kept(void **state)
{
    (void)state;
    struct buffer given, whole;
    size_t count;
    int redacted;
    buffer_init(&given);
    buffer_init(&whole);
    for (size_t i = 0; i < LIMIT_REPLY_CHARS - 2; i++)
        buffer_text(&given, "\xc3\xbc");
    buffer_add(&whole, buffer_span(&given));
    buffer_text(&given, SECRET "\xc3\xbc");
    buffer_text(&whole, TAKEN "\xc3\xbc");
    frame[0] = buffer_span(&given);
    assert_int_equal(body_compose_reply(frame, 1, &facts, &text, &metadata, &blob, &redacted),
                     BODY_TEXT);
    assert_int_equal(redacted, 1);
    assert_true(
        span_equal(buffer_span(&text), span_of(whole.data, 2 * (LIMIT_REPLY_CHARS - 2) + 2)));
    assert_non_null(
        strstr(metadata.data, ",\"body\":\"text\",\"truncated\":true,\"full_length\":50002}"));
    assert_int_equal(
        body_read(BODY_TEXT, buffer_span(&text), buffer_span(&blob), &storage, read_frame, &count),
        0);
    assert_int_equal(count, 1);
    assert_true(span_equal(read_frame[0], buffer_span(&whole)));
    buffer_done(&given);
    buffer_done(&whole);
}

static void rows_that_no_body_makes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "words",
        "[]",
        "{\"type\":\"query\"}",
        "{\"type\":\"query\",\"encoding\":\"base64\"}",
        "{\"type\":\"query\",\"encoding\":\"blob\",\"body\":[\"\"]}",
        "{\"type\":\"other\",\"encoding\":\"base64\",\"body\":[\"\"]}",
        "{\"encoding\":\"base64\",\"body\":[\"\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":\"\"}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[1]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"YQ\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"YQ=\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"YQ===\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"YR==\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"Y Q==\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"_w==\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"\\/w==\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"YQ==YQ==\"]}",
        "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"\xc3\xbcYQ\"]}",
    };
    size_t count = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (body_read(BODY_BASE64, span_str(bad[i]), span_of(NULL, 0), &storage, read_frame,
                      &count) != -1)
            fail_msg("%s", bad[i]);
        assert_int_equal(body_read(BODY_BLOB, span_str(bad[i]), span_of("\1\0\0\0\0\0\0\0", 8),
                                   &storage, read_frame, &count),
                         -1);
    }
    assert_int_equal(count, 42);
}

static void more_base64_than_a_row_holds_is_refused(void **state)
{
    (void)state;
    size_t count;
    buffer_text(&text, "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"\"");
    size_t size = text.size;
    for (int i = 1; i < LIMIT_BODY_FRAMES; i++)
        buffer_text(&text, ",\"\"");
    buffer_text(&text, "]}");
    assert_int_equal(
        body_read(BODY_BASE64, buffer_span(&text), span_of(NULL, 0), &storage, read_frame, &count),
        0);
    text.size -= 2;
    buffer_text(&text, ",\"\"]}");
    assert_int_equal(
        body_read(BODY_BASE64, buffer_span(&text), span_of(NULL, 0), &storage, read_frame, &count),
        -1);
    for (int more = 0; more < 2; more++) { /* 36,864 bytes in two frames, and three more */
        text.size = size;
        buffer_text(&text, ",\"AAAA\",\"");
        for (int i = 0; i < LIMIT_BODY_IN_ROW / 3 - 1 + more; i++)
            buffer_text(&text, "AAAA");
        buffer_text(&text, "\"]}");
        assert_int_equal(body_read(BODY_BASE64, buffer_span(&text), span_of(NULL, 0), &storage,
                                   read_frame, &count),
                         -more);
    }
}

/* Everything that the row says of its blob is checked. */
static void blob_that_is_not_its_rows_is_refused(void **state)
{
    (void)state;
    struct buffer zeros;
    size_t count = 42;
    buffer_init(&zeros);
    zeros.size = LIMIT_BODY_IN_ROW + 1;
    zeros.data = memory_zero(zeros.size + 1, 1);
    frame[0] = buffer_span(&zeros);
    assert_int_equal(body_compose_query(frame, 1, &text, &blob), BODY_BLOB);
    check_read(BODY_BLOB, 1);
    static const char *const part[] = {"\"frames\":1", "\"size\":36865", "\"blake2b\":\""};
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        char *last = strstr(text.data, part[i]) + strlen(part[i]) - (i < 2);
        char byte = *last;
        *last = byte == '7' ? '8' : '7';
        assert_int_equal(body_read(BODY_BLOB, buffer_span(&text), buffer_span(&blob), &storage,
                                   read_frame, &count),
                         -1);
        *last = byte;
    }
    blob.data[blob.size - 1] ^= 1;
    assert_int_equal(
        body_read(BODY_BLOB, buffer_span(&text), buffer_span(&blob), &storage, read_frame, &count),
        -1);
    assert_int_equal(
        body_read(BODY_BLOB, buffer_span(&text), span_of(NULL, 0), &storage, read_frame, &count),
        -1);
    buffer_done(&zeros);
}

static void whole_that_is_not_its_texts_is_refused(void **state)
{
    (void)state;
    size_t count;
    frame[0] = span_str("words and more");
    pack_write(frame, 1, &blob);
    assert_int_equal(
        body_read(BODY_TEXT, span_str("words"), buffer_span(&blob), &storage, read_frame, &count),
        0);
    assert_true(span_equal(read_frame[0], frame[0]));
    assert_int_equal(
        body_read(BODY_TEXT, span_str("other"), buffer_span(&blob), &storage, read_frame, &count),
        -1);
    buffer_reset(&blob);
    frame[1] = frame[0];
    pack_write(frame, 2, &blob);
    assert_int_equal(
        body_read(BODY_TEXT, span_str("words"), buffer_span(&blob), &storage, read_frame, &count),
        -1);
}

static void worker_that_wants_a_query_gets_text_or_base64_at_any_size(void **state)
{
    (void)state;
    struct buffer bytes;
    bool plain = false;
    buffer_init(&bytes);
    for (size_t i = 0; i < 2 * LIMIT_REPLY_CHARS; i++)
        buffer_byte(&bytes, 'x');
    frame[0] = buffer_span(&bytes);
    assert_int_equal(body_query_text(frame, 1, &text, &plain), 0);
    assert_true(plain);
    assert_true(span_equal(buffer_span(&text), frame[0]));
    buffer_reset(&text);
    bytes.data[7] = '\0';
    assert_int_equal(body_query_text(frame, 1, &text, &plain), 0);
    assert_false(plain);
    assert_int_equal(jtext_check(buffer_span(&text)), JTEXT_OBJECT);
    assert_true(text.size > 8 * LIMIT_REPLY_CHARS / 3);
    buffer_reset(&text);
    frame[0] = span_str("one");
    frame[1] = span_str("two");
    assert_int_equal(body_query_text(frame, 2, &text, &plain), 0);
    assert_false(plain);
    assert_string_equal(
        text.data, "{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"b25l\",\"dHdv\"]}");
    buffer_done(&bytes);
}

/* The last size that fits, exactly, and one byte more. */
static void query_beyond_a_frame_is_refused_and_appends_nothing(void **state)
{
    (void)state;
    size_t head = strlen("{\"type\":\"query\",\"encoding\":\"base64\",\"body\":[\"\"]}");
    size_t fits = (LIMIT_FRAME_SIZE - head) / 4 * 3;
    char *zeros = memory_zero(LIMIT_FRAME_SIZE, 1);
    bool plain = true;
    frame[0] = span_of(zeros, fits);
    assert_int_equal(body_query_text(frame, 1, &text, &plain), 0);
    assert_false(plain);
    assert_true(text.size <= LIMIT_FRAME_SIZE && text.size > LIMIT_FRAME_SIZE - 4);
    buffer_reset(&text);
    frame[0].size++;
    assert_int_equal(body_query_text(frame, 1, &text, &plain), -1);
    assert_int_equal(text.size, 0);
    free(zeros);
}

static void forms_have_their_names_and_no_others(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "Text", "text ", "blo", "base64url"};
    enum body_form form;
    for (unsigned i = BODY_TEXT; i <= BODY_BLOB; i++) {
        assert_true(body_form_read(span_str(body_form_name((enum body_form)i)), &form));
        assert_int_equal(form, i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(body_form_read(span_str(bad[i]), &form));
    assert_int_equal(form, BODY_BLOB);
    assert_false(body_reply_form(span_of(NULL, 0), &form));
    assert_false(body_reply_form(span_str("[\"body\"]"), &form));
    assert_false(body_reply_form(span_str("{\"in_reply_to\":17}"), &form));
    assert_false(body_reply_form(span_str("{\"body\":7}"), &form));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bodies_stand_in_their_rows_as_the_vectors_say, set_up),
        cmocka_unit_test_setup(every_row_text_keeps_its_limit, set_up),
        cmocka_unit_test_setup(metadata_of_a_raw_answer_names_its_form, set_up),
        cmocka_unit_test_setup(text_of_an_answer_is_redacted, set_up),
        cmocka_unit_test_setup(json_of_an_answer_is_redacted_string_by_string, set_up),
        cmocka_unit_test_setup(names_in_metadata_are_redacted, set_up),
        cmocka_unit_test_setup(other_bytes_are_not_redacted, set_up),
        cmocka_unit_test_setup(long_answer_is_cut_on_a_character_and_its_redacted_whole_kept,
                               set_up),
        cmocka_unit_test_setup(rows_that_no_body_makes_are_refused, set_up),
        cmocka_unit_test_setup(more_base64_than_a_row_holds_is_refused, set_up),
        cmocka_unit_test_setup(blob_that_is_not_its_rows_is_refused, set_up),
        cmocka_unit_test_setup(whole_that_is_not_its_texts_is_refused, set_up),
        cmocka_unit_test_setup(worker_that_wants_a_query_gets_text_or_base64_at_any_size, set_up),
        cmocka_unit_test_setup(query_beyond_a_frame_is_refused_and_appends_nothing, set_up),
        cmocka_unit_test_setup(forms_have_their_names_and_no_others, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down_all);
}
