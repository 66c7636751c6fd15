/* Frames at a relay's gate ──▶ what they mean (proto/WIRE.md, How frames are told apart). */
#include "gateway/builtin_name.h"
#include "gateway/log.h"
#include "gateway/relay_inside.h"
#include "gateway/rights.h"
#include "proto/frames.h"
#include "proto/message.h"

#define SAY_AGAIN_US INT64_C(1000000) /* between log lines about refused messages */

/* Rate-limited: whoever has a key may send as fast as it likes. */
static void tell_refused(struct relay *self, int64_t now_us, const struct gate_sender *sender,
                         const struct allow_entry *entry, const char *why)
{
    if (self->told_roles_us && now_us - self->told_roles_us < SAY_AGAIN_US)
        return;
    log_event(LOG_WARN, "refused-role", LOG_STR("key", sender->fingerprint),
              LOG_STR("name", entry ? entry->name : ""), LOG_STR("address", sender->address),
              LOG_INT("times", self->count[RELAY_REFUSED] - self->told_roles), LOG_STR("say", why));
    self->told_roles_us = now_us;
    self->told_roles = self->count[RELAY_REFUSED];
}

/* NULL: who sent what is in the set has that RIGHT, for SERVICE; else why not. Only keys are asked:
 * who comes through a unix socket or a plain port may do all. */
static const char *object(struct relay *self, int64_t now_us, const struct peer *peer,
                          enum right right, struct span service)
{
    const struct allow_entry *entry;
    struct gate_sender sender;
    const char *why;

    if (!gate_is_curve(self->gate, peer->door))
        return NULL;
    gate_sender(self->gate, peer->door, &self->set, &sender);
    entry = sender.fingerprint[0] ? allow_find(keys_allow(self->keys), sender.fingerprint) : NULL;
    why = rights_object(entry, right, service);
    self->count[RELAY_REFUSED] += why != NULL;
    if (why)
        tell_refused(self, now_us, &sender, entry, why);
    return why;
}

/* Ends PEER's registration for what it did, and tells it. */
static void expel(struct relay *self, int64_t now_us, const struct peer *peer,
                  const struct envelope *envelope, int version, const char *reason)
{
    struct worker *worker = workers_find(self->workers, peer);

    self->count[RELAY_BAD_FRAMES]++;
    if (worker)
        relay_work_lose(self, now_us, worker, reason);
    if (version < 0)
        relay_tell_error(self, peer, envelope, reason);
    else
        relay_dismiss(self, peer, envelope, (enum mdp_version)version);
}

static void on_ready(struct relay *self, int64_t now_us, const struct peer *peer,
                     const struct envelope *envelope, int version, struct span service,
                     struct span options_json)
{
    struct worker_options options;
    enum worker_protocol protocol = version < 0         ? WORKER_REQ
                                    : version == MDP_01 ? WORKER_MDP_01
                                                        : WORKER_MDP_02;
    const char *why;

    if (service.size == 0)
        service = span_str(SERVICE_ALL);
    why = object(self, now_us, peer, RIGHT_WORK, service);
    if (!why && (options_read(options_json, &options) < 0 || !message_service_ok(service) ||
                 builtin_is_name(service)))
        why = "bad READY: service or options are not valid";
    if (!why) {
        if (version < 0)
            options.slots = 1;
        why = relay_work_ready(self, now_us, peer, protocol, envelope, service, &options);
    }
    if (why) {
        log_event(LOG_WARN, "refused", LOG_SPAN("service", service), LOG_STR("say", why));
        expel(self, now_us, peer, envelope, version, why);
    }
}

/* Majordomo workers. */

/* The gateway above ends the registration of whoever sends more: all workers here would suffer. */
static bool fits(const struct span *frame, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += frame[i].size;
    return count <= LIMIT_BODY_FRAMES && size <= LIMIT_FRAME_SIZE;
}

