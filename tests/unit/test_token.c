#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/vectors.h"

#include "proto/token.h"

static void from_hex(const char *hex, unsigned char *bytes, size_t size)
{
    assert_int_equal(strlen(hex), 2 * size);
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (unsigned char)byte;
    }
}

static const char *text_of(const json_t *vector, const char *name)
{
    return json_string_value(json_object_get(vector, name));
}

static void tokens_are_those_of_the_vectors(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("tokens.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        struct token_key key;
        struct token_digest digest;
        struct token token;
        unsigned char expected[TOKEN_DIGEST_SIZE];
        char text[TOKEN_SIZE];
        int64_t id = json_integer_value(json_object_get(vector, "message_id"));
        uint32_t attempt = (uint32_t)json_integer_value(json_object_get(vector, "attempt"));
        from_hex(text_of(vector, "key"), key.bytes, sizeof key.bytes);
        from_hex(text_of(vector, "digest"), expected, sizeof expected);
        token_digest(vector_span(vector, "conversation_id"), vector_span(vector, "text"), &digest);
        assert_memory_equal(digest.bytes, expected, sizeof expected);
        size_t size = token_make(&key, id, attempt, &digest, text);
        assert_int_equal(size, strlen(text));
        assert_string_equal(text, text_of(vector, "token"));
        assert_int_equal(token_parse(span_str(text), &token), 0);
        assert_true(token.message_id == id && token.attempt == attempt);
        assert_true(token_verify(&key, &token, &digest));
    }
    json_decref(vectors);
}

static void token_means_nothing_for_anything_else(void **state)
{
    (void)state;
    struct token_key key, other_key;
    struct token_digest digest, other_digest;
    struct token token, other;
    char text[TOKEN_SIZE];
    token_key_new(&key);
    token_key_new(&other_key);
    assert_memory_not_equal(&key, &other_key, sizeof key);
    token_digest(span_str("conv"), span_str("text"), &digest);
    token_digest(span_str("conv"), span_str("texT"), &other_digest);
    token_make(&key, 17, 2, &digest, text);
    assert_int_equal(token_parse(span_str(text), &token), 0);
    assert_true(token_verify(&key, &token, &digest));
    assert_false(token_verify(&other_key, &token, &digest));
    assert_false(token_verify(&key, &token, &other_digest));
    other = token;
    other.message_id = 18;
    assert_false(token_verify(&key, &other, &digest));
    other = token;
    other.attempt = 1;
    assert_false(token_verify(&key, &other, &digest));
    for (size_t bit = 0; bit < 8 * TOKEN_MAC_SIZE; bit++) {
        other = token;
        other.mac[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(token_verify(&key, &other, &digest));
    }
}

static void every_change_of_the_text_is_another_token_or_none(void **state)
{
    (void)state;
    struct token_key key;
    struct token_digest digest;
    char text[TOKEN_SIZE];
    token_key_new(&key);
    token_digest(span_str("conv"), span_str("text"), &digest);
    size_t size = token_make(&key, 1795, 12, &digest, text);
    for (size_t at = 0; at < size; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[TOKEN_SIZE];
            struct token token;
            memcpy(changed, text, size);
            if (changed[at] == (char)byte)
                continue;
            changed[at] = (char)byte;
            if (token_parse(span_of(changed, size), &token) == 0)
                assert_false(token_verify(&key, &token, &digest));
        }
    }
}

