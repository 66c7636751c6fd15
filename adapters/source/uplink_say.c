/* What a relay's link says: READY and beats, answers and parts, failures. */
#include <stdlib.h>

#include "adapters/source/uplink_inside.h"
#include "proto/jtext.h"
#include "proto/mdp.h"
#include "proto/pack.h"

int64_t uplink_interval_us(const struct uplink *self)
{
    return (int64_t)self->setup.interval_ms * 1000;
}

static int send_command(struct uplink *self, const struct mdp_message *message)
{
    struct span frame[MDP_FRAMES_MAX];
    return frameset_send(self->dial.socket, frame, mdp_write(MDP_02, message, frame));
}

void uplink_say_disconnect(struct uplink *self)
{
    const struct mdp_message message = {.command = MDP_DISCONNECT};
    if (self->dial.state == DIAL_UP && self->registered)
        (void)send_command(self, &message); /* a full queue: its silence will tell them */
    self->registered = false;
}

/* The token in an address. */
static struct span token_in(struct span address)
{
    static const char *const suffix[] = {TOKEN_VIA, TOKEN_RAW};
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(suffix[i]);
        if (address.size > size && memcmp(address.data + address.size - size, suffix[i], size) == 0)
            address.size -= size;
    }
    return address;
}

/* What is worked on comes first, then what is to follow at once. */
static void write_holding(const struct uplink *self, struct buffer *ret_json)
{
    struct span token[LIMIT_SLOTS];
    size_t count = 0, kept;
    for (size_t i = 0; i < self->outs.count && count < LIMIT_SLOTS; i++)
        token[count++] = out_token(&self->outs.out[i]);
    for (size_t i = 0; i < self->ends.count && count < LIMIT_SLOTS; i++)
        token[count++] = letterbox_at(&self->ends, i)->token;
    kept = outbox_tokens(&self->answers, token + count, LIMIT_SLOTS - count);
    for (size_t i = count; i < count + kept; i++)
        token[i] = token_in(token[i]);
    buffer_byte(ret_json, '[');
    for (size_t i = 0; i < count + kept; i++) {
        if (i > 0)
            buffer_byte(ret_json, ',');
        jtext_quote(ret_json, token[i]);
    }
    buffer_byte(ret_json, ']');
}

int uplink_say_ready(struct uplink *self, int64_t now_us)
{
    struct buffer options, holding;
    buffer_init(&options);
    buffer_init(&holding);
    write_holding(self, &holding);
    buffer_byte(&options, '{');
    jtext_member(&options, "name", span_str(self->setup.name));
    jtext_member_integer(&options, "slots", self->slots);
    jtext_member_raw(&options, "heartbeats", span_str("true"));
    jtext_member_integer(&options, "interval", self->setup.interval_ms);
    jtext_member(&options, "format", span_str("relay"));
    jtext_member_raw(&options, "relay", buffer_span(self->setup.relays));
    if (holding.size > 2)
        jtext_member_raw(&options, "holding", buffer_span(&holding));
    buffer_byte(&options, '}');
    struct mdp_message message = {
        .command = MDP_READY, .service = span_str(self->service), .options = buffer_span(&options)};
    int code = send_command(self, &message);
    buffer_done(&options);
    buffer_done(&holding);
    if (code != 0)
        return code;
    self->registered = true;
    self->again = self->relays = self->heard = false;
    self->said = self->slots;
    self->beat_us = now_us + uplink_interval_us(self);
    self->silence_us = now_us + UPLINK_BEATS_MISSED * uplink_interval_us(self);
    return 0;
}

void uplink_beat(struct uplink *self, int64_t now_us)
{
    static const char command = MDP_HEARTBEAT;
    bool changed = self->said != self->slots || self->relays;
    struct buffer json;
    if (!self->registered || (now_us < self->beat_us && !changed))
        return;
    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member_integer(&json, "slots", self->slots);
    if (self->relays)
        jtext_member_raw(&json, "relay", buffer_span(self->setup.relays));
    buffer_byte(&json, '}');
    const struct span frame[] = {span_str(MDP_WORKER_02), span_of(&command, 1), buffer_span(&json)};
    /* A full queue means that they take nothing: their silence will end the link. */
    (void)frameset_send(self->dial.socket, frame, changed ? 3 : 2);
    buffer_done(&json);
    self->said = self->slots;
    self->relays = false;
    outbox_forget(&self->answers, now_us);
    self->beat_us = now_us + uplink_interval_us(self);
}

