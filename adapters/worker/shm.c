/* A program that shares memory with us: one request slot, one response slot, two semaphores that
 * only wake. Which bytes are where, and the program's side: WIRE.md, "Shared memory".
 *
 *   STOPPED ──start──▶ LOOKING ──program there, and idle──▶ RUNNING ──▶ ENDED ──GONE──▶ STOPPED
 *                                                its end, a scribble, stop()
 *
 * Invariants
 *   1. The numbers are the truth. The program is idle when response_seq is request_seq; a request
 *      is written only then, so nobody reads the slot while we write it. A response counts when its
 *      number is that of the request in flight, whoever wrote it.
 *   2. A request that has no answer any more (its program died, its time is over, we are new here)
 *      is named in dropped_seq; whoever has it says so, late or at once, by its number. Until then
 *      we are LOOKING: a program that still works on it is not interrupted, for it is not ours.
 *   3. Whether a program is there is known by its lock, which dies with it; a pidfd tells at once.
 *      The look once a second is for who only lets go of the lock.
 *   4. Nothing read from the segment is an offset or a bound: sizes are loaded once and checked,
 *      text is copied before it is parsed.
 *   5. The segment outlives the program and stop(): destroy() removes it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "adapters/worker/adapter.h"
#include "adapters/worker/awaiter.h"
#include "adapters/worker/jsonl.h"
#include "adapters/worker/segment.h"
#include "proto/space.h"

#define LOOK_FIRST_US 200000 /* between two looks for a program; doubles */
#define LOOK_MAX_US 1000000

enum phase { STOPPED, LOOKING, RUNNING, ENDED };

enum said { NOTHING, NOBODY, BUSY };

struct shm {
    struct segment segment;
    struct awaiter awaiter; /* of responses */
    enum phase phase;
    uint64_t seq;       /* of the last request */
    bool busy;          /* it is in flight */
    bool too_long;      /* … and did not fit; to be reported */
    struct buffer text; /* a request or a response, copied */
    struct buffer part; /* what a report's text is made of */
    pid_t pid;          /* RUNNING: the program, or SEGMENT_UNKNOWN */
    int pidfd;          /* readable when it has ended; -1: none */
    bool rung;          /* a semaphore was posted and we have not looked yet */
    enum said said;     /* LOOKING: the last note */
    int64_t look_us;    /* the next look */
    int64_t pause_us;   /* LOOKING: to the one after that */
    char reason[400];   /* text of NOTE, BROKEN and GONE */
};

static int shm_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    if (segment_name_valid(setup->target))
        return segment_inspect(setup->target, ret_why, ADAPTER_WHY) == 0 ? 0 : -1;
    snprintf(ret_why, ADAPTER_WHY, "--shm: a name is 1 to %d letters, digits, '.', '_' and '-'",
             SEGMENT_NAME_MAX);
    return -1;
}

static void *shm_make(const struct adapter_setup *setup)
{
    struct shm *self = memory_zero(1, sizeof *self);
    segment_init(&self->segment, setup->target);
    buffer_init(&self->text);
    buffer_init(&self->part);
    self->pidfd = -1;
    return self;
}

static void forget_program(struct shm *self)
{
    if (self->pidfd >= 0)
        close(self->pidfd);
    self->pidfd = -1;
    self->pid = 0;
}

static void close_segment(struct shm *self)
{
    awaiter_stop(&self->awaiter);
    segment_leave(&self->segment);
}

static void shm_destroy(void **state)
{
    struct shm *self = *state;
    *state = NULL;
    if (!self)
        return;
    forget_program(self);
    close_segment(self);
    buffer_done(&self->text);
    buffer_done(&self->part);
    free(self);
}

static int open_segment(struct shm *self)
{
    int code = segment_open(&self->segment);
    if (code != 0)
        return code;
    self->seq = atomic_load(&self->segment.header->request_seq);
    code = awaiter_start(&self->awaiter, self->segment.answered);
    if (code != 0)
        segment_leave(&self->segment);
    return code;
}

/* Whatever the segment holds is of the past. The post is for a program that sleeps although there
 * is a request: another worker died between writing it and saying so. */
static int shm_start(void *state)
{
    struct shm *self = state;
    if (self->segment.header && !segment_named(&self->segment))
        close_segment(self);
    int code = self->segment.header ? 0 : open_segment(self);
    if (code == 0)
        code = segment_publish(&self->segment, self->seq);
    if (code != 0)
        return code;
    sem_post(self->segment.asked);
    self->phase = LOOKING;
    self->said = NOTHING;
    self->look_us = 0;
    self->pause_us = LOOK_FIRST_US;
    return 0;
}

