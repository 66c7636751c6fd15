#include "adapters/jetstream/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"
#include "proto/jtext.h"

#define SECOND_NS INT64_C(1000000000)
#define FIELDS_MAX 16
#define ERR_DUPLICATE_IN_PROCESS 10158

static struct span data_of(natsMsg *message)
{
    int size = natsMsg_GetDataLength(message);
    return span_of(natsMsg_GetData(message), size > 0 ? (size_t)size : 0);
}

/* The object that an answer of the API is; an "error" in it, and a status, are told. */
static bool read_answer(natsMsg *message, struct span *ret_object, char ret_why[CONN_TEXT])
{
    struct span error, text;
    int64_t left;
    int status = api_status(message, &left);
    *ret_object = data_of(message);
    if (status == 503)
        snprintf(ret_why, CONN_TEXT, "no stream takes it, or JetStream is not enabled there");
    else if (status != 0)
        snprintf(ret_why, CONN_TEXT, "status %d", status);
    else if (jtext_check(*ret_object) != JTEXT_OBJECT)
        snprintf(ret_why, CONN_TEXT, "an answer that is no JSON object");
    else if (!jtext_find(*ret_object, "error", &error))
        return true;
    else if (jtext_type(error) != JTEXT_OBJECT || !jtext_find(error, "description", &text) ||
             jtext_copy(text, ret_why, CONN_TEXT) < 0)
        snprintf(ret_why, CONN_TEXT, "an error without a description");
    return false;
}

static int64_t integer_of(struct span object, const char *name)
{
    struct span number;
    int64_t value = 0;
    if (jtext_find(object, name, &number) && jtext_type(number) == JTEXT_NUMBER)
        (void)jtext_integer(number, &value);
    return value;
}

void api_read_stored(natsMsg *message, struct api_stored *ret_stored)
{
    struct span object, error;
    *ret_stored = (struct api_stored){.done = false};
    if (read_answer(message, &object, ret_stored->why)) {
        int64_t seq = integer_of(object, "seq");
        ret_stored->done = seq > 0;
        ret_stored->staged = !ret_stored->done;
        ret_stored->seq = seq > 0 ? (uint64_t)seq : 0;
    } else if (jtext_check(object) == JTEXT_OBJECT && jtext_find(object, "error", &error)) {
        ret_stored->staged = integer_of(error, "err_code") == ERR_DUPLICATE_IN_PROCESS;
    }
}

void api_id(const char *id, uint32_t doubts, char *ret_id, size_t room)
{
    if (doubts < API_DOUBTS)
        snprintf(ret_id, room, "%s", id);
    else
        snprintf(ret_id, room, "%s-%" PRIu32, id, doubts / API_DOUBTS + 1);
}

bool api_made(natsMsg *message, char ret_why[CONN_TEXT])
{
    struct span object;
    return read_answer(message, &object, ret_why);
}

bool api_pull(struct conn *conn, const char *stream, const char *consumer, uint32_t number,
              uint32_t count)
{
    char subject[API_SUBJECT], inbox[API_SUBJECT], text[128];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream, consumer);
    snprintf(inbox, sizeof inbox, "%s.p.%" PRIu32, conn_inbox(conn), number);
    snprintf(text, sizeof text, "{\"batch\":%" PRIu32 ",\"expires\":%" PRId64 "}", count,
             API_PULL_S * SECOND_NS);
    return conn_send_text(conn, subject, inbox, text);
}

int api_status(natsMsg *message, int64_t *ret_left)
{
    struct span status = conn_header(message, "Status");
    struct span left = conn_header(message, "Nats-Pending-Messages");
    *ret_left = left.size > 0 ? strtoll(left.data, NULL, 10) : -1;
    if (*ret_left < 0)
        *ret_left = -1;
    return status.size > 0 && natsMsg_GetDataLength(message) <= 0 ? atoi(status.data) : 0;
}

