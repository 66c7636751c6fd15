/* What dispatch is like while many are connected: workers and observers with little to do, or
 * observers that take everything. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "gateway/bench/bench_crowd.h"
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_gateway.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_writer.h"

#define WRITERS 4
#define FEW 4 /* workers to compare with, and connections at the least */
#define SLOTS 100
#define RATE 2000 /* queries a second, of all writers: */
#define ROWS 5    /* of one in a transaction: a COMMIT for each does not come to it everywhere */
#define END_US 120000000

/* What is connected, and what is written meanwhile; at scale 1. */
struct scene {
    size_t workers;
    unsigned slots; /* of each */
    enum bench_kind taking;
    size_t observers;
    size_t writers;
    enum bench_manner manner;
    uint64_t each; /* queries of a writer */
    uint64_t rows; /* of them, in a transaction */
    int64_t pause_us;
    uint64_t conversations;
};

struct stage {
    struct scene scene; /* scaled */
    struct bench_site site;
    struct bench_board *board;
    struct bench_gateway gateway;
    struct bench_role workers, observers, writer[WRITERS];
    uint64_t queries;
};

static int open_doors(struct stage *self)
{
    const struct scene *scene = &self->scene;
    const struct bench_crowd workers = {.site = &self->site,
                                        .kind = BENCH_CROWD_WORKERS,
                                        .count = scene->workers,
                                        .slots = scene->slots,
                                        .board = self->board};
    const struct bench_crowd observers = {.site = &self->site,
                                          .kind = scene->taking,
                                          .count = scene->observers,
                                          .board = self->board};

    if (bench_gateway_start(&self->site, NULL, &self->gateway) < 0 ||
        bench_crowd_start(&workers, &self->workers) < 0 ||
        (scene->observers > 0 && bench_crowd_start(&observers, &self->observers) < 0))
        return -1;
    return bench_crowd_await(self->board, scene->workers + scene->observers);
}

static int write_all(struct stage *self)
{
    for (size_t i = 0; i < self->scene.writers; i++) {
        const struct bench_writer writer = {.site = &self->site,
                                            .manner = self->scene.manner,
                                            .rows = self->scene.rows,
                                            .first = i,
                                            .count = self->queries / self->scene.writers,
                                            .step = self->scene.writers,
                                            .pause_us = self->scene.pause_us,
                                            .board = self->board};
        if (bench_role_start("a writer", bench_writer_run, &writer, &self->writer[i]) < 0)
            return -1;
    }
    for (size_t i = 0; i < self->scene.writers; i++)
        if (bench_role_wait(&self->writer[i], END_US) < 0)
            return -1;
    return 0;
}

static void report(const struct stage *self, const struct bench_usage *usage,
                   struct bench_sample *ret_sample)
{
    int64_t *delay_us = NULL, first_us = INT64_MAX, last_us = 0;
    uint64_t had = bench_board_delays(self->board, offsetof(struct bench_trip, committed_us),
                                      offsetof(struct bench_trip, received_us), &delay_us);

    for (uint64_t i = 0; i < self->queries; i++) {
        int64_t at_us = atomic_load(&self->board->trip[i].committed_us);
        first_us = at_us < first_us ? at_us : first_us;
        last_us = at_us > last_us ? at_us : last_us;
    }
    bench_value(ret_sample, "queries_per_s",
                (double)self->queries * 1e6 / (double)(last_us - first_us + 1));
    bench_value(ret_sample, "p50_us", (double)bench_percentile(delay_us, had, 50));
    bench_value(ret_sample, "p99_us", (double)bench_percentile(delay_us, had, 99));
    bench_value(ret_sample, "missed", (double)(self->queries - had));
    bench_value(ret_sample, "anonymous_bytes", (double)usage->anonymous_bytes);
    free(delay_us);
}

/* Query and response of each row, to whom they are for. */
static double events_missed(const struct stage *self)
{
    size_t each = self->scene.taking == BENCH_CROWD_OF_ONE ? 1 : self->scene.observers;
    return 2.0 * (double)self->queries * (double)each -
           (double)atomic_load(&self->board->extra[BENCH_EXTRA_ROWS]);
}

static int play(struct stage *self, struct bench_sample *ret_sample)
{
    struct bench_usage usage;
    int64_t done_us;

    if (open_doors(self) < 0 || write_all(self) < 0 ||
        bench_site_await(&self->site, self->queries, &done_us) < 0)
        return -1;
    bench_sleep(200000); /* the last events are on their way */
    if (bench_gateway_usage(&self->gateway, &usage) < 0)
        return -1;
    report(self, &usage, ret_sample);
    if (self->scene.observers > 0)
        bench_value(ret_sample, "events_missed", events_missed(self));
    if (bench_role_end(&self->workers) < 0 || bench_role_end(&self->observers) < 0 ||
        bench_gateway_stop(&self->gateway) < 0)
        return -1;
    return bench_site_check(&self->site, self->queries);
}

