#include "proto/replay.h"

#include <stdio.h>

#include "proto/jtext.h"

static bool read_row(struct span value, int64_t *ret_id)
{
    return jtext_integer(value, ret_id) == 0 && *ret_id >= 0;
}

/* A stamp in the form in which the bridge's stand. */
static bool read_since(struct span value, char ret_stamp[STAMP_SIZE])
{
    char text[40];
    int size = jtext_copy(value, text, sizeof text);
    int64_t utc_us;

    if (size < 0 || stamp_parse(span_of(text, (size_t)size), &utc_us) < 0)
        return false;
    stamp_format(utc_us > 0 ? utc_us : 0, ret_stamp); /* nothing was written before 1970 */
    return true;
}

static bool read_kinds(struct span value, bool ret_kind[EVENT_DURABLE])
{
    struct span rest = value, item;

    if (jtext_type(value) != JTEXT_ARRAY)
        return false;
    memset(ret_kind, 0, EVENT_DURABLE * sizeof *ret_kind);
    while (jtext_item(&rest, &item)) {
        int kind = 0;
        while (kind < EVENT_DURABLE && !(jtext_type(item) == JTEXT_STRING &&
                                         jtext_is(item, topic_name((enum topic_kind)kind))))
            kind++;
        if (kind == EVENT_DURABLE)
            return false;
        ret_kind[kind] = true;
    }
    return true;
}

static const char *read_members(struct span json, struct replay_request *request)
{
    struct span value;
    int64_t limit;

    if (jtext_find(json, "after", &value) && !read_row(value, &request->after))
        return "after is the id of a row, 0 or more";
    if (jtext_find(json, "upto", &value) && !read_row(value, &request->upto))
        return "upto is the id of a row, 0 or more";
    if (jtext_find(json, "since", &value) && !read_since(value, request->since))
        return "since is a time in UTC, as 2026-11-21T01:00:00";
    if (jtext_find(json, "kinds", &value) && !read_kinds(value, request->kind))
        return "kinds is an array of query, response and message";
    if (jtext_find(json, "conversation", &value) &&
        jtext_copy(value, request->conversation, sizeof request->conversation) < 1)
        return "conversation is the id of one";
    if (jtext_find(json, "service", &value) &&
        jtext_copy(value, request->service, sizeof request->service) < 1)
        return "service is the name of one";
    if (jtext_find(json, "limit", &value)) {
        if (jtext_integer(value, &limit) < 0 || limit < 1 || limit > LIMIT_REPLAY_EVENTS)
            return "limit is a number of events, 1 to 10000";
        request->limit = (size_t)limit;
    }
    return NULL;
}

const char *replay_read(struct span json, struct replay_request *ret_request)
{
    struct replay_request request = {.upto = INT64_MAX, .limit = REPLAY_LIMIT};
    const char *wrong = NULL;

    for (int kind = 0; kind < EVENT_DURABLE; kind++)
        request.kind[kind] = true;
    if (json.size > 0 && jtext_check(json) != JTEXT_OBJECT)
        return "a replay is asked for with a JSON object, or with nothing";
    if (json.size > 0)
        wrong = read_members(json, &request);
    if (!wrong)
        *ret_request = request;
    return wrong;
}

void replay_write(const struct replay_end *end, struct buffer *ret_json)
{
    buffer_text(ret_json, "{\"type\":\"replayed\"");
    jtext_member_integer(ret_json, "after", end->after);
    jtext_member_integer(ret_json, "upto", end->upto);
    jtext_member_integer(ret_json, "last", end->last);
    jtext_member_integer(ret_json, "events", (int64_t)end->events);
    jtext_member_raw(ret_json, "more", span_str(end->more ? "true" : "false"));
    buffer_byte(ret_json, '}');
}
