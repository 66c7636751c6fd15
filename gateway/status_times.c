#include "gateway/status_times.h"

#include <stdio.h>

static double number_at(const json_t *array, size_t index)
{
    return json_number_value(json_array_get(array, index));
}

double status_quantile(const json_t *histogram, double share)
{
    const json_t *bounds = json_object_get(histogram, "bounds");
    const json_t *counts = json_object_get(histogram, "counts");
    size_t size = json_array_size(bounds);
    double total = json_number_value(json_object_get(histogram, "count"));
    double below = 0, lower = 0;

    if (size == 0 || total <= 0)
        return -1;
    for (size_t i = 0; i < size; i++) {
        double count = number_at(counts, i), upper = number_at(bounds, i);
        if (count > 0 && below + count >= share * total)
            return lower + (upper - lower) * (share * total - below) / count;
        below += count;
        lower = upper;
    }
    return lower; /* above all bounds */
}

static void print_duration(double seconds)
{
    double shown = seconds < 1 ? seconds * 1000 : seconds;
    int digits = shown < 1 ? 2 : shown < 10 ? 1 : 0;

    if (seconds < 0)
        putchar('-');
    else
        printf("%.*f %s", digits, shown, seconds < 1 ? "ms" : "s");
}

static void print_stage(const char *label, const json_t *histograms, const char *name)
{
    const json_t *histogram = json_object_get(histograms, name);

    printf("%s ", label);
    print_duration(status_quantile(histogram, 0.5));
    printf(" (");
    print_duration(status_quantile(histogram, 0.99));
    putchar(')');
}

void status_times_print(const json_t *status)
{
    const json_t *histograms = json_object_get(status, "histograms");
    const json_t *groups = json_object_get(histograms, "group_size");
    const json_t *committer = json_object_get(status, "committer");

    if (status_quantile(json_object_get(histograms, "total"), 0.5) < 0)
        return;
    printf("Times      median (p99):");
    print_stage(" seen after", histograms, "commit_to_tail");
    print_stage(", at a worker", histograms, "tail_to_dispatch");
    print_stage(",\n           answered", histograms, "dispatch_to_reply");
    print_stage(", committed", histograms, "reply_to_commit");
    print_stage("; in all", histograms, "total");
    printf("\nLock       held %.2g %% of the last 10 s; writes in a commit: %.0f (%.0f)\n",
           100 * json_number_value(json_object_get(committer, "lock_duty")),
           status_quantile(groups, 0.5), status_quantile(groups, 0.99));
}
