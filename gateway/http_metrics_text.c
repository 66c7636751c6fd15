#include "gateway/http_metrics.h"
#include "gateway/metric_rows.h"
#include "proto/stamp.h"

#define BOUNDS_MAX 64

/* Single numbers. */

static const struct single {
    const char *part; /* of the status; NULL: the status itself */
    const char *member;
    const char *name;
    enum prometheus_type type;
    const char *help;
} singles[] = {
    {"gateway", "draining", "tailgate_draining", PROMETHEUS_GAUGE,
     "1 while nothing more is dispatched because the gateway is about to stop."},
    {"relay", "draining", "tailgate_draining", PROMETHEUS_GAUGE,
     "1 while nothing more is dispatched because the relay is about to stop."},
    {"gateway", "paused", "tailgate_paused", PROMETHEUS_GAUGE,
     "1 while nothing of any service is given out, as an operator has ordered."},
    {"gateway", "rss_bytes", "tailgate_resident_memory_bytes", PROMETHEUS_GAUGE,
     "Resident memory of the gateway's process."},
    {"gateway", "open_fds", "tailgate_open_fds", PROMETHEUS_GAUGE,
     "Open descriptors of the gateway's process."},
    {"gateway", "max_fds", "tailgate_max_fds", PROMETHEUS_GAUGE,
     "Descriptors that the gateway's process may have."},
    {"gateway", "cpu_seconds", "tailgate_cpu_seconds_total", PROMETHEUS_COUNTER,
     "Processor time of the gateway's process."},
    {"source", "up", "tailgate_source_up", PROMETHEUS_GAUGE,
     "1 while the relay is connected to where its queries come from."},
    {"source", "kept", "tailgate_source_kept_answers", PROMETHEUS_GAUGE,
     "Answers that the relay keeps until they are taken above."},
    {NULL, "in_flight", "tailgate_relay_in_flight", PROMETHEUS_GAUGE,
     "Queries that the relay has taken and not answered."},
    {NULL, "held", "tailgate_held", PROMETHEUS_GAUGE,
     "Queries that wait for the worker that had them before a restart."},
    {"clients", "connections", "tailgate_client_connections", PROMETHEUS_GAUGE,
     "Connections of clients with something open."},
    {"clients", "requests", "tailgate_client_requests", PROMETHEUS_GAUGE,
     "Requests of clients that are not answered."},
    {"clients", "waiting", "tailgate_client_requests_waiting", PROMETHEUS_GAUGE,
     "Those of them that wait because their client has too many open."},
    {"events", "observers", "tailgate_observers", PROMETHEUS_GAUGE, "Connections of observers."},
    {NULL, "observers", "tailgate_observers", PROMETHEUS_GAUGE, "Connections of observers."},
    {"events", "subscriptions", "tailgate_subscriptions", PROMETHEUS_GAUGE,
     "Subscriptions of observers, counted for each connection."},
    {"events", "published", "tailgate_events_published_total", PROMETHEUS_COUNTER,
     "Events published."},
    {"wake", "hints", "tailgate_wake_hints_total", PROMETHEUS_COUNTER,
     "File events that said that somebody may have committed."},
    {"wake", "proofs", "tailgate_wake_proofs_total", PROMETHEUS_COUNTER,
     "Looks at the database that found a change."},
    {"wake", "rechecks", "tailgate_wake_rechecks_total", PROMETHEUS_COUNTER,
     "Looks after a file event that found nothing new."},
    {"wake", "safety_net_hits", "tailgate_safety_net_hits_total", PROMETHEUS_COUNTER,
     "Changes that no file event had told of; only the slow look found them."},
    {"tail", "lag", "tailgate_tail_lag", PROMETHEUS_GAUGE, "Rows in the file not seen yet."},
    {"tail", "blocked_seconds", "tailgate_tail_blocked_seconds", PROMETHEUS_GAUGE,
     "For how long the database could not be read by now, because it is locked."},
    {"tail", "parked", "tailgate_parked_queries", PROMETHEUS_GAUGE,
     "Unsettled queries below the low-water mark; 100001 means more than 100000."},
    {"tail", "dead", "tailgate_dead_letters", PROMETHEUS_GAUGE,
     "Dead letters that were not asked again; 100001 means more than 100000."},
    {"committer", "queued", "tailgate_commit_queue", PROMETHEUS_GAUGE,
     "Replies and notes that wait to be committed."},
    {"committer", "committed", "tailgate_committed_total", PROMETHEUS_COUNTER,
     "Ends of queries committed."},
    {"committer", "groups", "tailgate_commits_total", PROMETHEUS_COUNTER,
     "Transactions committed."},
    {"committer", "groups_split", "tailgate_commits_split_total", PROMETHEUS_COUNTER,
     "Groups committed one by one, because the database refused one of their rows."},
    {"committer", "busy", "tailgate_commit_busy_total", PROMETHEUS_COUNTER,
     "Times that somebody else's lock was in the way of a commit."},
    {"committer", "failures", "tailgate_commit_failures_total", PROMETHEUS_COUNTER,
     "Commits that failed for another reason, and were tried again."},
    {"committer", "wal_frames", "tailgate_wal_frames", PROMETHEUS_GAUGE,
     "Frames in the WAL after the last commit or checkpoint of the gateway."},
    {"committer", "wal_bytes", "tailgate_wal_size_bytes", PROMETHEUS_GAUGE,
     "Size of the WAL file."},
    {"committer", "lock_held_seconds", "tailgate_lock_held_seconds_total", PROMETHEUS_COUNTER,
     "Time that the gateway has held the database's write lock."},
    {"committer", "lock_duty", "tailgate_lock_duty_ratio", PROMETHEUS_GAUGE,
     "Share of the last 10 seconds that the gateway has held the write lock."},
};

