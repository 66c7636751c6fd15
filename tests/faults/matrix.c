#include "tests/faults/matrix.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/one_run.h"

#define FEW 20         /* calls of a kind, of which none is left out */
#define READ_STRIDE 16 /* of the reads, of which there are many, each 16th fails */

struct kind {
    const char *name;
    enum shim_op op;
    int code;
    bool passes; /* the gateway outwaits it (committer.h, C3) */
    long stride;
};

/* One kind more is a line more. */
static const struct kind kinds[] = {
    {"open", SHIM_OPEN, SQLITE_CANTOPEN, true, 1},
    {"read", SHIM_READ, SQLITE_IOERR_READ, false, READ_STRIDE},
    {"write", SHIM_WRITE, SQLITE_IOERR_WRITE, false, 1},
    {"write-full", SHIM_WRITE, SQLITE_FULL, true, 1},
    {"truncate", SHIM_TRUNCATE, SQLITE_IOERR_TRUNCATE, false, 1},
    {"sync", SHIM_SYNC, SQLITE_IOERR_FSYNC, false, 1},
    {"lock", SHIM_LOCK, SQLITE_IOERR_LOCK, false, 1},
    {"lock-busy", SHIM_LOCK, SQLITE_BUSY, true, 1},
    {"shmlock", SHIM_SHM_LOCK, SQLITE_IOERR_SHMLOCK, false, 1},
    {"shmlock-busy", SHIM_SHM_LOCK, SQLITE_BUSY, true, 1},
    {"shmmap", SHIM_SHM_MAP, SQLITE_IOERR_SHMMAP, false, 1},
    {"shmmap-open", SHIM_SHM_MAP, SQLITE_CANTOPEN, true, 1},
    {"delete", SHIM_DELETE, SQLITE_IOERR_DELETE, false, 1},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct fault_case {
    const struct kind *kind;
    long n;
    bool ever;
};

/* What the processes share. */
struct tally {
    atomic_long next; /* case */
    atomic_long injected, violations;
    atomic_long ends[SCRIPT_ENDS];
};

struct matrix {
    enum site_mode mode;
    const struct matrix_wish *wish;
    struct site_image image;
    struct fault_case *cases;
    long count;
    struct tally *tally;
    struct one_result clean;
};

const char *matrix_kind_name(size_t number)
{
    return number < KINDS ? kinds[number].name : NULL;
}

static int object(const char *what, const char *say)
{
    fprintf(stderr, "violation: %s: %s\n", what, say);
    return 1;
}

/* What the gateway made of the fault, against what its promises say. */
static int judge_end(const struct fault_case *each, const struct one_result *is, const char *what)
{
    bool busy = each->kind->code == SQLITE_BUSY;

    if (is->died)
        return object(what, "the run crashed or hung");
    if (is->end == SCRIPT_STARVED)
        return object(what, "the guest could not write, or what it wrote was not seen");
    if (is->end == SCRIPT_REFUSED)
        return object(what, "an answer was given up as one that can never be committed");
    if (is->injected == 0)
        return object(what, "that call did not come: the run does not repeat itself");
    if (is->end == SCRIPT_STUCK && !each->ever)
        return object(what, "it waits for a trouble that has passed");
    if (is->end == SCRIPT_DEAD && is->late_changes)
        return object(what, "something was written after the committer was dead");
    if (is->end == SCRIPT_DEAD && each->kind->passes)
        return object(what, "it ends because of what would have passed");
    if (is->end == SCRIPT_STOPPED && busy && !each->ever)
        return object(what, "it ends because of a lock");
    if (is->end == SCRIPT_DONE && each->kind->op == SHIM_SYNC && !is->closing)
        return object(what, "a failed fsync was passed over");
    return 0;
}

static void run_case(struct matrix *self, const struct fault_case *each)
{
    char what[120];
    struct one_result result;
    const struct one_wish wish = {
        .image = &self->image,
        .fault = {each->kind->op, SHIM_ANY_FILE, each->n, each->ever, each->kind->code},
        .trace = self->wish->trace,
        .what = what,
    };
    int violations;

    snprintf(what, sizeof what, "faults --journal %s --only %s:%ld:%s", site_mode_name(self->mode),
             each->kind->name, each->n, each->ever ? "ever" : "once");
    violations = one_run(&wish, &result);
    violations += judge_end(each, &result, what);
    self->tally->violations += violations;
    self->tally->injected += result.injected;
    if (!result.died)
        self->tally->ends[result.end]++;
}

/* All cases of the kind that the wish names, or of all kinds. */
static void list_cases(struct matrix *self)
{
    const struct matrix_wish *wish = self->wish;

    for (size_t i = 0; i < KINDS; i++) {
        const struct kind *kind = &kinds[i];
        long total = self->clean.count[kind->op];
        if (wish->kind && strcmp(wish->kind, kind->name) != 0)
            continue;
        bool few = total < FEW;
        long step = wish->n ? total : kind->stride * (few ? 1 : wish->stride);
        for (long n = wish->n ? wish->n : few ? 1 : 1 + wish->first; n <= total; n += step) {
            for (int ever = 0; ever < 2; ever++) {
                if (wish->ever >= 0 && wish->ever != ever)
                    continue;
                self->cases =
                    memory_grow(self->cases, sizeof *self->cases * (size_t)(self->count + 1));
                self->cases[self->count++] = (struct fault_case){kind, n, ever != 0};
            }
        }
    }
}

static void work(struct matrix *self)
{
    long i;

    while ((i = self->tally->next++) < self->count)
        run_case(self, &self->cases[i]);
}

static void work_beside(struct matrix *self)
{
    int jobs = self->wish->jobs;

    fflush(NULL);
    for (int i = 0; i < jobs; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            work(self);
            fflush(NULL);
            _exit(0);
        }
        if (pid < 0)
            self->tally->violations += object("faults", "cannot fork");
    }
    for (int i = 0; i < jobs; i++) {
        int status = 0;
        if (wait(&status) > 0 && status != 0)
            self->tally->violations += object("faults", "a process of the run ended badly");
    }
}

