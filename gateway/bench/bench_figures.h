/* The figures, one file each (bench_figure_*.c). */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_FIGURES_H
#define TAILGATE_GATEWAY_BENCH_BENCH_FIGURES_H

#include "gateway/bench/bench.h"

extern const struct bench_figure bench_figure_wake;
extern const struct bench_figure bench_figure_wake_million;

#endif
