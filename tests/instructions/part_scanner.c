/* The scanner: a row is recognised as a query, what its worker receives is composed, the answer is
 * read, and the reply's text and metadata are composed. */
#include "proto/message.h"
#include "tests/instructions/part.h"

static struct buffer query, text, metadata, whole;

void part_prepare(void)
{
    buffer_init(&query);
    buffer_init(&text);
    buffer_init(&metadata);
    buffer_init(&whole);
}

static void hand_out(size_t id, const struct message_row *row, const struct message *message)
{
    const struct delivery delivery = {
        .message_id = (int64_t)id,
        .conversation_id = span_str(part_conversation(id)),
        .bridge = span_str("0123456789abcdef"),
        .service = span_str("default"),
        .from = span_str("a"),
        .attempt = 1,
        .deadline = span_str("2026-01-02T03:04:05.678901"),
        .token = span_str("1234.1.abcdefghijklmnopqrstuv"),
    };

    buffer_reset(&query);
    message_compose_query(row, message, &delivery, &query);
    part_need(query.size > QUERY_SIZE, "no query was composed");
}

static void take_answer(size_t id, const struct message *message)
{
    const struct reply_facts facts = {
        .message_id = (int64_t)id,
        .query = message,
        .service = span_str("default"),
        .worker = span_str(PART_WORKER),
        .attempt = 1,
        .took_us = 1234,
    };
    struct answer answer;

    answer_read(part_answer(), &answer);
    buffer_reset(&text);
    buffer_reset(&metadata);
    answer_compose(&answer, &facts, &text, &metadata, &whole);
    part_need(text.size > QUERY_SIZE && metadata.size > 0 && whole.size == 0,
              "no reply was composed");
}

void part_run(size_t queries)
{
    char stored[QUERY_SIZE + 1];

    for (size_t id = 1; id <= queries; id++) {
        const struct message_row row = {
            .text = part_query(id, stored), .text_is_text = true, .metadata_is_text = true};
        struct message message;
        message_read(&row, &message);
        part_need(message.kind == MESSAGE_QUERY, "a query is not read as one");
        hand_out(id, &row, &message);
        take_answer(id, &message);
    }
}

void part_end(void)
{
    buffer_done(&query);
    buffer_done(&text);
    buffer_done(&metadata);
    buffer_done(&whole);
}
