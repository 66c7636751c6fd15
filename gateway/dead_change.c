/* `tailgate dead redrive` and `drop`. Each query (drop: each small batch) is a transaction of its
 * own, and between two of them the lock is left alone for as long as it was held, so that the
 * bridge's own writers get in between (I8). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "adapters/bridge/dead.h"
#include "adapters/host/clock.h"
#include "gateway/cli.h"
#include "gateway/dead_command.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"

#define DROPPED_AT_ONCE 100
#define REST_LEAST_US 500
#define REST_MOST_US 100000
#define TELL_US 200000 /* between two looks of the progress line */

/* The queries that are meant, and how far we are. */
struct change {
    const struct dead_run *run;
    const int64_t *id; /* of all */
    size_t count, done, refused;
    bool tells, told; /* a person watches the progress line; it stands there */
    int64_t told_us;  /* when it was changed, or we began */
};

static void rest(int64_t since_us)
{
    int64_t us = clock_mono_us() - since_us;
    us = us < REST_LEAST_US ? REST_LEAST_US : us > REST_MOST_US ? REST_MOST_US : us;
    const struct timespec pause = {0, (long)us * 1000};
    nanosleep(&pause, NULL);
}

static void tell(struct change *change)
{
    int64_t now_us = clock_mono_us();
    if (!change->tells || now_us - change->told_us < TELL_US)
        return;
    change->told_us = now_us;
    change->told = true;
    fprintf(stderr, "\r\033[K%zu of %zu", change->done, change->count);
    fflush(stderr);
}

static void end_telling(struct change *change)
{
    if (change->told)
        fprintf(stderr, "\r\033[K");
    change->told = false;
}

/* Asks on a terminal whether it is meant. Returns -1 to go on. */
static int confirm(const struct dead_run *run, const char *what, size_t count)
{
    const char *queries = count == 1 ? "query" : "queries";
    if (run->words->yes)
        return -1;
    if (!terminal_is(STDIN_FILENO) || !terminal_is(STDERR_FILENO))
        return cli_fail(run->words->command, CLI_USAGE, "%zu dead %s: say --yes to %s", count,
                        queries, what);
    fprintf(stderr, "%c%s %zu dead %s? [y/N] ", what[0] - 'a' + 'A', what + 1, count, queries);
    fflush(stderr);
    char answer[16] = "";
    if (!fgets(answer, sizeof answer, stdin) || (answer[0] != 'y' && answer[0] != 'Y'))
        return cli_fail(run->words->command, CLI_FAILED, "nothing was changed");
    return -1;
}

/* One query that was left as it is. */
static void refuse(struct change *change, int64_t id, const char *word, const char *why)
{
    change->refused++;
    if (change->run->words->json) {
        printf("{\"message_id\":%" PRId64 ",\"refused\":\"%s\"}\n", id, word);
        return;
    }
    end_telling(change);
    cli_fail(change->run->words->command, CLI_FAILED, "message %" PRId64 " %s", id, why);
}

static const struct {
    const char *word, *why;
} refusals[] = {
    [DEAD_NOT_DEAD] = {"not-dead", "is not dead"},
    [DEAD_REDRIVEN] = {"redriven", "was asked again already (see dead show); use --again"},
    [DEAD_GONE] = {"gone", "is gone, or its conversation is: there is nothing to ask again"},
    [DEAD_EXPIRED] = {"expired", "cannot be asked again: its conversation has expired"},
    [DEAD_NOT_A_QUESTION] = {"not-a-question", "is not a question any more: somebody changed it"},
};

static int redrive_one(struct change *change, int64_t id)
{
    const struct dead_run *run = change->run;
    enum dead_outcome outcome;
    int64_t as = 0;
    int error = dead_redrive(run->db, id, run->words->again, clock_utc_us(), &outcome, &as);
    if (error)
        return error;
    if (outcome != DEAD_DONE)
        refuse(change, id, refusals[outcome].word, refusals[outcome].why);
    else if (run->words->json)
        printf("{\"message_id\":%" PRId64 ",\"redriven_as\":%" PRId64 "}\n", id, as);
    else
        printf("%" PRId64 " -> %" PRId64 "\n", id, as);
    change->done++;
    return BRIDGE_OK;
}

static int redrive_next(struct change *change)
{
    return redrive_one(change, change->id[change->done]);
}

static int drop_next(struct change *change)
{
    const struct dead_run *run = change->run;
    const int64_t *id = change->id + change->done;
    size_t left = change->count - change->done;
    size_t count = left < DROPPED_AT_ONCE ? left : DROPPED_AT_ONCE;
    bool dropped[DROPPED_AT_ONCE];
    int error = dead_drop(run->db, id, count, run->words->answers, clock_utc_us(), dropped);
    if (error)
        return error;
    change->done += count;
    for (size_t i = 0; i < count; i++) {
        if (!dropped[i])
            refuse(change, id[i], "not-dead", "is not dead");
        else if (run->words->json)
            printf("{\"message_id\":%" PRId64 ",\"dropped\":true}\n", id[i]);
    }
    return BRIDGE_OK;
}

/* Takes step after step until all is done. */
static int change_all(struct change *change, int (*next)(struct change *change))
{
    while (change->done < change->count) {
        int64_t since_us = clock_mono_us();
        int error = next(change);
        if (error) {
            end_telling(change);
            return problem_bridge(change->run->words->command, change->run->place, error,
                                  change->run->db);
        }
        tell(change);
        if (change->done < change->count)
            rest(since_us);
    }
    end_telling(change);
    return change->refused ? CLI_FAILED : CLI_OK;
}

/* Finds what is meant, asks whether it is, and does it. *ret_changed: how many. */
static int change_chosen(const struct dead_run *run, bool redriven, const char *what,
                         int (*next)(struct change *change), size_t *ret_changed)
{
    const struct records_filter filter = dead_filter(run, redriven);
    struct change change = {.run = run, .id = run->words->id, .count = run->words->count};
    int64_t *found = NULL;
    int code = -1;
    *ret_changed = 0;
    if (change.count == 0) {
        int error = dead_find(run->db, &filter, SIZE_MAX, &found, &change.count);
        if (error)
            return problem_bridge(run->words->command, run->place, error, run->db);
        if (change.count == 0) {
            fprintf(stderr, "No dead query matches.\n");
            return CLI_OK;
        }
        change.id = found;
        code = confirm(run, what, change.count);
    }
    /* what is printed line by line shows how far we are */
    change.told_us = clock_mono_us();
    change.tells = terminal_is(STDERR_FILENO) && !terminal_is(STDOUT_FILENO);
    if (code < 0)
        code = change_all(&change, next);
    *ret_changed = change.done - change.refused;
    free(found);
    return code;
}

int dead_change_redrive(const struct dead_run *run)
{
    size_t changed;
    return change_chosen(run, run->words->again, "redrive", redrive_next, &changed);
}

int dead_change_drop(const struct dead_run *run)
{
    size_t changed;
    int code = change_chosen(run, true, "drop", drop_next, &changed);
    if (changed > 0 && !run->words->json)
        printf("%zu dropped\n", changed);
    return code;
}
