/* Texts in pieces: what is released is what the whole becomes, and is never too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/text/redact_stream.h"
#include "proto/utf8.h"

#define KEY_HEAD "-----BEGIN RSA PRIVATE KEY-----"
#define KEY_END "-----END RSA PRIVATE KEY-----"
#define AWS_KEY "AKIAIOSFODNN7EXAMPLE"

static struct redact *redact;
static struct redact_stream stream;
static struct buffer released, expected;

static int set_up(void **state)
{
    (void)state;
    redact = redact_new(true);
    redact_stream_init(&stream);
    buffer_init(&released);
    buffer_init(&expected);
    return redact ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    redact_stream_done(&stream);
    redact_destroy(&redact);
    buffer_done(&released);
    buffer_done(&expected);
    return 0;
}

static int add(const char *piece)
{
    return redact_stream_add(&stream, redact, span_str(piece), &released);
}

static void so_far(const char *text)
{
    assert_string_equal(released.size ? released.data : "", text);
}

/* What the whole TEXT becomes. */
static void expect(struct span text)
{
    struct buffer whole;

    buffer_init(&whole);
    utf8_repair(&whole, text);
    buffer_reset(&expected);
    if (redact_text(redact, buffer_span(&whole), &expected) == 0)
        buffer_add(&expected, buffer_span(&whole));
    buffer_done(&whole);
}

static void is_start_of_expected(void)
{
    assert_true(released.size <= expected.size);
    if (released.size)
        assert_memory_equal(released.data, expected.data, released.size);
}

/* Gives TEXT in pieces of the sizes that NEXT says; what is released must at any time be a start of
 * what the whole becomes, and in the end all of it. */
static void check_pieces(struct span text, size_t (*next)(size_t left))
{
    expect(text);
    buffer_reset(&released);
    for (size_t at = 0; at < text.size;) {
        size_t size = next(text.size - at);
        redact_stream_add(&stream, redact, span_of(text.data + at, size), &released);
        is_start_of_expected();
        at += size;
    }
    redact_stream_end(&stream, redact, &released);
    is_start_of_expected();
    assert_int_equal(released.size, expected.size);
}

static uint64_t random_state = 1;

static size_t random_below(size_t bound)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % bound;
}

static size_t one_byte(size_t left)
{
    (void)left;
    return 1;
}

static size_t a_few_bytes(size_t left)
{
    size_t size = 1 + random_below(7);
    return size < left ? size : left;
}

static size_t any_part(size_t left)
{
    return 1 + random_below(left);
}

/* What nearly matches, what does, and what stands around it. */
static const char *const fragments[] = {
    "AKIA",
    "AKI",
    "A",
    "0123456789ABCDEF",
    "ABCDEFGH",
    AWS_KEY,
    "-----BEGIN",
    "----",
    "-",
    "-----END",
    KEY_HEAD,
    KEY_END,
    "PRIVATE KEY",
    " PRIVATE KEY-----",
    "\nMIIE\n",
    "Bearer ",
    "Bearer",
    "abc.d~g+h/i",
    "==",
    "=",
    "password",
    "PassWord",
    "pa\xc5\xbf",
    "\xc5\xbfword",
    "api",
    "ap\xc4\xb0",
    "AP\xc4\xb1",
    "key",
    "\xe2\x84\xaa"
    "EY",
    "_",
    "api_key",
    "API-KEY",
    "apikey",
    "secret",
    "\xc5\xbf"
    "ecret",
    ":",
    " : ",
    "\"",
    "\": \"",
    " ",
    "\n",
    "\xc2\xa0",
    "\xe2\x80\xa8",
    "\xe3\x80\x80",
    "hunter2",
    "x",
    "\xc3\xbc",
    "\xf0\x9f\x98\x80",
    "\xff",
    "\xe2\x80",
    "\xf0",
    "\xed\xa0\x80",
    "ghp_",
    "gh",
    "p_",
    "sk-",
    "sk",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "bbbbbbbbbbbb",
    "REDACTED",
};

