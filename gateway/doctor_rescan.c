/* --rescan: unread queries at or below the low-water mark that nobody looks at any more, because
 * somebody has set their read flag back (upkeep.h, U1), are parked and so looked at again. */
#include <string.h>
#include <time.h>

#include "adapters/bridge/park.h"
#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/doctor.h"
#include "gateway/gate_client.h"
#include "gateway/problem.h"

#define PARKED_AT_ONCE 500
#define REST_MOST_US 100000

/* The lock is left alone for as long as it was held. */
static void rest(int64_t since_us)
{
    int64_t us = clock_mono_us() - since_us;
    const struct timespec pause = {0, (long)(us < REST_MOST_US ? us : REST_MOST_US) * 1000};
    nanosleep(&pause, NULL);
}

/* In short transactions. The first self->found of the ids are parked then. */
static int park_all(struct doctor *self)
{
    sqlite3 *db = NULL;
    size_t found = 0;
    int error = doctor_open(&self->place, DB_WRITER, DOCTOR_BUSY_MS, &db);
    for (size_t at = 0; !error && at < self->unknown_count; at += PARKED_AT_ONCE) {
        size_t left = self->unknown_count - at, kept = 0;
        int64_t since_us = clock_mono_us();
        error =
            park_rows(db, self->unknown + at, left < PARKED_AT_ONCE ? left : PARKED_AT_ONCE, &kept);
        if (error)
            break;
        memmove(self->unknown + found, self->unknown + at, kept * sizeof self->unknown[0]);
        found += kept;
        if (left > PARKED_AT_ONCE)
            rest(since_us);
    }
    int code = error ? problem_bridge("doctor", &self->place, error, db) : -1;
    self->found = error ? 0 : found;
    self->parked += (int64_t)self->found;
    db_close(&db);
    return code;
}

/* Tells a running gateway to look at what is parked. Returns -1 when it will, or when none runs. */
static int tell_gateway(struct doctor *self)
{
    const struct gate_way way = {.place = &self->place};
    struct buffer text, why;
    bool running = false;
    int code = -1;
    buffer_init(&text);
    buffer_init(&why);
    json_t *answer = gate_client_ask(&way, "tailgate.rescan", "", &text, &why, &running);
    self->told = answer != NULL;
    if (!answer && running)
        code = cli_fail("doctor", CLI_FAILED, "%s It takes them at its next start.", why.data);
    json_decref(answer);
    buffer_done(&text);
    buffer_done(&why);
    return code;
}

int doctor_rescan(struct doctor *self)
{
    self->rescanned = true;
    int code = self->mark > 0 ? park_all(self) : -1;
    return code < 0 ? tell_gateway(self) : code;
}
