/* Services, workers and adapters: as many as there are, shown as few (metric_rows.h). */
#include "gateway/http_metrics.h"
#include "gateway/metric_rows.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, METRIC_SUM, NULL, PROMETHEUS_GAUGE, NULL                                             \
    }

/* Services and workers. */

static const struct metric_column service_columns[] = {
    {"backlog", METRIC_SUM, "tailgate_backlog", PROMETHEUS_GAUGE,
     "Queries that wait for a worker, in memory or in the file."},
    {"oldest_waiting_seconds", METRIC_MAX, "tailgate_oldest_waiting_seconds", PROMETHEUS_GAUGE,
     "How long the query that waits longest has waited; 0 when none waits."},
    {"in_flight", METRIC_SUM, "tailgate_in_flight", PROMETHEUS_GAUGE,
     "Queries that a worker has, or whose answer is being committed."},
    {"backing_off", METRIC_SUM, "tailgate_backing_off", PROMETHEUS_GAUGE,
     "Queries in the pause after a failed attempt."},
    {"paused", METRIC_MAX, "tailgate_service_paused", PROMETHEUS_GAUGE,
     "1 while nothing of the service is given out, as an operator has ordered."},
    {"workers", METRIC_SUM, "tailgate_workers", PROMETHEUS_GAUGE,
     "Workers registered for exactly this service; * is for all services."},
    {"slots", METRIC_SUM, "tailgate_slots", PROMETHEUS_GAUGE,
     "Queries that those workers take at once."},
    END};

static const struct metric_column worker_columns[] = {
    {"in_flight", METRIC_SUM, "tailgate_worker_in_flight", PROMETHEUS_GAUGE,
     "Queries that workers of that name have."},
    {"slots", METRIC_SUM, "tailgate_worker_slots", PROMETHEUS_GAUGE,
     "Queries that workers of that name take at once."},
    {"served", METRIC_ALONE, "tailgate_worker_served_total", PROMETHEUS_COUNTER,
     "Queries that the worker has answered since it registered; not where several share a name."},
    {"last_seen_seconds", METRIC_MAX, "tailgate_worker_last_seen_seconds", PROMETHEUS_GAUGE,
     "How long nothing was heard of the worker."},
    END};

static const struct metric_column adapter_columns[] = {
    {"workers", METRIC_SUM, "tailgate_adapter_workers", PROMETHEUS_GAUGE,
     "Workers that reach their program in that way."},
    {"dispatched", METRIC_SUM, "tailgate_adapter_dispatched_total", PROMETHEUS_COUNTER,
     "Attempts sent to those workers."},
    {"answered", METRIC_SUM, "tailgate_adapter_answered_total", PROMETHEUS_COUNTER,
     "Answers of those workers."},
    {"partials", METRIC_SUM, "tailgate_adapter_partials_total", PROMETHEUS_COUNTER,
     "Parts of answers of those workers."},
    {"failed", METRIC_SUM, "tailgate_adapter_failed_total", PROMETHEUS_COUNTER,
     "Attempts that failed at those workers."},
    {"returned", METRIC_SUM, "tailgate_adapter_returned_total", PROMETHEUS_COUNTER,
     "Queries that those workers gave back."},
    {"left", METRIC_SUM, "tailgate_adapter_workers_left_total", PROMETHEUS_COUNTER,
     "Those workers that left or were given up."},
    END};

static struct span text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return span_of(json_string_value(value), json_string_length(value));
}

/* Adds FROM under what it calls itself. */
static void add_named(struct metric_rows *rows, const char *label, const json_t *from)
{
    struct buffer labels;

    buffer_init(&labels);
    prometheus_label(&labels, label, text_of(from, "name"));
    metric_rows_add(rows, buffer_span(&labels), from);
    buffer_done(&labels);
}

/* Adds WORKER to the service that it is registered for. */
static void add_to_service(struct metric_rows *rows, const json_t *worker)
{
    json_t *row = json_pack("{si}", "workers", 1);
    struct buffer labels;

    buffer_init(&labels);
    prometheus_label(&labels, "service", text_of(worker, "service"));
    json_object_set(row, "slots", json_object_get(worker, "slots"));
    metric_rows_add(rows, buffer_span(&labels), row);
    json_decref(row);
    buffer_done(&labels);
}

/* The workers are counted here, and not as the gateway counts them for each service: those for all
 * services are among them, and a relay has nothing else. */
static void add_services(const json_t *status, struct buffer *ret_text)
{
    struct metric_rows rows;
    const json_t *one;
    size_t i;

    metric_rows_init(&rows, service_columns, span_str("service=\"other\""));
    json_array_foreach(json_object_get(status, "services"), i, one)
    {
        json_t *row = json_is_object(one) ? json_copy((json_t *)one) : json_object();
        json_object_set_new(row, "workers", json_integer(0));
        add_named(&rows, "service", row);
        json_decref(row);
    }
    json_array_foreach(json_object_get(status, "workers"), i, one) add_to_service(&rows, one);
    metric_rows_write(&rows, ret_text);
    metric_rows_done(&rows);
}

static void add_workers(const json_t *status, struct buffer *ret_text)
{
    struct metric_rows rows;
    const json_t *worker;
    size_t i;

    metric_rows_init(&rows, worker_columns, span_str("worker=\"other\",service=\"other\""));
    json_array_foreach(json_object_get(status, "workers"), i, worker)
    {
        struct buffer labels;

        buffer_init(&labels);
        prometheus_label(&labels, "worker", text_of(worker, "name"));
        prometheus_label(&labels, "service", text_of(worker, "service"));
        metric_rows_add(&rows, buffer_span(&labels), worker);
        buffer_done(&labels);
    }
    metric_rows_write(&rows, ret_text);
    metric_rows_done(&rows);
}

static void add_adapters(const json_t *status, struct buffer *ret_text)
{
    struct metric_rows rows;
    const json_t *adapter;
    size_t i;

    metric_rows_init(&rows, adapter_columns, span_str("adapter=\"other\""));
    json_array_foreach(json_object_get(status, "adapters"), i, adapter)
        add_named(&rows, "adapter", adapter);
    metric_rows_write(&rows, ret_text);
    metric_rows_done(&rows);
}

void http_metrics_rows(const json_t *status, struct buffer *ret_text)
{
    add_services(status, ret_text);
    add_workers(status, ret_text);
    add_adapters(status, ret_text);
}
