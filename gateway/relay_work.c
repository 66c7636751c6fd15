/* The workers of a relay: who they are, how much they take, and what becomes of what they have. */
#include "gateway/log.h"
#include "gateway/relay_inside.h"
#include "proto/jtext.h"

void relay_work_init(struct relay *self, uint64_t seed)
{
    timers_init(&self->timers);
    table_init(&self->flights, seed);
    self->pending = pending_new(seed, &self->rulebook);
    self->all = pending_hold(self->pending, span_str(SERVICE_ALL));
    self->workers = workers_new(seed, self->setup->beat_us, &self->timers, self->pending);
}

void relay_work_done(struct relay *self)
{
    struct table_node *node;

    while ((node = table_walk(&self->flights, NULL)))
        relay_flight_forget(self, table_owner(node, struct relay_flight, node));
    table_done(&self->flights);
    workers_destroy(&self->workers);
    pending_release(self->pending, self->all);
    pending_destroy(&self->pending);
    timers_done(&self->timers);
}

/* What is offered. */

static void offer(struct relay *self, const struct service *service)
{
    struct span name = span_str(service ? service->name : SERVICE_ALL);
    const struct worker *worker = NULL;
    uint64_t slots = 0;

    while ((worker = workers_walk(self->workers, worker)))
        slots += worker->service == service ? worker->options.slots : 0;
    if (!self->settled || self->draining)
        slots = 0;
    self->source->class->offer(self->source, name,
                               slots < LIMIT_SLOTS ? (uint32_t)slots : LIMIT_SLOTS);
}

void relay_work_offer_all(struct relay *self)
{
    const struct service *service = NULL;

    offer(self, NULL);
    while ((service = pending_walk(self->pending, service)))
        if (service != self->all)
            offer(self, service);
}

/* Relays: ours, and those below. One of these is registered for each service of its workers, and
 * names all of its own each time. */

struct ids {
    const char *id[LIMIT_RELAYS];
    size_t count;
};

/* False: there are too many. */
static bool add_ids(struct ids *ids, const char (*id)[OPTIONS_RELAY_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < ids->count && strcmp(ids->id[at], id[i]) != 0)
            at++;
        if (at == LIMIT_RELAYS)
            return false;
        if (at == ids->count)
            ids->id[ids->count++] = id[i];
    }
    return true;
}

/* All but those of the worker at PEER (NULL: all): they were let in, so there is room. */
static void collect_ids(const struct relay *self, const struct peer *peer, struct ids *ret_ids)
{
    const struct worker *worker = NULL;

    *ret_ids = (struct ids){.id = {self->id}, .count = 1};
    while ((worker = workers_walk(self->workers, worker)))
        if (!peer || !peer_equal(&worker->peer, peer))
            add_ids(ret_ids, worker->options.relay, worker->options.relay_count);
}

/* Tells the source. */
static void tell_relays(struct relay *self)
{
    struct buffer json;
    struct ids ids;

    if (!self->source->class->relays)
        return;
    collect_ids(self, NULL, &ids);
    buffer_init(&json);
    for (size_t i = 0; i < ids.count; i++)
        buffer_format(&json, "%s\"%s\"", i ? "," : "[", ids.id[i]);
    buffer_byte(&json, ']');
    self->source->class->relays(self->source, buffer_span(&json));
    buffer_done(&json);
}

/* A reason why a relay with these OPTIONS at PEER may not register, or NULL. */
static const char *find_loop(const struct relay *self, const struct peer *peer,
                             const struct worker_options *options)
{
    struct ids ids;

    for (size_t i = 0; i < options->relay_count; i++)
        if (strcmp(options->relay[i], self->id) == 0)
            return "a loop: it is above this relay as well as below it";
    collect_ids(self, peer, &ids);
    return add_ids(&ids, options->relay, options->relay_count)
               ? NULL
               : "a relay has at most 15 others below it";
}

/* Comings and goings. */

/* The flights of WORKER have failed. */
static void fail_all(struct relay *self, const struct worker *worker, const char *reason)
{
    struct relay_flight *flight;

    while ((flight = relay_flight_next(self, worker, NULL))) {
        if (!flight->over) {
            self->count[RELAY_FAILED]++;
            self->source->class->fail(self->source, relay_flight_token(flight), span_str(reason),
                                      true);
        }
        relay_flight_forget(self, flight);
    }
}

