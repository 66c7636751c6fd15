#include "adapters/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapters/worker/desk.h"
#include "adapters/worker/link_log.h"
#include "gateway/log.h"
#include "proto/buffer.h"
#include "proto/limits.h"

#define PAUSE_FIRST_US 500000 /* before a program that ended is started again; doubles */
#define PAUSE_MAX_US 30000000
#define SOUND_US 60000000 /* a program that lived this long, or answered, starts afresh */
#define STOP_US 10000000  /* for the queries in flight when we are told to stop */
#define TURN 100          /* things done in one worker_run() at most */
#define REST_MAX_US INT64_C(3600000000) /* whatever a program asks for */

enum state {
    STARTING, /* the program is coming up, or being looked for */
    SERVING,  /* it can be given queries, and the link is joined */
    RESTING,  /* it runs, and the link is not joined until REST_US */
    ENDING,   /* it is being ended; GONE will come */
    PAUSED,   /* it does not run; it is started again at RESTART_US */
    DONE
};

struct worker {
    struct worker_setup setup;
    const char *name;
    struct tailgate_worker *gate;
    void *program; /* the adapter's instance */
    enum state state;
    struct desk desk;
    bool again;  /* there is more to do without waiting */
    bool served; /* the program has answered since it was started */
    int64_t started_us;
    int64_t rest_us;      /* SERVING: nothing more until then; RESTING: its end; 0: no rest */
    int64_t pause_us;     /* the next pause */
    int64_t restart_us;   /* PAUSED */
    bool stopping, hurry; /* worker_stop() was called once, twice */
    int64_t stop_us;      /* stopping: when to wait no longer */
    uint64_t unasked;     /* answers that belonged to no query */
};

struct worker *worker_new(const struct worker_setup *setup)
{
    struct worker *self = memory_zero(1, sizeof *self);
    self->setup = *setup;
    self->name = setup->gate.name;
    self->setup.gate.later = true;
    if (tailgate_worker_new(&self->setup.gate, &self->gate) != TAILGATE_OK) {
        free(self);
        return NULL;
    }
    self->program = setup->adapter->make(&self->setup.program);
    self->state = PAUSED;
    self->pause_us = PAUSE_FIRST_US;
    desk_init(&self->desk, self->name, setup->gate.slots);
    return self;
}

void worker_destroy(struct worker **self)
{
    struct worker *worker = *self;
    *self = NULL;
    if (!worker)
        return;
    int unsent = tailgate_worker_stop(worker->gate, 0);
    if (unsent > 0)
        log_event(LOG_WARN, "dropped", LOG_STR("worker", worker->name), LOG_INT("answers", unsent),
                  LOG_STR("say", "finished while the gateway was away, and it has not come back"));
    worker->setup.adapter->destroy(&worker->program);
    desk_done(&worker->desk);
    tailgate_worker_destroy(&worker->gate);
    free(worker);
}

/* --- what goes to the gateway --- */

/* Invariant 2: the queries first, then DISCONNECT. */
static void leave(struct worker *self, enum desk_outcome outcome, const char *reason)
{
    desk_clear(&self->desk, outcome, reason);
    tailgate_worker_leave(self->gate, reason);
}

/* --- the program's life --- */

static int start_program(struct worker *self, int64_t now_us)
{
    int code = self->setup.adapter->start(self->program);
    if (code != 0)
        return code;
    self->state = STARTING;
    self->served = false;
    self->started_us = now_us;
    self->again = true;
    return 0;
}

/* It can be given queries. */
static void program_ready(struct worker *self)
{
    if (self->state != STARTING)
        return;
    self->state = SERVING;
    tailgate_worker_join(self->gate);
}

int worker_start(struct worker *self, int64_t now_us)
{
    return start_program(self, now_us);
}

const char *worker_why(const struct worker *self, int code)
{
    return self->setup.adapter->why ? self->setup.adapter->why(self->program) : strerror(-code);
}

static void pause_program(struct worker *self, int64_t now_us)
{
    self->state = PAUSED;
    if (self->rest_us > 0 && !self->stopping)
        tailgate_worker_hold(self->gate, false);
    self->rest_us = 0;
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
    log_event(LOG_ERROR, "failed", LOG_STR("worker", self->name),
              LOG_STR("error", worker_why(self, code)),
              LOG_US("again_in", self->restart_us - now_us),
              LOG_STR("say", "the program could not be started again"));
}

static void end_program(struct worker *self, int64_t now_us, bool at_once)
{
    self->setup.adapter->stop(self->program, now_us, at_once);
    self->state = ENDING;
    self->again = true;
}

/* --- a rest --- */

