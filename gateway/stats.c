#include "gateway/stats.h"

#include <stdio.h>
#include <string.h>

/* 100 microseconds to 56 minutes */
#define STAGE_FIRST_US 100
#define STAGE_BOUNDS 26

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
        [STAT_REPLAYED] = "replayed",
        [STAT_UNFOLLOWED] = "unfollowed",
        [STAT_OBSERVERS_CUT] = "observers_cut",
        [STAT_EVENTS_LOST] = "events_lost",
        [STAT_TURNED_AWAY] = "turned_away",
        [STAT_STRANGERS] = "strangers",
        [STAT_BAD_FRAMES] = "bad_frames",
        [STAT_UNSUPPORTED] = "unsupported",
        [STAT_NOT_ALLOWED] = "not_allowed",
        [STAT_REFUSED_KEYS] = "refused_keys",
        [STAT_REFUSED_ROLES] = "refused_roles",
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
        [STAT_ASKED] = "asked",
        [STAT_COALESCED] = "coalesced",
        [STAT_CLIENTS_REFUSED] = "clients_refused",
        [STAT_CLIENTS_CUT] = "clients_cut",
        [STAT_UNDELIVERED] = "undelivered",
        [STAT_PARTIALS_LOST] = "partials_lost",
        [STAT_ODD_BODIES] = "odd_bodies",
        [STAT_DROPPED] = "dropped",
        [STAT_BACKLOG_SKIPPED] = "backlog_skipped",
        [STAT_UNRECORDABLE] = "unrecordable",
        [STAT_HELD_BACK] = "held_back",
        [STAT_HINTS_LOST] = "hints_lost",
        [STAT_RELOADS_REFUSED] = "reloads_refused",
    };
    return name[counter];
}

const char *stats_stage_name(enum stage stage)
{
    static const char *const name[STAGES] = {"commit_to_tail", "tail_to_dispatch",
                                             "dispatch_to_reply", "reply_to_commit", "total"};
    return name[stage];
}

void stats_init(struct stats *self)
{
    *self = (struct stats){.count = {0}};
    for (int i = 0; i < STAGES; i++)
        histogram_init(&self->stage[i], STAGE_FIRST_US, STAGE_BOUNDS);
}

struct adapter_stats *stats_adapter(struct stats *self, const char *name)
{
    struct adapter_stats *row = self->adapter;

    if (name[0] == '\0')
        return NULL;
    while (row < self->adapter + STATS_ADAPTERS && row->name[0] && strcmp(row->name, name) != 0)
        row++;
    if (row->name[0] == '\0')
        snprintf(row->name, sizeof row->name, "%s",
                 row < self->adapter + STATS_ADAPTERS ? name : "other");
    return row;
}
