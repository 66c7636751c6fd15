#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* WIRE.md is what strangers write their workers from: what it quotes must be what the code says. */
#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/limits.h"
#include "proto/message.h"

static char *wire; /* the document */

static int setup(void **state)
{
    (void)state;
    struct buffer text;
    char block[4096];
    size_t size;
    FILE *file = fopen(TAILGATE_PROTO "/WIRE.md", "r");
    if (!file)
        return -1;
    buffer_init(&text);
    while ((size = fread(block, 1, sizeof block, file)) > 0)
        buffer_add(&text, span_of(block, size));
    fclose(file);
    wire = text.data;
    return wire ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(wire);
    return 0;
}

static void every_kind_of_message_stands_in_the_document(void **state)
{
    (void)state;
    for (int i = 0; i < MESSAGE_KINDS; i++) {
        char quoted[40];
        snprintf(quoted, sizeof quoted, "`%s`", message_kind_name((enum message_kind)i));
        if (!strstr(wire, quoted))
            fail_msg("WIRE.md does not have %s", quoted);
    }
}

static void every_limit_stands_in_the_document_with_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned long number;
    } limits[] = {
        {"LIMIT_FRAME_SIZE", LIMIT_FRAME_SIZE},
        {"LIMIT_FRAMES", LIMIT_FRAMES},
        {"LIMIT_SUBMIT_SIZE", LIMIT_SUBMIT_SIZE},
        {"LIMIT_QUESTION_CHARS", LIMIT_QUESTION_CHARS},
        {"LIMIT_SUBMIT_QUERY_ID", LIMIT_SUBMIT_QUERY_ID},
        {"LIMIT_SUBMIT_KEY", LIMIT_SUBMIT_KEY},
        {"LIMIT_SUBMIT_KEY_S", LIMIT_SUBMIT_KEY_S},
        {"LIMIT_SUBMIT_HELD", LIMIT_SUBMIT_HELD},
        {"LIMIT_LOOKUPS", LIMIT_LOOKUPS},
        {"LIMIT_ENVELOPE_SIZE", LIMIT_ENVELOPE_SIZE},
        {"LIMIT_SERVICE", LIMIT_SERVICE},
        {"LIMIT_WORKER_NAME", LIMIT_WORKER_NAME},
        {"LIMIT_OPTIONS_SIZE", LIMIT_OPTIONS_SIZE},
        {"LIMIT_JSON_DEPTH", LIMIT_JSON_DEPTH},
        {"LIMIT_JSON_NUMBER", LIMIT_JSON_NUMBER},
        {"LIMIT_REASON", LIMIT_REASON},
        {"LIMIT_SLOTS", LIMIT_SLOTS},
        {"LIMIT_WORKERS", LIMIT_WORKERS},
        {"LIMIT_SERVICES", LIMIT_SERVICES},
        {"LIMIT_REPLY_CHARS", LIMIT_REPLY_CHARS},
        {"LIMIT_QUERY_ID", LIMIT_QUERY_ID},
        {"LIMIT_BODY_FRAMES", LIMIT_BODY_FRAMES},
        {"LIMIT_BODY_IN_ROW", LIMIT_BODY_IN_ROW},
        {"LIMIT_REQUEST_SIZE", LIMIT_REQUEST_SIZE},
        {"LIMIT_CLIENTS", LIMIT_CLIENTS},
        {"LIMIT_REQUESTS", LIMIT_REQUESTS},
        {"LIMIT_CLIENT_WAITING", LIMIT_CLIENT_WAITING},
        {"LIMIT_CLIENT_BYTES", LIMIT_CLIENT_BYTES},
        {"LIMIT_CLIENTS_BYTES", LIMIT_CLIENTS_BYTES},
        {"LIMIT_TOPIC", LIMIT_TOPIC},
        {"LIMIT_EVENT_TEXT", LIMIT_EVENT_TEXT},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        char row[80];
        snprintf(row, sizeof row, "| `%s` | %lu ", limits[i].name, limits[i].number);
        if (!strstr(wire, row))
            fail_msg("WIRE.md does not have a row %s", row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_message_stands_in_the_document),
        cmocka_unit_test(every_limit_stands_in_the_document_with_its_number),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
