#include "tests/faults/one_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/judge.h"

#define LIFETIME_S 60 /* only a hang lives so long */

#define CLOSED_EACH                                                                                \
    4 /* of so many closed files one is served again, and each that a crash left                   \
       */

/* What the process of the run leaves behind, however it ends. */
struct legacy {
    struct ledger ledger;
    struct one_result result;
};
static struct legacy *legacy; /* of the run under way */

static void print_call(void *context, const struct shim_call *call)
{
    static const char *const file[] = {"db", "wal", "journal", "other"};

    (void)context;
    fprintf(stderr, "   %s #%ld %s", shim_op_name(call->op), shim_count(call->op),
            file[call->file]);
    if (call->op == SHIM_WRITE || call->op == SHIM_READ || call->op == SHIM_SHM_LOCK)
        fprintf(stderr, " %lld at %lld", (long long)call->size, (long long)call->offset);
    if (call->op == SHIM_LOCK || call->op == SHIM_UNLOCK)
        fprintf(stderr, " level %d", call->level);
    fprintf(stderr, "%s%s\n", call->code ? ": " : "", call->code ? sqlite3_errstr(call->code) : "");
}

/* Everything is as a crash would leave it. The other process looks, and lets us go on. */
static void stand_still(const struct place *place)
{
    (void)place;
    raise(SIGSTOP);
}

static void play(const struct one_wish *wish, const struct place *place)
{
    struct one_result *result = &legacy->result;
    struct script_run run = {
        .place = place,
        .guest_layer = "unix",
        .ledger = &legacy->ledger,
        .paused = stand_still,
        .patient = !wish->fault.ever,
        .trace = wish->trace,
    };

    shim_install();
    shim_skip_sleeps();
    if (wish->trace)
        shim_watch(print_call, NULL);
    shim_arm(&wish->fault);
    result->end = script_play(&run);
    result->injected = shim_injected();
    result->late_changes = run.late_changes;
    result->closing = run.closing;
    result->checkpoints = run.checkpoints;
    for (int op = 0; op < SHIM_OPS; op++)
        result->count[op] = shim_count((enum shim_op)op);
}

/* Runs the child; copies what a crash would leave from FOLDER to CRASH. False when it died. */
static bool play_apart(const struct one_wish *wish, const char *folder, const char *crash)
{
    const struct place place = site_place(folder);
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        alarm(LIFETIME_S);
        play(wish, &place);
        fflush(NULL);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid)
        return false;
    if (WIFSTOPPED(status)) {
        site_copy(folder, crash);
        kill(pid, SIGCONT);
        if (waitpid(pid, &status, 0) != pid)
            return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What stands in FOLDER, before and, where AGAIN, after the next start. */
static int judge_folder(const struct one_wish *wish, const char *folder, const char *how,
                        bool again)
{
    const struct place place = site_place(folder);
    struct ledger ledger = legacy->ledger;
    struct script_run run = {
        .place = &place, .guest_layer = "unix", .ledger = &ledger, .patient = true};
    char what[200];
    enum script_end end;
    int violations;

    snprintf(what, sizeof what, "%s: %s", wish->what, how);
    violations = judge_file(&place, &ledger, false, what, false);
    if (violations || !again)
        return violations;
    memset(ledger.ended, 0, sizeof ledger.ended); /* the next start may find another end */
    end = script_recover(&run);
    if (end != SCRIPT_DONE) {
        fprintf(stderr, "violation: %s: the next start ends %s\n", what, script_end_name(end));
        return 1;
    }
    snprintf(what, sizeof what, "%s: %s, and the next start", wish->what, how);
    return judge_file(&place, &ledger, true, what, false);
}

int one_run(const struct one_wish *wish, struct one_result *ret_result)
{
    char base[PATH_MAX], folder[PATH_MAX + 8], crash[PATH_MAX + 8];
    int violations = 0;

    legacy = mmap(NULL, sizeof *legacy, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (legacy == MAP_FAILED)
        return 1;
    site_make_folder(base);
    snprintf(folder, sizeof folder, "%s/run", base);
    snprintf(crash, sizeof crash, "%s/crash", base);
    mkdir(folder, 0700);
    mkdir(crash, 0700);
    site_write(wish->image, folder);
    legacy->result.died = !play_apart(wish, folder, crash);
    if (!legacy->result.died) {
        violations += judge_folder(wish, crash, "as a crash leaves it", true);
        violations += judge_folder(wish, folder, "closed", wish->fault.n % CLOSED_EACH == 0);
    }
    site_remove_folder(base);
    *ret_result = legacy->result;
    munmap(legacy, sizeof *legacy);
    return violations;
}