static void remove_worker(struct relay *self, int64_t now_us, struct worker *worker)
{
    struct service *service = worker->service;
    bool relays = worker->options.relay_count > 0;

    if (service)
        pending_hold_again(service);
    workers_remove(self->workers, now_us, worker);
    offer(self, service);
    if (service)
        pending_release(self->pending, service);
    if (relays)
        tell_relays(self);
}

void relay_work_lose(struct relay *self, int64_t now_us, struct worker *worker, const char *reason)
{
    log_event(LOG_INFO, "left", LOG_STR("worker", worker->options.name),
              LOG_STR("service", worker_service(worker)), LOG_INT("in_flight", worker->in_flight),
              LOG_STR("why", reason));
    fail_all(self, worker, reason);
    remove_worker(self, now_us, worker);
}

void relay_work_give_back(struct relay *self)
{
    struct table_node *node = NULL;

    while ((node = table_walk(&self->flights, node))) {
        const struct relay_flight *flight = table_owner(node, struct relay_flight, node);
        if (!flight->over)
            self->source->class->give_back(self->source, relay_flight_token(flight),
                                           span_str("the relay stops"));
    }
}

void relay_work_resize(struct relay *self, struct worker *worker, uint32_t slots)
{
    worker->options.slots = slots;
    workers_used(self->workers, worker);
    offer(self, worker->service);
}

/* FLIGHT is at WORKER from now on: nobody has it, or its earlier connection does, which is dead and
 * gets nothing more until it is heard. */
static void take_over(struct relay *self, struct relay_flight *flight, struct worker *worker)
{
    if (flight->worker) {
        flight->worker->in_flight--;
        workers_stall(self->workers, flight->worker);
    }
    flight->worker = worker;
    worker->in_flight++;
    workers_used(self->workers, worker);
}

/* WORKER says that it has TOKEN. */
static void adopt_one(struct relay *self, int64_t now_us, struct worker *worker, struct span token)
{
    struct relay_flight *flight = relay_flight_find(self, token);
    bool fits = worker->in_flight < worker->options.slots;

    if (flight && flight->worker &&
        (flight->worker == worker ||
         strcmp(flight->worker->options.name, worker->options.name) != 0))
        return; /* another one has it, too: the first answer counts */
    if (!fits && (!flight || flight->worker))
        return;
    if (flight) {
        take_over(self, flight, worker);
    } else {
        flight = relay_flight_add(self, token, worker);
        self->count[RELAY_ADOPTED]++;
        self->source->class->hold(self->source, span_str(worker_service(worker)), token);
    }
    relay_flight_arm(self, flight, now_us);
}

/* WORKER says that it has what HOLDING names. What it has had on this connection it keeps, be that
 * more than its slots. */
static void adopt(struct relay *self, int64_t now_us, struct worker *worker, struct span holding)
{
    struct span item;
    struct token form;

    while (holding.size > 0 && jtext_item(&holding, &item)) {
        char text[TOKEN_SIZE];
        int size = jtext_copy(item, text, sizeof text);
        struct span token = span_of(text, size > 0 ? (size_t)size : 0);
        if (token_parse(token, &form) == 0)
            adopt_one(self, now_us, worker, token);
    }
}

/* The flights of WORKER are nobody's for now. */
static void detach(struct relay *self, struct worker *worker)
{
    struct relay_flight *flight;

    while ((flight = relay_flight_next(self, worker, NULL))) {
        flight->worker = NULL;
        worker->in_flight--;
        timers_disarm(&self->timers, &flight->timer);
    }
}

const char *relay_work_relays(struct relay *self, struct worker *worker,
                              const struct worker_options *said)
{
    const char *loop = find_loop(self, &worker->peer, said);

    if (loop) {
        self->count[RELAY_LOOPS]++;
        return loop;
    }
    memcpy(worker->options.relay, said->relay, sizeof said->relay);
    worker->options.relay_count = said->relay_count;
    tell_relays(self);
    return NULL;
}

/* A reason why nobody may register for NAME, or NULL: the source has no room for another service.
 */
