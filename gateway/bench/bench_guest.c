#include "gateway/bench/bench_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/host/clock.h"
#include "gateway/bench/bench_stats.h"
#include "gateway/bench/bench_writer.h"
#include "proto/buffer.h"

#define END_US 30000000 /* longer than a guest waits for the lock */
#define LINE_SIZE 128
#define EXTRA_BEGUN 8 /* of the board: guests that have begun */
#define READY_US 30000000

/* What one process is given. */
struct task {
    const struct bench_guests *guests;
    uint64_t index;
};

/* Of the role's process. */
static volatile sig_atomic_t over;
static int guest_input = -1;

/* For a guest that is another program, the end of its input is the end. */
static void end(int signal_number)
{
    (void)signal_number;
    over = 1;
    if (guest_input >= 0)
        close(guest_input);
    guest_input = -1;
}

static int run_ours(const struct task *task)
{
    const struct bench_guests *guests = task->guests;
    struct bench_board *board = guests->board;
    uint64_t number = guests->first + task->index;
    int64_t due_us = clock_mono_us();
    int code;

    atomic_fetch_add(&board->extra[EXTRA_BEGUN], 1);
    do { /* one at the least */
        int64_t asked_us = clock_mono_us();
        sqlite3 *db = bench_open(guests->site->db);
        code = db ? bench_write(guests->site, db, number, board) : -1;
        sqlite3_close(db);
        atomic_store(&board->trip[number].asked_us, asked_us);
        due_us += guests->pause_us;
        if (due_us > clock_mono_us())
            bench_sleep(due_us - clock_mono_us());
        else
            due_us = clock_mono_us(); /* what was late is not made up for */
        number += BENCH_GUESTS;
    } while (!over && code >= 0 && number < board->room);
    return code < 0 ? -1 : 0;
}

/* In the child that becomes the guest. */
static void become(const struct task *task, int input, int output)
{
    const struct bench_guests *guests = task->guests;
    const char *command = guests->site->bench->options->guest;
    char script[4096], conversation[BENCH_CONVERSATION_SIZE], number[4][24];

    bench_conversation(task->index % guests->site->conversations, conversation);
    snprintf(script, sizeof script, "exec %s \"$@\"", command);
    snprintf(number[0], sizeof number[0], "%" PRIu64, guests->first + task->index);
    snprintf(number[1], sizeof number[1], "%d", BENCH_GUESTS);
    snprintf(number[2], sizeof number[2], "%" PRId64, guests->pause_us);
    snprintf(number[3], sizeof number[3], "%zu", guests->site->bench->size);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", script, "guest", guests->site->db, conversation, number[0],
              number[1], number[2], number[3], (char *)NULL);
    _exit(127);
}

static int read_lines(const struct bench_guests *guests, FILE *lines)
{
    struct bench_board *board = guests->board;
    char line[LINE_SIZE];

    if (fgets(line, sizeof line, lines) && strcmp(line, "ready\n") != 0)
        return bench_fail("a guest is to say that it is ready, not: %.*s", (int)strcspn(line, "\n"),
                          line);
    atomic_fetch_add(&board->extra[EXTRA_BEGUN], 1);
    while (fgets(line, sizeof line, lines)) {
        uint64_t number;
        int64_t asked_us, committed_us;
        if (sscanf(line, "%" SCNu64 " %" SCNd64 " %" SCNd64, &number, &asked_us, &committed_us) !=
            3)
            return bench_fail("a guest is to print three numbers, not: %.*s",
                              (int)strcspn(line, "\n"), line);
        if (number >= board->room)
            continue;
        atomic_store(&board->trip[number].asked_us, asked_us);
        atomic_store(&board->trip[number].committed_us, committed_us);
        if (committed_us == 0)
            atomic_fetch_add(&board->locked, 1);
    }
    return 0;
}

static int run_program(const struct task *task)
{
    int input[2], output[2], status = 0, code;
    FILE *lines;
    pid_t pid;

    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
        return bench_fail("a guest: %s", strerror(errno));
    pid = fork();
    if (pid < 0)
        return bench_fail("a guest: %s", strerror(errno));
    if (pid == 0)
        become(task, input[0], output[1]);
    close(input[0]);
    close(output[1]);
    guest_input = input[1];
    if (over) /* before there was an input */
        end(SIGTERM);
    lines = fdopen(output[0], "r");
    code = read_lines(task->guests, lines);
    fclose(lines);
    waitpid(pid, &status, 0);
    if (code == 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        code = bench_fail("a guest has failed");
    return code;
}

/* So that a guest that is ended at once has its handler. */
static void hold_end(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(how, &set, NULL);
}

static int run(const void *work)
{
    const struct task *task = work;
    struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};
    int code;

    sigaction(SIGTERM, &action, NULL);
    hold_end(SIG_UNBLOCK);
    code = task->guests->site->bench->options->guest ? run_program(task) : run_ours(task);
    if (code < 0) /* nobody is to wait for it */
        atomic_fetch_add(&task->guests->board->extra[EXTRA_BEGUN], BENCH_GUESTS);
    return code;
}

static int await_ready(const struct bench_guests *self)
{
    int64_t until_us = clock_mono_us() + READY_US;

    while (atomic_load(&self->board->extra[EXTRA_BEGUN]) < BENCH_GUESTS) {
        if (clock_mono_us() > until_us)
            return bench_fail("the guests were not ready after 30 s");
        bench_sleep(1000);
    }
    return 0;
}

int bench_guests_start(struct bench_guests *self)
{
    int code = 0;

    hold_end(SIG_BLOCK);
    for (size_t i = 0; i < BENCH_GUESTS && code == 0; i++) {
        struct task task = {.guests = self, .index = i};
        code = bench_role_start("a guest", run, &task, &self->role[i]);
    }
    hold_end(SIG_UNBLOCK);
    if (code == 0)
        code = await_ready(self);
    if (code < 0)
        bench_guests_end(self);
    return code;
}

int bench_guests_end(struct bench_guests *self)
{
    int code = 0;

    for (size_t i = 0; i < BENCH_GUESTS; i++)
        if (self->role[i].pid)
            kill(self->role[i].pid, SIGTERM);
    for (size_t i = 0; i < BENCH_GUESTS; i++)
        if (self->role[i].pid && bench_role_wait(&self->role[i], END_US) < 0)
            code = -1;
    return code;
}

static int64_t greater(int64_t one, int64_t other)
{
    return one > other ? one : other;
}

void bench_guests_measure(const struct bench_guests *self, struct bench_patience *ret_patience)
{
    const struct bench_board *board = self->board;
    int64_t *took_us = memory_new((board->room / BENCH_GUESTS + 1) * sizeof *took_us);

    memset(ret_patience, 0, sizeof *ret_patience);
    for (uint64_t guest = 0; guest < BENCH_GUESTS; guest++) {
        size_t count = 0;
        for (uint64_t i = self->first + guest; i < board->room; i += BENCH_GUESTS)
            if (board->trip[i].committed_us)
                took_us[count++] = board->trip[i].committed_us - board->trip[i].asked_us;
        bench_order(took_us, count);
        ret_patience->inserts += count;
        ret_patience->p50_us = greater(ret_patience->p50_us, bench_percentile(took_us, count, 50));
        ret_patience->p99_us = greater(ret_patience->p99_us, bench_percentile(took_us, count, 99));
        ret_patience->most_us =
            greater(ret_patience->most_us, bench_percentile(took_us, count, 100));
    }
    free(took_us);
}