static void make_text(struct buffer *ret_text)
{
    size_t count = 1 + random_below(24);

    buffer_reset(ret_text);
    for (size_t i = 0; i < count; i++) {
        const char *fragment = fragments[random_below(sizeof fragments / sizeof fragments[0])];
        struct span span = span_str(fragment);
        if (random_below(8) == 0)
            span.size = random_below(span.size + 1);
        buffer_add(ret_text, span);
    }
}

static void released_and_rest_are_what_the_whole_becomes(void **state)
{
    struct buffer text;
    int changed = 0;

    (void)state;
    buffer_init(&text);
    for (int i = 0; i < 4000; i++) {
        make_text(&text);
        check_pieces(buffer_span(&text), one_byte);
        check_pieces(buffer_span(&text), a_few_bytes);
        check_pieces(buffer_span(&text), any_part);
        changed += redact_shows(buffer_span(&expected));
    }
    assert_true(changed > 400 && changed < 4000);
    assert_int_equal(redact_failures(redact), 0);
    buffer_done(&text);
}

static const char *const secrets[] = {
    AWS_KEY,
    KEY_HEAD "\nMIIEpAIBAAKCAQEA\n" KEY_END,
    "Bearer ab-c.d~e+f/g_==",
    "PassWord : hunter2",
    "pa\xc5\xbf\xc5\xbfword=hunter2",
    "api_key=\"0123456789",
    "client_secret: 0123456789",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "sk-0123456789abcdefghijABCDEFGHIJ0123456789abcdefgh",
};

static void secret_split_anywhere_does_not_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct buffer text;
        buffer_init(&text);
        buffer_format(&text, "It is %s, as I said.", secrets[i]);
        expect(buffer_span(&text));
        assert_true(redact_shows(buffer_span(&expected)));
        for (size_t cut = 1; cut < text.size; cut++) {
            buffer_reset(&released);
            redact_stream_add(&stream, redact, span_of(text.data, cut), &released);
            is_start_of_expected();
            redact_stream_add(&stream, redact, span_of(text.data + cut, text.size - cut),
                              &released);
            so_far(expected.data); /* the full stop ends whatever was begun */
            redact_stream_end(&stream, redact, &released);
            so_far(expected.data);
        }
        buffer_done(&text);
    }
}

static void private_key_over_many_pieces_is_one_word(void **state)
{
    int count = add("Here: ") + add("-----BEG") + add("IN RSA PRIVATE K") + add("EY-----\n");

    (void)state;
    for (int line = 0; line < 50; line++)
        count += add("MIIEpAIBAAKCAQEAabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\n");
    so_far("Here: ");
    count += add("-----END RSA") + add(" PRIVATE KEY----") + add("- and more.");
    assert_int_equal(count, 1);
    assert_true(redact_stream_held(&stream) == 0);
    so_far("Here: PRIVATE_KEY_REDACTED and more.");
}

static void what_follows_a_long_match_is_hardly_late(void **state)
{
    size_t held;

    (void)state;
    add(KEY_HEAD);
    for (int line = 0; line < 300; line++)
        add("MIIEpAIBAAKCAQEAabcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL\n");
    add(KEY_END);
    held = redact_stream_held(&stream);
    for (size_t late = 0; late <= held / REDACT_STREAM_PART; late++)
        add("x");
    assert_int_equal(redact_stream_held(&stream), 0);
    assert_memory_equal(released.data, "PRIVATE_KEY_REDACTEDxxx", 23);
}

static void rules_follow_each_other_over_pieces(void **state)
{
    (void)state;
    add("password=AKIA");
    add("IOSFODNN7EX");
    add("AMPLE and on");
    so_far("PASSWORD_REDACTED and on");
    buffer_reset(&released);
    add(" secret: Bea");
    add("rer ab");
    add("c pass");
    add("age");
    so_far(" SECRET_REDACTED passage");
}

static void what_begins_no_secret_is_released_at_once(void **state)
{
    (void)state;
    add("Hello, world! Here is what I found: ");
    so_far("Hello, world! Here is what I found: ");
    assert_int_equal(redact_stream_held(&stream), 0);
    add("The passw");
    so_far("Hello, world! Here is what I found: The ");
    add("ing car - ");
    so_far("Hello, world! Here is what I found: The passwing car - ");
}

