#include "gateway/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/cli.h"
#include "gateway/door_word.h"
#include "gateway/log.h"
#include "gateway/relay_inside.h"

#define GOODBYE_MS 1000
#define NEWS_AT_ONCE 1000
#define ZMTP_BEAT_MAX_MS 10000
#define ITEMS (1 + 2 * GATE_DOORS + 2 * EVENTS_DOORS + 2 + SOURCE_ITEMS + 2 * DIAL_ITEMS)

/* The beginning. */

static int open_signals(void)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &ours, NULL) != 0)
        return -errno;
    return signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int cannot_open(const struct relay *self, const char *what, const char *endpoint, int error)
{
    const char *why = error == -EADDRINUSE ? "somebody else listens there"
                      : error == -EEXIST   ? "a file is in the way, and it is not a socket"
                                           : zmq_strerror(-error);

    return cli_fail(self->setup->command, CLI_FAILED, "cannot open the %s %s: %s", what, endpoint,
                    why);
}

/* What is open to other hosts without keys is refused, or said aloud. */
static int check_door(const struct relay *self, const struct door_word *door)
{
    if (endpoint_read(door->endpoint) == ENDPOINT_BAD)
        return cli_fail(self->setup->command, CLI_USAGE,
                        "%s is neither ipc://PATH nor tcp://ADDRESS:PORT", door->endpoint);
    if (door->curve || endpoint_read(door->endpoint) != ENDPOINT_OFF_HOST)
        return -1;
    if (!self->setup->insecure)
        return cli_fail(self->setup->command, CLI_USAGE,
                        "%s: beyond this host, anyone could connect: give --curve DIR, or "
                        "--insecure",
                        door->endpoint);
    log_event(LOG_WARN, "insecure", LOG_STR("endpoint", door->endpoint),
              LOG_STR("say", "whoever reaches this endpoint can take queries and answer them"));
    return -1;
}

static int bind_one(struct relay *self, const char *word, bool events)
{
    struct door_word door;
    int code, bound;

    door_word_read(word, self->keys != NULL, &door);
    if (strlen(word) >= sizeof door.endpoint)
        return cli_fail(self->setup->command, CLI_USAGE, "an endpoint has at most %d bytes",
                        BIND_ENDPOINT_SIZE - 1);
    if (door.batches)
        return cli_fail(self->setup->command, CLI_USAGE, "%s: a relay passes events on one by one",
                        word);
    if ((code = check_door(self, &door)) >= 0)
        return code;
    if (events)
        bound = door.curve ? events_bind_curve(self->events, door.endpoint, keys_secret(self->keys))
                           : events_bind(self->events, door.endpoint, false);
    else
        bound = door.curve ? gate_bind_curve(self->gate, door.endpoint, keys_secret(self->keys))
                           : gate_bind(self->gate, door.endpoint, false);
    return bound < 0 ? cannot_open(self, events ? "events" : "gate", door.endpoint, bound) : -1;
}

/* The gate last: whoever finds it open finds all the rest there. */
static int bind_doors(struct relay *self)
{
    char why[CERT_WHY_SIZE];
    int code = -1;

    if (self->setup->curve &&
        !(self->keys = keys_new(self->setup->curve, gate_context(self->gate), why)))
        return cli_fail(self->setup->command, CLI_FAILED, "--curve %s: %s", self->setup->curve,
                        why);
    for (size_t i = 0; i < self->setup->event_count && code < 0; i++)
        code = bind_one(self, self->setup->events[i], true);
    for (size_t i = 0; i < self->setup->gate_count && code < 0; i++)
        code = bind_one(self, self->setup->gates[i], false);
    return code;
}

static void make_id(struct relay *self, uint64_t *ret_seed)
{
    uint64_t id[2] = {(uint64_t)clock_utc_us(), (uint64_t)getpid()};

    (void)!getrandom(id, sizeof id, 0);
    snprintf(self->id, sizeof self->id, "%016" PRIx64, id[0]);
    *ret_seed = id[1];
}

int relay_zmtp_beat_ms(const struct relay *self)
{
    int64_t ms = self->setup->beat_us / 1000;

    return ms < ZMTP_BEAT_MAX_MS ? (int)ms : ZMTP_BEAT_MAX_MS;
}

