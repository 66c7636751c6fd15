#include "gateway/status_parts.h"

/* UNITS: how many of the histogram's make one of what is shown. */
static json_t *histogram_part(const struct histogram *histogram, double units)
{
    json_t *part = json_object(), *bounds = json_array(), *counts = json_array();

    for (size_t i = 0; i < histogram->bounds; i++)
        json_array_append_new(bounds, json_real((double)histogram_bound(histogram, i) / units));
    for (size_t i = 0; i <= histogram->bounds; i++)
        json_array_append_new(counts, json_integer((json_int_t)histogram->count[i]));
    json_object_set_new(part, "bounds", bounds);
    json_object_set_new(part, "counts", counts);
    json_object_set_new(part, "sum", json_real((double)histogram->sum / units));
    json_object_set_new(part, "count", json_integer((json_int_t)histogram_total(histogram)));
    return part;
}

json_t *status_histograms(const struct server *server, const struct committer_measures *measures)
{
    json_t *part = json_object();

    for (int i = 0; i < STAGES; i++)
        json_object_set_new(part, stats_stage_name((enum stage)i),
                            histogram_part(&server->stats.stage[i], 1e6));
    json_object_set_new(part, "group_size", histogram_part(&measures->groups, 1));
    return part;
}