static void cut_character_waits_for_its_rest(void **state)
{
    (void)state;
    add("f\xc3");
    so_far("f");
    add("\xbcr \xf0\x9f\x98");
    so_far("f\xc3\xbcr ");
    add("\x80!");
    so_far("f\xc3\xbcr \xf0\x9f\x98\x80!");
    add("\xe2\x82");
    add("x");
    so_far("f\xc3\xbcr \xf0\x9f\x98\x80!\xef\xbf\xbd\xef\xbf\xbdx");
    add("\xf0");
    redact_stream_end(&stream, redact, &released);
    so_far("f\xc3\xbcr \xf0\x9f\x98\x80!\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd");
}

static void stream_that_would_hold_too_much_ends_in_silence(void **state)
{
    struct buffer long_value;
    int count = 0;

    (void)state;
    buffer_init(&long_value);
    while (long_value.size < 1000)
        buffer_byte(&long_value, 'v');
    add("It is secret: ");
    for (int i = 0; i < 80; i++) {
        count += redact_stream_add(&stream, redact, buffer_span(&long_value), &released);
        assert_true(redact_stream_held(&stream) <= REDACT_STREAM_HELD);
    }
    so_far("It is " REDACT_FAILED);
    assert_int_equal(count, 1);
    assert_int_equal(redact_failures(redact), 1);
    assert_int_equal(add("vvv and the rest"), 0);
    redact_stream_fail(&stream, redact, &released);
    assert_int_equal(redact_stream_end(&stream, redact, &released), 0);
    so_far("It is " REDACT_FAILED);
    assert_int_equal(redact_failures(redact), 1);
    add("a new stream");
    so_far("It is " REDACT_FAILED "a new stream");
    buffer_done(&long_value);
}

static void stream_that_cannot_be_searched_ends_in_silence(void **state)
{
    (void)state;
    add("fine ");
    redact_set_limit(redact, 1);
    assert_int_equal(add(KEY_HEAD "abcdef" KEY_END), 1);
    assert_int_equal(add("more"), 0);
    so_far("fine " REDACT_FAILED);
    assert_int_equal(redact_failures(redact), 1);
}

/* Byte by byte, SIZE bytes of copies of UNIT behind HEAD: what takes quadratic time does not end
 * within the test's. */
static void stream_copies(const char *head, const char *unit, size_t size, bool jit)
{
    struct redact *one = redact_new(jit);
    size_t unit_size = strlen(unit);

    redact_stream_add(&stream, one, span_str(head), &released);
    for (size_t i = 0; i < size; i++) {
        redact_stream_add(&stream, one, span_of(unit + i % unit_size, 1), &released);
        if (released.size > 1000)
            buffer_reset(&released);
    }
    redact_stream_end(&stream, one, &released);
    buffer_reset(&released);
    redact_destroy(&one);
}

static void single_bytes_take_linear_time(void **state)
{
    static const char *const texts[][2] = {
        {"", "The quick brown fox jumps over the lazy dog. "},
        {KEY_HEAD, "MIIEpAIBAAKCAQEA\n"},
        {KEY_HEAD, "-----END PRIVATE KE"},
        {"-----BEGIN", "PRIVATE KEY "},
        {"password", " "},
        {"password:", "x"},
        {"Bearer ", "a"},
        {"", "password "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        stream_copies(texts[i][0], texts[i][1], 2u << 20, true);
        stream_copies(texts[i][0], texts[i][1], REDACT_STREAM_HELD, false);
    }
}

int main(void)
{
#define WITH_STREAM(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_STREAM(released_and_rest_are_what_the_whole_becomes),
        WITH_STREAM(secret_split_anywhere_does_not_pass),
        WITH_STREAM(private_key_over_many_pieces_is_one_word),
        WITH_STREAM(what_follows_a_long_match_is_hardly_late),
        WITH_STREAM(rules_follow_each_other_over_pieces),
        WITH_STREAM(what_begins_no_secret_is_released_at_once),
        WITH_STREAM(cut_character_waits_for_its_rest),
        WITH_STREAM(stream_that_would_hold_too_much_ends_in_silence),
        WITH_STREAM(stream_that_cannot_be_searched_ends_in_silence),
        WITH_STREAM(single_bytes_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
