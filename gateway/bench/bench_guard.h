/* What has to be cleaned up however a run ends. It is made in a process of its own; this one only
 * waits for it, ends what it has left behind, and removes its folder. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_GUARD_H
#define TAILGATE_GATEWAY_BENCH_BENCH_GUARD_H

/* Runs RUN (WITH, the folder), whose result is the exit code, with a fresh folder below PARENT.
 * Returns that code; CLI_FAILED when it crashed, or after one line on stderr when it could not be
 * started. SIGINT, SIGTERM and SIGHUP end the run, and then this process by that signal. */
int bench_guard(const char *parent, int (*run)(const void *with, const char *folder),
                const void *with);

#endif
