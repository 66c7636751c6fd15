#include "tests/faults/crew.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/shim_vfs.h"

#define OPEN_TRIES 8 /* for a lock that is denied; the gateway tries for seconds */
#define STUCK_AFTER                                                                                \
    2             /* failures, or misses of the lock, after which waiting shows nothing more       \
                   */
#define LOOK_MS 1 /* a miss of the lock is not told by committer_fd() */
#define ROWS 100

static bool is_fatal(int error)
{
    return error == BRIDGE_IO || error == BRIDGE_CORRUPT || error == BRIDGE_NOT_SQLITE;
}

static enum script_end start_committer(struct crew *self)
{
    const struct committer_config config = {.duty = 100, .group = 100};

    self->committer = committer_new(self->store, &config);
    return self->committer ? SCRIPT_DONE : SCRIPT_STOPPED;
}

enum script_end crew_open(struct crew *self)
{
    int error = BRIDGE_BUSY;

    for (int tries = 0; tries < OPEN_TRIES && error == BRIDGE_BUSY; tries++)
        error = tail_open(self->run->place, &self->tail);
    if (error)
        return SCRIPT_STOPPED;
    error = BRIDGE_BUSY;
    for (int tries = 0; tries < OPEN_TRIES && error == BRIDGE_BUSY; tries++)
        error = store_open(self->run->place, 0, &self->store, &self->key);
    return error ? SCRIPT_STOPPED : start_committer(self);
}

static void see(void *context, const struct tail_row *row)
{
    struct crew *self = context;
    static const char begin[] = "question ";
    size_t size = sizeof begin - 1;
    char number[8];
    int question;

    if (row->columns.text.size <= size || row->columns.text.size >= size + sizeof number ||
        memcmp(row->columns.text.data, begin, size) != 0)
        return;
    snprintf(number, sizeof number, "%.*s", (int)(row->columns.text.size - size),
             row->columns.text.data + size);
    question = atoi(number);
    if (question < 1 || question > QUESTIONS)
        return;
    self->id[question] = row->id;
    self->read[question] = row->read;
    snprintf(self->place[question], sizeof self->place[question], "%.*s",
             (int)row->conversation_id.size, row->conversation_id.data);
}

/* What the gateway does with the end of a read: a lock and what may pass wait for the next hint. */
static enum script_end judge_read(const struct crew *self, int error)
{
    if (!error)
        return SCRIPT_DONE;
    if (is_fatal(error))
        return SCRIPT_STOPPED;
    return self->run->patient ? SCRIPT_STARVED : SCRIPT_STUCK;
}

enum script_end crew_read(struct crew *self)
{
    size_t count = 0;
    bool changed;
    int error = BRIDGE_BUSY;

    for (int tries = 0; tries < OPEN_TRIES && error && !is_fatal(error); tries++) {
        error = tail_changed(self->tail, &changed);
        if (!error && changed)
            error = tail_read(self->tail, ROWS, see, self, &count);
        if (!error)
            tail_settle(self->tail);
    }
    return judge_read(self, error);
}

/* A request with all that can stand beside one. */
static void ask(struct crew *self, int question)
{
    struct job *job = job_new(JOB_ASK, 0, span_str(""), span_str(""), span_str(""));
    struct ask_job *ask = job->ask;

    snprintf(ask->principal, sizeof ask->principal, "uid:1000");
    snprintf(ask->role, sizeof ask->role, "somebody");
    snprintf(ask->session, sizeof ask->session, "b");
    snprintf(job->service, sizeof job->service, "default");
    snprintf(ask->ticket, sizeof ask->ticket, "%032d", question);
    buffer_format(&ask->text, "question %d", question);
    buffer_text(&ask->metadata, "{\"action_type\":\"question\"}");
    buffer_format(&ask->blob, "frames of question %0*d", 5000, question); /* more than a page */
    ask->digest[0] = (unsigned char)question;
    ask->coalesce_s = ask->live_s = ask->turn_s = ask->ticket_s = 3600;
    job->request = (uint64_t)question;
    committer_submit(self->committer, job);
}

