/* What was measured, for people and for programs, on stdout. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_SHOW_H
#define TAILGATE_GATEWAY_BENCH_BENCH_SHOW_H

#include "gateway/bench/bench_machine.h"
#include "gateway/bench/bench_run.h"

/* For people: a line for each value of each side. */
void bench_show_table(const struct bench *bench, const struct bench_machine *machine,
                      const struct bench_result *result, size_t count);
/* One JSON object (tailgate-bench(1)); MET: all was measured, and no target missed. Returns 0, or
 * -1 when there is no memory for it. */
int bench_show_json(const struct bench *bench, const struct bench_machine *machine,
                    const struct bench_result *result, size_t count, bool met);
/* True when none of COUNT results has missed a target. */
bool bench_all_met(const struct bench_result *result, size_t count);

#endif