static void print_totals(const struct matrix *self, double seconds)
{
    long operations = 0;

    for (int op = 0; op < SHIM_OPS; op++)
        operations += self->clean.count[op];
    printf("faults: %s: %ld operations", site_mode_name(self->mode), operations);
    for (int op = 0; op < SHIM_OPS; op++)
        printf("%s %s %ld", op ? "," : ":", shim_op_name((enum shim_op)op), self->clean.count[op]);
    printf("; %ld runs, %ld faults injected; ends:", self->count,
           atomic_load(&self->tally->injected));
    for (int end = 0; end < SCRIPT_ENDS; end++)
        printf("%s %s %ld", end ? "," : "", script_end_name((enum script_end)end),
               atomic_load(&self->tally->ends[end]));
    printf("; violations %ld; %.1f s\n", atomic_load(&self->tally->violations), seconds);
    fflush(stdout);
}

/* Without a fault everything is done: what all other runs are compared with. */
static int run_clean(struct matrix *self)
{
    const struct one_wish wish = {.image = &self->image, .what = "without a fault"};
    int violations = one_run(&wish, &self->clean);

    if (self->clean.died || self->clean.end != SCRIPT_DONE)
        violations += object("without a fault", script_end_name(self->clean.end));
    if (self->mode == SITE_WAL && self->clean.checkpoints == 0)
        violations += object("without a fault", "the committer has not tried a checkpoint");
    return violations;
}

long matrix_run(enum site_mode mode, const struct matrix_wish *wish)
{
    struct matrix self = {.mode = mode, .wish = wish};
    struct timespec from, to;
    long violations;

    clock_gettime(CLOCK_MONOTONIC, &from);
    self.tally =
        mmap(NULL, sizeof *self.tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self.tally == MAP_FAILED)
        return object("faults", "no memory to share");
    site_draw(mode, &self.image);
    self.tally->violations += run_clean(&self);
    list_cases(&self);
    work_beside(&self);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print_totals(&self,
                 (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    violations = self.tally->violations;
    munmap(self.tally, sizeof *self.tally);
    site_image_done(&self.image);
    free(self.cases);
    return violations;
}
