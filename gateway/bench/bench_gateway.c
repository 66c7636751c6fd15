#include "gateway/bench/bench_gateway.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapters/bridge/place.h"
#include "adapters/host/clock.h"
#include "gateway/bench/bench_role.h"

#define START_US 120000000
#define STOP_US 60000000
#define SETTINGS 16
#define DUTY "commit.duty="

/* In the child. */
static void become(const char *const *argument, int log, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 && getppid() == parent)
        execv(argument[0], (char *const *)(uintptr_t)argument);
    _exit(127);
}

/* Nobody needs the log any more. */
static void forget_log(struct bench_gateway *self)
{
    close(self->log);
    self->log = -1;
}

/* With the last line of its log, which is forgotten then. */
static int say_why(struct bench_gateway *self, const char *what)
{
    char line[1024], last[1024] = "its log is empty";
    FILE *log = lseek(self->log, 0, SEEK_SET) == 0 ? fdopen(self->log, "r") : NULL;

    while (log && fgets(line, sizeof line, log)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line)
            memcpy(last, line, sizeof last);
    }
    if (log)
        fclose(log);
    else
        close(self->log);
    self->log = -1;
    return bench_fail("the gateway %s: %s", what, last);
}

static int await_serving(struct bench_gateway *self)
{
    int64_t begin_us = clock_mono_us();
    struct place place;
    struct place_holder holder;
    int status;

    if (place_find(self->site->db, &place) != 0)
        return bench_fail("%s has gone", self->site->db);
    while (place_holder(&place, &holder) != 0 || holder.pid != self->pid || !*holder.gate) {
        if (bench_wait_for(self->pid, 1000, &status)) {
            self->pid = 0;
            return say_why(self, "did not start");
        }
        if (clock_mono_us() - begin_us > START_US)
            return say_why(self, "does not serve");
    }
    self->start_us = clock_mono_us() - begin_us;
    return 0;
}

int bench_gateway_start(struct bench_site *site, const char *const *settings,
                        struct bench_gateway *ret_gateway)
{
    const struct bench_options *options = site->bench->options;
    const char *argument[2 * SETTINGS + 8] = {options->tailgate, "serve", "--db", site->db};
    char duty[sizeof DUTY + 16];
    size_t count = 4;
    bool has_duty = false;
    pid_t parent = getpid(), pid;
    int log;

    for (size_t i = 0; settings && settings[i] && i < SETTINGS; i++) {
        argument[count++] = "--set";
        argument[count++] = settings[i];
        has_duty = has_duty || strncmp(settings[i], DUTY, sizeof DUTY - 1) == 0;
    }
    snprintf(duty, sizeof duty, DUTY "%u", options->duty);
    if (!has_duty) {
        argument[count++] = "--set";
        argument[count++] = duty;
    }
    log = memfd_create("gateway.log", MFD_CLOEXEC);
    pid = log < 0 ? -1 : fork();
    if (pid == 0)
        become(argument, log, parent);
    if (pid < 0) {
        bench_fail("cannot start the gateway: %s", strerror(errno));
        if (log >= 0)
            close(log);
        return -1;
    }
    *ret_gateway = (struct bench_gateway){.pid = pid, .log = log, .site = site};
    return await_serving(ret_gateway);
}

int bench_gateway_stop(struct bench_gateway *self)
{
    int status = 0;
    pid_t pid = self->pid;

    if (pid == 0)
        return 0;
    kill(pid, SIGTERM);
    self->pid = 0;
    if (!bench_wait_for(pid, STOP_US, &status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return say_why(self, "did not end and was killed");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return say_why(self, "ended");
    forget_log(self);
    return 0;
}

/* The number behind NAME in the file PATH, summed over the lines that begin so. */
static int64_t sum_of(const char *path, const char *name)
{
    char line[512];
    int64_t sum = 0, number;
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), "%" SCNd64, &number) == 1)
            sum += number;
    if (file)
        fclose(file);
    return sum;
}

/* To the nanosecond; /proc has hundredths of a second. */
static int64_t cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec used;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return -1;
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

int bench_gateway_usage(const struct bench_gateway *self, struct bench_usage *ret_usage)
{
    char path[300];
    DIR *threads;

    ret_usage->cpu_us = cpu_of(self->pid);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)self->pid);
    ret_usage->anonymous_bytes = sum_of(path, "Anonymous:") * 1024;
    ret_usage->wakeups = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)self->pid);
    threads = opendir(path);
    for (struct dirent *each = threads ? readdir(threads) : NULL; each; each = readdir(threads)) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)self->pid, each->d_name);
        ret_usage->wakeups += (uint64_t)sum_of(path, "voluntary_ctxt_switches:");
    }
    if (threads)
        closedir(threads);
    return ret_usage->cpu_us < 0 ? bench_fail("the gateway has ended") : 0;
}
