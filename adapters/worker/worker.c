#include "adapters/worker/worker.h"

#include <stdlib.h>

#include "adapters/host/clock.h"
#include "adapters/worker/absence.h"
#include "adapters/worker/desk.h"
#include "gateway/log.h"
#include "proto/limits.h"

#define PAUSE_FIRST_US 500000 /* before a program that ended is started again; doubles */
#define PAUSE_MAX_US 30000000
#define SOUND_US 60000000 /* a program that lived this long, or answered, starts afresh */
#define STOP_US 10000000  /* for the queries in flight when we are told to stop */
#define TURN 100          /* things done in one worker_run() at most */

enum state {
    SERVING, /* the program runs, the link is joined */
    ENDING,  /* it is being ended; GONE will come */
    PAUSED,  /* it does not run; it is started again at RESTART_US */
    DONE
};

struct worker {
    struct worker_setup setup;
    const char *name;
    struct link *link;
    void *program; /* the adapter's instance */
    enum state state;
    struct desk desk;
    bool again;  /* there is more to do without waiting */
    bool served; /* the program has answered since it was started */
    int64_t started_us;
    int64_t pause_us;     /* the next pause */
    int64_t restart_us;   /* PAUSED */
    bool stopping, hurry; /* worker_stop() was called once, twice */
    int64_t stop_us;      /* stopping: when to wait no longer */
    uint64_t unasked;     /* answers that belonged to no query */
};

static size_t holding(const void *flights, struct span *ret_token, size_t room)
{
    return flights_tokens(flights, ret_token, room);
}

struct worker *worker_new(const struct worker_setup *setup)
{
    struct worker *self = memory_zero(1, sizeof *self);
    self->setup = *setup;
    self->name = self->setup.link.options.name;
    size_t room = (size_t)2 * setup->link.options.slots;
    self->setup.link.keep = 2 * room;
    self->setup.link.holding = holding;
    self->setup.link.holder = &self->desk.flights;
    self->link = link_new(&self->setup.link);
    self->desk.name = self->name;
    self->desk.link = self->link;
    self->program = setup->adapter->make(&setup->program);
    self->state = PAUSED;
    self->pause_us = PAUSE_FIRST_US;
    flights_init(&self->desk.flights, room);
    return self;
}

void worker_destroy(struct worker **self)
{
    struct worker *worker = *self;
    *self = NULL;
    if (!worker)
        return;
    if (link_kept(worker->link) > 0)
        log_event(LOG_WARN, "dropped", LOG_STR("worker", worker->name),
                  LOG_INT("answers", link_kept(worker->link)),
                  LOG_STR("say", "finished while the gateway was away, and it has not come back"));
    worker->setup.adapter->destroy(&worker->program);
    link_destroy(&worker->link);
    flights_done(&worker->desk.flights);
    free(worker);
}

/* --- what goes to the gateway --- */

/* Invariant 2: the queries first, then DISCONNECT. */
static void leave(struct worker *self, enum desk_outcome outcome, const char *reason,
                  int64_t now_us)
{
    desk_clear(&self->desk, outcome, reason, now_us);
    link_leave(self->link);
}

/* --- the program's life --- */

static int start_program(struct worker *self, int64_t now_us)
{
    int code = self->setup.adapter->start(self->program);
    if (code != 0)
        return code;
    self->state = SERVING;
    self->served = false;
    self->started_us = now_us;
    self->again = true;
    link_join(self->link);
    return 0;
}

int worker_start(struct worker *self, int64_t now_us)
{
    return start_program(self, now_us);
}

static void pause_program(struct worker *self, int64_t now_us)
{
    self->state = PAUSED;
    self->restart_us = self->stopping ? INT64_MAX : now_us + self->pause_us;
    self->pause_us *= 2;
    if (self->pause_us > PAUSE_MAX_US)
        self->pause_us = PAUSE_MAX_US;
}

static void restart_when_due(struct worker *self, int64_t now_us)
{
    if (self->state != PAUSED || self->stopping || now_us < self->restart_us)
        return;
    int code = start_program(self, now_us);
    if (code == 0) {
        log_event(LOG_INFO, "restarted", LOG_STR("worker", self->name));
        return;
    }
    pause_program(self, now_us);
    log_event(LOG_ERROR, "failed", LOG_STR("worker", self->name), LOG_STR("error", strerror(-code)),
              LOG_US("again_in", self->restart_us - now_us),
              LOG_STR("say", "the program could not be started again"));
}

static void end_program(struct worker *self, int64_t now_us, bool at_once)
{
    self->setup.adapter->stop(self->program, now_us, at_once);
    self->state = ENDING;
    self->again = true;
}

