#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/jrewrite.h"
#include "proto/jtext.h"

/* Writes down what it is shown as name=text; and replaces each x. */
static int note(void *context, struct span name, struct span text, struct buffer *ret_text)
{
    struct buffer *seen = context;
    int count = 0;

    buffer_add(seen, name);
    buffer_byte(seen, '=');
    buffer_add(seen, text);
    buffer_byte(seen, ';');
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == 'x';
    for (size_t i = 0; count && i < text.size; i++)
        if (text.data[i] == 'x')
            buffer_text(ret_text, "\"\n");
        else
            buffer_byte(ret_text, text.data[i]);
    return count;
}

static void rewrites(const char *json, const char *seen, const char *expected, int count)
{
    struct buffer log, result;
    const struct rewriter rewriter = {note, &log};

    assert_int_not_equal(jtext_check(span_str(json)), JTEXT_INVALID);
    buffer_init(&log);
    buffer_init(&result);
    buffer_text(&result, "before ");
    assert_int_equal(jrewrite(span_str(json), &rewriter, &result), count);
    assert_string_equal(log.size ? log.data : "", seen);
    assert_string_equal(result.data + 7, count ? expected : "");
    buffer_done(&log);
    buffer_done(&result);
}

static void every_string_is_shown_once_with_its_name(void **state)
{
    (void)state;
    rewrites("\"a\"", "=a;", "", 0);
    rewrites("{\"n\":\"v\",\"m\":[\"e\",{\"o\" : \"w\"}],\"l\":1}", "=n;n=v;=m;=e;=o;o=w;=l;", "",
             0);
    rewrites("[ \"a\" , \"b\",[],{},\"\"]", "=a;=b;=;", "", 0);
    rewrites("{\"\":\"v\"}", "=;=v;", "", 0);
    rewrites("17", "", "", 0);
    rewrites("{}", "", "", 0);
}

static void escapes_are_decoded_before_they_are_shown(void **state)
{
    (void)state;
    rewrites("{\"\\u006e\\\"\":\"\\ud83d\\ude00\\n\"}", "=n\";n\"=\xf0\x9f\x98\x80\n;", "", 0);
    rewrites("[\"\\\\\",\"\\\\\\\"\"]", "=\\;=\\\";", "", 0);
}

static void only_what_changed_gets_new_bytes(void **state)
{
    (void)state;
    rewrites(" {\"a\" :\"\\u0061\", \"b\":\"x\" , \"c\":1.0e3}\n", "=a;a=a;=b;b=x;=c;",
             " {\"a\" :\"\\u0061\", \"b\":\"\\\"\\n\" , \"c\":1.0e3}\n", 1);
    rewrites("[\"xx\",\"x\"]", "=xx;=x;", "[\"\\\"\\n\\\"\\n\",\"\\\"\\n\"]", 3);
}

static void name_and_value_are_rewritten_each_for_itself(void **state)
{
    (void)state;
    rewrites("{\"x\":\"x\"}", "=x;x=x;", "{\"\\\"\\n\":\"\\\"\\n\"}", 2);
    rewrites("{\"x\":{\"x\":[]}}", "=x;=x;", "{\"\\\"\\n\":{\"\\\"\\n\":[]}}", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_string_is_shown_once_with_its_name),
        cmocka_unit_test(escapes_are_decoded_before_they_are_shown),
        cmocka_unit_test(only_what_changed_gets_new_bytes),
        cmocka_unit_test(name_and_value_are_rewritten_each_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
