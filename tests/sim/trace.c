#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>

static void mix(struct sim *self, uint64_t word)
{
    self->hash = (self->hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    self->hash ^= self->hash >> 29;
}

static void print(FILE *out, const struct note *note)
{
    fprintf(out, "%12.6f  %-28s", (double)note->at_us / (double)SECOND, note->what);
    if (note->id)
        fprintf(out, " query %" PRId64, note->id);
    fprintf(out, " (%" PRId64 ", %" PRId64 ")\n", note->a, note->b);
}

void trace(struct sim *self, const char *what, int64_t id, int64_t a, int64_t b)
{
    struct note *note = &self->note[self->notes++ % NOTES_MAX];

    *note = (struct note){self->now_us, what, id, a, b};
    mix(self, (uint64_t)self->now_us);
    for (; *what; what++)
        mix(self, (unsigned char)*what);
    mix(self, (uint64_t)id);
    mix(self, (uint64_t)a);
    mix(self, (uint64_t)b);
    self->totals->events++;
    if (self->print)
        print(stdout, note);
}

void trace_violation(struct sim *self, const char *promise, int64_t id, const char *text)
{
    uint64_t first = self->notes > NOTES_MAX ? self->notes - NOTES_MAX : 0;

    if (self->broken)
        return;
    self->broken = true;
    self->totals->violations++;
    fprintf(stderr, "seed %" PRIu64 ": the last events before the violation:\n", self->seed);
    for (uint64_t i = first; i < self->notes; i++)
        print(stderr, &self->note[i % NOTES_MAX]);
    fprintf(stderr, "seed %" PRIu64 " broke %s at %.6f s, query %" PRId64 ": %s\n", self->seed,
            promise, (double)self->now_us / (double)SECOND, id, text);
}

const char *fault_name(enum fault fault)
{
    static const char *const name[FAULTS] = {
        [FAULT_FRAME_LOST] = "frame lost",
        [FAULT_FRAME_DELAYED] = "frame delayed",
        [FAULT_LINK_CUT] = "link cut",
        [FAULT_CLOSE_UNNOTICED] = "close unnoticed",
        [FAULT_PEER_FULL] = "peer full",
        [FAULT_WORKER_CRASH] = "worker crash",
        [FAULT_WORKER_SILENT] = "worker silent",
        [FAULT_WORKER_LEAVES] = "worker leaves",
        [FAULT_READY_AGAIN] = "READY again",
        [FAULT_HOLDING_LOST] = "holding lost",
        [FAULT_HOLDING_FOREIGN] = "holding foreign",
        [FAULT_GARBAGE] = "garbage",
        [FAULT_ERROR] = "error",
        [FAULT_NO_RETRY] = "retry:false",
        [FAULT_RETURNED] = "returned",
        [FAULT_ANSWER_TWICE] = "answer twice",
        [FAULT_ANSWER_LATE] = "answer late",
        [FAULT_TOKEN_FORGED] = "token forged",
        [FAULT_TOKEN_FOREIGN] = "token foreign",
        [FAULT_POISON] = "poison",
        [FAULT_GATEWAY_CRASH] = "gateway crash",
        [FAULT_CRASH_BEFORE_COMMIT] = "crash before commit",
        [FAULT_CRASH_AFTER_COMMIT] = "crash after commit",
        [FAULT_COMMIT_FAILS] = "commit fails",
        [FAULT_COMMIT_SLOW] = "commit slow",
        [FAULT_RECORD_LATE] = "record late",
        [FAULT_ROW_BUSY] = "row busy",
        [FAULT_READ_BY_OTHERS] = "read by others",
        [FAULT_EXPIRED] = "expired",
        [FAULT_DELETED] = "deleted",
        [FAULT_AGENT] = "agent",
        [FAULT_CLOCK_JUMP] = "clock jump",
        [FAULT_PAUSED] = "paused",
        [FAULT_RELOAD] = "rules changed",
        [FAULT_DRAIN] = "drained",
        [FAULT_WITHDRAWN] = "withdrawn",
    };
    return name[fault];
}