bool api_inbox(const struct conn *conn, const char *subject, char kind, uint64_t *ret_number)
{
    const char *inbox = conn_inbox(conn);
    size_t size = strlen(inbox);
    char *end;
    if (strncmp(subject, inbox, size) != 0 || subject[size] != '.' || subject[size + 1] != kind ||
        subject[size + 2] != '.')
        return false;
    *ret_number = strtoull(subject + size + 3, &end, 10);
    return *end == '\0';
}

/* $JS.ACK.<stream>.<consumer>.<delivered>.<seq>.<seq>.<time>.<pending>, and in newer servers with
 * <domain>.<account> before the stream. */
int64_t api_delivered(const char *reply)
{
    const char *field[FIELDS_MAX];
    size_t count = 0;
    if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0)
        return 0;
    for (const char *at = reply; at && count < FIELDS_MAX; at = strchr(at, '.')) {
        at += count > 0;
        field[count++] = at;
    }
    if (count < 9)
        return 0;
    int64_t delivered = strtoll(field[count == 9 ? 4 : 6], NULL, 10);
    return delivered > 0 ? delivered : 1;
}

void api_ack(struct conn *conn, const char *reply)
{
    (void)conn_send_text(conn, reply, NULL, "+ACK");
}

void api_progress(struct conn *conn, const char *reply)
{
    (void)conn_send_text(conn, reply, NULL, "+WPI");
}

void api_term(struct conn *conn, const char *reply)
{
    (void)conn_send_text(conn, reply, NULL, "+TERM");
}

void api_nak(struct conn *conn, const char *reply, int64_t delay_us)
{
    char text[64];
    snprintf(text, sizeof text, "-NAK {\"delay\":%" PRId64 "}", delay_us * 1000);
    (void)conn_send_text(conn, reply, NULL, text);
}

void api_delete(struct conn *conn, const char *stream, uint64_t seq)
{
    char subject[API_SUBJECT], text[64];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.MSG.DELETE.%s", stream);
    snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"no_erase\":true}", seq);
    (void)conn_send_text(conn, subject, NULL, text);
}

bool api_make_reply_consumer(struct conn *conn, const char *stream, const char *consumer,
                             const char *subject)
{
    char to[2 * API_SUBJECT], inbox[API_SUBJECT], text[1024];
    snprintf(to, sizeof to, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s", stream, consumer);
    snprintf(inbox, sizeof inbox, "%s.c.0", conn_inbox(conn));
    snprintf(text, sizeof text,
             "{\"stream_name\":\"%s\",\"config\":{\"durable_name\":\"%s\","
             "\"filter_subject\":\"%s\",\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\","
             "\"ack_wait\":%" PRId64 ",\"max_ack_pending\":%d,\"replay_policy\":\"instant\"}}",
             stream, consumer, subject, API_REPLY_WAIT_S * SECOND_NS, API_MAX_PENDING);
    return conn_send_text(conn, to, inbox, text);
}

void api_ask_ack_wait(struct conn *conn, const char *stream, uint32_t number)
{
    char subject[API_SUBJECT], inbox[API_SUBJECT];
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.INFO.%s." NAMES_CONSUMER, stream);
    snprintf(inbox, sizeof inbox, "%s.i.%" PRIu32, conn_inbox(conn), number);
    (void)conn_send_text(conn, subject, inbox, "");
}

int64_t api_read_ack_wait(natsMsg *message)
{
    char why[CONN_TEXT];
    struct span object, config, wait;
    int64_t wait_ns = 0;
    if (read_answer(message, &object, why) && jtext_find(object, "config", &config) &&
        jtext_type(config) == JTEXT_OBJECT && jtext_find(config, "ack_wait", &wait) &&
        jtext_type(wait) == JTEXT_NUMBER)
        (void)jtext_integer(wait, &wait_ns); /* else it stays 0 */
    return wait_ns / 1000;
}
