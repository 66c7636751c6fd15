/* The table of figures; adding one is adding a file and a row. */
#include "gateway/bench/bench_figures.h"

const struct bench_figure *const bench_figures[] = {
    &bench_figure_wake,
    &bench_figure_wake_million,
    NULL,
};
