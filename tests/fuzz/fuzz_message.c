/* What a row and a worker say: any byte string, cut at its first two 0xfe bytes into message,
 * metadata and answer (0xfe never stands in UTF-8). Whatever they are, what a worker receives and
 * what is committed is what the bridge's Python programs can read. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/message.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static struct span take_part(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size ? memchr(*data, 0xfe, *size) : NULL;
    size_t length = end ? (size_t)(end - *data) : *size;
    struct span part = span_of(*data, length);
    *data += length + (end ? 1 : 0);
    *size -= length + (end ? 1 : 0);
    return part;
}

static void check_object(const struct buffer *json)
{
    struct span text = buffer_span(json);
    check(jtext_check(text) == JTEXT_OBJECT);
    check(utf8_valid(text) && !memchr(text.data, 0, text.size));
}

static void check_query(const struct message_row *row, const struct message *message)
{
    const struct delivery delivery = {.message_id = 17,
                                      .conversation_id = row->metadata,
                                      .bridge = span_str("00112233445566ff"),
                                      .service = span_str("s"),
                                      .from = row->text,
                                      .attempt = 1,
                                      .deadline = span_str("2026-11-21T01:00:00"),
                                      .token = span_str("t")};
    struct buffer json;
    struct span value, id;
    int64_t number = 0;

    buffer_init(&json);
    message_compose_query(row, message, &delivery, &json);
    check_object(&json);
    check(!memchr(json.data, '\n', json.size) && !memchr(json.data, '\r', json.size));
    check(jtext_find(buffer_span(&json), "type", &value) && jtext_is(value, "query"));
    check(jtext_find(buffer_span(&json), "delivery", &value));
    check(jtext_find(value, "message_id", &id) && jtext_integer(id, &number) == 0 && number == 17);
    buffer_done(&json);
}

static void check_reply(const struct message *query, const struct answer *answer)
{
    const struct reply_facts facts = {.message_id = 17,
                                      .query = query,
                                      .service = span_str(query->service),
                                      .worker = span_str("w\xff"),
                                      .attempt = 1,
                                      .took_us = 1500};
    struct buffer text, metadata, whole;

    buffer_init(&text);
    buffer_init(&metadata);
    buffer_init(&whole);
    if (answer->kind == ANSWER_ERROR || answer->kind == ANSWER_RETURN) {
        struct buffer reason;
        buffer_init(&reason);
        answer_reason(answer, NULL, &reason);
        check(reason.size > 0 && reason.size <= LIMIT_REASON && utf8_valid(buffer_span(&reason)));
        dead_compose(buffer_span(&reason), &facts, &text, &metadata);
        buffer_done(&reason);
        check_object(&text);
    } else {
        answer_compose(answer, &facts, &text, &metadata, &whole);
        check(utf8_valid(buffer_span(&text)));
        check(text.size == 0 || !memchr(text.data, 0, text.size));
        if (query->kind == MESSAGE_QUERY)
            check_object(&text);
    }
    check_object(&metadata);
    buffer_done(&text);
    buffer_done(&metadata);
    buffer_done(&whole);
}

/* Members picked while TEXT is checked are those that are picked afterwards. */
static void check_picked(struct span text)
{
    struct span value[4] = {0};
    const struct jtext_wanted first[] = {{"type", &value[0]}, {"gate", &value[1]}};
    const struct jtext_wanted second[] = {{"type", &value[2]}, {"gate", &value[3]}};
    enum jtext_type type = jtext_check(text);

    check(jtext_check_pick(text, first, 2) == type);
    if (type == JTEXT_OBJECT)
        jtext_pick(text, second, 2);
    for (size_t i = 0; i < 2 && type != JTEXT_INVALID; i++)
        check(value[i].data == value[i + 2].data && value[i].size == value[i + 2].size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_row row = {.text_is_text = true, .metadata_is_text = true};
    struct message message;
    struct answer answer;
    struct buffer repaired;

    row.text = take_part(&data, &size);
    row.metadata = take_part(&data, &size);
    check_picked(row.text);
    check_picked(row.metadata);
    message_read(&row, &message);
    check(message.service[0] == '\0' || message_service_ok(span_str(message.service)));
    check(message_kind_name(message.kind) != NULL);
    check(message.request || (message.body == BODY_TEXT && !message.ticket && !message.majordomo));
    if (!message_is_query(message.kind))
        return 0;
    check_query(&row, &message);

    struct span body = span_of(data, size);
    answer_read(body, &answer);
    check_reply(&message, &answer);
    buffer_init(&repaired);
    utf8_repair(&repaired, body);
    answer_read(buffer_span(&repaired), &answer);
    check_reply(&message, &answer);
    buffer_done(&repaired);
    return 0;
}
