#include "tests/faults/script.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "tests/faults/crew.h"
#include "tests/faults/shim_vfs.h"

#define GUEST_PATIENCE_MS 5000
#define ANSWER_MAX 10000

enum act {
    ACT_OPEN,
    ACT_READ,
    ACT_SUBMIT, /* the first one goes alone, and what is submitted meanwhile is the next group, */
    ACT_COMMIT, /* this one included; wait for all of them. Without SUBMIT before it: it is alone */
    ACT_ASK,
    ACT_TAKE,
    ACT_REMOVE,
    ACT_CHECKPOINT,
    ACT_CLOSE,
};

struct step {
    enum act act;
    enum job_kind kind; /* SUBMIT, COMMIT */
    int question;
};

/* The run. A step more is a line more, and a question more a larger QUESTIONS. */
static const struct step steps[] = {
    {.act = ACT_OPEN},
    {.act = ACT_READ},
    {ACT_COMMIT, JOB_ANSWER, 1},
    {ACT_ASK, 0, 13},
    {ACT_SUBMIT, JOB_ANSWER, 2},
    {ACT_SUBMIT, JOB_ANSWER, 3}, /* longer than a page */
    {ACT_SUBMIT, JOB_DEAD, 4},
    {ACT_COMMIT, JOB_DEAD, 5},
    {ACT_TAKE, 0, 6},
    {ACT_TAKE, 0, 7},
    {ACT_REMOVE, 0, 9},
    {ACT_READ, 0, 0},
    {ACT_COMMIT, JOB_ANSWER, 6}, /* superseded */
    {ACT_COMMIT, JOB_END, 7},    /* as was seen before it was dispatched */
    {ACT_COMMIT, JOB_ANSWER, 8}, /* expired */
    {ACT_COMMIT, JOB_ANSWER, 9}, /* deleted */
    {ACT_COMMIT, JOB_ASK, 17},   /* makes their conversation, too */
    {ACT_SUBMIT, JOB_ASK, 18},
    {ACT_SUBMIT, JOB_ANSWER, 13},
    {ACT_COMMIT, JOB_ASK, 19},
    {.act = ACT_READ},
    {ACT_SUBMIT, JOB_ANSWER, 17},
    {ACT_COMMIT, JOB_DROP, 18},
    {.act = ACT_CHECKPOINT},
    {ACT_COMMIT, JOB_ANSWER, 10},
    {.act = ACT_CLOSE},
    {ACT_ASK, 0, 14},
    {.act = ACT_OPEN},
    {.act = ACT_READ},
    {ACT_SUBMIT, JOB_ANSWER, 11},
    {ACT_COMMIT, JOB_DEAD, 12},
    {ACT_ASK, 0, 15},
    {.act = ACT_READ},
    {ACT_COMMIT, JOB_ANSWER, 14},
    {ACT_COMMIT, JOB_ANSWER, 15},
    {ACT_COMMIT, JOB_DEAD, 19},
};

struct play {
    struct script_run *run;
    struct crew crew;
    size_t submitted; /* and not waited for yet */
};

/* The committer's thread is held at its first call while the next group comes together: else it
 * would be a matter of luck which jobs are in one transaction. */
static enum script_end submit(struct play *self, const struct step *step)
{
    bool first = self->submitted == 0 && step->act == ACT_SUBMIT;
    enum script_end end;

    if (first)
        shim_hold();
    if (!crew_submit(&self->crew, step->kind, step->question)) {
        shim_let_go();
        return SCRIPT_STARVED; /* the tail missed a committed row */
    }
    self->submitted++;
    while (first && !shim_await_held()) {
        if (crew_is_dead(&self->crew)) { /* after what it had reported */
            shim_let_go();
            return SCRIPT_DEAD;
        }
    }
    if (step->act == ACT_SUBMIT)
        return SCRIPT_DONE;
    shim_let_go();
    end = crew_await(&self->crew, self->submitted);
    self->submitted = 0;
    return end;
}

enum fate script_fate(int question)
{
    static const enum fate fate[QUESTIONS + 1] = {
        [4] = FATE_DEAD,    [5] = FATE_DEAD,     [6] = FATE_TAKEN,
        [7] = FATE_TAKEN,   [12] = FATE_DEAD,    [8] = FATE_EXPIRED,
        [9] = FATE_REMOVED, [18] = FATE_DROPPED, [19] = FATE_DEAD,
    };
    return fate[question];
}

static bool has_step(enum act act, enum job_kind kind, int question)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i].act == act && steps[i].kind == kind && steps[i].question == question)
            return true;
    return false;
}

