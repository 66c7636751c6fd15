/* What the system lets the gateway have: descriptors, memory, size of files. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "adapters/host/process.h"
#include "gateway/doctor.h"
#include "proto/jtext.h"
#include "proto/limits.h"

#define MIB (INT64_C(1) << 20)
/* As the gateway itself warns at its start: one for each worker's link, and some for the rest. */
#define DESCRIPTORS_WANTED (LIMIT_WORKERS + 200)
/* What clients may have the gateway hold, and as much again for the rest of it. */
#define MEMORY_WANTED (2 * (int64_t)LIMIT_CLIENTS_BYTES)
#define FILE_WANTED (1024 * MIB)
#define NEARLY(used, limit) ((used) > (limit) / 10 * 9)

/* The gateway's, or what one that is started from here would get. */
static long whose(const struct doctor *self)
{
    return self->gateway ? self->gateway : (long)getpid();
}

static void check_descriptors(struct doctor *self)
{
    int64_t soft = 0, hard = 0, open = self->gateway ? process_descriptors(self->gateway) : 0;
    if (process_limit(whose(self), "Max open files", &soft, &hard) != 0)
        return;
    int64_t limit = self->gateway ? soft : hard; /* it raises the one to the other */
    if (NEARLY(open, limit))
        doctor_say(self, DOCTOR_PROBLEM,
                   "%" PRId64 " of %" PRId64 " descriptors are in use: "
                   "connections are turned away",
                   open, limit);
    else if (limit < DESCRIPTORS_WANTED)
        doctor_say(self, DOCTOR_WARNING, "%" PRId64 " descriptors at most, for up to %d workers",
                   limit, LIMIT_WORKERS);
    else
        return;
    doctor_advise(self, "raise LimitNOFILE= (systemd) or ulimit -Hn to %d or more",
                  DESCRIPTORS_WANTED);
    jtext_member_integer(doctor_more(self), "descriptors", limit);
}

static void check_memory(struct doctor *self)
{
    int64_t limit = 0, used = 0;
    if (process_memory(whose(self), &limit, &used) != 0)
        return;
    bool full = self->gateway && NEARLY(used, limit);
    if (!full && limit >= MEMORY_WANTED)
        return;
    doctor_say(self, full ? DOCTOR_PROBLEM : DOCTOR_WARNING,
               "its control group may have %" PRId64 " MiB of memory and uses %" PRId64,
               limit / MIB, used / MIB);
    doctor_advise(self, "raise MemoryMax= (systemd) or memory.max to %" PRId64 " MiB or more",
                  MEMORY_WANTED / MIB);
}

static void check_size(struct doctor *self, const char *name, int64_t wanted, const char *what,
                       const char *todo)
{
    int64_t soft = 0, hard = 0;
    if (process_limit(whose(self), name, &soft, &hard) != 0 || soft >= wanted)
        return;
    doctor_say(self, DOCTOR_WARNING, "%s is limited to %" PRId64 " MiB", what, soft / MIB);
    doctor_advise(self, "%s", todo);
}

void doctor_check_limits(struct doctor *self)
{
    size_t before = self->count;
    check_descriptors(self);
    check_memory(self);
    check_size(self, "Max file size", FILE_WANTED, "a file's size",
               "raise LimitFSIZE= (systemd) or ulimit -f: where the database cannot grow, no reply "
               "is committed");
    check_size(self, "Max address space", MEMORY_WANTED, "its memory",
               "raise LimitAS= (systemd) or ulimit -v: out of memory, the gateway ends");
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "enough descriptors and memory for %s",
                   self->gateway ? "the gateway" : "a gateway that is started from here");
}
