/* What becomes of the cost of a query while everything else grows. */
#include "gateway/bench/bench_figures.h"
#include "gateway/bench/bench_load.h"

#define MEGABYTE (1024.0 * 1024)

/* A side that is a load. */
#define SIDE(name, ...)                                                                            \
    static int name(struct bench *bench, struct bench_sample *ret_sample)                          \
    {                                                                                              \
        return bench_load_run(bench, &(struct bench_load){__VA_ARGS__}, ret_sample);               \
    }

SIDE(history_4, .history = 10000, .backlog = 20000)
SIDE(history_5, .history = 100000, .backlog = 20000)
SIDE(history_6, .history = 1000000, .backlog = 20000)
SIDE(history_7, .history = 10000000, .backlog = 20000)

SIDE(backlog_3, .backlog = 1000)
SIDE(backlog_4, .backlog = 10000)
SIDE(backlog_5, .backlog = 100000)
SIDE(backlog_6, .backlog = 1000000)

SIDE(services_0, .backlog = 50000, .conversations = 1000, .services = 1)
SIDE(services_1, .backlog = 50000, .conversations = 1000, .services = 10)
SIDE(services_2, .backlog = 50000, .conversations = 1000, .services = 100)
SIDE(services_3, .backlog = 50000, .conversations = 1000, .services = 1000)

SIDE(conversations_0, .backlog = 50000, .conversations = 1)
SIDE(conversations_2, .backlog = 50000, .conversations = 100)
SIDE(conversations_4, .backlog = 50000, .conversations = 10000)
SIDE(conversations_5, .backlog = 100000, .conversations = 100000)
SIDE(conversations_6, .backlog = 1000000, .conversations = 1000000)

SIDE(workers_0, .backlog = 50000, .workers = 1)
SIDE(workers_1, .backlog = 50000, .workers = 10)
SIDE(workers_2, .backlog = 50000, .workers = 100)
SIDE(workers_3, .backlog = 50000, .workers = 1000)

SIDE(observers_0, .backlog = 5000)
SIDE(observers_1, .backlog = 5000, .observers = 1)
SIDE(observers_2, .backlog = 5000, .observers = 10)
SIDE(observers_3, .backlog = 5000, .observers = 100)
SIDE(observers_4, .backlog = 5000, .observers = 1000)

const struct bench_figure bench_figure_history = {
    .name = "history",
    .about = "10,000,000 rows of history: start, and cost of a query",
    .side = {{"10000", history_4}, {"10000000", history_7}},
    .target = {{.side = "10000000", .value = "start_ms", .limit = 1000},
               {.side = "10000000",
                .value = "cpu_us",
                .against = "10000",
                .against_value = "cpu_us",
                .limit = 1.1}},
    .heavy = true,
};

const struct bench_figure bench_figure_million = {
    .name = "million",
    .about = "1,000,000 queries that wait: memory, and rate against 100,000",
    .side = {{"100000", backlog_5}, {"1000000", backlog_6}},
    .target = {{.side = "1000000", .value = "anonymous_bytes", .limit = 48 * MEGABYTE},
               {.side = "1000000",
                .value = "served_per_s",
                .against = "100000",
                .against_value = "served_per_s",
                .at_least = true,
                .limit = 0.9}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_history = {
    .name = "scale-history",
    .about = "20,000 queries behind more and more history",
    .side = {{"10000", history_4},
             {"100000", history_5},
             {"1000000", history_6},
             {"10000000", history_7}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_backlog = {
    .name = "scale-backlog",
    .about = "more and more queries that wait",
    .side = {{"1000", backlog_3},
             {"10000", backlog_4},
             {"100000", backlog_5},
             {"1000000", backlog_6}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_services = {
    .name = "scale-services",
    .about = "50,000 queries to more and more services",
    .side = {{"1", services_0}, {"10", services_1}, {"100", services_2}, {"1000", services_3}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_conversations = {
    .name = "scale-conversations",
    .about = "queries of more and more conversations",
    .side = {{"1", conversations_0},
             {"100", conversations_2},
             {"10000", conversations_4},
             {"100000", conversations_5},
             {"1000000", conversations_6}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_workers = {
    .name = "scale-workers",
    .about = "50,000 queries to more and more workers, with 1000 slots together",
    .side = {{"1", workers_0}, {"10", workers_1}, {"100", workers_2}, {"1000", workers_3}},
    .heavy = true,
};

const struct bench_figure bench_figure_scale_observers = {
    .name = "scale-observers",
    .about = "5,000 queries and more and more observers of everything",
    .side = {{"0", observers_0},
             {"1", observers_1},
             {"10", observers_2},
             {"100", observers_3},
             {"1000", observers_4}},
    .heavy = true,
};
