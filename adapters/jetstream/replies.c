#include "adapters/jetstream/replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"

#define REST_US 1000000 /* before it is tried again, after it was refused */

void replies_init(struct replies *self, struct conn *conn, const char *prefix, struct span service)
{
    *self = (struct replies){.conn = conn, .prefix = prefix, .service = service};
    self->doubt = memory_zero(API_MAX_PENDING, sizeof *self->doubt);
    names_reply_stream(prefix, self->stream);
}

void replies_forget(struct replies *self)
{
    for (size_t i = 0; i < self->doubts; i++)
        free(self->doubt[i].reply);
    self->doubts = self->sent = 0;
}

void replies_done(struct replies *self)
{
    replies_forget(self);
    free(self->doubt);
    self->doubt = NULL;
}

void replies_of(struct replies *self, struct span bridge)
{
    char parts[NAMES_SIZE];
    if (span_is(bridge, self->bridge))
        return;
    snprintf(self->bridge, sizeof self->bridge, "%.*s", (int)bridge.size, bridge.data);
    self->made = false;
    self->asked_us = 0;
    names_reply_subject(self->prefix, self->bridge, self->service, self->subject);
    names_reply_consumer(self->bridge, self->service, self->consumer);
    names_part_subject(self->prefix, self->bridge, self->service, parts);
    conn_subscribe(self->conn, parts);
}

void replies_again(struct replies *self)
{
    self->pending = 0;
    self->asked_us = 0;
    self->rest_us = 0;
}

/* All but the last WAITING finals. */
static void mark_sent(struct replies *self, size_t waiting, int64_t now_us)
{
    size_t sent = self->doubts;
    while (sent > self->sent && waiting > 0)
        waiting -= self->doubt[--sent].final;
    for (; self->sent < sent; self->sent++)
        self->doubt[self->sent].sent_us = now_us;
}

static void settle(struct replies *self, int64_t now_us)
{
    size_t done = 0;
    while (done < self->sent && now_us - self->doubt[done].sent_us >= REPLIES_DOUBT_US) {
        api_ack(self->conn, self->doubt[done].reply);
        free(self->doubt[done].reply);
        done++;
    }
    self->doubts -= done;
    self->sent -= done;
    if (done > 0)
        memmove(self->doubt, self->doubt + done, self->doubts * sizeof *self->doubt);
}

void replies_run(struct replies *self, bool open, size_t waiting, int64_t now_us)
{
    if (!self->bridge[0] || !conn_is_up(self->conn))
        return;
    if (!self->made && (self->asked_us == 0 || now_us - self->asked_us > API_RESEND_US)) {
        if (api_make_reply_consumer(self->conn, self->stream, self->consumer, self->subject))
            self->asked_us = now_us;
    }
    mark_sent(self, waiting, now_us);
    if (!self->made || !open)
        return;
    settle(self, now_us);
    /* A pull that ended without a word: with the server that had it. */
    if (now_us - self->pulled_us > API_PULL_LOST_US)
        self->pending = 0;
    int64_t more = REPLIES_AT_ONCE - self->pending;
    if (now_us < self->rest_us || more < REPLIES_AT_ONCE / 2 ||
        self->doubts + REPLIES_AT_ONCE > API_MAX_PENDING)
        return;
    if (api_pull(self->conn, self->stream, self->consumer, ++self->number, (uint32_t)more)) {
        self->pending += more;
        self->pulled_us = now_us;
        conn_expect(self->conn, now_us);
    }
}

void replies_take_status(struct replies *self, natsMsg *message, int64_t now_us,
                         char ret_why[CONN_TEXT])
{
    uint64_t number;
    int64_t left;
    int status = api_status(message, &left);
    ret_why[0] = '\0';
    if (api_inbox(self->conn, natsMsg_GetSubject(message), 'c', &number)) {
        self->made = api_made(message, ret_why);
        if (self->made || self->missed)
            ret_why[0] = '\0';
        self->missed = !self->made;
        self->asked_us = now_us - API_RESEND_US + REST_US;
        return;
    }
    if (status == 0)
        return;
    self->pending = left < 0 || left > self->pending ? 0 : self->pending - left;
    if (status == 408 || status == 404)
        return;
    self->rest_us = now_us + REST_US;
    struct span more = conn_header(message, "Description");
    self->made = status != 503 && (more.size == 0 || !strstr(more.data, "Deleted"));
    self->asked_us = now_us - API_RESEND_US + REST_US; /* asked anew, after a while */
}

bool replies_is_ours(struct replies *self, natsMsg *message)
{
    if (strcmp(natsMsg_GetSubject(message), self->subject) != 0 ||
        api_delivered(natsMsg_GetReply(message)) == 0)
        return false;
    if (self->pending > 0)
        self->pending--;
    return true;
}

void replies_handed(struct replies *self, natsMsg *message, bool final)
{
    if (self->doubts == API_MAX_PENDING)
        return; /* it comes again */
    self->doubt[self->doubts++] = (struct replies_doubt){
        .reply = memory_text(span_str(natsMsg_GetReply(message))), .final = final};
}