/* What is said of a query: its address, and the frames packed. */

struct saying {
    char address[TOKEN_SIZE + sizeof TOKEN_RAW + sizeof TOKEN_VIA];
    size_t size;
    struct buffer body;
};

static void saying_make(struct saying *ret_saying, const struct source_answer *answer)
{
    struct span frame[LIMIT_BODY_FRAMES + 1];
    size_t count = 0;
    ret_saying->size = (size_t)snprintf(
        ret_saying->address, sizeof ret_saying->address, "%.*s%s%s", (int)answer->token.size,
        answer->token.data, answer->raw ? TOKEN_RAW : "", answer->via.size ? TOKEN_VIA : "");
    if (answer->via.size)
        frame[count++] = answer->via;
    for (size_t i = 0; i < answer->frames && i < LIMIT_BODY_FRAMES; i++)
        frame[count++] = answer->frame[i];
    buffer_init(&ret_saying->body);
    pack_write(frame, count, &ret_saying->body);
}

size_t uplink_final(struct uplink *self, const struct source_answer *answer)
{
    struct saying saying;
    saying_make(&saying, answer);
    size_t lost =
        outbox_put(&self->answers, span_of(saying.address, saying.size), buffer_span(&saying.body));
    buffer_done(&saying.body);
    outs_remove(&self->outs, answer->token);
    return lost;
}

void uplink_partial(struct uplink *self, const struct source_answer *answer)
{
    struct out *out = outs_find(&self->outs, answer->token);
    struct saying saying;
    if (!self->registered || self->parts.count == self->parts.room)
        return;
    if (out)
        out->over_us = 0; /* it may be prolonged: from now on only their word counts */
    saying_make(&saying, answer);
    letterbox_put(&self->parts, span_of(saying.address, saying.size), buffer_span(&saying.body));
    self->part_bytes += saying.body.size;
    buffer_done(&saying.body);
}

void uplink_fail(struct uplink *self, struct span token, struct span reason, bool retry,
                 bool returned)
{
    struct buffer json, packed;
    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member(&json, "type", span_str(returned ? "return" : "error"));
    jtext_member(&json, "error", reason);
    if (!returned)
        jtext_member_raw(&json, "retry", span_str(retry ? "true" : "false"));
    buffer_byte(&json, '}');
    struct span body = buffer_span(&json);
    buffer_init(&packed);
    pack_write(&body, 1, &packed);
    if (self->registered && uplink_has(self, token))
        letterbox_put(&self->ends, token, buffer_span(&packed));
    buffer_done(&packed);
    buffer_done(&json);
    outs_remove(&self->outs, token);
}

/* Handing over. */

static int send_letter(struct uplink *self, enum mdp_command command, const struct letter *letter)
{
    struct span frame[LIMIT_BODY_FRAMES + 1];
    struct mdp_message message = {.command = command, .address = letter->token, .body = frame};
    if (pack_read(letter->text, frame, LIMIT_BODY_FRAMES + 1, &message.body_count) < 0)
        return 0; /* cannot be: we have packed it */
    return send_command(self, &message);
}

/* True when answers may go out: registered, or not about to be. */
bool uplink_sending(const struct uplink *self)
{
    return self->dial.state == DIAL_UP && (self->slots == 0 || self->registered);
}

/* Hands over what is kept, oldest first and the parts before the ends and answers. */
void uplink_flush(struct uplink *self, int64_t now_us)
{
    const struct letter *letter;
    while (self->registered && (letter = letterbox_first(&self->parts))) {
        if (send_letter(self, MDP_PARTIAL, letter) != 0)
            return;
        self->part_bytes -= letter->text.size;
        letterbox_drop(&self->parts);
    }
    while (self->registered && (letter = letterbox_first(&self->ends))) {
        if (send_letter(self, MDP_FINAL, letter) != 0)
            return;
        letterbox_drop(&self->ends);
    }
    while (uplink_sending(self) && (letter = outbox_first(&self->answers))) {
        if (send_letter(self, MDP_FINAL, letter) != 0)
            return;
        outbox_handed(&self->answers, now_us);
    }
}