static void on_mdp_answer(struct relay *self, int64_t now_us, const struct peer *peer,
                          const struct envelope *envelope, enum mdp_version version,
                          const struct mdp_message *message)
{
    struct worker *worker = workers_find(self->workers, peer);
    struct relay_said said = {.partial = message->command == MDP_PARTIAL,
                              .frame = message->body,
                              .count = message->body_count,
                              .token = message->address};
    struct token_address address;
    struct via via;

    if (token_read_address(message->address, &address) < 0) {
        expel(self, now_us, peer, envelope, (int)version,
              "the client address of its answer is not a token");
        return;
    }
    said.raw = address.raw;
    said.token.size -=
        (address.raw ? strlen(TOKEN_RAW) : 0) + (address.via ? strlen(TOKEN_VIA) : 0);
    if (address.via) {
        if (said.count < 2 || via_read(said.frame[0], &via) < 0) {
            expel(self, now_us, peer, envelope, (int)version,
                  "what a relay says of its worker is not as WIRE.md says");
            return;
        }
        said.frame++;
        said.count--;
        said.via = &via;
    }
    if (!fits(said.frame, said.count)) {
        expel(self, now_us, peer, envelope, (int)version, "its answer is too large");
        return;
    }
    relay_hand_back(self, now_us, worker, &said);
    if (!worker)
        relay_dismiss(self, peer, envelope, version);
}

static void on_heartbeat(struct relay *self, int64_t now_us, struct worker *worker,
                         const struct envelope *envelope, const struct mdp_message *message)
{
    struct worker_options said = {.slots = 0};
    const struct peer peer = worker->peer;
    const char *why = NULL;
    int relays = 0;

    if (message->options.size == 0)
        return;
    if (options_read_slots(message->options, &said.slots) < 0 ||
        (relays = options_read_relays(message->options, &said)) < 0)
        why = "it sent a malformed heartbeat";
    else if (relays > 0)
        why = relay_work_relays(self, worker, &said);
    if (!why) {
        relay_work_resize(self, worker, said.slots);
        return;
    }
    log_event(LOG_WARN, "refused", LOG_STR("service", worker_service(worker)), LOG_STR("say", why));
    expel(self, now_us, &peer, envelope, worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02, why);
}

static void on_majordomo(struct relay *self, int64_t now_us, const struct peer *peer,
                         const struct envelope *envelope, enum mdp_version version,
                         const struct span *frame, size_t count)
{
    struct worker *worker = workers_find(self->workers, peer);
    struct mdp_message message;
    const char *why;

    why = object(self, now_us, peer, RIGHT_WORK, span_str(""));
    if (why) {
        expel(self, now_us, peer, envelope, (int)version, why);
        return;
    }
    if (mdp_read(version, frame, count, &message) < 0 || message.command == MDP_REQUEST ||
        message.command == MDP_BATCH) { /* which it sends to nobody, so that nobody sends it one */
        expel(self, now_us, peer, envelope, (int)version, "it sent a malformed Majordomo command");
        return;
    }
    if (worker)
        workers_heard(self->workers, worker, now_us);
    if (message.command == MDP_READY)
        on_ready(self, now_us, peer, envelope, (int)version, message.service, message.options);
    else if (message.command == MDP_PARTIAL || message.command == MDP_FINAL)
        on_mdp_answer(self, now_us, peer, envelope, version, &message);
    else if (message.command == MDP_DISCONNECT && worker)
        relay_work_lose(self, now_us, worker, "it said DISCONNECT");
    else if (message.command == MDP_HEARTBEAT && worker)
        on_heartbeat(self, now_us, worker, envelope, &message);
    else if (message.command == MDP_HEARTBEAT)
        relay_dismiss(self, peer, envelope, version);
}

/* Bare peers. */

static void on_bare_answer(struct relay *self, int64_t now_us, const struct peer *peer,
                           const struct envelope *envelope, const struct span *frame, size_t count)
{
    struct worker *worker = workers_find(self->workers, peer);
    struct relay_said said = {.frame = frame, .count = count};
    struct answer answer;
    struct token token;

    if (!fits(frame, count)) {
        expel(self, now_us, peer, envelope, -1, "its answer is too large");
        return;
    }
    answer_read(frame[0], &answer);
    if (answer.token.size > 0 && token_parse(answer.token, &token) == 0)
        said.token = answer.token;
    if (worker || said.token.size > 0) {
        if (!relay_hand_back(self, now_us, worker, &said) && worker)
            expel(self, now_us, peer, envelope, -1, "it answered without a query: say READY again");
    }
    if (!worker)
        relay_tell_error(self, peer, envelope,
                         "not registered here: open with READY, or ask for tailgate.status");
}

