#include "tests/faults/power.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/faults/disk.h"
#include "tests/faults/judge.h"

#define RECOVER_EACH 5 /* so many states of the disk: one is served again, the others looked at */

struct power {
    enum site_mode mode;
    const struct power_wish *wish;
    struct disk *disk;
    long cuts, violations;
};

static struct disk *recorder; /* of the run under way */

static void promise(const struct ledger *ledger)
{
    disk_promise(recorder, ledger);
}

/* The run itself, guest included, on a disk that keeps its power; and on what is recorded. */
static int record(struct disk *disk, const struct site_image *image)
{
    char folder[PATH_MAX];
    struct ledger ledger = {.asked = {false}};
    struct script_run run = {
        .guest_layer = "shim", .ledger = &ledger, .told = promise, .patient = true};
    struct place place;
    enum script_end end;

    site_make_folder(folder);
    site_write(image, folder);
    place = site_place(folder);
    run.place = &place;
    recorder = disk;
    shim_install();
    shim_skip_sleeps();
    shim_watch(disk_record, disk);
    end = script_play(&run);
    shim_remove();
    site_remove_folder(folder);
    if (end != SCRIPT_DONE)
        fprintf(stderr, "violation: faults --power: the run ends %s\n", script_end_name(end));
    return end != SCRIPT_DONE;
}

/* The normal start after the power has come back. */
static int recover(const struct place *place, const struct ledger *ledger, const char *what)
{
    struct ledger after = *ledger;
    struct script_run run = {
        .place = place, .guest_layer = "unix", .ledger = &after, .patient = true};
    enum script_end end = script_recover(&run);

    if (end == SCRIPT_DONE)
        return judge_file(place, &after, true, what, false);
    fprintf(stderr, "violation: %s: the next start ends %s\n", what, script_end_name(end));
    return 1;
}

static void cut(struct power *self, long at, unsigned long seed)
{
    char folder[PATH_MAX], what[200];
    const struct ledger *ledger = disk_ledger(self->disk);
    struct place place;
    int violations;

    snprintf(what, sizeof what, "faults --power --journal %s --cut %ld:%lu (%s)",
             site_mode_name(self->mode), at, seed, disk_style_name(seed));
    site_make_folder(folder);
    disk_cut(self->disk, seed, folder);
    place = site_place(folder);
    violations = judge_file(&place, ledger, false, what, self->wish->lie);
    if (!violations && !self->wish->lie && seed % RECOVER_EACH == (unsigned long)at % RECOVER_EACH)
        violations = recover(&place, ledger, what);
    site_remove_folder(folder);
    self->violations += violations;
    self->cuts++;
}

static void cut_everywhere(struct power *self)
{
    long changes = disk_changes(self->disk);

    disk_rewind(self->disk);
    for (long at = 0;; at++) {
        for (unsigned long seed = 0; seed < self->wish->seeds; seed++) {
            if (self->wish->cut < 0)
                cut(self, at, seed);
            if (self->wish->lie && self->violations)
                return;
        }
        if (self->wish->cut == at)
            cut(self, at, self->wish->seed);
        if (at == changes)
            return;
        disk_advance(self->disk);
    }
}

long power_run(enum site_mode mode, const struct power_wish *wish)
{
    struct power self = {.mode = mode, .wish = wish};
    struct site_image image;
    struct timespec from, to;
    long broken;

    clock_gettime(CLOCK_MONOTONIC, &from);
    site_draw(mode, &image);
    self.disk = disk_new(&image, wish->lie);
    broken = record(self.disk, &image);
    if (!broken)
        cut_everywhere(&self);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("faults: power%s: %s: %ld changes, %ld cuts, violations %ld%s; %.1f s\n",
           wish->lie ? " with syncs that lie" : "", site_mode_name(mode), disk_changes(self.disk),
           self.cuts, self.violations, wish->lie ? " (at least 1 wanted)" : "",
           (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    fflush(stdout);
    disk_destroy(&self.disk);
    site_image_done(&image);
    if (wish->lie)
        return broken + (self.violations == 0);
    return broken + self.violations;
}
