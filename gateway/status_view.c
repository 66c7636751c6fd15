#include "gateway/status_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/columns.h"
#include "gateway/status_times.h"
#include "proto/escape.h"

/* Every getter takes what is there and never fails: the gateway may be of another version. */
static struct span text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return span_of(json_string_value(value), json_string_length(value));
}

static int64_t number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value)
                                  : (int64_t)json_real_value(value);
}

static double age_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : -1.0;
}

static void print_text(const char *label, struct span text)
{
    struct buffer shown;
    buffer_init(&shown);
    escape_text(&shown, text.size ? text : span_str("-"), ESCAPE_CELL);
    printf("%s%s", label, shown.data);
    buffer_done(&shown);
}

/* What was committed, what is in its way, and the -wal file that it keeps small. */
static void print_committer(const json_t *committer)
{
    int64_t holder = number_of(committer, "lock_holder");
    double lasts = age_of(committer, "state_seconds");
    printf("Committer  %" PRId64 " committed in %" PRId64 " groups, %" PRId64 " queued",
           number_of(committer, "committed"), number_of(committer, "groups"),
           number_of(committer, "queued"));
    print_text(", ", text_of(committer, "state"));
    if (holder > 0)
        printf(" by pid %" PRId64, holder);
    if (lasts >= 0)
        printf(" for %.1f s", lasts);
    printf("\nWAL        %.1f MiB, %" PRId64 " frames to go, %" PRId64 " checkpoints, %" PRId64
           " of them partial\n",
           (double)number_of(committer, "wal_bytes") / (1 << 20),
           number_of(committer, "wal_frames"), number_of(committer, "checkpoints"),
           number_of(committer, "checkpoints_partial"));
}

/* Endpoints that let in whoever can reach them, from other hosts too. */
static void print_insecure(const json_t *doors)
{
    const json_t *door;
    size_t i;
    json_array_foreach(doors, i, door)
    {
        if (!json_is_true(json_object_get(door, "insecure")))
            continue;
        print_text("INSECURE   ", text_of(door, "door"));
        print_text(" ", text_of(door, "endpoint"));
        printf(" lets in anyone who can reach it, without a key\n");
    }
}

static void print_head(const json_t *status)
{
    const json_t *gateway = json_object_get(status, "gateway");
    const json_t *tail = json_object_get(status, "tail");
    const json_t *wake = json_object_get(status, "wake");
    print_text("Gateway    ", text_of(gateway, "version"));
    printf(", pid %" PRId64, number_of(gateway, "pid"));
    print_text(", since ", text_of(gateway, "since"));
    printf(" UTC%s%s\n", json_is_true(json_object_get(gateway, "draining")) ? ", draining" : "",
           json_is_true(json_object_get(gateway, "paused")) ? ", paused" : "");
    print_insecure(json_object_get(gateway, "doors"));
    print_text("Database   ", text_of(gateway, "db"));
    printf("\nTail       at message %" PRId64 " of %" PRId64 ", lag %" PRId64,
           number_of(tail, "cursor"), number_of(tail, "last_id"), number_of(tail, "lag"));
    if (number_of(tail, "blocked_seconds") > 0)
        printf("; locked, so that it cannot be read, for %" PRId64 " s",
               number_of(tail, "blocked_seconds"));
    putchar('\n');
    print_committer(json_object_get(status, "committer"));
    printf("Wake       %" PRId64 " hints, %" PRId64 " proofs, %" PRId64 " re-checks, %" PRId64
           " safety-net hits\n",
           number_of(wake, "hints"), number_of(wake, "proofs"), number_of(wake, "rechecks"),
           number_of(wake, "safety_net_hits"));
    status_times_print(status);
}

/* A relay has a source where a gateway has a database. */
static void print_relay(const json_t *status)
{
    const json_t *relay = json_object_get(status, "relay");
    const json_t *source = json_object_get(status, "source");
    print_text("Relay      ", text_of(relay, "name"));
    print_text(", ", text_of(relay, "version"));
    print_text(", since ", text_of(relay, "since"));
    printf(" UTC%s\n", json_is_true(json_object_get(relay, "draining")) ? ", draining" : "");
    print_insecure(json_object_get(relay, "doors"));
    print_text("From       ", text_of(source, "from"));
    print_text(json_is_true(json_object_get(source, "up")) ? ", up since "
                                                           : ", not connected since ",
               text_of(source, "since"));
    printf(" UTC, %" PRId64 " answers kept for it\n", number_of(source, "kept"));
    printf("Here       %" PRId64 " in flight, %" PRId64 " observers\n",
           number_of(status, "in_flight"), number_of(status, "observers"));
}

static void print_services(const json_t *services)
{
    static const char *const title[] = {"SERVICE",  ">WAITING", ">IN FLIGHT",
                                        ">WORKERS", ">OLDEST",  "STATE"};
    struct columns table;
    const json_t *service;
    size_t i;
    if (json_array_size(services) == 0)
        return;
    columns_init(&table, title, 6);
    json_array_foreach(services, i, service)
    {
        columns_text(&table, text_of(service, "name"));
        columns_number(&table, number_of(service, "backlog"));
        columns_number(&table, number_of(service, "in_flight"));
        columns_number(&table, number_of(service, "workers"));
        columns_age(&table, age_of(service, "oldest_waiting_seconds"));
        columns_text(
            &table, span_str(json_is_true(json_object_get(service, "paused")) ? "paused" : "open"));
    }
    putchar('\n');
    columns_print(&table);
    columns_done(&table);
}

#define KEY_SHOWN 12 /* bytes of a key without a name: "key:1a2b3c4d" */