static void ask_rest(struct worker *self, int64_t until_us, int64_t now_us)
{
    int64_t most_us = now_us + REST_MAX_US;
    until_us = until_us < most_us ? until_us : most_us;
    if (self->state != SERVING || until_us <= now_us || until_us <= self->rest_us)
        return;
    self->rest_us = until_us;
    tailgate_worker_hold(self->gate, true);
    log_event(LOG_WARN, "resting", LOG_STR("worker", self->name), LOG_US("for", until_us - now_us),
              LOG_STR("say", "the program asked for a pause; others get the queries meanwhile"));
}

static void rest_when_due(struct worker *self, int64_t now_us)
{
    if (self->rest_us == 0 || self->stopping)
        return;
    if (self->state == SERVING && self->desk.count == 0 && now_us < self->rest_us) {
        self->state = RESTING;
        tailgate_worker_leave(self->gate, "the program asked for a pause");
    }
    if (now_us < self->rest_us)
        return;
    self->rest_us = 0;
    tailgate_worker_hold(self->gate, false);
    self->again = true;
    if (self->state == RESTING) {
        self->state = SERVING;
        tailgate_worker_join(self->gate);
    }
}

/* The program cannot go on, and its adapter is ending it. */
static void program_broken(struct worker *self, struct span why)
{
    char *reason = memory_text(why);
    log_event(LOG_WARN, "broken", LOG_STR("worker", self->name), LOG_STR("say", reason));
    leave(self, DESK_FAILED, reason);
    free(reason);
    self->state = ENDING;
}

static void program_gone(struct worker *self, int64_t now_us, struct span how)
{
    char *reason = memory_text(how);
    leave(self, DESK_FAILED, reason);
    if (self->served || now_us - self->started_us >= SOUND_US)
        self->pause_us = PAUSE_FIRST_US;
    pause_program(self, now_us);
    if (!self->stopping)
        log_event(LOG_WARN, "ended", LOG_STR("worker", self->name), LOG_STR("say", reason),
                  LOG_US("again_in", self->restart_us - now_us));
    free(reason);
}

/* --- time --- */

/* The program lets go of JOB. */
static bool drop(struct worker *self, const struct job *job, int64_t now_us)
{
    struct span token = span_str(tailgate_query_token(job->query));
    self->again = true;
    return self->setup.adapter->drop && self->setup.adapter->drop(self->program, token, now_us);
}

/* One query out of time may cost the whole program, where there is no other way to make it let go.
 * What else the program had is not to blame. */
static void end_for(struct worker *self, struct job *job, const char *why, int64_t now_us)
{
    char reason[LIMIT_REASON];
    if (drop(self, job, now_us)) {
        desk_end(&self->desk, job, DESK_FAILED, why);
        return;
    }
    snprintf(reason, sizeof reason, "%s and its worker process was ended", why);
    desk_end(&self->desk, job, DESK_FAILED, reason);
    leave(self, DESK_RETURNED, "the worker process was ended because of another query");
    end_program(self, now_us, false);
}

static void end_when_late(struct worker *self, int64_t now_us)
{
    struct job *late = desk_late(&self->desk, now_us);
    if (self->state == SERVING && late)
        end_for(self, late, "the query ran out of time", now_us);
}

/* --- what the gateway says --- */

/* While we are stopping nothing comes: it is held until we leave, and given back then. To give it
 * back at once would make room for the next one, and so turn over everything that waits at the
 * gateway for nothing. */
static void take_query(struct worker *self, const struct tailgate_event *event, int64_t now_us)
{
    size_t size = 0;
    const char *json = tailgate_query_json(event->query, &size);
    const char *token = tailgate_query_token(event->query);
    struct job *job = desk_take(&self->desk, event->query, now_us);
    if (self->setup.time_limit_us > 0)
        job->limit_us = now_us + self->setup.time_limit_us;
    if (!event->waited)
        log_event(LOG_INFO, "query", LOG_STR("worker", self->name),
                  LOG_INT("id", event->message_id));
    self->setup.adapter->offer(self->program, span_str(token), span_of(json, size));
    self->again = true;
}

static void hear_end(struct worker *self, const struct tailgate_event *event, int64_t now_us)
{
    struct job *job = desk_find(&self->desk, span_str(event->token));
    if (self->state == SERVING && job)
        end_for(self, job, event->text, now_us);
}

static bool hear_gateway(struct worker *self, int64_t now_us)
{
    struct tailgate_event event;
    if (tailgate_worker_next(self->gate, 0, &event) != TAILGATE_OK)
        return false;
    switch (event.kind) {
    case TAILGATE_EVENT_QUERY:
        take_query(self, &event, now_us);
        break;
    case TAILGATE_EVENT_WAITING:
        log_event(LOG_INFO, self->stopping ? "held" : "query", LOG_STR("worker", self->name),
                  LOG_INT("id", event.message_id));
        break;
    case TAILGATE_EVENT_GIVEN_UP:
        hear_end(self, &event, now_us);
        break;
    case TAILGATE_EVENT_RETURNED:
        log_event(LOG_INFO, "returned", LOG_STR("worker", self->name),
                  LOG_INT("id", event.message_id), LOG_STR("error", event.text));
        break;
    case TAILGATE_EVENT_FAILED:
        log_event(LOG_WARN, "failed", LOG_STR("worker", self->name),
                  LOG_INT("id", event.message_id), LOG_STR("error", event.text));
        break;
    case TAILGATE_EVENT_DROPPED:
        log_event(LOG_WARN, "dropped", LOG_STR("worker", self->name),
                  LOG_INT("answers", event.count), LOG_STR("say", event.text));
        break;
    default:
        link_log(&self->setup, &event);
        break;
    }
    return true;
}

