/* A worker registers, and says what it still works on. */
#include <stdlib.h>

#include "gateway/builtin.h"
#include "gateway/log.h"
#include "gateway/sender.h"

/* Of rows that one READY may have read and hashed: it may name as many as it has slots. */
#define HOLD_BYTES (64u << 20)

/* What a READY holds, and the texts that its rows were read into. */
struct hold {
    struct holding *holding;
    size_t count;
    size_t bytes;        /* of the rows that were read */
    struct buffer texts; /* service and conversation id of each row, one after the other */
};

static void hold_done(struct hold *hold)
{
    free(hold->holding);
    buffer_done(&hold->texts);
}

/* Appends TEXT to the texts; the span is put right when all of them stand there (place()). */
static struct span keep(struct hold *hold, struct span text)
{
    buffer_add(&hold->texts, text);
    return span_of(NULL, text.size);
}

/* The texts do not move any more: the spans get their bytes. */
static void place(struct hold *hold)
{
    const char *at = hold->texts.data;

    for (size_t i = 0; i < hold->count; i++) {
        struct answered_row *row = &hold->holding[i].row;
        row->service.data = at;
        at += row->service.size;
        row->conversation_id.data = at;
        at += row->conversation_id.size;
    }
}

static bool is_there(const struct hold *hold, int64_t id)
{
    for (size_t i = 0; i < hold->count; i++)
        if (hold->holding[i].token.message_id == id)
            return true;
    return false;
}

/* Reads the row of TOKEN. Returns false when it cannot be read just now. */
static bool read_row(struct server *self, const struct token *token, struct hold *hold)
{
    struct holding *holding = &hold->holding[hold->count];
    struct message message;
    struct tail_row row;
    int error = tail_load(self->tail, token->message_id, &row);

    if (error == BRIDGE_ABSENT)
        return true;
    if (!intake_could_read(self, error))
        return false;
    hold->bytes += row.columns.text.size;
    message_read(&row.columns, &message);
    holding->token = *token;
    holding->row.found = true;
    holding->row.read = row.read;
    token_digest(row.conversation_id, row.columns.text, &holding->row.digest);
    holding->row.service = keep(hold, intake_service(&row, &message));
    holding->row.conversation_id = keep(hold, row.conversation_id);
    hold->count++;
    tail_unload(self->tail);
    return true;
}

static bool read_hold(struct server *self, struct span list, size_t most, struct hold *hold)
{
    struct token token;

    hold->holding = memory_zero(most, sizeof *hold->holding);
    while (hold->count < most && hold->bytes < HOLD_BYTES && options_holding(&list, &token))
        if (!is_there(hold, token.message_id) && !read_row(self, &token, hold))
            return false;
    place(hold);
    return true;
}

/* How many tokens of what PEER holds are read: what it has on this connection it may keep, be that
 * more than its slots. */
static size_t most_held(const struct server *self, const struct peer *peer,
                        const struct worker_options *options)
{
    const struct worker *worker = dispatch_worker(self->dispatch, peer);

    return worker && worker->in_flight > options->slots ? worker->in_flight : options->slots;
}

static void refuse(struct server *self, int64_t now_us, const struct peer *peer,
                   enum worker_protocol protocol, const struct envelope *envelope,
                   const char *reason)
{
    if (!worker_is_majordomo(protocol) && !dispatch_worker(self->dispatch, peer)) {
        self->stats.count[STAT_BAD_FRAMES]++;
        door_tell(self, peer, envelope, reason);
        return;
    }
    hear_expel(self, now_us, peer, envelope, door_version(protocol), reason);
}

bool ready_feed(struct server *self, int64_t now_us, const struct peer *peer,
                enum worker_protocol protocol, const struct envelope *envelope, struct span service,
                struct span options_json)
{
    struct worker_options options;
    struct gate_sender sender;
    struct identity verified;
    struct hold hold = {.holding = NULL};
    struct event event = {.kind = EVENT_READY};
    bool could = true;

    if (options_read(options_json, &options) < 0 ||
        (service.size > 0 && !message_service_ok(service)) || builtin_is_name(service)) {
        log_event(LOG_WARN, "bad-ready", LOG_SPAN("service", service),
                  LOG_STR("say", "a READY whose service or options are not as WIRE.md says"));
        refuse(self, now_us, peer, protocol, envelope,
               "bad READY: service or options are not valid");
        return true;
    }
    if (!worker_is_majordomo(protocol)) /* it works on nothing, or it would not ask for more */
        options.slots = 1;
    else if (options.holding.size)
        could = read_hold(self, options.holding, most_held(self, peer, &options), &hold);
    if (could) {
        gate_sender(self->gate, peer->door, &self->set, &sender);
        sender_name(self, &sender, &verified);
        event.ready.peer = peer;
        event.ready.protocol = protocol;
        event.ready.envelope = envelope;
        event.ready.service = service.size ? service : span_str(SERVICE_ALL);
        event.ready.options = &options;
        event.ready.pid = sender.pid;
        event.ready.verified = &verified;
        event.ready.holding = hold.holding;
        event.ready.holding_count = hold.count;
        carry_event(self, now_us, &event);
        if (!dispatch_worker(self->dispatch, peer))
            refuse(self, now_us, peer, protocol, envelope,
                   "no room for another worker or service: try again later");
    }
    hold_done(&hold);
    return could;
}