/* Whom the gateway has verified WORKER to be. */
static struct span who_of(const json_t *worker)
{
    const json_t *who = json_object_get(worker, "verified");
    struct span shown = text_of(who, "name");
    if (shown.size == 0)
        shown = text_of(who, "principal");
    return shown.size > KEY_SHOWN && strncmp(shown.data, "key:", 4) == 0
               ? span_of(shown.data, KEY_SHOWN)
               : shown;
}

static void print_workers(const json_t *workers)
{
    static const char *const title[] = {"WORKER",     "VERIFIED", "SERVICE", "PROTOCOL",  ">SLOTS",
                                        ">IN FLIGHT", ">SERVED",  "SINCE",   ">LAST SEEN"};
    struct columns table;
    const json_t *worker;
    size_t i;
    if (json_array_size(workers) == 0) {
        printf("\nNo worker is connected. Start one, for example: tailgate work --db ... --echo\n");
        return;
    }
    columns_init(&table, title, 9);
    json_array_foreach(workers, i, worker)
    {
        columns_text(&table, text_of(worker, "name"));
        columns_text(&table, who_of(worker));
        columns_text(&table, text_of(worker, "service"));
        columns_text(&table, text_of(worker, "protocol"));
        columns_number(&table, number_of(worker, "slots"));
        columns_number(&table, number_of(worker, "in_flight"));
        columns_number(&table, number_of(worker, "served"));
        columns_text(&table, escape_cut(text_of(worker, "since"), 19)); /* whole seconds */
        columns_age(&table, age_of(worker, "last_seen_seconds"));
    }
    putchar('\n');
    columns_print(&table);
    columns_done(&table);
}

/* What went through `tailgate work`, by the way in which it reaches its programs. */
static void print_adapters(const json_t *adapters)
{
    static const char *const title[] = {"ADAPTER",   ">WORKERS", ">DISPATCHED", ">ANSWERED",
                                        ">PARTIALS", ">FAILED",  ">RETURNED",   ">LEFT"};
    static const char *const number[] = {"workers", "dispatched", "answered", "partials",
                                         "failed",  "returned",   "left"};
    struct columns table;
    const json_t *adapter;
    size_t i;
    if (json_array_size(adapters) == 0)
        return;
    columns_init(&table, title, 8);
    json_array_foreach(adapters, i, adapter)
    {
        columns_text(&table, text_of(adapter, "name"));
        for (size_t column = 0; column < sizeof number / sizeof number[0]; column++)
            columns_number(&table, number_of(adapter, number[column]));
    }
    putchar('\n');
    columns_print(&table);
    columns_done(&table);
}

/* The workers that the gateway dials; those that are up stand among the workers, too. */
static void print_reps(const json_t *reps)
{
    static const char *const title[] = {"REP", "SERVICE", "STATE"};
    struct columns table;
    const json_t *rep;
    size_t i;
    if (json_array_size(reps) == 0)
        return;
    columns_init(&table, title, 3);
    json_array_foreach(reps, i, rep)
    {
        columns_text(&table, text_of(rep, "endpoint"));
        columns_text(&table, text_of(rep, "service"));
        columns_text(&table, text_of(rep, "state"));
    }
    putchar('\n');
    columns_print(&table);
    columns_done(&table);
}

/* The programs that the gateway keeps running (--work, --http). */
static void print_helpers(const json_t *helpers)
{
    static const char *const title[] = {"HELPER", ">PID", ">RESTARTS", "STATE"};
    struct columns table;
    const json_t *helper;
    size_t i;
    if (json_array_size(helpers) == 0)
        return;
    columns_init(&table, title, 4);
    json_array_foreach(helpers, i, helper)
    {
        columns_text(&table, escape_cut(text_of(helper, "command"), 50));
        columns_number(&table, number_of(helper, "pid"));
        columns_number(&table, number_of(helper, "restarts"));
        columns_text(&table, text_of(helper, "state"));
    }
    putchar('\n');
    columns_print(&table);
    columns_done(&table);
}

/* One line of "name number" pairs, broken before column 80; zeros say nothing and are left out. */
static void print_numbers(const char *label, json_t *numbers)
{
    const char *name;
    json_t *value;
    int column = 0;
    struct buffer shown;
    buffer_init(&shown);
    json_object_foreach(numbers, name, value)
    {
        if (!json_is_number(value) || json_number_value(value) == 0.0)
            continue;
        buffer_reset(&shown);
        escape_text(&shown, escape_cut(span_str(name), 60), ESCAPE_CELL);
        buffer_format(&shown, " %" PRId64, number_of(numbers, name));
        bool breaks = column > 0 && column + 2 + (int)shown.size > 78;
        if (column == 0)
            column = printf("\n%s", label) - 1;
        else
            column += printf(breaks ? ",\n%*s" : ", ", breaks ? 11 : 0, "");
        if (breaks)
            column = 11;
        column += printf("%s", shown.data);
    }
    if (column > 0)
        putchar('\n');
    buffer_done(&shown);
}

void status_view_print(const json_t *status)
{
    if (json_object_get(status, "relay"))
        print_relay(status);
    else
        print_head(status);
    print_services(json_object_get(status, "services"));
    print_workers(json_object_get(status, "workers"));
    print_adapters(json_object_get(status, "adapters"));
    print_reps(json_object_get(status, "reps"));
    print_helpers(json_object_get(status, "helpers"));
    print_numbers("Messages   ", json_object_get(status, "messages"));
    print_numbers("Counters   ", json_object_get(status, "counters"));
}