static const char *find_no_room(const struct relay *self, struct span name)
{
    const struct service *service = pending_find(self->pending, name);
    const struct service *other = NULL;
    size_t count = 1; /* "*" always has room */

    while ((other = pending_walk(self->pending, other)))
        count += other->workers > 0;
    return self->source->class->services == 0 || count < self->source->class->services ||
                   span_is(name, SERVICE_ALL) || (service && service->workers > 0)
               ? NULL
               : "the way up has no room for another service";
}

const char *relay_work_ready(struct relay *self, int64_t now_us, const struct peer *peer,
                             enum worker_protocol protocol, const struct envelope *envelope,
                             struct span service, const struct worker_options *options)
{
    struct worker *worker = workers_find(self->workers, peer);
    const char *why = find_loop(self, peer, options);

    self->count[RELAY_LOOPS] += why != NULL;
    if (!why)
        why = find_no_room(self, service);
    if (why)
        return why;
    if (worker) {
        detach(self, worker);
        remove_worker(self, now_us, worker);
    }
    worker = workers_add(self->workers, now_us, peer, protocol, envelope, service, options);
    if (!worker) {
        fail_all(self, NULL, "registered again");
        return "no room for another worker or service: try again later";
    }
    worker->options.holding = span_str(""); /* it was borrowed */
    if (worker_is_majordomo(protocol))
        adopt(self, now_us, worker, options->holding);
    fail_all(self, NULL, "registered again");
    log_event(LOG_INFO, "joined", LOG_STR("worker", worker->options.name),
              LOG_STR("service", worker_service(worker)),
              LOG_STR("protocol", worker_protocol_name(protocol)),
              LOG_INT("slots", worker->options.slots), LOG_INT("holding", worker->in_flight));
    if (options->relay_count > 0)
        tell_relays(self);
    offer(self, worker->service);
    return NULL;
}

/* Time. */

/* The attempt of FLIGHT is over: the source hears of it if TELL, the worker when it has nothing
 * else that is worth its while. */
static void end(struct relay *self, int64_t now_us, struct relay_flight *flight, bool tell,
                const char *reason)
{
    struct worker *worker = flight->worker;
    struct relay_flight *other = NULL;

    if (!flight->over && tell) {
        self->count[RELAY_FAILED]++;
        self->source->class->fail(self->source, relay_flight_token(flight), span_str(reason), true);
    }
    flight->over = true;
    timers_disarm(&self->timers, &flight->timer);
    while ((other = relay_flight_next(self, worker, other)))
        if (!other->over)
            return;
    if (worker_is_majordomo(worker->protocol))
        relay_dismiss(self, &worker->peer, &worker->envelope,
                      worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02);
    relay_work_lose(self, now_us, worker, reason);
}

void relay_work_end(struct relay *self, int64_t now_us, struct span token)
{
    struct relay_flight *flight = relay_flight_find(self, token);

    if (flight)
        end(self, now_us, flight, false, "its time is over");
}

static void look_at(struct relay *self, int64_t now_us, struct worker *worker)
{
    const struct mdp_message beat = {.command = MDP_HEARTBEAT};
    enum mdp_version version = worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02;
    struct span frame[MDP_FRAMES_MAX];

    if (now_us >= workers_silent_from(self->workers, worker)) {
        relay_dismiss(self, &worker->peer, &worker->envelope, version);
        relay_work_lose(self, now_us, worker, "it gives no sign of life");
        return;
    }
    if (now_us >= worker->sent_us + workers_beat(self->workers, worker)) {
        relay_send(self, &worker->peer, &worker->envelope, frame, mdp_write(version, &beat, frame));
        worker->sent_us = now_us;
    }
    workers_rearm(self->workers, worker, now_us);
}

void relay_work_tick(struct relay *self, int64_t now_us)
{
    struct timer *timer;

    while ((timer = timers_take(&self->timers, now_us))) {
        if (timer->kind == TIMER_WORKER) {
            look_at(self, now_us, table_owner(timer, struct worker, timer));
        } else {
            struct relay_flight *flight = table_owner(timer, struct relay_flight, timer);
            end(self, now_us, flight, true,
                flight->over_us <= now_us ? "its time is over" : "its lease is over");
        }
    }
}
