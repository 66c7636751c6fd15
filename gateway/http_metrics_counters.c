/* Counters of the status, each with a name and a help of its own; those of another version's that
 * are not known here are told all the same. */
#include "gateway/http_metrics.h"
#include "gateway/metric_rows.h"

#define REFUSED "What was not accepted, by the reason for that."
#define UNSENT "Messages that could not be sent, by the reason for that."

/* Lines of one name stand together. */
static const struct counter {
    const char *member; /* in the status */
    const char *name, *reason, *help;
} counters[] = {
    {"queries", "tailgate_queries_total", NULL, "Queries seen that nobody had answered."},
    {"odd_metadata", "tailgate_odd_metadata_total", NULL,
     "Unread rows whose metadata is not a JSON object and was ignored."},
    {"odd_bodies", "tailgate_odd_bodies_total", NULL,
     "Rows whose metadata says of their body what is not so."},
    {"taken", "tailgate_taken_total", NULL, "Queries that a relay took from above."},
    {"dispatched", "tailgate_dispatched_total", NULL, "Attempts sent to workers."},
    {"answered", "tailgate_answered_total", NULL, "Answers committed, or passed on by a relay."},
    {"dead", "tailgate_dead_total", NULL, "Queries that became dead letters."},
    {"retried", "tailgate_retried_total", NULL, "Attempts that failed, with another to follow."},
    {"failed", "tailgate_failed_total", NULL, "Attempts that failed at a relay's workers."},
    {"returned", "tailgate_returned_total", NULL, "Queries that a worker gave back."},
    {"adopted", "tailgate_adopted_total", NULL,
     "Attempts that their worker took up again after a restart or a cut."},
    {"leases_recorded", "tailgate_leases_recorded_total", NULL,
     "Leases written to the database because they lasted or were claimed."},
    {"failures_recorded", "tailgate_failures_recorded_total", NULL,
     "Ends of attempts written to the database."},
    {"unrecordable", "tailgate_unrecordable_total", NULL,
     "States of queries that the database's own rules refuse to record."},
    {"superseded", "tailgate_superseded_total", NULL, "Queries that someone else has set read."},
    {"expired", "tailgate_expired_total", NULL, "Queries whose conversation's time was over."},
    {"deleted", "tailgate_deleted_total", NULL, "Queries whose row or conversation was gone."},
    {"dropped", "tailgate_dropped_total", NULL,
     "Queries dropped by their client or an operator; of a relay, messages."},
    {"uncommittable", "tailgate_uncommittable_total", NULL,
     "Replies that the database's own rules refuse."},
    {"refused_forged", "tailgate_refused_total", "forged", REFUSED},
    {"refused_duplicate", "tailgate_refused_total", "duplicate", REFUSED},
    {"refused_past", "tailgate_refused_total", "past", REFUSED},
    {"refused_full", "tailgate_refused_total", "full", REFUSED},
    {"refused_keys", "tailgate_refused_total", "key", REFUSED},
    {"refused_roles", "tailgate_refused_total", "role", REFUSED},
    {"refused_loops", "tailgate_refused_total", "loop", REFUSED},
    {"not_allowed", "tailgate_refused_total", "not_allowed", REFUSED},
    {"strangers", "tailgate_refused_total", "stranger", REFUSED},
    {"bad_frames", "tailgate_refused_total", "bad_frames", REFUSED},
    {"unsupported", "tailgate_refused_total", "unsupported", REFUSED},
    {"unknown", "tailgate_refused_total", "unknown", REFUSED},
    {"turned_away", "tailgate_refused_total", "no_descriptor", REFUSED},
    {"clients_refused", "tailgate_refused_total", "request", REFUSED},
    {"reloads_refused", "tailgate_refused_total", "reload", REFUSED},
    {"partials", "tailgate_partials_total", NULL, "Parts of answers taken."},
    {"partials_lost", "tailgate_partials_lost_total", NULL,
     "Parts of answers that their client did not take."},
    {"unfollowed", "tailgate_partials_unfollowed_total", NULL,
     "Parts of answers not published because the beginning of their attempt was not seen."},
    {"events", "tailgate_events_passed_total", NULL, "Events that a relay passed on."},
    {"events_lost", "tailgate_events_lost_total", NULL,
     "Events that could not be handed to a socket."},
    {"replayed", "tailgate_replayed_total", NULL, "Rows told again to who asked for a replay."},
    {"replays", "tailgate_replays_total", NULL, "Replays that a relay asked for above."},
    {"observers_cut", "tailgate_observers_cut_total", NULL,
     "Connections of observers that were cut because of their subscriptions."},
    {"peers_gone", "tailgate_sends_failed_total", "gone", UNSENT},
    {"peers_full", "tailgate_sends_failed_total", "full", UNSENT},
    {"workers_left", "tailgate_workers_left_total", NULL,
     "Workers that left, were silent, over their time, or gone."},
    {"tail_busy", "tailgate_tail_busy_total", NULL, "Reads that found the database locked."},
    {"held_back", "tailgate_held_back_total", NULL,
     "Times that deliveries stopped because enough waited to be committed."},
    {"hints_lost", "tailgate_hints_lost_total", NULL,
     "Times that file events were lost and everything was looked at."},
    {"upkeep_refused", "tailgate_upkeep_refused_total", NULL,
     "Notes of the gateway's own that the database's own rules refuse."},
    {"left_to_agents", "tailgate_left_to_agents_total", NULL,
     "Looks at queries of a session where a living agent sits."},
    {"parked", "tailgate_parked_total", NULL,
     "Unsettled queries that the low-water mark has passed."},
    {"found_again", "tailgate_found_again_total", NULL, "Queries that a second look brought back."},
    {"retired", "tailgate_retired_rows_total", NULL,
     "Rows of the gateway's own that were removed because their time was over."},
    {"redacted", "tailgate_redacted_total", NULL, "Answers of which something was taken out."},
    {"redaction_failed", "tailgate_redaction_failed_total", NULL,
     "Texts left out because they could not be searched for secrets."},
    {"cut", "tailgate_cut_total", NULL, "Answers that were committed cut, and kept whole."},
    {"asked", "tailgate_requests_asked_total", NULL, "Requests of clients whose rows were made."},
    {"coalesced", "tailgate_requests_coalesced_total", NULL,
     "Requests of clients that attached to a row that was there."},
    {"clients_cut", "tailgate_clients_cut_total", NULL,
     "Connections of clients that took no replies and hear no more."},
    {"undelivered", "tailgate_undelivered_total", NULL,
     "Replies whose client was gone; they are committed all the same."},
    {"backlog_skipped", "tailgate_backlog_skipped_total", NULL,
     "Unread queries left alone because the gateway was told to skip them."},
};

#define COUNTERS (sizeof counters / sizeof counters[0])

static void add_sample(const struct counter *counter, double value, struct buffer *ret_text)
{
    struct buffer labels;

    buffer_init(&labels);
    if (counter->reason)
        prometheus_label(&labels, "reason", span_str(counter->reason));
    prometheus_sample(ret_text, counter->name, buffer_span(&labels), value);
    buffer_done(&labels);
}

void http_metrics_counters(const json_t *status, struct buffer *ret_text)
{
    const char *family = "";
    json_t *left = json_object_get(status, "counters");

    left = json_is_object(left) ? json_copy(left) : json_object();
    for (size_t i = 0; i < COUNTERS; i++) {
        const json_t *value = json_object_get(left, counters[i].member);
        if (!json_is_number(value))
            continue;
        if (strcmp(counters[i].name, family) != 0)
            prometheus_family(ret_text, counters[i].name, PROMETHEUS_COUNTER, counters[i].help);
        family = counters[i].name;
        add_sample(&counters[i], json_number_value(value), ret_text);
        json_object_del(left, counters[i].member);
    }
    metric_rows_object(left, "reason", "tailgate_other_total",
                       "Counters that this program does not know, by their name in the status.",
                       ret_text);
    json_decref(left);
}
