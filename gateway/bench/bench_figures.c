/* The table of figures; adding one is adding a file and a row. */
#include "gateway/bench/bench_figures.h"

const struct bench_figure *const bench_figures[] = {
    &bench_figure_wake,
    &bench_figure_lone,
    &bench_figure_backlog,
    &bench_figure_backlog_90,
    &bench_figure_lockstep,
    &bench_figure_wake_million,
    &bench_figure_guests,
    &bench_figure_flood,
    &bench_figure_idle,
    &bench_figure_crowd,
    &bench_figure_observers,
    &bench_figure_streams,
    &bench_figure_history,
    &bench_figure_million,
    &bench_figure_scale_backlog,
    &bench_figure_scale_history,
    &bench_figure_scale_services,
    &bench_figure_scale_conversations,
    &bench_figure_scale_workers,
    &bench_figure_scale_observers,
    NULL,
};
