/* What the adapter tests share: a folder of their own, other processes, a look into the file. */
#ifndef TAILGATE_TESTS_ADAPTER_SUPPORT_H
#define TAILGATE_TESTS_ADAPTER_SUPPORT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "adapters/bridge/place.h"

/* What support_bridge() makes; roles asker, default. */
#define CONVERSATION "conv_0123456789abcdef"

/* Makes an empty folder; the caller removes it with support_rmdir(). */
void support_mkdir(char ret_folder[PATH_MAX]);
void support_rmdir(const char *folder);
/* The place of NAME in FOLDER. */
struct place support_place(const char *folder, const char *name);
/* A new bridge in WAL mode with the conversation CONVERSATION, made by Python; its place. */
struct place support_bridge(const char *folder);

/* Runs peer.py with the arguments up to NULL; fails the test unless it exits with 0. */
void peer_run(const char *command, ...) __attribute__((sentinel));

/* A peer that runs beside the test. Its stdout comes through a pipe, its stdin is one. */
struct peer_process {
    pid_t pid;
    int in;  /* to its stdin; closing it lets a waiting peer go on */
    int out; /* from its stdout */
};
struct peer_process peer_start(const char *command, ...) __attribute__((sentinel));
/* Waits until it has written a line (without its line break) or ended; false when it ended. */
bool peer_line(struct peer_process *peer, char *ret_line, size_t room);
/* Closes its stdin. */
void peer_release(struct peer_process *peer);
/* True when its stdout is at its end; waits at most WAIT_MS for anything to come. */
bool peer_ended(struct peer_process *peer, int wait_ms);
/* Waits for its end and closes everything; returns its exit code, or -signal. */
int peer_wait(struct peer_process *peer);

/* Runs SQL on a connection of its own. */
void file_run(const struct place *place, const char *sql);
/* The first column of the first row as a number; -1 when there is no row. */
int64_t file_number(const struct place *place, const char *sql);
/* The same as text (the caller frees it); NULL for no row or NULL. */
char *file_text(const struct place *place, const char *sql);
/* A hash of the bytes of the file at PATH. Only while no connection of this process is open:
 * closing any descriptor of the file drops their locks. */
uint64_t file_hash(const char *path);

#endif
