/* What the measurement ran on. */
#ifndef TAILGATE_GATEWAY_BENCH_BENCH_MACHINE_H
#define TAILGATE_GATEWAY_BENCH_BENCH_MACHINE_H

struct bench_machine {
    char cpu[128]; /* its model; "" when it is not told */
    long cores;    /* that we may use */
    char kernel[160];
    const char *sqlite;
    char libzmq[32];
    char file_system[32]; /* "ext4", "tmpfs"; its magic number where it has no name here */
};

/* FOLDER is where the databases are made. */
void bench_machine_look(const char *folder, struct bench_machine *ret_machine);

#endif
