/* The figures, one file each (bench_figure_*.c). */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_FIGURES_H
#define TAILGATE_GATEWAY_BENCH_BENCH_FIGURES_H

#include "gateway/bench/bench.h"

extern const struct bench_figure bench_figure_backlog;
extern const struct bench_figure bench_figure_backlog_90;
extern const struct bench_figure bench_figure_lockstep;
extern const struct bench_figure bench_figure_lone;
extern const struct bench_figure bench_figure_wake;
extern const struct bench_figure bench_figure_wake_million;
extern const struct bench_figure bench_figure_guests;
extern const struct bench_figure bench_figure_flood;
extern const struct bench_figure bench_figure_idle;
extern const struct bench_figure bench_figure_crowd;
extern const struct bench_figure bench_figure_observers;
extern const struct bench_figure bench_figure_streams;
extern const struct bench_figure bench_figure_history;
extern const struct bench_figure bench_figure_million;
extern const struct bench_figure bench_figure_scale_backlog;
extern const struct bench_figure bench_figure_scale_history;
extern const struct bench_figure bench_figure_scale_services;
extern const struct bench_figure bench_figure_scale_conversations;
extern const struct bench_figure bench_figure_scale_workers;
extern const struct bench_figure bench_figure_scale_observers;

#endif