static void add_singles(const json_t *status, struct buffer *ret_text)
{
    const char *last = "";

    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        const struct single *single = &singles[i];
        const json_t *part = single->part ? json_object_get(status, single->part) : status;
        const json_t *value = json_object_get(part, single->member);

        if (!json_is_number(value) && !json_is_boolean(value))
            continue;
        if (strcmp(single->name, last) != 0)
            prometheus_single(ret_text, single->name, single->type, single->help,
                              json_is_true(value) ? 1 : json_number_value(value));
        last = single->name;
    }
}

/* What is in one of several states. */

static void add_state(const char *name, const char *state, double value, struct buffer *ret_text)
{
    struct buffer labels;

    buffer_init(&labels);
    prometheus_label(&labels, "state", span_str(state));
    prometheus_sample(ret_text, name, buffer_span(&labels), value);
    buffer_done(&labels);
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value && strcmp(value, text) == 0;
}

static void add_committer_state(const json_t *committer, struct buffer *ret_text)
{
    static const char *const state[] = {"ok", "locked", "full", "failing", "dead", NULL};
    static const char name[] = "tailgate_committer_state";

    if (!json_is_string(json_object_get(committer, "state")))
        return;
    prometheus_family(ret_text, name, PROMETHEUS_GAUGE,
                      "1 for the state that the committer is in, 0 for the others.");
    for (size_t i = 0; state[i]; i++)
        add_state(name, state[i], is_text(committer, "state", state[i]), ret_text);
}

/* How many of LIST, an array of the status, are in each STATE. */
static void add_states(const json_t *list, const char *const *state, const char *name,
                       const char *help, struct buffer *ret_text)
{
    if (!json_is_array(list))
        return;
    prometheus_family(ret_text, name, PROMETHEUS_GAUGE, help);
    for (; *state; state++) {
        const json_t *one;
        size_t i, count = 0;

        json_array_foreach(list, i, one) count += is_text(one, "state", *state);
        add_state(name, *state, (double)count, ret_text);
    }
}

static void add_helpers(const json_t *helpers, struct buffer *ret_text)
{
    static const char *const state[] = {"running", "paused", "failed", NULL};
    const json_t *helper;
    double restarts = 0;
    size_t i;

    if (!json_is_array(helpers))
        return;
    add_states(helpers, state, "tailgate_helpers",
               "Programs that the gateway keeps running, by their state.", ret_text);
    json_array_foreach(helpers, i, helper) restarts +=
        json_number_value(json_object_get(helper, "restarts"));
    prometheus_single(ret_text, "tailgate_helper_restarts_total", PROMETHEUS_COUNTER,
                      "Times that one of them was started again.", restarts);
}

static void add_reps(const json_t *reps, struct buffer *ret_text)
{
    static const char *const state[] = {"up", "down", "waiting", NULL};

    add_states(reps, state, "tailgate_dialled_workers",
               "Workers that the gateway dials, by their state.", ret_text);
}

/* Histograms. */

/* Reads SIZE numbers of ARRAY. False when it has others. */
static bool read_numbers(const json_t *array, size_t size, double *ret_number)
{
    if (json_array_size(array) != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        const json_t *value = json_array_get(array, i);

        if (!json_is_number(value))
            return false;
        ret_number[i] = json_number_value(value);
    }
    return true;
}