bool script_is_request(int question)
{
    return has_step(ACT_SUBMIT, JOB_ASK, question) || has_step(ACT_COMMIT, JOB_ASK, question);
}

bool script_is_late(int question)
{
    return has_step(ACT_ASK, 0, question) || script_is_request(question);
}

const char *script_answer(int question)
{
    static _Thread_local char text[ANSWER_MAX];
    int size = (question == 3 ? 9000 : 100) + question;

    snprintf(text, sizeof text, "answer %d %0*d", question, size - 9 - (question > 9), 0);
    return text;
}

const char *script_end_name(enum script_end end)
{
    static const char *const name[SCRIPT_ENDS] = {"done",    "stuck",   "dead",
                                                  "stopped", "starved", "refused"};
    return name[end];
}

/* A call of the bridge's programs: open, one transaction, close. EXTRA, because with less a guest
 * in rollback-journal mode may lose what he has committed, which is then nobody's fault but his. */
static enum script_end guest_does(const struct script_run *run, const char *sql)
{
    sqlite3 *db = NULL;
    int code = sqlite3_open_v2(run->place->db, &db, SQLITE_OPEN_READWRITE, run->guest_layer);

    sqlite3_busy_timeout(db, GUEST_PATIENCE_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, "PRAGMA synchronous = EXTRA", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        fprintf(stderr, "the guest: %s: %s\n", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
    return code == SQLITE_OK ? SCRIPT_DONE : SCRIPT_STARVED;
}

static enum script_end guest_step(struct play *self, const struct step *step)
{
    struct ledger *ledger = self->run->ledger;
    char sql[400];
    enum script_end end;

    if (step->act == ACT_ASK)
        snprintf(sql, sizeof sql,
                 "INSERT INTO messages(conversation_id, from_session, to_session, message, "
                 "timestamp) VALUES('conv_live', 'a', 'b', 'question %d', '')",
                 step->question);
    else
        snprintf(sql, sizeof sql, "%s WHERE message = 'question %d'",
                 step->act == ACT_TAKE ? "UPDATE messages SET read = 1" : "DELETE FROM messages",
                 step->question);
    end = guest_does(self->run, sql);
    if (end != SCRIPT_DONE)
        return end;
    if (step->act == ACT_ASK)
        ledger->asked[step->question] = true;
    else if (step->act == ACT_TAKE)
        ledger->taken[step->question] = true;
    else
        ledger->removed[step->question] = true;
    if (self->run->told)
        self->run->told(ledger);
    return end;
}

static enum script_end make_step(struct play *self, const struct step *step)
{
    switch (step->act) {
    case ACT_OPEN:
        return crew_open(&self->crew);
    case ACT_READ:
        return crew_read(&self->crew);
    case ACT_SUBMIT:
    case ACT_COMMIT:
        return submit(self, step);
    case ACT_CHECKPOINT:
        return crew_checkpoint(&self->crew);
    case ACT_CLOSE:
        crew_close(&self->crew, true);
        self->crew = (struct crew){.run = self->run};
        return SCRIPT_DONE;
    default:
        return guest_step(self, step);
    }
}

enum script_end script_play(struct script_run *self)
{
    struct play play = {.run = self, .crew = {.run = self}};
    enum script_end end = SCRIPT_DONE;

    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && end == SCRIPT_DONE; i++) {
        if (self->trace)
            fprintf(stderr, "── step %zu: act %d, question %d\n", i + 1, (int)steps[i].act,
                    steps[i].question);
        end = make_step(&play, &steps[i]);
    }
    if (self->trace)
        fprintf(stderr, "── %s; closing\n", script_end_name(end));
    if (self->paused)
        self->paused(self->place);
    crew_close(&play.crew, end == SCRIPT_DONE);
    return end;
}

enum script_end script_recover(struct script_run *self)
{
    struct crew crew = {.run = self};
    size_t count = 0;
    enum script_end end = crew_open(&crew);

    if (end == SCRIPT_DONE)
        end = crew_read(&crew);
    for (int k = 1; k <= QUESTIONS && end == SCRIPT_DONE; k++) {
        if (crew.id[k] && !crew.read[k])
            count += crew_submit(&crew, script_fate(k) == FATE_DEAD ? JOB_DEAD : JOB_ANSWER, k);
    }
    if (end == SCRIPT_DONE)
        end = crew_await(&crew, count);
    crew_close(&crew, end == SCRIPT_DONE);
    return end;
}