static void begin(struct relay *self)
{
    uint64_t seed;
    char ids[OPTIONS_RELAY_SIZE + 4];

    make_id(self, &seed);
    frameset_init(&self->set);
    relay_work_init(self, seed);
    relay_asks_init(self);
    relay_feed_init(self);
    snprintf(ids, sizeof ids, "[\"%s\"]", self->id);
    if (self->source->class->relays)
        self->source->class->relays(self->source, span_str(ids));
}

static void tell_serving(const struct relay *self)
{
    const char *events = events_doors(self->events) ? events_endpoint(self->events, 0) : "";

    log_event(LOG_INFO, "serving", LOG_STR("from", self->setup->from),
              LOG_STR("gate", gate_endpoint(self->gate, 0)), LOG_STR("events", events),
              LOG_STR("name", self->setup->name), LOG_STR("id", self->id));
}

/* One turn. */

static void take_signals(struct relay *self, int64_t now_us)
{
    struct signalfd_siginfo info;

    while (read(self->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (self->draining)
            self->finished = true;
        log_event(LOG_INFO, "stopping", LOG_INT("signal", info.ssi_signo),
                  LOG_INT("in_flight", self->flights.count));
        self->draining = true;
        self->drain_until_us = now_us + self->setup->drain_us;
        relay_work_offer_all(self);
    }
}

static void tell_link(struct relay *self, int64_t now_us, const struct source_news *news)
{
    static const char *const word[] = {[SOURCE_UP] = "up",
                                       [SOURCE_LOST] = "lost",
                                       [SOURCE_WAITING] = "waiting",
                                       [SOURCE_REFUSED] = "refused-there"};
    bool up = news->kind == SOURCE_UP;

    if (up)
        log_event(LOG_INFO, word[news->kind], LOG_STR("from", self->setup->from),
                  LOG_INT("kept", news->count));
    else
        log_event(LOG_WARN, word[news->kind], LOG_STR("from", self->setup->from),
                  LOG_INT("in_flight", self->flights.count), LOG_SPAN("why", news->text));
    if (up != self->up)
        self->up_us = now_us;
    self->up = up;
}

static void hear_source(struct relay *self, int64_t now_us)
{
    for (int i = 0; i < NEWS_AT_ONCE; i++) {
        struct source_news news = self->source->class->next(self->source, now_us);
        switch (news.kind) {
        case SOURCE_NOTHING:
            return;
        case SOURCE_QUERY:
            relay_hand_out(self, now_us, &news);
            break;
        case SOURCE_END:
            relay_work_end(self, now_us, news.token);
            break;
        case SOURCE_DROPPED:
            self->count[RELAY_DROPPED] += news.count;
            log_event(LOG_WARN, "dropped", LOG_INT("answers", news.count),
                      LOG_STR("say", "too many were kept for the gateway above; their queries "
                                     "are asked again there"));
            break;
        case SOURCE_UP:
        case SOURCE_LOST:
        case SOURCE_WAITING:
        case SOURCE_REFUSED:
            tell_link(self, now_us, &news);
            break;
        }
    }
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

static int64_t next_due(const struct relay *self)
{
    int64_t due_us = timers_next(&self->timers);

    due_us = sooner(due_us, self->source->class->due(self->source));
    due_us = sooner(due_us, relay_asks_due(self));
    due_us = sooner(due_us, relay_feed_due(self));
    due_us = sooner(due_us, keys_due(self->keys));
    due_us = sooner(due_us, log_due());
    if (!self->settled)
        due_us = sooner(due_us, self->started_us + self->setup->settle_us);
    if (self->draining)
        due_us = sooner(due_us, self->drain_until_us);
    return due_us;
}

static void wait_for_news(const struct relay *self, int64_t due_us, int64_t now_us)
{
    zmq_pollitem_t item[ITEMS];
    size_t items = 0;
    int64_t ms = due_us == INT64_MAX ? -1 : due_us <= now_us ? 0 : (due_us - now_us + 999) / 1000;

    item[items++] = (zmq_pollitem_t){NULL, self->signals, ZMQ_POLLIN, 0};
    for (size_t i = 0; i < gate_doors(self->gate); i++) {
        item[items++] = (zmq_pollitem_t){gate_socket(self->gate, i), 0, ZMQ_POLLIN, 0};
        item[items++] = (zmq_pollitem_t){gate_monitor(self->gate, i), 0, ZMQ_POLLIN, 0};
    }
    for (size_t i = 0; i < events_doors(self->events); i++) {
        item[items++] = (zmq_pollitem_t){events_socket(self->events, i), 0, ZMQ_POLLIN, 0};
        item[items++] = (zmq_pollitem_t){events_monitor(self->events, i), 0, ZMQ_POLLIN, 0};
    }
    if (self->keys) {
        item[items++] = (zmq_pollitem_t){keys_socket(self->keys), 0, ZMQ_POLLIN, 0};
        if (keys_hint(self->keys) >= 0)
            item[items++] = (zmq_pollitem_t){NULL, keys_hint(self->keys), ZMQ_POLLIN, 0};
    }
    items += self->source->class->items(self->source, item + items);
    items += relay_asks_items(self, item + items);
    items += relay_feed_items(self, item + items);
    zmq_poll(item, (int)items, (long)ms);
}

static bool is_drained(const struct relay *self, int64_t now_us)
{
    if (!self->draining)
        return false;
    return now_us >= self->drain_until_us ||
           (self->flights.count == 0 && self->source->class->kept(self->source) == 0);
}

/* Returns whether there is more to do at once. */
static bool turn(struct relay *self, bool more)
{
    int64_t now_us = clock_mono_us();
    bool empty;

    wait_for_news(self, more ? now_us : next_due(self), now_us);
    now_us = clock_mono_us();
    take_signals(self, now_us);
    keys_run(self->keys, now_us, self->gate, self->events);
    events_drain(self->events);
    empty = relay_doors_run(self, now_us);
    self->turned_away = descriptors_run(&self->descriptors, now_us);
    if (!self->settled && now_us >= self->started_us + self->setup->settle_us) {
        self->settled = true;
        relay_work_offer_all(self);
    }
    hear_source(self, now_us);
    if (empty) /* silence is only what was not waiting to be read */
        relay_work_tick(self, now_us);
    relay_feed_run(self, now_us);
    relay_asks_run(self, now_us);
    log_run(now_us);
    self->finished = self->finished || is_drained(self, now_us);
    return !empty;
}

/* The end. */

/* One that works and cannot listen meanwhile would read this after its answer, and close before the
 * answer has left: it hears from the next run, or nothing. */
static void say_goodbye(struct relay *self)
{
    const struct worker *worker = NULL;

    while ((worker = workers_walk(self->workers, worker)))
        if (worker_is_majordomo(worker->protocol) &&
            (worker->options.heartbeats || worker->in_flight == 0))
            relay_dismiss(self, &worker->peer, &worker->envelope,
                          worker->protocol == WORKER_MDP_01 ? MDP_01 : MDP_02);
    relay_work_give_back(self);
    log_event(LOG_INFO, "stopped", LOG_INT("in_flight", self->flights.count),
              LOG_INT("kept", self->source->class->kept(self->source)));
}

static void done(struct relay *self)
{
    relay_feed_done(self);
    relay_asks_done(self);
    relay_work_done(self);
    frameset_done(&self->set);
    events_destroy(&self->events, GOODBYE_MS);
    keys_destroy(&self->keys);
    free(self->closed);
    if (self->signals >= 0)
        close(self->signals);
}

int relay_run(const struct relay_setup *setup)
{
    struct relay *self = memory_zero(1, sizeof *self);
    bool more = false;
    int code;

    descriptors_raise();
    self->setup = setup;
    self->gate = setup->gate;
    self->source = setup->source;
    self->started_us = self->up_us = clock_mono_us();
    self->started_utc_us = clock_utc_us();
    self->events = events_new(gate_context(self->gate));
    self->signals = open_signals();
    begin(self);
    code = self->signals < 0 ? cli_fail(setup->command, CLI_FAILED, "signals: %s", strerror(errno))
                             : bind_doors(self);
    if (code < 0) {
        tell_serving(self);
        while (!self->finished)
            more = turn(self, more);
        say_goodbye(self);
        code = CLI_OK;
    }
    done(self);
    free(self);
    return code;
}