/* The program cannot go on, and its adapter is ending it. */
static void program_broken(struct worker *self, int64_t now_us, struct span why)
{
    char *reason = memory_text(why);
    log_event(LOG_WARN, "broken", LOG_STR("worker", self->name), LOG_STR("say", reason));
    leave(self, DESK_FAILED, reason, now_us);
    free(reason);
    self->state = ENDING;
}

static void program_gone(struct worker *self, int64_t now_us, struct span how)
{
    char *reason = memory_text(how);
    leave(self, DESK_FAILED, reason, now_us);
    if (self->served || now_us - self->started_us >= SOUND_US)
        self->pause_us = PAUSE_FIRST_US;
    pause_program(self, now_us);
    if (!self->stopping)
        log_event(LOG_WARN, "ended", LOG_STR("worker", self->name), LOG_STR("say", reason),
                  LOG_US("again_in", self->restart_us - now_us));
    free(reason);
}

/* --- time --- */

/* One query out of time costs the whole program: there is no other way to make it let go. What else
 * the program had is not to blame. */
static void end_for(struct worker *self, struct flight *flight, const char *reason, int64_t now_us)
{
    desk_end(&self->desk, flight, DESK_FAILED, reason, now_us);
    leave(self, DESK_RETURNED, "the worker process was ended because of another query", now_us);
    end_program(self, now_us, false);
}

static void end_when_late(struct worker *self, int64_t now_us)
{
    struct flight *late = flights_late(&self->desk.flights, now_us);
    while (late && !late->offered) {
        desk_end(&self->desk, late, DESK_FAILED,
                 "the query ran out of time while it waited for a free slot", now_us);
        late = flights_late(&self->desk.flights, now_us);
    }
    if (self->state == SERVING && late)
        end_for(self, late, "the query ran out of time and its worker process was ended", now_us);
}

/* The gateway said DISCONNECT. It does that to a worker whose time for a query is over; but also
 * when it stops, or was started anew and does not know us: then the work goes on, and READY names
 * it. */
static void hear_dismissal(struct worker *self, int64_t now_us)
{
    struct flight *flight = flights_given_up(&self->desk.flights, now_us);
    if (self->state == SERVING && flight)
        end_for(self, flight, "the gateway gave the query up and its worker process was ended",
                now_us);
}

/* --- what the gateway says --- */

/* Offers what waits to the program, unless we are stopping: then it is held until we leave, and
 * given back then. To give it back at once would make room for the next one, and so turn over
 * everything that waits at the gateway for nothing. */
static void offer_waiting(struct worker *self, int64_t now_us)
{
    struct flight *flight;
    while (self->state == SERVING && !self->stopping &&
           (flight = flights_waiting(&self->desk.flights, self->setup.link.options.slots))) {
        int64_t limit_us = self->setup.time_limit_us;
        if (limit_us > 0)
            flight->limit_us = now_us + limit_us;
        flight->offered = true;
        self->setup.adapter->offer(self->program, flight->query.token, flight->query.text);
        self->again = true;
    }
}

static void take_query(struct worker *self, const struct link_news *news, int64_t now_us)
{
    struct flight *flight =
        flights_add(&self->desk.flights, news->token, news->text, now_us, clock_utc_us());
    if (!flight) {
        desk_refuse(&self->desk, news->token, now_us);
        return;
    }
    log_event(LOG_INFO, self->stopping ? "held" : "query", LOG_STR("worker", self->name),
              LOG_INT("id", flight->id));
    offer_waiting(self, now_us);
}

static void say_waiting(const struct worker *self)
{
    char why[LIMIT_REASON] = "no gateway there yet; connecting as soon as it is";
    if (self->setup.db)
        absence_explain(self->setup.db, why, sizeof why);
    log_event(LOG_INFO, "waiting", LOG_STR("worker", self->name),
              LOG_STR("gate", self->setup.link.endpoint), LOG_STR("say", why));
}

static bool hear_gateway(struct worker *self, int64_t now_us)
{
    const struct link_setup *setup = &self->setup.link;
    struct link_news news = link_next(self->link, now_us);
    switch (news.kind) {
    case LINK_NOTHING:
        return false;
    case LINK_READY:
        log_event(LOG_INFO, "ready", LOG_STR("worker", self->name),
                  LOG_STR("service", setup->service), LOG_INT("slots", setup->options.slots),
                  LOG_INT("holding", self->desk.flights.count + link_kept(self->link)),
                  LOG_STR("gate", setup->endpoint));
        break;
    case LINK_QUERY:
        take_query(self, &news, now_us);
        break;
    case LINK_ODD:
        log_event(LOG_WARN, "odd-frames", LOG_STR("worker", self->name),
                  LOG_SPAN("say", news.text));
        break;
    case LINK_LOST:
    case LINK_DISMISSED:
        log_event(LOG_WARN, "disconnected", LOG_STR("worker", self->name),
                  LOG_SPAN("say", news.text));
        if (news.kind == LINK_DISMISSED)
            hear_dismissal(self, now_us);
        break;
    case LINK_WAITING:
        say_waiting(self);
        break;
    case LINK_REFUSED:
        log_event(LOG_ERROR, "refused", LOG_STR("worker", self->name),
                  LOG_STR("gate", setup->endpoint),
                  LOG_STR("say", "what listens there is no gateway, or lets this worker not in"));
        break;
    }
    return true;
}