bool crew_submit(struct crew *self, enum job_kind kind, int question)
{
    struct job *job;

    if (kind == JOB_ASK) {
        ask(self, question);
        return true;
    }
    if (!self->id[question])
        return false;
    job = job_new(kind, self->id[question], span_str(self->place[question]), span_str("b"),
                  span_str("a"));
    buffer_text(&job->text, script_answer(question));
    buffer_format(&job->metadata, "{\"in_reply_to\":%lld}", (long long)self->id[question]);
    job->ticket = script_is_request(question);
    if (job->ticket)
        buffer_format(&job->blob, "frames of answer %d", question);
    committer_submit(self->committer, job);
    return true;
}

static int question_of(const struct crew *self, int64_t id)
{
    for (int k = 1; k <= QUESTIONS; k++)
        if (self->id[k] == id)
            return k;
    return 0;
}

static void enter_one(const struct crew *self, const struct job *job)
{
    struct ledger *ledger = self->run->ledger;

    if (job->kind == JOB_ASK)
        ledger->asked[job->request] = true;
    else if (job->outcome == STORE_COMMITTED)
        ledger->answered[question_of(self, job->id)] = true;
    else
        ledger->ended[question_of(self, job->id)] = true;
}

/* Enters what has been reported; returns how many, or SIZE_MAX when one was refused. */
static size_t enter(struct crew *self)
{
    struct job_list done = {NULL, NULL, 0};
    size_t count;
    bool refused = false;

    committer_collect(self->committer, &done);
    count = done.count;
    for (const struct job *job = done.first; job; job = job->next) {
        refused = refused || job->error;
        if (!job->error)
            enter_one(self, job);
    }
    if (count && self->run->told)
        self->run->told(self->run->ledger);
    job_list_clear(&done);
    return refused ? SIZE_MAX : count;
}

static void note_death(struct crew *self)
{
    if (self->dead)
        return;
    self->dead = true;
    self->late_from = shim_changes();
}

bool crew_is_dead(struct crew *self)
{
    struct committer_view view;

    committer_look(self->committer, &view);
    if (view.state == COMMITTER_DEAD)
        note_death(self);
    return self->dead;
}

enum script_end crew_await(struct crew *self, size_t count)
{
    struct pollfd item = {committer_fd(self->committer), POLLIN, 0};
    struct committer_view view;
    size_t done = 0;

    for (;;) {
        size_t more;
        poll(&item, 1, LOOK_MS);
        committer_look(self->committer, &view); /* first: what was reported before it was dead */
        if ((more = enter(self)) == SIZE_MAX)
            return SCRIPT_REFUSED;
        done += more;
        if (view.state == COMMITTER_DEAD) {
            note_death(self);
            return SCRIPT_DEAD;
        }
        if (done == count && view.idle) /* the checkpoint that follows belongs to it */
            return SCRIPT_DONE;
        if (!self->run->patient && (view.failures >= STUCK_AFTER || view.busy >= STUCK_AFTER))
            return SCRIPT_STUCK;
    }
}

static void end_committer(struct crew *self, bool drain)
{
    struct committer_view view;

    if (!self->committer)
        return;
    committer_look(self->committer, &view);
    crew_is_dead(self);
    self->run->checkpoints += (int64_t)view.checkpoints;
    committer_destroy(&self->committer, drain);
}

enum script_end crew_checkpoint(struct crew *self)
{
    enum store_checkpointed how;
    int error;

    end_committer(self, true);
    if (self->dead)
        return SCRIPT_DEAD;
    error = store_checkpoint(self->store, &how);
    if (is_fatal(error)) { /* as the committer's own */
        note_death(self);
        return SCRIPT_DEAD;
    }
    return start_committer(self);
}

void crew_close(struct crew *self, bool drain)
{
    long before = shim_injected();

    if (self->dead && self->committer)
        crew_submit(self, JOB_ANSWER, 1); /* comes too late */
    end_committer(self, drain);
    tail_close(&self->tail);
    store_close(&self->store);
    if (before == 0 && shim_injected() > 0)
        self->run->closing = true;
    if (self->dead)
        self->run->late_changes = shim_changes() - self->late_from;
}