static int run(struct bench *bench, const struct scene *scene, struct bench_sample *ret_sample)
{
    struct stage self = {.scene = *scene};
    uint64_t each;
    int code;

    if (scene->workers > FEW)
        self.scene.workers = bench_scaled(bench, scene->workers, FEW);
    if (scene->observers > 0)
        self.scene.observers = bench_scaled(bench, scene->observers, FEW);
    each = bench_scaled(bench, scene->each, 20);
    self.queries = scene->writers * (scene->rows ? each - each % scene->rows : each);
    self.board = bench_board_new(self.queries);
    if (!self.board)
        return bench_fail("no memory for %" PRIu64 " queries", self.queries);
    bench_crowd_descriptors();
    code = bench_site_make(bench, scene->conversations, 1, &self.site);
    if (code == 0)
        code = play(&self, ret_sample);
    bench_site_destroy(&self.site);
    bench_board_destroy(&self.board);
    return code;
}

/* The sides of `crowd`. */

static int run_few(struct bench *bench, struct bench_sample *ret_sample)
{
    static const struct scene scene = {.workers = FEW,
                                       .slots = 1,
                                       .writers = 1,
                                       .each = 2000,
                                       .pause_us = 5000,
                                       .conversations = 1000};
    return run(bench, &scene, ret_sample);
}

static int run_many(struct bench *bench, struct bench_sample *ret_sample)
{
    static const struct scene scene = {.workers = 1000,
                                       .slots = 1,
                                       .taking = BENCH_CROWD_OF_ONE,
                                       .observers = 1000,
                                       .writers = 1,
                                       .each = 2000,
                                       .pause_us = 5000,
                                       .conversations = 1000};
    return run(bench, &scene, ret_sample);
}

/* The sides of `observers`. */

/* OBSERVERS, who take it as TAKING says. */
static int run_steady(struct bench *bench, size_t observers, enum bench_kind taking,
                      struct bench_sample *ret_sample)
{
    const struct scene scene = {.workers = FEW,
                                .slots = SLOTS,
                                .taking = taking,
                                .observers = observers,
                                .writers = WRITERS,
                                .manner = BENCH_STEADY,
                                .each = 2500,
                                .rows = ROWS,
                                .pause_us = ROWS * WRITERS * 1000000 / RATE,
                                .conversations = WRITERS};
    return run(bench, &scene, ret_sample);
}

static int run_unobserved(struct bench *bench, struct bench_sample *ret_sample)
{
    return run_steady(bench, 0, BENCH_CROWD_OF_ALL, ret_sample);
}

static int run_batched(struct bench *bench, struct bench_sample *ret_sample)
{
    return run_steady(bench, 100, BENCH_CROWD_BATCHED, ret_sample);
}

static int run_plain(struct bench *bench, struct bench_sample *ret_sample)
{
    return run_steady(bench, 100, BENCH_CROWD_OF_ALL, ret_sample);
}

const struct bench_figure bench_figure_crowd = {
    .name = "crowd",
    .about = "from COMMIT to worker with 1,000 workers and 1,000 observers, each of a conversation",
    .side = {{"4 workers", run_few}, {"1,000 and 1,000", run_many}},
    .target = {{.side = "1,000 and 1,000",
                .value = "p99_us",
                .against = "4 workers",
                .against_value = "p99_us",
                .limit = 2},
               {.side = "1,000 and 1,000", .value = "missed", .limit = 0},
               {.side = "1,000 and 1,000",
                .value = "anonymous_bytes",
                .limit = 128 * 1024.0 * 1024}},
};

const struct bench_figure bench_figure_observers = {
    .name = "observers",
    .about = "from COMMIT to worker at 2,000 queries a second with 100 observers of everything",
    .side = {{"none", run_unobserved},
             {"100 observers", run_batched},
             {"100 plain observers", run_plain}},
    .target = {{.side = "100 observers",
                .value = "p99_us",
                .against = "none",
                .against_value = "p99_us",
                .limit = 2},
               {.side = "100 observers",
                .value = "queries_per_s",
                .at_least = true,
                .limit = 0.95 * RATE},
               {.side = "100 observers", .value = "missed", .limit = 0},
               {.side = "100 observers", .value = "events_missed", .limit = 0}},
};