/* --- what the program says --- */

static void take_answer(struct worker *self, const struct adapter_report *report, int64_t now_us)
{
    struct job *job = desk_find(&self->desk, report->token);
    if (!job) {
        self->unasked++;
        /* A program that talks without end must not fill the log: 1st, 2nd, 4th, 8th … are told. */
        if (self->state == SERVING && (self->unasked & (self->unasked - 1)) == 0)
            log_event(LOG_WARN, "unasked", LOG_STR("worker", self->name),
                      LOG_INT("lines", self->unasked),
                      LOG_STR("say", "the program wrote an answer to no query that it has"));
        return;
    }
    self->served = true;
    desk_answer(&self->desk, job, report->text, now_us);
    self->again = true; /* a slot is free */
}

static void take_end(struct worker *self, const struct adapter_report *report, int64_t now_us)
{
    struct job *job = desk_find(&self->desk, report->token);
    char *reason = memory_text(report->text);
    enum desk_outcome outcome = report->kind == ADAPTER_RETURNED ? DESK_RETURNED
                                : report->final                  ? DESK_REFUSED
                                                                 : DESK_FAILED;
    if (job)
        desk_end(&self->desk, job, outcome, reason);
    free(reason);
    self->again = true; /* a slot is free */
    if (report->rest_us > 0)
        ask_rest(self, report->rest_us, now_us);
}

static void take_partial(struct worker *self, const struct adapter_report *report)
{
    struct job *job = desk_find(&self->desk, report->token);
    if (job)
        (void)tailgate_query_partial(job->query, report->text.data, report->text.size);
}

static bool hear_program(struct worker *self, int64_t now_us)
{
    struct adapter_report report;
    if (!self->setup.adapter->take(self->program, now_us, &report))
        return false;
    switch (report.kind) {
    case ADAPTER_READY:
        program_ready(self);
        break;
    case ADAPTER_ANSWER:
        take_answer(self, &report, now_us);
        break;
    case ADAPTER_PARTIAL:
        take_partial(self, &report);
        break;
    case ADAPTER_FAILED:
    case ADAPTER_RETURNED:
        take_end(self, &report, now_us);
        break;
    case ADAPTER_NOTE:
        log_event(LOG_INFO, "adapter", LOG_STR("worker", self->name), LOG_SPAN("say", report.text));
        break;
    case ADAPTER_SAID:
        log_event(LOG_INFO, "stderr", LOG_STR("worker", self->name), LOG_SPAN("say", report.text));
        break;
    case ADAPTER_BROKEN:
        program_broken(self, report.text);
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
    if (!self->stopping)
        return;
    bool settled = self->desk.count == 0 && tailgate_worker_unsent(self->gate) == 0;
    if (!settled && now_us < self->stop_us)
        return;
    if (self->state == STARTING || self->state == SERVING || self->state == RESTING) {
        leave(self, DESK_RETURNED, "the worker is stopping");
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
    tailgate_worker_hold(self->gate, true);
    stop_when_settled(self, now_us);
}

void worker_run(struct worker *self, int64_t now_us)
{
    int turn = 0;
    bool any = true;
    tailgate_worker_gather(self->gate, true);
    for (; any && turn < TURN; turn++) {
        any = hear_gateway(self, now_us);
        any = hear_program(self, now_us) || any;
    }
    self->again = any; /* else all that was begun above was seen to its end */
    end_when_late(self, now_us);
    restart_when_due(self, now_us);
    rest_when_due(self, now_us);
    stop_when_settled(self, now_us);
    tailgate_worker_gather(self->gate, false);
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
    int64_t due = self->setup.adapter->due(self->program);
    if (self->state == SERVING)
        due = sooner(due, desk_due(&self->desk));
    if (self->state == PAUSED)
        due = sooner(due, self->restart_us);
    if (self->rest_us > 0 && !self->stopping)
        due = sooner(due, self->rest_us);
    if (self->stopping && self->state != ENDING && self->state != DONE)
        due = sooner(due, self->stop_us);
    return due;
}

size_t worker_items(const struct worker *self, struct pollfd ret_item[WORKER_ITEMS])
{
    ret_item[0] = (struct pollfd){.fd = tailgate_worker_fd(self->gate), .events = POLLIN};
    return 1 + self->setup.adapter->descriptors(self->program, &ret_item[1]);
}
