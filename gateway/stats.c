#include "gateway/stats.h"

const char *stats_name(enum counter counter)
{
    static const char *const name[STATS] = {
        [STAT_QUERIES] = "queries",
        [STAT_ODD_METADATA] = "odd_metadata",
        [STAT_DISPATCHED] = "dispatched",
        [STAT_ANSWERED] = "answered",
        [STAT_DEAD] = "dead",
        [STAT_RETRIED] = "retried",
        [STAT_RETURNED] = "returned",
        [STAT_ADOPTED] = "adopted",
        [STAT_LEASES_RECORDED] = "leases_recorded",
        [STAT_FAILURES_RECORDED] = "failures_recorded",
        [STAT_SUPERSEDED] = "superseded",
        [STAT_EXPIRED] = "expired",
        [STAT_DELETED] = "deleted",
        [STAT_UNCOMMITTABLE] = "uncommittable",
        [STAT_REFUSED_FORGED] = "refused_forged",
        [STAT_REFUSED_DUPLICATE] = "refused_duplicate",
        [STAT_REFUSED_PAST] = "refused_past",
        [STAT_REFUSED_FULL] = "refused_full",
        [STAT_PARTIALS] = "partials",
        [STAT_STRANGERS] = "strangers",
        [STAT_BAD_FRAMES] = "bad_frames",
        [STAT_UNSUPPORTED] = "unsupported",
        [STAT_NOT_ALLOWED] = "not_allowed",
        [STAT_PEERS_GONE] = "peers_gone",
        [STAT_PEERS_FULL] = "peers_full",
        [STAT_WORKERS_LEFT] = "workers_left",
        [STAT_TAIL_BUSY] = "tail_busy",
        [STAT_UPKEEP_REFUSED] = "upkeep_refused",
        [STAT_LEFT_TO_AGENTS] = "left_to_agents",
        [STAT_PARKED] = "parked",
        [STAT_FOUND_AGAIN] = "found_again",
        [STAT_RETIRED] = "retired",
        [STAT_REDACTED] = "redacted",
        [STAT_REDACTION_FAILED] = "redaction_failed",
        [STAT_CUT] = "cut",
        [STAT_BACKLOG_SKIPPED] = "backlog_skipped",
    };
    return name[counter];
}