/* --- what the program says --- */

static void take_answer(struct worker *self, const struct adapter_report *report, int64_t now_us)
{
    struct flight *flight = flights_find(&self->desk.flights, report->token);
    if (!flight) {
        self->unasked++;
        /* A program that talks without end must not fill the log: 1st, 2nd, 4th, 8th … are told. */
        if (self->state == SERVING && (self->unasked & (self->unasked - 1)) == 0)
            log_event(LOG_WARN, "unasked", LOG_STR("worker", self->name),
                      LOG_INT("lines", self->unasked),
                      LOG_STR("say", "the program wrote an answer to no query that it has"));
        return;
    }
    self->served = true;
    desk_answer(&self->desk, flight, report->text, now_us);
    offer_waiting(self, now_us);
}

static void take_partial(struct worker *self, const struct adapter_report *report)
{
    struct flight *flight = flights_find(&self->desk.flights, report->token);
    if (!flight)
        return;
    link_partial(self->link, flight->query.token, report->text);
    flights_extend(flight);
}

static bool hear_program(struct worker *self, int64_t now_us)
{
    struct adapter_report report;
    if (!self->setup.adapter->take(self->program, now_us, &report))
        return false;
    switch (report.kind) {
    case ADAPTER_ANSWER:
        take_answer(self, &report, now_us);
        break;
    case ADAPTER_PARTIAL:
        take_partial(self, &report);
        break;
    case ADAPTER_SAID:
        log_event(LOG_INFO, "stderr", LOG_STR("worker", self->name), LOG_SPAN("say", report.text));
        break;
    case ADAPTER_BROKEN:
        program_broken(self, now_us, report.text);
        break;
    case ADAPTER_GONE:
        program_gone(self, now_us, report.text);
        break;
    }
    return true;
}

/* --- leaving --- */

static void stop_when_settled(struct worker *self, int64_t now_us)
{
    bool settled = flights_offered(&self->desk.flights) == 0 && link_kept(self->link) == 0;
    if (!self->stopping || (!settled && now_us < self->stop_us))
        return;
    if (self->state == SERVING) {
        leave(self, DESK_RETURNED, "the worker is stopping", now_us);
        end_program(self, now_us, self->hurry);
    } else if (self->state == ENDING && self->hurry) {
        self->setup.adapter->stop(self->program, now_us, true);
    } else if (self->state == PAUSED) {
        self->state = DONE;
    }
}

void worker_stop(struct worker *self, int64_t now_us)
{
    self->hurry = self->stopping;
    self->stop_us = self->stopping ? now_us : now_us + STOP_US;
    self->stopping = true;
    self->again = true;
    stop_when_settled(self, now_us); /* now, before one more query is taken */
}

void worker_run(struct worker *self, int64_t now_us)
{
    int turn = 0;
    bool any = true;
    self->again = false;
    for (; any && turn < TURN; turn++) {
        any = hear_gateway(self, now_us);
        any = hear_program(self, now_us) || any;
    }
    if (any)
        self->again = true;
    end_when_late(self, now_us);
    restart_when_due(self, now_us);
    stop_when_settled(self, now_us);
}

bool worker_done(const struct worker *self)
{
    return self->state == DONE;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t worker_due(const struct worker *self)
{
    if (self->again)
        return 0;
    int64_t due = sooner(link_due(self->link), self->setup.adapter->due(self->program));
    if (self->state == SERVING)
        due = sooner(due, flights_due(&self->desk.flights));
    if (self->state == PAUSED)
        due = sooner(due, self->restart_us);
    if (self->stopping && (self->state == SERVING || self->state == PAUSED))
        due = sooner(due, self->stop_us);
    return due;
}

size_t worker_items(const struct worker *self, zmq_pollitem_t ret_item[WORKER_ITEMS])
{
    struct pollfd descriptor[ADAPTER_DESCRIPTORS];
    size_t count = link_items(self->link, ret_item);
    size_t more = self->setup.adapter->descriptors(self->program, descriptor);
    for (size_t i = 0; i < more; i++) {
        short in = descriptor[i].events & POLLIN ? ZMQ_POLLIN : 0;
        short out = descriptor[i].events & POLLOUT ? ZMQ_POLLOUT : 0;
        ret_item[count++] = (zmq_pollitem_t){.fd = descriptor[i].fd, .events = (short)(in | out)};
    }
    return count;
}
