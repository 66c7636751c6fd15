/* What a relay says of itself, to `tailgate status`. */
#include "adapters/zmq/endpoint.h"
#include "gateway/relay_inside.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

static void add_stamp(const struct relay *self, const char *name, int64_t at_us,
                      struct buffer *json)
{
    char text[STAMP_SIZE];

    stamp_format(self->started_utc_us + at_us - self->started_us, text);
    jtext_member(json, name, span_str(text));
}

static void add_workers(const struct relay *self, int64_t now_us, struct buffer *json)
{
    const struct worker *worker = NULL;

    jtext_member_raw(json, "workers", span_str("["));
    while ((worker = workers_walk(self->workers, worker))) {
        if (json->data[json->size - 1] != '[')
            buffer_byte(json, ',');
        buffer_byte(json, '{');
        jtext_member(json, "name", span_str(worker->options.name));
        jtext_member(json, "service", span_str(worker_service(worker)));
        jtext_member(json, "protocol", span_str(worker_protocol_name(worker->protocol)));
        jtext_member_integer(json, "slots", worker->options.slots);
        jtext_member_integer(json, "in_flight", worker->in_flight);
        jtext_member_integer(json, "served", (int64_t)worker->served);
        add_stamp(self, "since", worker->since_us, json);
        jtext_member_integer(json, "last_seen_seconds", (now_us - worker->heard_us) / 1000000);
        jtext_member_raw(json, "relay", span_str(worker->options.relay_count ? "true" : "false"));
        buffer_byte(json, '}');
    }
    buffer_byte(json, ']');
}

static void add_door(const char *door, const char *endpoint, bool curve, struct buffer *json)
{
    enum endpoint_kind kind = endpoint_read(endpoint);

    if (json->data[json->size - 1] != '[')
        buffer_byte(json, ',');
    buffer_byte(json, '{');
    jtext_member(json, "door", span_str(door));
    jtext_member(json, "endpoint", span_str(endpoint));
    jtext_member(json, "security",
                 span_str(curve                  ? "curve"
                          : kind == ENDPOINT_IPC ? "ipc"
                                                 : "plain"));
    jtext_member_raw(json, "insecure",
                     span_str(!curve && kind == ENDPOINT_OFF_HOST ? "true" : "false"));
    buffer_byte(json, '}');
}

static void add_doors(const struct relay *self, struct buffer *json)
{
    jtext_member_raw(json, "doors", span_str("["));
    for (size_t i = 0; i < gate_doors(self->gate); i++)
        add_door("gate", gate_endpoint(self->gate, i), gate_is_curve(self->gate, i), json);
    for (size_t i = 0; i < events_doors(self->events); i++)
        add_door("events", events_endpoint(self->events, i), events_is_curve(self->events, i),
                 json);
    buffer_byte(json, ']');
}

static void add_counters(const struct relay *self, struct buffer *json)
{
    static const char *const name[RELAY_COUNTS] = {
        [RELAY_TAKEN] = "taken",           [RELAY_ANSWERED] = "answered",
        [RELAY_UNKNOWN] = "unknown",       [RELAY_PARTIALS] = "partials",
        [RELAY_FAILED] = "failed",         [RELAY_RETURNED] = "returned",
        [RELAY_ADOPTED] = "adopted",       [RELAY_DROPPED] = "dropped",
        [RELAY_LOOPS] = "refused_loops",   [RELAY_REFUSED] = "refused_roles",
        [RELAY_BAD_FRAMES] = "bad_frames", [RELAY_EVENTS] = "events",
        [RELAY_REPLAYS] = "replays"};

    jtext_member_raw(json, "counters", span_str("{"));
    for (size_t i = 0; i < RELAY_COUNTS; i++)
        jtext_member_integer(json, name[i], (int64_t)self->count[i]);
    jtext_member_integer(json, "refused_keys", self->keys ? (int64_t)keys_refused(self->keys) : 0);
    jtext_member_integer(json, "turned_away", (int64_t)self->turned_away);
    jtext_member_integer(json, "observers_cut", (int64_t)events_cut(self->events));
    buffer_byte(json, '}');
}

void relay_status(const struct relay *self, int64_t now_us, struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "type", span_str("status"));
    jtext_member_raw(ret_json, "relay", span_str("{"));
    jtext_member(ret_json, "name", span_str(self->setup->name));
    jtext_member(ret_json, "id", span_str(self->id));
    jtext_member(ret_json, "version", span_str(TAILGATE_VERSION));
    add_stamp(self, "since", self->started_us, ret_json);
    jtext_member_integer(ret_json, "uptime_sec", (now_us - self->started_us) / 1000000);
    jtext_member_raw(ret_json, "draining", span_str(self->draining ? "true" : "false"));
    add_doors(self, ret_json);
    buffer_byte(ret_json, '}');
    jtext_member_raw(ret_json, "source", span_str("{"));
    jtext_member(ret_json, "from", span_str(self->setup->from));
    jtext_member_raw(ret_json, "up", span_str(self->up ? "true" : "false"));
    add_stamp(self, "since", self->up_us, ret_json);
    jtext_member_integer(ret_json, "kept", (int64_t)self->source->class->kept(self->source));
    buffer_byte(ret_json, '}');
    jtext_member_integer(ret_json, "in_flight", (int64_t)self->flights.count);
    jtext_member_integer(ret_json, "observers", (int64_t)events_observers(self->events));
    add_workers(self, now_us, ret_json);
    add_counters(self, ret_json);
    buffer_byte(ret_json, '}');
}
