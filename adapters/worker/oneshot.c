/* A child process for each query, for programs that cannot stay: the question on its stdin, which
 * is then closed; what it writes on its stdout until it ends with status 0 is the answer.
 *
 *   offer ──▶ running ──its end: what is left of its group is killed, it is reaped──▶ ended
 *                │ drop: its group is killed                                            │ reported
 *                └──▶ dropped ──its end──▶ (gone without a word) ◀──────────────────────┘
 *
 * Invariants
 *   1. Everything of every child that can be waited for is in one epoll: its pipes, and a pidfd
 *      for its end. So a turn costs what has happened, and not the number of children.
 *   2. One event is taken at a time: none is in hand that could be about a child that is gone.
 *   3. A child's limits hold before it is given its question.
 *   4. The answer is complete when the child has ended, not when its stdout is closed: a process
 *      that it has left behind may hold that open for ever. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/child.h"
#include "adapters/worker/excerpt.h"
#include "adapters/worker/lines.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/space.h"

#define GRACE_US 2000000   /* between SIGTERM and SIGKILL */
#define REST_US 1000000    /* when the system has no room for one more process */
#define CHUNK 65536        /* bytes of one read: what a pipe holds */
#define SAID_SIZE 4096     /* bytes of one line on stderr; a longer one is shown in pieces */
#define TURN_EVENTS 16     /* that are taken in one call of take() at most */
#define LAST_READS 64      /* of an ended child's pipe: who left its group may still write */
#define MEMORY_MAX 1048576 /* MiB */

/* What can be ready. */
enum source { INPUT, OUTPUT, ERRORS, END, SOURCES };

struct watched {
    struct run *run;
    enum source source;
};

/* One query and its child. */
struct run {
    TAILQ_ENTRY(run) link;
    struct child child;
    int end; /* pidfd; -1: none */
    struct watched watched[SOURCES];
    struct buffer token;
    struct buffer input; /* for its stdin */
    size_t sent;         /* bytes of INPUT that are written */
    struct buffer output;
    struct lines said;       /* its stderr */
    char last[EXCERPT_SIZE]; /* the last line of that; "": it said nothing */
    bool dropped;            /* nothing is reported of it any more */
    bool too_long;           /* it wrote more than an answer can have */
    int error;               /* why it could not be started; 0: it was */
    siginfo_t how;           /* it ended */
};

TAILQ_HEAD(runs, run);

enum phase { STOPPED, RUNNING, STOPPING, KILLED };

struct oneshot {
    char *const *command;
    int64_t memory_mib;
    struct rlimit files; /* as they were before we raised ours: the children's */
    enum phase phase;
    bool ready; /* READY was reported */
    int epoll;  /* -1: none */
    struct runs running;
    struct runs ended;    /* to be reported */
    struct run *talking;  /* its stderr was read, and holds more lines perhaps */
    struct run *told;     /* of which the last report was made */
    struct buffer reason; /* text of that */
    int64_t kill_us;      /* STOPPING */
};

static void *oneshot_make(const struct adapter_setup *setup)
{
    struct oneshot *self = memory_zero(1, sizeof *self);
    self->command = setup->command;
    self->memory_mib = setup->memory_mib;
    self->epoll = -1;
    TAILQ_INIT(&self->running);
    TAILQ_INIT(&self->ended);
    buffer_init(&self->reason);
    getrlimit(RLIMIT_NOFILE, &self->files);
    return self;
}

/* --- one child --- */

/* Its child has ended, or was never started. NULL is fine. */
static void run_destroy(struct run **self)
{
    struct run *run = *self;
    *self = NULL;
    if (!run)
        return;
    buffer_done(&run->token);
    buffer_done(&run->input);
    buffer_done(&run->output);
    lines_done(&run->said);
    free(run);
}

/* Ends it and waits for that, which SIGKILL makes short. */
static void run_kill(struct run *run)
{
    if (run->child.pid > 0) {
        child_signal(&run->child, SIGKILL);
        waitpid(run->child.pid, NULL, 0);
    }
    run->child.pid = 0;
    child_close(&run->child);
    child_close_end(&run->end);
}

