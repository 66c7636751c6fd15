#include "gateway/row_event.h"

#include <stdlib.h>

#include "proto/jtext.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

#define KEPT_ROOM (1u << 20) /* storage kept from one row to the next */
#define SECRET_MIN 8         /* bytes of the shortest text that a rule matches: "secret=x" */
#define WRAPPED 2 /* objects around metadata where a row is told: what is deeper cannot be read */
#define LONGEST_SECONDS 1000000000. /* that a reply's metadata is believed to have taken */

void row_event_init(struct row_event *self)
{
    memset(self, 0, sizeof *self);
}

void row_event_done(struct row_event *self)
{
    buffer_done(&self->repaired);
    buffer_done(&self->text);
    buffer_done(&self->metadata);
    for (size_t i = 0; i < sizeof self->names / sizeof self->names[0]; i++)
        buffer_done(&self->names[i]);
}

/* Seconds as JSON has them, in microseconds; -1: it is none. */
static int64_t read_seconds(struct span value)
{
    char text[40];
    double seconds;

    if (value.size == 0 || value.size >= sizeof text || jtext_type(value) != JTEXT_NUMBER)
        return -1;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    seconds = strtod(text, NULL);
    return seconds >= 0 && seconds < LONGEST_SECONDS ? (int64_t)(seconds * 1e6 + 0.5) : -1;
}

static int64_t read_count(struct span value)
{
    int64_t number;

    return value.size && jtext_integer(value, &number) == 0 && number >= 0 ? number : -1;
}

/* What METADATA, a JSON object, says of a reply. */
static void read_reply(struct row_event *self, struct span metadata)
{
    struct span reply_to = {0}, took = {0}, worker = {0}, attempt = {0}, dead = {0};
    const struct jtext_wanted wanted[] = {{"in_reply_to", &reply_to},
                                          {"response_time_sec", &took},
                                          {"worker", &worker},
                                          {"attempt", &attempt},
                                          {"dead", &dead}};
    int size = -1;

    jtext_pick(metadata, wanted, sizeof wanted / sizeof wanted[0]);
    self->event.in_reply_to = read_count(reply_to);
    self->event.took_us = read_seconds(took);
    self->event.attempt = read_count(attempt);
    self->event.dead = span_is(dead, "true");
    if (worker.size)
        size = jtext_copy(worker, self->worker_read, sizeof self->worker_read);
    self->event.worker = span_of(self->worker_read, size > 0 ? (size_t)size : 0);
}

enum topic_kind row_event_read(struct row_event *self, const struct tail_row *row)
{
    struct event_row *event = &self->event;
    bool has_metadata;

    message_read(&row->columns, &self->message);
    has_metadata = row->columns.metadata.size > 0 && row->columns.metadata_is_text &&
                   !self->message.metadata_odd;
    *event = (struct event_row){.id = row->id, .in_reply_to = -1, .attempt = -1, .took_us = -1};
    if (has_metadata)
        read_reply(self, row->columns.metadata);
    event->conversation_id = row->conversation_id;
    event->form = message_kind_name(self->message.kind);
    event->size = (int64_t)row->columns.text.size;
    event->service = span_str(self->message.service);
    if (message_is_query(self->message.kind)) {
        event->kind = TOPIC_QUERY;
        event->service = message_service_of(&self->message, row->role);
        event->in_reply_to = event->attempt = event->took_us = -1;
        event->worker = span_str("");
        event->dead = false;
    } else if (self->message.kind == MESSAGE_RESPONSE || event->in_reply_to >= 0) {
        event->kind = TOPIC_RESPONSE;
    } else {
        event->kind = TOPIC_MESSAGE;
    }
    return event->kind;
}

static void reset(struct buffer *buffer)
{
    if (buffer->room > KEPT_ROOM)
        buffer_done(buffer);
    buffer_reset(buffer);
}

/* A name as it may be told, in STORAGE where that is something else. (What is not UTF-8 is left out
 * by redact_text(), because it cannot be searched.) */
static struct span redact_name(struct redact *redact, struct span name, struct buffer *storage)
{
    buffer_reset(storage);
    if (name.size < SECRET_MIN)
        return name;
    return redact_text(redact, name, storage) > 0 ? buffer_span(storage) : name;
}

/* TEXT of the row, searched. */
static struct span redact_body(struct row_event *self, struct redact *redact,
                               const struct message_row *row)
{
    struct span text = row->text;
    enum jtext_type type;
    int replaced;

    reset(&self->repaired);
    reset(&self->text);
    if (!row->text_is_text || !utf8_valid(text)) {
        utf8_repair(&self->repaired, text);
        text = buffer_span(&self->repaired);
    }
    type = jtext_check(text);
    replaced = type == JTEXT_OBJECT || type == JTEXT_ARRAY || type == JTEXT_STRING
                   ? redact_json(redact, text, &self->text)
                   : redact_text(redact, text, &self->text);
    return replaced > 0 ? buffer_span(&self->text) : text;
}

static void make_text(struct row_event *self, struct redact *redact, const struct message_row *row,
                      bool bodies)
{
    struct event_row *event = &self->event;
    struct span text;

    event->truncated = row->text.size > LIMIT_EVENT_ROW;
    if (event->truncated)
        return;
    text = redact_body(self, redact, row);
    body_hash(text, event->hash);
    if (!bodies)
        return;
    event->text = utf8_cut_chars(text, LIMIT_REPLY_CHARS);
    event->truncated = event->text.size < text.size;
}

static void make_metadata(struct row_event *self, struct redact *redact, struct span metadata)
{
    reset(&self->metadata);
    if (metadata.size > LIMIT_EVENT_ROW)
        return;
    self->event.metadata = redact_json(redact, metadata, &self->metadata) > 0
                               ? buffer_span(&self->metadata)
                               : metadata;
}

void row_event_make(struct row_event *self, struct redact *redact, const struct tail_row *row,
                    bool bodies)
{
    struct event_row *event = &self->event;
    const struct message_row *columns = &row->columns;
    int64_t utc_us;

    event->bodies = bodies;
    event->from = redact_name(redact, row->from_session, &self->names[0]);
    event->to = redact_name(redact, row->to_session, &self->names[1]);
    event->service = redact_name(redact, event->service, &self->names[2]);
    event->worker = redact_name(redact, event->worker, &self->names[3]);
    event->principal = row->principal;
    event->name = row->sender;
    event->timestamp = row->timestamp;
    if (stamp_parse(row->timestamp, &utc_us) < 0)
        event->timestamp = redact_name(redact, row->timestamp, &self->names[4]);
    make_text(self, redact, columns, bodies);
    if (bodies && columns->metadata.size > 0 && columns->metadata_is_text &&
        !self->message.metadata_odd &&
        jtext_check_depth(columns->metadata, LIMIT_JSON_DEPTH - WRAPPED) == JTEXT_OBJECT)
        make_metadata(self, redact, columns->metadata);
}