static void what_is_not_exactly_a_token_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "17",
        "17.1",
        "17.1.",
        ".1.AAAAAAAAAAAAAAAAAAAAAA",
        "17..AAAAAAAAAAAAAAAAAAAAAA",
        "17.1.AAAAAAAAAAAAAAAAAAAAA",
        "17.1.AAAAAAAAAAAAAAAAAAAAAAA",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA==",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA ",
        " 17.1.AAAAAAAAAAAAAAAAAAAAAA",
        "17.1.AAAAAAAAAAAAAAAAAAAAA+",
        "17.1.AAAAAAAAAAAAAAAAAAAAA/",
        "17.1.AAAAAAAAAAAAAAAAAAAAAB", /* bits set behind the last byte */
        "17.1.AAAAAAAAAAAAAAAAAAAAAP",
        "17.1.AAAAAAA\200AAAAAAAAAAAAAA", /* libsodium reads it as '_' */
        "0.1.AAAAAAAAAAAAAAAAAAAAAA",
        "17.0.AAAAAAAAAAAAAAAAAAAAAA",
        "017.1.AAAAAAAAAAAAAAAAAAAAAA",
        "17.01.AAAAAAAAAAAAAAAAAAAAAA",
        "-17.1.AAAAAAAAAAAAAAAAAAAAAA",
        "+17.1.AAAAAAAAAAAAAAAAAAAAAA",
        "9223372036854775808.1.AAAAAAAAAAAAAAAAAAAAAA",
        "99999999999999999999.1.AAAAAAAAAAAAAAAAAAAAAA",
        "17.4294967296.AAAAAAAAAAAAAAAAAAAAAA",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.1",
        "17,1,AAAAAAAAAAAAAAAAAAAAAA",
    };
    struct token token = {.message_id = 42};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (token_parse(span_str(bad[i]), &token) != -1)
            fail_msg("taken for a token: %s", bad[i]);
        assert_int_equal(token.message_id, 42);
    }
    assert_int_equal(token_parse(span_of("17.1.AAAAAAAAAAAAAAAAAAAAA\0", 27), &token), -1);
    assert_int_equal(token_parse(span_str("17.1.AAAAAAAAAAAAAAAAAAAAAA"), &token), 0);
    assert_int_equal(token_parse(span_str("17.1.AAAAAAAAAAAAAAAAAAAAAQ"), &token), 0);
}

static int setup(void **state)
{
    (void)state;
    return token_init();
}

static void address_says_whether_a_request_is_raw_and_whether_a_relay_passes_it_on(void **state)
{
    (void)state;
    struct token_address read;
    char text[TOKEN_SIZE], via[TOKEN_SIZE];
    struct span longest = span_str("9223372036854775807.4294967295.AAAAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(token_read_address(longest, &read), 0);
    assert_false(read.raw || read.via);
    size_t size = token_raw_address(longest, text);
    assert_string_equal(text, "9223372036854775807.4294967295.AAAAAAAAAAAAAAAAAAAAAA.raw");
    assert_int_equal(size, strlen(text));
    assert_int_equal(token_read_address(span_of(text, size), &read), 0);
    assert_true(read.raw && !read.via);
    assert_true(read.token.message_id == INT64_MAX && read.token.attempt == UINT32_MAX);
    size = token_via_address(span_of(text, size), via);
    assert_string_equal(via, "9223372036854775807.4294967295.AAAAAAAAAAAAAAAAAAAAAA.raw.via");
    assert_int_equal(token_read_address(span_of(via, size), &read), 0);
    assert_true(read.raw && read.via);
    size = token_via_address(longest, via);
    assert_int_equal(token_read_address(span_of(via, size), &read), 0);
    assert_true(!read.raw && read.via);
}

static void what_is_no_address_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ".raw",
        ".via",
        ".raw.via",
        "17.1.raw",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.RAW",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.raw ",
        "17.1.AAAAAAAAAAAAAAAAAAAAAAraw",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.raw.raw",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.via.raw",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.via.via",
        "17.1.AAAAAAAAAAAAAAAAAAAAAA.query",
    };
    struct token_address read = {.token = {.message_id = 42}, .raw = true};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(token_read_address(span_str(bad[i]), &read), -1);
    assert_true(read.raw);
    assert_true(read.token.message_id == 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_the_vectors),
        cmocka_unit_test(token_means_nothing_for_anything_else),
        cmocka_unit_test(every_change_of_the_text_is_another_token_or_none),
        cmocka_unit_test(what_is_not_exactly_a_token_is_refused),
        cmocka_unit_test(address_says_whether_a_request_is_raw_and_whether_a_relay_passes_it_on),
        cmocka_unit_test(what_is_no_address_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
