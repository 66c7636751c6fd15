#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/bridge/db.h"
#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "adapters/host/usage.h"
#include "adapters/zmq/endpoint.h"
#include "gateway/server.h"
#include "gateway/status_parts.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

/* Making it costs O(workers, services, conversations), and anybody may ask. */
#define KEPT_US 100000

json_t *status_seconds(int64_t us)
{
    return json_real((double)(us / 1000) / 1000);
}

static json_t *stamp(int64_t utc_us)
{
    char text[STAMP_SIZE];

    stamp_format(utc_us, text);
    return json_string(text);
}

/* Names come from outside: any bytes become valid text. */
static json_t *name(const char *bytes)
{
    struct buffer text;
    json_t *string;

    buffer_init(&text);
    utf8_repair(&text, span_str(bytes));
    string = json_stringn(text.data ? text.data : "", text.size);
    buffer_done(&text);
    return string;
}

static void add_door(json_t *doors, const char *what, const char *endpoint, bool curve)
{
    bool ipc = strncmp(endpoint, "ipc://", 6) == 0;
    json_t *row = json_object();

    json_object_set_new(row, "door", json_string(what));
    json_object_set_new(row, "endpoint", name(endpoint));
    json_object_set_new(row, "security", json_string(ipc ? "ipc" : curve ? "curve" : "plain"));
    json_object_set_new(
        row, "insecure",
        json_boolean(!ipc && !curve && endpoint_read(endpoint) == ENDPOINT_OFF_HOST));
    json_array_append_new(doors, row);
}

static json_t *doors_part(const struct server *self)
{
    json_t *doors = json_array();

    for (size_t i = 0; i < gate_doors(self->gate); i++)
        add_door(doors, "gate", gate_endpoint(self->gate, i), gate_is_curve(self->gate, i));
    for (size_t i = 0; i < events_doors(self->events); i++)
        add_door(doors, events_is_batch(self->events, i) ? "batches" : "events",
                 events_endpoint(self->events, i), events_is_curve(self->events, i));
    return doors;
}