/* A client's request, if it may be asked from where it comes. Rows that are published only on this
 * host, or for keys, are told again only there. */
static void ask(struct relay *self, int64_t now_us, const struct relay_request *request)
{
    bool replay = span_is(request->service, "tailgate.replay");
    enum right right = replay                                         ? RIGHT_REPLAY
                       : span_is(request->service, "tailgate.status") ? RIGHT_STATUS
                       : builtin_is_name(request->service)            ? RIGHT_LOOK
                                                                      : RIGHT_ASK;
    struct gate_sender sender;
    const char *why = object(self, now_us, request->peer, right, request->service);

    gate_sender(self->gate, request->peer->door, &self->set, &sender);
    if (!why && replay && !sender.local && !sender.curve && !events_over_tcp(self->events))
        why = "not allowed from there";
    if (why)
        relay_asks_refuse(self, request, why);
    else
        relay_asks_hear(self, now_us, request);
}

static void on_bare(struct relay *self, int64_t now_us, const struct peer *peer,
                    const struct envelope *envelope, const struct span *frame, size_t count)
{
    struct worker *worker = workers_find(self->workers, peer);
    struct relay_request request = {.peer = peer, .envelope = envelope, .version = -1};
    struct opening opening;
    const char *why;

    if (worker && worker_is_majordomo(worker->protocol)) {
        expel(self, now_us, peer, envelope, worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02,
              "it sent something that is not Majordomo");
        return;
    }
    if (worker)
        workers_heard(self->workers, worker, now_us);
    opening_read(frame, count, &opening);
    if (opening.kind == OPENING_READY) {
        on_ready(self, now_us, peer, envelope, -1, opening.service, opening.options);
    } else if ((opening.kind == OPENING_ASK || opening.kind == OPENING_QUERY) && !worker) {
        request.service = opening.service.size ? opening.service : span_str("default");
        request.body = &opening.body;
        request.count = opening.body.size > 0;
        ask(self, now_us, &request);
    } else {
        why = object(self, now_us, peer, RIGHT_WORK, span_str(""));
        if (why)
            expel(self, now_us, peer, envelope, -1, why);
        else
            on_bare_answer(self, now_us, peer, envelope, frame, count);
    }
}

static void on_client(struct relay *self, int64_t now_us, const struct peer *peer,
                      const struct envelope *envelope, enum mdp_version version,
                      const struct span *frame, size_t count)
{
    struct relay_request request = {.peer = peer, .envelope = envelope, .version = (int)version};
    struct mdp_client_message message;

    if (mdp_client_read(version, frame, count, &message) < 0 ||
        message.command != MDP_CLIENT_REQUEST) {
        self->count[RELAY_BAD_FRAMES]++;
        return;
    }
    request.service = message.service;
    request.body = message.body;
    request.count = message.body_count;
    ask(self, now_us, &request);
}

void relay_hear(struct relay *self, int64_t now_us, const struct peer *peer,
                const struct span *frame, size_t count)
{
    struct envelope envelope = {.count = 0};
    struct frames frames;

    if (frames_read(frame, count, &frames) < 0 || frames.form == FRAMES_ZPROTO) {
        self->count[RELAY_BAD_FRAMES]++;
        return;
    }
    envelope.count = (uint8_t)frames.envelope;
    for (size_t i = 0; i < frames.envelope; i++) {
        envelope.size[i] = (uint8_t)frame[i].size;
        memcpy(envelope.data[i], frame[i].data, frame[i].size);
    }
    frame += frames.body;
    count -= frames.body;
    if (frames.form == FRAMES_WORKER_02 || frames.form == FRAMES_WORKER_01)
        on_majordomo(self, now_us, peer, &envelope,
                     frames.form == FRAMES_WORKER_02 ? MDP_02 : MDP_01, frame, count);
    else if (frames.form == FRAMES_CLIENT_02 || frames.form == FRAMES_CLIENT_01)
        on_client(self, now_us, peer, &envelope, frames.form == FRAMES_CLIENT_02 ? MDP_02 : MDP_01,
                  frame, count);
    else
        on_bare(self, now_us, peer, &envelope, frame, count);
}