static void shm_offer(void *state, struct span token, struct span query)
{
    struct shm *self = state;
    (void)token; /* there is only one */
    if (self->phase != RUNNING || !segment_intact(&self->segment))
        return; /* take() will say so */
    struct shm_header *header = self->segment.header;
    buffer_reset(&self->text);
    jsonl_add_query(&self->text, query);
    size_t size = self->text.size - 1; /* without the line feed */
    self->too_long = size > SHM_ROOM;
    if (self->too_long)
        return;
    memcpy((char *)header + SHM_REQUEST, self->text.data, size);
    atomic_store(&header->request_size, (uint32_t)size);
    atomic_store(&header->request_seq, ++self->seq);
    self->busy = true;
    sem_post(self->segment.asked);
}

static size_t shm_descriptors(const void *state, struct pollfd ret_poll[ADAPTER_DESCRIPTORS])
{
    const struct shm *self = state;
    size_t count = 0;
    if (self->phase != STOPPED) /* a ring is heard with the next start */
        ret_poll[count++] = (struct pollfd){self->awaiter.descriptor, POLLIN, 0};
    if (self->pidfd >= 0)
        ret_poll[count++] = (struct pollfd){self->pidfd, POLLIN, 0};
    return count;
}

/* GONE follows. */
static void end(struct shm *self)
{
    if (self->busy && segment_intact(&self->segment))
        atomic_store(&self->segment.header->dropped_seq, self->seq);
    self->busy = false;
    self->too_long = false;
    forget_program(self);
    self->phase = ENDED;
}

/* --- LOOKING --- */

static bool note(struct shm *self, enum said what, struct adapter_report *ret_report)
{
    if (self->said >= what) /* a program that comes and goes is not told of each time */
        return false;
    self->said = what;
    snprintf(self->reason, sizeof self->reason,
             what == NOBODY ? "waiting for a program at %s"
                            : "waiting until the program at %s is done with an old query",
             self->segment.name);
    *ret_report = (struct adapter_report){.kind = ADAPTER_NOTE, .text = span_str(self->reason)};
    return true;
}

/* Returns the program's process id, or 0 when there is none. The lock is looked at twice: between
 * its holder's end and pidfd_open() the number could have become somebody else's. */
static pid_t find_program(struct shm *self)
{
    pid_t pid = segment_holder(&self->segment);
    if (pid > 0)
        self->pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (pid != 0 && segment_holder(&self->segment) == pid)
        return pid;
    forget_program(self);
    return 0;
}

static bool look(struct shm *self, int64_t now_us, struct adapter_report *ret_report)
{
    if (!self->rung && now_us < self->look_us)
        return false;
    self->rung = false;
    self->look_us = now_us + self->pause_us;
    self->pause_us = self->pause_us * 2 < LOOK_MAX_US ? self->pause_us * 2 : LOOK_MAX_US;
    if (segment_holder(&self->segment) == 0)
        return note(self, NOBODY, ret_report);
    if (atomic_load(&self->segment.header->response_seq) != self->seq)
        return note(self, BUSY, ret_report);
    self->pid = find_program(self);
    if (self->pid == 0)
        return false;
    self->phase = RUNNING;
    self->look_us = now_us + LOOK_MAX_US;
    *ret_report = (struct adapter_report){.kind = ADAPTER_READY};
    return true;
}

/* --- RUNNING --- */

static bool report_failed(struct shm *self, bool final, struct adapter_report *ret_report)
{
    *ret_report = (struct adapter_report){
        .kind = ADAPTER_FAILED, .text = buffer_span(&self->part), .final = final};
    return true;
}

static bool report_too_long(struct shm *self, struct adapter_report *ret_report)
{
    self->too_long = false;
    buffer_reset(&self->part);
    buffer_format(&self->part, "the query has %zu bytes and shared memory has room for %u",
                  self->text.size - 1, SHM_ROOM);
    return report_failed(self, true, ret_report);
}