/* The text of "question", or all of QUERY, with a line break at the end. */
static void add_question(struct buffer *ret_text, struct span query)
{
    struct span question;
    if (jtext_check(query) == JTEXT_OBJECT && jtext_find(query, "question", &question) &&
        jtext_type(question) == JTEXT_STRING)
        jtext_decode(ret_text, question);
    else
        buffer_add(ret_text, query);
    if (ret_text->size == 0 || ret_text->data[ret_text->size - 1] != '\n')
        buffer_byte(ret_text, '\n');
}

/* posix_spawn() returns when the child has become the program (or could not), so that the limits
 * are the program's own and nobody else's. What it has done by then is to be loaded: it waits for
 * its question, which is written after this. Its own children inherit the limits. */
static void set_limits(const struct oneshot *self, pid_t pid)
{
    const struct rlimit no_core = {0, 0};
    const rlim_t bytes = (rlim_t)self->memory_mib << 20;
    const struct rlimit memory = {bytes, bytes};
    prlimit(pid, RLIMIT_CORE, &no_core, NULL);
    prlimit(pid, RLIMIT_NOFILE, &self->files, NULL);
    if (self->memory_mib > 0)
        prlimit(pid, RLIMIT_AS, &memory, NULL);
}

static int watch(const struct oneshot *self, struct run *run, enum source source, int descriptor)
{
    struct epoll_event event = {.events = source == INPUT ? EPOLLOUT : EPOLLIN};
    run->watched[source] = (struct watched){run, source};
    event.data.ptr = &run->watched[source];
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? 0 : -errno;
}

static void feed(struct run *run)
{
    while (run->child.input >= 0 && run->sent < run->input.size) {
        ssize_t put =
            write(run->child.input, run->input.data + run->sent, run->input.size - run->sent);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0) /* it does not want to know: that is not a failure */
            break;
        run->sent += (size_t)put;
    }
    child_close_end(&run->child.input);
    buffer_done(&run->input);
}

/* Starts the child and gives it what its stdin holds. Returns 0, or -errno and there is no child.
 */
static int start_child(struct oneshot *self, struct run *run)
{
    int code = child_start(&run->child, self->command);
    if (code != 0)
        return code;
    set_limits(self, run->child.pid);
    run->end = pidfd_open(run->child.pid, 0);
    code = run->end >= 0 ? watch(self, run, END, run->end) : -errno;
    if (code == 0)
        code = watch(self, run, OUTPUT, run->child.output);
    if (code == 0)
        code = watch(self, run, ERRORS, run->child.errors);
    if (code == 0)
        feed(run);
    if (code == 0 && run->child.input >= 0)
        code = watch(self, run, INPUT, run->child.input);
    if (code != 0)
        run_kill(run);
    return code;
}

static void read_output(struct run *run)
{
    char chunk[CHUNK];
    ssize_t got = read(run->child.output, chunk, sizeof chunk);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0)
        buffer_add(&run->output, span_of(chunk, (size_t)got));
    run->too_long = run->output.size > LIMIT_FRAME_SIZE;
    if (got > 0 && !run->too_long)
        return;
    child_close_end(&run->child.output);
    if (run->too_long) {
        child_signal(&run->child, SIGKILL);
        buffer_done(&run->output);
    }
}

static void read_errors(struct run *run)
{
    ssize_t got = lines_read(&run->said, run->child.errors);
    if (got <= 0 && got != -EAGAIN)
        child_close_end(&run->child.errors);
}

/* True when something waits to be read there. */
static bool is_waiting(int descriptor)
{
    struct pollfd item = {.fd = descriptor, .events = POLLIN};
    return descriptor >= 0 && poll(&item, 1, 0) > 0;
}

/* It has ended: reads what it has left in its pipes. */
static void take_end(struct oneshot *self, struct run *run)
{
    if (!child_ended(&run->child, &run->how))
        return;
    for (int i = 0; i < LAST_READS && is_waiting(run->child.errors); i++)
        read_errors(run);
    while (!run->too_long && is_waiting(run->child.output))
        read_output(run);
    child_close(&run->child);
    child_close_end(&run->end);
    TAILQ_REMOVE(&self->running, run, link);
    TAILQ_INSERT_TAIL(&self->ended, run, link);
}

/* --- what is told --- */

static bool next_said(struct run *run, struct span *ret_line)
{
    struct span line;
    while (lines_next(&run->said, &line) != 0 ||
           (run->child.pid == 0 && lines_rest(&run->said, &line))) {
        if (space_only(line))
            continue;
        excerpt_write(line, run->last);
        *ret_line = line;
        return true;
    }
    return false;
}

