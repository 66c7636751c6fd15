/* Hosts, origins, media types, rates and addresses that requests and people say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/http/listen.h"
#include "gateway/http_guard.h"
#include "gateway/http_limits.h"

static void host_of_this_computer_is_let_in_and_no_other(void **state)
{
    static const char *const own[] = {"localhost",  "localhost:80", "LocalHost:1",
                                      "127.0.0.1",  "127.1.2.3:9",  "[::1]",
                                      "[::1]:8080", "192.0.2.7:80", "192.0.2.7"};
    static const char *const other[] = {
        "",
        ":80",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1:80:80",
        "127.0.0.1:x",
        "0.0.0.0",
        "[::1",
        "[::1]x",
        "[::1]80",
        "[::2]",
        "localhost ",
        " localhost",
        "localhost,evil.example",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "user@localhost",
        "192.0.2.70",
        "::",
    };

    (void)state;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_true(http_guard_host(span_str(own[i]), "192.0.2.7"));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(http_guard_host(span_str(other[i]), "192.0.2.7"));
    assert_false(http_guard_host(span_str(""), ""));
}

static void origin_is_ours_when_it_is_the_host_that_was_asked(void **state)
{
    const struct span host = span_str("localhost:8080");

    (void)state;
    assert_true(http_guard_origin(span_str("http://localhost:8080"), host));
    assert_true(http_guard_origin(span_str("https://LOCALHOST:8080"), host));
    assert_false(http_guard_origin(span_str("http://localhost"), host));
    assert_false(http_guard_origin(span_str("http://localhost:80800"), host));
    assert_false(http_guard_origin(span_str("http://evil.example"), host));
    assert_false(http_guard_origin(span_str("ftp://localhost:8080"), host));
    assert_false(http_guard_origin(span_str("null"), host));
    assert_false(http_guard_origin(span_str("http://"), span_str("")));
}

static void json_is_json_with_or_without_parameters(void **state)
{
    (void)state;
    assert_true(http_guard_json(span_str("application/json")));
    assert_true(http_guard_json(span_str("Application/JSON; charset=utf-8")));
    assert_false(http_guard_json(span_str("")));
    assert_false(http_guard_json(span_str("text/plain")));
    assert_false(http_guard_json(span_str("application/jsonx")));
    assert_false(http_guard_json(span_str("text/plain; application/json")));
}

static void rates_are_three_numbers(void **state)
{
    static const char *const bad[] = {
        "",       "1",      "1/2",    "1/2/", "1/2/3/",      "1/2/3 ",
        " 1/2/3", "-1/2/3", "+1/2/3", "1//3", "1000001/1/1", "99999999999999999999999/1/1",
        "a/b/c"};
    struct http_limits limits = {.per_minute = 7};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(http_limits_read(bad[i], &limits), -1);
    assert_int_equal(limits.per_minute, 7);
    assert_int_equal(http_limits_read("0/20/1000000", &limits), 0);
    assert_int_equal(limits.per_minute, 0);
    assert_int_equal(limits.per_hour, 20);
    assert_int_equal(limits.per_day, 1000000);
}

static void addresses_are_numeric_and_tell_how_far_they_reach(void **state)
{
    static const struct {
        const char *text, *host;
        enum listen_kind kind;
    } good[] = {
        {"127.0.0.1:80", "127.0.0.1", LISTEN_LOOPBACK},
        {"localhost:0", "127.0.0.1", LISTEN_LOOPBACK},
        {"127.9.9.9:65535", "127.9.9.9", LISTEN_LOOPBACK},
        {"[::1]:1", "::1", LISTEN_LOOPBACK},
        {"0.0.0.0:80", "0.0.0.0", LISTEN_OFF_HOST},
        {"[::]:80", "::", LISTEN_OFF_HOST},
        {"192.0.2.1:80", "192.0.2.1", LISTEN_OFF_HOST},
        {"[2001:db8::1]:80", "2001:db8::1", LISTEN_OFF_HOST},
        {"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", LISTEN_OFF_HOST},
        {"unix:/x y", "", LISTEN_UNIX},
    };
    static const char *const bad[] = {
        "",
        "80",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:123456",
        "127.0.0.1:-1",
        "127.0.0.1:8o",
        "::1:80",
        "[::1]",
        "[]:80",
        "[127.0.0.1]:80",
        "example.org:80",
        "*:80",
        "unix:",
        "http://127.0.0.1:80",
        "unix:/"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
        "56789012345678901234567",
    };
    struct listen_address address;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(listen_read(good[i].text, &address), 0);
        assert_string_equal(address.host, good[i].host);
        assert_int_equal(address.kind, good[i].kind);
    }
    assert_string_equal(address.path, "/x y");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(listen_read(bad[i], &address), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_of_this_computer_is_let_in_and_no_other),
        cmocka_unit_test(origin_is_ours_when_it_is_the_host_that_was_asked),
        cmocka_unit_test(json_is_json_with_or_without_parameters),
        cmocka_unit_test(rates_are_three_numbers),
        cmocka_unit_test(addresses_are_numeric_and_tell_how_far_they_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