static json_t *known(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

/* What the process uses. */
static void usage_part(json_t *part)
{
    struct usage usage;

    usage_read(&usage);
    json_object_set_new(part, "rss_bytes", known(usage.rss_bytes));
    json_object_set_new(part, "open_fds", known(usage.open_fds));
    json_object_set_new(part, "max_fds", known(usage.max_fds));
    json_object_set_new(part, "cpu_seconds", status_seconds(usage.cpu_us));
}

static json_t *gateway_part(const struct server *self)
{
    json_t *part = json_object();
    json_t *gates = json_array();

    for (size_t i = 0; i < gate_doors(self->gate); i++)
        json_array_append_new(gates, json_string(gate_endpoint(self->gate, i)));
    json_object_set_new(part, "pid", json_integer(getpid()));
    json_object_set_new(part, "since", stamp(self->since_utc_us));
    json_object_set_new(part, "version", json_string(TAILGATE_VERSION));
    json_object_set_new(part, "sqlite", json_string(db_sqlite_version()));
    json_object_set_new(part, "sqlite_linked_in", json_boolean(db_sqlite_is_linked_in()));
    json_object_set_new(part, "db", name(self->place.db));
    json_object_set_new(part, "gates", gates);
    json_object_set_new(part, "doors", doors_part(self));
    json_object_set_new(part, "draining", json_boolean(self->draining));
    json_object_set_new(part, "paused", json_boolean(dispatch_paused(self->dispatch)));
    usage_part(part);
    return part;
}

static json_t *services_part(const struct server *self, int64_t now_us)
{
    const struct pending *pending = dispatch_pending(self->dispatch);
    struct service *service = NULL;
    json_t *part = json_array();

    while ((service = pending_walk(pending, service))) {
        int64_t oldest_us = pending_oldest(pending, service);
        json_t *row = json_object();

        json_object_set_new(row, "name", name(service->name));
        json_object_set_new(row, "backlog",
                            json_integer((json_int_t)(service->backlog + service->beyond)));
        json_object_set_new(row, "in_memory", json_integer((json_int_t)service->backlog));
        json_object_set_new(row, "paused", json_boolean(service->paused));
        json_object_set_new(row, "backing_off", json_integer((json_int_t)service->backing_off));
        json_object_set_new(row, "in_flight", json_integer((json_int_t)service->in_flight));
        json_object_set_new(row, "workers", json_integer((json_int_t)service->workers));
        json_object_set_new(row, "oldest_waiting_seconds",
                            oldest_us == INT64_MAX ? json_null()
                                                   : status_seconds(now_us - oldest_us));
        json_array_append_new(part, row);
    }
    return part;
}

static json_t *identity_row(const struct identity *who)
{
    json_t *row = json_object();

    json_object_set_new(row, "principal", json_string(who->principal));
    if (who->name[0])
        json_object_set_new(row, "name", name(who->name));
    return row;
}

static json_t *worker_row(const struct worker *worker, int64_t now_us)
{
    int64_t since_us = clock_utc_us() - (now_us - worker->since_us);
    json_t *row = json_object();

    json_object_set_new(row, "name", name(worker->options.name));
    json_object_set_new(row, "service", name(worker_service(worker)));
    json_object_set_new(row, "protocol", json_string(worker_protocol_name(worker->protocol)));
    if (worker->verified.principal[0])
        json_object_set_new(row, "verified", identity_row(&worker->verified));
    if (worker->options.adapter[0])
        json_object_set_new(row, "adapter", json_string(worker->options.adapter));
    json_object_set_new(row, "slots", json_integer(worker->options.slots));
    json_object_set_new(row, "in_flight", json_integer(worker->in_flight));
    json_object_set_new(row, "served", json_integer((json_int_t)worker->served));
    json_object_set_new(row, "since", stamp(since_us));
    json_object_set_new(row, "last_seen_seconds", status_seconds(now_us - worker->heard_us));
    return row;
}

static json_t *workers_part(const struct server *self, int64_t now_us)
{
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct worker *worker = NULL;
    json_t *part = json_array();

    while ((worker = workers_walk(workers, worker)))
        json_array_append_new(part, worker_row(worker, now_us));
    return part;
}

static json_t *reps_part(const struct server *self)
{
    json_t *part = json_array();

    for (size_t i = 0; i < reps_count(self->reps); i++) {
        struct rep_view rep = reps_look(self->reps, i);
        json_t *row = json_object();

        json_object_set_new(row, "endpoint", name(rep.endpoint));
        json_object_set_new(row, "service", name(rep.service));
        json_object_set_new(row, "state", json_string(rep.state));
        json_array_append_new(part, row);
    }
    return part;
}

static json_int_t workers_by(const struct server *self, const char *adapter)
{
    const struct workers *workers = dispatch_workers(self->dispatch);
    struct worker *worker = NULL;
    json_int_t count = 0;

    while ((worker = workers_walk(workers, worker)))
        count += strcmp(worker->options.adapter, adapter) == 0;
    return count;
}

static json_t *adapters_part(const struct server *self)
{
    json_t *part = json_array();

    for (const struct adapter_stats *from = self->stats.adapter; from->name[0]; from++) {
        json_t *row = json_object();

        json_object_set_new(row, "name", json_string(from->name));
        json_object_set_new(row, "workers", json_integer(workers_by(self, from->name)));
        json_object_set_new(row, "dispatched", json_integer((json_int_t)from->dispatched));
        json_object_set_new(row, "answered", json_integer((json_int_t)from->answered));
        json_object_set_new(row, "partials", json_integer((json_int_t)from->partials));
        json_object_set_new(row, "failed", json_integer((json_int_t)from->failed));
        json_object_set_new(row, "returned", json_integer((json_int_t)from->returned));
        json_object_set_new(row, "left", json_integer((json_int_t)from->left));
        json_array_append_new(part, row);
    }
    return part;
}

static json_t *helpers_part(const struct server *self)
{
    json_t *part = json_array();

    for (size_t i = 0; i < helpers_count(self->helpers); i++) {
        struct helper_view helper = helpers_look(self->helpers, i);
        json_t *row = json_object();

        json_object_set_new(row, "command", name(helper.command));
        json_object_set_new(row, "pid", helper.pid > 0 ? json_integer(helper.pid) : json_null());
        json_object_set_new(row, "restarts", json_integer((json_int_t)helper.restarts));
        json_object_set_new(row, "state", json_string(helper_state_name(helper.state)));
        json_array_append_new(part, row);
    }
    return part;
}

static json_t *counters_part(const struct server *self)
{
    json_t *part = json_object();

    for (int i = 0; i < STATS; i++)
        json_object_set_new(part, stats_name((enum counter)i),
                            json_integer((json_int_t)self->stats.count[i]));
    return part;
}

static json_t *messages_part(const struct server *self)
{
    json_t *part = json_object();

    for (int i = 0; i < MESSAGE_KINDS; i++)
        json_object_set_new(part, message_kind_name((enum message_kind)i),
                            json_integer((json_int_t)self->messages[i]));
    return part;
}

static json_t *wake_part(const struct server *self)
{
    json_t *part = json_object();

    json_object_set_new(part, "hints", json_integer((json_int_t)self->wake.hints));
    json_object_set_new(part, "proofs", json_integer((json_int_t)self->wake.proofs));
    json_object_set_new(part, "rechecks", json_integer((json_int_t)self->wake.rechecks));
    json_object_set_new(part, "safety_net_hits", json_integer((json_int_t)self->wake.net_hits));
    return part;
}

/* What our own tables hold for later. */
static void counts_part(const struct server *self, json_t *part)
{
    int64_t parked = 0, dead = 0;

    if (records_counts(tail_connection(self->tail), &parked, &dead) != BRIDGE_OK)
        return;
    json_object_set_new(part, "parked", json_integer(parked));
    json_object_set_new(part, "dead", json_integer(dead));
}

static json_t *tail_part(const struct server *self, int64_t now_us)
{
    int64_t cursor = tail_cursor(self->tail);
    int64_t last = cursor;
    json_t *part = json_object();

    if (tail_last_id(self->tail, &last) != BRIDGE_OK || last < cursor)
        last = cursor;
    json_object_set_new(part, "cursor", json_integer(cursor));
    json_object_set_new(part, "last_id", json_integer(last));
    json_object_set_new(part, "lag", json_integer(last - cursor));
    json_object_set_new(
        part, "blocked_seconds",
        status_seconds(self->blocked_since_us ? now_us - self->blocked_since_us : 0));
    json_object_set_new(part, "low_water", json_integer(self->upkeep.mark));
    counts_part(self, part);
    return part;
}

static json_t *clients_part(const struct server *self)
{
    struct clients_view view;
    json_t *part = json_object();

    clients_look(self->clients, &view);
    json_object_set_new(part, "connections", json_integer((json_int_t)view.clients));
    json_object_set_new(part, "requests", json_integer((json_int_t)view.requests));
    json_object_set_new(part, "waiting", json_integer((json_int_t)view.waiting));
    return part;
}

static json_t *events_part(const struct server *self)
{
    json_t *part = json_object();
    json_t *endpoints = json_array(), *batches = json_array();

    for (size_t i = 0; i < events_doors(self->events); i++)
        json_array_append_new(events_is_batch(self->events, i) ? batches : endpoints,
                              name(events_endpoint(self->events, i)));
    json_object_set_new(part, "endpoints", endpoints);
    json_object_set_new(part, "batches", batches);
    json_object_set_new(part, "observers",
                        json_integer((json_int_t)events_observers(self->events)));
    json_object_set_new(part, "subscriptions",
                        json_integer((json_int_t)events_subscriptions(self->events)));
    json_object_set_new(part, "published", json_integer((json_int_t)self->publish.feed.seq));
    return part;
}

static json_t *whole(struct server *self, int64_t now_us)
{
    json_t *status = json_object();
    struct committer_measures measures;

    committer_measure(self->committer, &measures);
    json_object_set_new(status, "type", json_string("status"));
    json_object_set_new(status, "gateway", gateway_part(self));
    json_object_set_new(status, "services", services_part(self, now_us));
    json_object_set_new(status, "workers", workers_part(self, now_us));
    json_object_set_new(status, "adapters", adapters_part(self));
    json_object_set_new(status, "clients", clients_part(self));
    json_object_set_new(status, "reps", reps_part(self));
    json_object_set_new(status, "helpers", helpers_part(self));
    json_object_set_new(status, "backing_off",
                        json_integer((json_int_t)dispatch_backing_off(self->dispatch)));
    json_object_set_new(status, "held", json_integer((json_int_t)dispatch_held(self->dispatch)));
    json_object_set_new(status, "messages", messages_part(self));
    json_object_set_new(status, "counters", counters_part(self));
    json_object_set_new(status, "histograms", status_histograms(self, &measures));
    json_object_set_new(status, "events", events_part(self));
    json_object_set_new(status, "wake", wake_part(self));
    json_object_set_new(status, "tail", tail_part(self, now_us));
    json_object_set_new(status, "committer", status_committer(self, &measures, now_us));
    return status;
}

struct span status_text(struct server *self, int64_t now_us)
{
    json_t *status;
    char *text;

    if (self->status.size && now_us - self->status_us < KEPT_US)
        return buffer_span(&self->status);
    status = whole(self, now_us);
    text = json_dumps(status, JSON_COMPACT | JSON_REAL_PRECISION(12));
    buffer_reset(&self->status);
    buffer_text(&self->status, text ? text : "{}");
    self->status_us = now_us;
    free(text);
    json_decref(status);
    return buffer_span(&self->status);
}