static struct span without_line_breaks(struct span text)
{
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    return text;
}

/* What the child's end says against it, into REASON; false: nothing. */
static bool find_fault(const struct oneshot *self, const struct run *run, struct buffer *reason)
{
    if (run->error != 0)
        buffer_format(reason, "cannot start %s: %s", self->command[0], strerror(-run->error));
    else if (run->too_long)
        buffer_format(reason, "the program wrote more than %u bytes and was ended",
                      LIMIT_FRAME_SIZE);
    else if (run->how.si_code != CLD_EXITED)
        buffer_format(reason, "the program was killed by signal %d", run->how.si_status);
    else if (run->how.si_status != 0)
        buffer_format(reason, "the program exited with status %d", run->how.si_status);
    else if (space_only(buffer_span(&run->output)))
        buffer_text(reason, "the program wrote no answer");
    else
        return false;
    if (run->last[0] != '\0')
        buffer_format(reason, ", and said %s", run->last);
    return true;
}

/* There may be room later, or elsewhere. */
static bool is_shortage(int error)
{
    return error == -EAGAIN || error == -ENOMEM || error == -EMFILE || error == -ENFILE ||
           error == -ENOSPC;
}

static void report_end(struct oneshot *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct run *run = self->told;
    buffer_reset(&self->reason);
    *ret_report = (struct adapter_report){.kind = ADAPTER_ANSWER,
                                          .token = buffer_span(&run->token),
                                          .text = without_line_breaks(buffer_span(&run->output))};
    if (!find_fault(self, run, &self->reason))
        return;
    ret_report->kind = ADAPTER_FAILED;
    ret_report->text = buffer_span(&self->reason);
    if (is_shortage(run->error)) {
        ret_report->kind = ADAPTER_RETURNED;
        ret_report->rest_us = now_us + REST_US;
    }
}

static bool report_said(struct run *run, struct adapter_report *ret_report)
{
    struct span line;
    if (run->dropped || !next_said(run, &line))
        return false;
    *ret_report = (struct adapter_report){.kind = ADAPTER_SAID, .text = line};
    return true;
}

/* The next line or end of the children that have ended. */
static bool take_ended(struct oneshot *self, int64_t now_us, struct adapter_report *ret_report)
{
    struct run *run;
    while ((run = TAILQ_FIRST(&self->ended))) {
        if (report_said(run, ret_report))
            return true;
        TAILQ_REMOVE(&self->ended, run, link);
        if (run->dropped || self->phase != RUNNING) {
            run_destroy(&run);
            continue;
        }
        self->told = run;
        report_end(self, now_us, ret_report);
        return true;
    }
    return false;
}

/* Takes what is ready for one child; false when nothing is. */
static bool take_event(struct oneshot *self)
{
    struct epoll_event event;
    if (epoll_wait(self->epoll, &event, 1, 0) != 1)
        return false;
    const struct watched *watched = event.data.ptr;
    struct run *run = watched->run;
    if (watched->source == INPUT)
        feed(run);
    else if (watched->source == OUTPUT)
        read_output(run);
    else if (watched->source == ERRORS)
        read_errors(run);
    else
        take_end(self, run);
    self->talking = watched->source == ERRORS ? run : NULL;
    return true;
}

static bool report_gone(struct oneshot *self, struct adapter_report *ret_report)
{
    child_close_end(&self->epoll);
    self->phase = STOPPED;
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE,
                                          .text = span_str("the worker's processes were ended")};
    return true;
}

static void signal_all(const struct oneshot *self, int number)
{
    const struct run *run;
    TAILQ_FOREACH(run, &self->running, link)
    child_signal(&run->child, number);
}

static bool oneshot_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct oneshot *self = state;
    run_destroy(&self->told);
    if (self->phase == STOPPED)
        return false;
    if (!self->ready) {
        self->ready = true;
        *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
        return true;
    }
    for (int i = 0; i <= TURN_EVENTS; i++) {
        if (self->talking && report_said(self->talking, ret_report))
            return true;
        self->talking = NULL;
        if (take_ended(self, now_us, ret_report))
            return true;
        if (i == TURN_EVENTS || !take_event(self))
            break;
    }
    if (self->phase != RUNNING && TAILQ_EMPTY(&self->running))
        return report_gone(self, ret_report);
    if (self->phase == STOPPING && now_us >= self->kill_us) {
        signal_all(self, SIGKILL);
        self->phase = KILLED;
    }
    return false;
}