static bool is_rising(const double *number, size_t size)
{
    for (size_t i = 1; i < size; i++)
        if (number[i - 1] >= number[i])
            return false;
    return true;
}

static void add_histogram(const json_t *histogram, const char *name, const char *help,
                          struct buffer *ret_text)
{
    const json_t *bounds = json_object_get(histogram, "bounds");
    double bound[BOUNDS_MAX], count[BOUNDS_MAX + 1];
    size_t size = json_array_size(bounds);

    if (size == 0 || size > BOUNDS_MAX || !read_numbers(bounds, size, bound) ||
        !read_numbers(json_object_get(histogram, "counts"), size + 1, count) ||
        !is_rising(bound, size))
        return;
    prometheus_family(ret_text, name, PROMETHEUS_HISTOGRAM, help);
    prometheus_buckets(ret_text, name, bound, count, size,
                       json_number_value(json_object_get(histogram, "sum")));
}

static void add_histograms(const json_t *histograms, struct buffer *ret_text)
{
    static const struct {
        const char *member, *name, *help;
    } known[] = {
        {"commit_to_tail", "tailgate_commit_to_tail_seconds",
         "From the time in a query's row to the gateway's seeing it."},
        {"tail_to_dispatch", "tailgate_tail_to_dispatch_seconds",
         "From seeing a query to handing it to a worker for the first time."},
        {"dispatch_to_reply", "tailgate_dispatch_to_reply_seconds",
         "What the attempt took that was answered."},
        {"reply_to_commit", "tailgate_reply_to_commit_seconds",
         "From a worker's answer to the end of its COMMIT."},
        {"total", "tailgate_query_seconds",
         "From seeing a query to the end of its answer's COMMIT."},
        {"group_size", "tailgate_commit_group_size",
         "Replies and notes written in one transaction."},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        add_histogram(json_object_get(histograms, known[i].member), known[i].name, known[i].help,
                      ret_text);
}

/* What it is. */

static struct span text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return span_of(json_string_value(value), json_string_length(value));
}

static void add_head(const json_t *status, struct buffer *ret_text)
{
    const json_t *relay = json_object_get(status, "relay");
    const json_t *self = relay ? relay : json_object_get(status, "gateway");
    struct buffer labels;
    int64_t since_us;

    buffer_init(&labels);
    prometheus_label(&labels, "program", span_str(relay ? "relay" : "gateway"));
    prometheus_label(&labels, "version", text_of(self, "version"));
    if (!relay)
        prometheus_label(&labels, "sqlite", text_of(self, "sqlite"));
    prometheus_family(ret_text, "tailgate_info", PROMETHEUS_GAUGE, "What runs; always 1.");
    prometheus_sample(ret_text, "tailgate_info", buffer_span(&labels), 1);
    if (stamp_parse(text_of(self, "since"), &since_us) == 0)
        prometheus_single(ret_text, "tailgate_start_time_seconds", PROMETHEUS_GAUGE,
                          "When it began to serve, in seconds since 1970.", (double)since_us / 1e6);
    buffer_done(&labels);
}

static void add_status(const json_t *status, struct buffer *ret_text)
{
    const json_t *committer = json_object_get(status, "committer");

    add_head(status, ret_text);
    http_metrics_rows(status, ret_text);
    add_singles(status, ret_text);
    add_committer_state(committer, ret_text);
    add_helpers(json_object_get(status, "helpers"), ret_text);
    add_reps(json_object_get(status, "reps"), ret_text);
    metric_rows_object(json_object_get(status, "messages"), "kind", "tailgate_messages_total",
                       "Unread rows seen for the served session, by what they are.", ret_text);
    metric_rows_object(json_object_get(committer, "checkpoint_results"), "result",
                       "tailgate_checkpoints_total", "Checkpoints tried, by how they ended.",
                       ret_text);
    http_metrics_counters(status, ret_text);
    add_histograms(json_object_get(status, "histograms"), ret_text);
}

void http_metrics_text(const json_t *status, const struct http_own *own, struct buffer *ret_text)
{
    bool up = is_text(status, "type", "status");

    prometheus_single(ret_text, "tailgate_up", PROMETHEUS_GAUGE,
                      "1 when the gateway has answered, 0 when it has not.", up);
    if (up)
        add_status(status, ret_text);
    if (own)
        http_metrics_own(own, ret_text);
}