/* Takes the response to the request in flight. */
static bool report_response(struct shm *self, struct adapter_report *ret_report)
{
    const struct shm_header *header = self->segment.header;
    uint32_t size = atomic_load(&header->response_size);
    self->busy = false;
    buffer_reset(&self->text);
    buffer_reset(&self->part);
    if (size > SHM_ROOM) {
        buffer_format(&self->part,
                      "the program's answer has %u bytes and shared memory has room for %u", size,
                      SHM_ROOM);
        return report_failed(self, false, ret_report);
    }
    buffer_add(&self->text, span_of((const char *)header + SHM_RESPONSE, size));
    if (space_only(buffer_span(&self->text))) {
        buffer_text(&self->part, "the program gave no answer");
        return report_failed(self, false, ret_report);
    }
    jsonl_report(buffer_span(&self->text), JSONL_OBJECTS, &self->part, ret_report);
    ret_report->token = span_of(NULL, 0); /* the number says which query that is */
    if (ret_report->kind != ADAPTER_PARTIAL)
        return true;
    buffer_reset(&self->part);
    buffer_text(&self->part, "the program sent a part of an answer, which shared memory cannot");
    return report_failed(self, false, ret_report);
}

/* Invariant 3. */
static bool program_ended(struct shm *self, int64_t now_us)
{
    struct pollfd item = {self->pidfd, POLLIN, 0};
    if (self->pidfd >= 0 && poll(&item, 1, 0) > 0)
        return true;
    if (now_us < self->look_us)
        return false;
    self->look_us = now_us + LOOK_MAX_US;
    return segment_holder(&self->segment) != self->pid;
}

static bool serve(struct shm *self, int64_t now_us, struct adapter_report *ret_report)
{
    const struct shm_header *header = self->segment.header;
    self->rung = false;
    if (self->too_long)
        return report_too_long(self, ret_report);
    if (self->busy && atomic_load(&header->response_seq) == self->seq)
        return report_response(self, ret_report);
    if (!program_ended(self, now_us))
        return false;
    if (self->pid > 0)
        snprintf(self->reason, sizeof self->reason, "the program at %s, pid %ld, has ended",
                 self->segment.name, (long)self->pid);
    else
        snprintf(self->reason, sizeof self->reason, "the program at %s has ended",
                 self->segment.name);
    end(self);
    return false;
}

static bool report_broken(struct shm *self, struct adapter_report *ret_report)
{
    end(self);
    snprintf(self->reason, sizeof self->reason, "something wrote over %s, or removed it",
             self->segment.name);
    *ret_report = (struct adapter_report){.kind = ADAPTER_BROKEN, .text = span_str(self->reason)};
    return true;
}

static bool intact(const struct shm *self)
{
    return segment_intact(&self->segment) &&
           atomic_load(&self->segment.header->request_seq) == self->seq;
}

static bool shm_take(void *state, int64_t now_us, struct adapter_report *ret_report)
{
    struct shm *self = state;
    if (self->phase == STOPPED)
        return false;
    if (awaiter_rung(&self->awaiter))
        self->rung = true;
    if (self->phase != ENDED && !intact(self))
        return report_broken(self, ret_report);
    if (self->phase == LOOKING)
        return look(self, now_us, ret_report);
    if (self->phase == RUNNING && serve(self, now_us, ret_report))
        return true;
    if (self->phase != ENDED)
        return false;
    self->phase = STOPPED;
    *ret_report = (struct adapter_report){.kind = ADAPTER_GONE, .text = span_str(self->reason)};
    return true;
}

static int64_t shm_due(const void *state)
{
    const struct shm *self = state;
    return self->phase == LOOKING || self->phase == RUNNING ? self->look_us : INT64_MAX;
}

/* The program is not ours to end: it is told that nobody waits for it, and finishes at leisure. */
static void shm_stop(void *state, int64_t now_us, bool at_once)
{
    struct shm *self = state;
    (void)now_us;
    (void)at_once;
    if (self->phase != LOOKING && self->phase != RUNNING)
        return;
    end(self);
    snprintf(self->reason, sizeof self->reason, "the program at %s was let go of",
             self->segment.name);
}

const struct adapter adapter_shm = {
    .name = "shm",
    .value = "NAME",
    .about = "shared memory: one query and one answer at a time, two semaphores",
    .slots_max = 1,
    .alone = true,
    .check = shm_check,
    .make = shm_make,
    .destroy = shm_destroy,
    .start = shm_start,
    .offer = shm_offer,
    .descriptors = shm_descriptors,
    .take = shm_take,
    .due = shm_due,
    .stop = shm_stop,
};