/* --- the interface --- */

static int oneshot_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    if (setup->command[0])
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--per-query: give a command after --");
    return -1;
}

static void oneshot_destroy(void **state)
{
    struct oneshot *self = *state;
    struct run *run;
    *state = NULL;
    if (!self)
        return;
    TAILQ_CONCAT(&self->ended, &self->running, link);
    while ((run = TAILQ_FIRST(&self->ended))) {
        TAILQ_REMOVE(&self->ended, run, link);
        run_kill(run);
        run_destroy(&run);
    }
    run_destroy(&self->told);
    child_close_end(&self->epoll);
    buffer_done(&self->reason);
    free(self);
}

/* Nothing is started yet; that it could not be is better said now than with each query. Each child
 * costs us up to four descriptors. */
static int oneshot_start(void *state)
{
    struct oneshot *self = state;
    const struct rlimit most = {self->files.rlim_max, self->files.rlim_max};
    int code = child_find(self->command[0]);
    if (code != 0)
        return code;
    setrlimit(RLIMIT_NOFILE, &most);
    self->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll < 0)
        return -errno;
    self->ready = false;
    self->phase = RUNNING;
    return 0;
}

static void oneshot_offer(void *state, struct span token, struct span query)
{
    struct oneshot *self = state;
    if (self->phase != RUNNING)
        return;
    struct run *run = memory_zero(1, sizeof *run);
    run->child = (struct child){0, -1, -1, -1};
    run->end = -1;
    buffer_add(&run->token, token);
    lines_init(&run->said, SAID_SIZE);
    add_question(&run->input, query);
    run->error = start_child(self, run);
    if (run->error == 0)
        TAILQ_INSERT_TAIL(&self->running, run, link);
    else
        TAILQ_INSERT_TAIL(&self->ended, run, link);
}

static struct run *find(struct runs *runs, struct span token)
{
    struct run *run;
    TAILQ_FOREACH(run, runs, link)
    {
        if (!run->dropped && span_equal(buffer_span(&run->token), token))
            return run;
    }
    return NULL;
}

static bool oneshot_drop(void *state, struct span token, int64_t now_us)
{
    struct oneshot *self = state;
    struct run *run = find(&self->running, token);
    (void)now_us;
    if (!run)
        run = find(&self->ended, token);
    if (!run)
        return true;
    run->dropped = true;
    child_signal(&run->child, SIGKILL);
    child_close(&run->child);
    return true;
}

static size_t oneshot_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct oneshot *self = state;
    if (self->epoll < 0)
        return 0;
    ret_poll[0] = (struct pollfd){self->epoll, POLLIN, 0};
    return 1;
}

static int64_t oneshot_due(const void *state)
{
    const struct oneshot *self = state;
    return self->phase == STOPPING ? self->kill_us : INT64_MAX;
}

static void oneshot_stop(void *state, int64_t now_us, bool at_once)
{
    struct oneshot *self = state;
    if (self->phase == STOPPED || self->phase == KILLED)
        return;
    if (at_once) {
        signal_all(self, SIGKILL);
        self->phase = KILLED;
    } else if (self->phase == RUNNING) {
        signal_all(self, SIGTERM);
        self->phase = STOPPING;
        self->kill_us = now_us + GRACE_US;
    }
}

static const struct adapter_option further[] = {
    {"memory", ADAPTER_NUMBER, offsetof(struct adapter_setup, memory_mib), "MIB",
     "with --per-query: address space that each process may have (default: no limit)", 1,
     MEMORY_MAX},
    {.name = NULL},
};

const struct adapter adapter_per_query = {
    .name = "per-query",
    .about = "start CMD for each query: the question on its standard input, and what it writes "
             "until it ends is the answer",
    .options = further,
    .takes_command = true,
    .check = oneshot_check,
    .make = oneshot_make,
    .destroy = oneshot_destroy,
    .start = oneshot_start,
    .offer = oneshot_offer,
    .drop = oneshot_drop,
    .descriptors = oneshot_descriptors,
    .take = oneshot_take,
    .due = oneshot_due,
    .stop = oneshot_stop,
};
