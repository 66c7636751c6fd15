/* What an observer has replayed. */
#include <stdio.h>

#include "adapters/c/follow_inside.h"
#include "proto/jtext.h"

bool follow_is_busy(const struct follow *self)
{
    return self->stage != FOLLOW_LIVE;
}

static void turn_page(struct follow *self)
{
    self->told = self->page = self->page_size = 0;
    self->spoilt = false;
}

bool follow_replay(struct follow *self, unsigned kinds, int64_t after, int64_t upto)
{
    if (after >= upto)
        return false;
    self->stage = FOLLOW_REPLAY;
    self->kinds = kinds;
    self->after = after;
    self->upto = upto;
    self->count = 0;
    turn_page(self);
    return true;
}

void follow_hold(struct follow *self, const struct heard *heard)
{
    parcel_done(&self->held);
    self->held = parcel_of(heard->frame, heard->count);
}

static void put_kinds(unsigned kinds, struct buffer *ret_json)
{
    buffer_text(ret_json, ",\"kinds\":[");
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (!follow_wants(kinds, kind))
            continue;
        if (ret_json->data[ret_json->size - 1] != '[')
            buffer_byte(ret_json, ',');
        jtext_quote(ret_json, span_str(topic_name((enum topic_kind)kind)));
    }
    buffer_byte(ret_json, ']');
}

void follow_request(struct follow *self, struct buffer *ret_json)
{
    const struct follow_setup *setup = &self->setup;
    buffer_byte(ret_json, '{');
    self->told = 0;
    if (self->by_since)
        jtext_member(ret_json, "since", span_str(setup->since));
    else
        jtext_member_integer(ret_json, "after", self->after);
    if (self->upto != INT64_MAX)
        jtext_member_integer(ret_json, "upto", self->upto);
    if (self->kinds != FOLLOW_ROWS)
        put_kinds(self->kinds, ret_json);
    if (setup->conversation)
        jtext_member(ret_json, "conversation", span_str(setup->conversation));
    if (setup->service)
        jtext_member(ret_json, "service", span_str(setup->service));
    jtext_member_integer(ret_json, "limit", FOLLOW_PAGE);
    buffer_byte(ret_json, '}');
}

static void give(struct follow *self, const struct heard *row)
{
    char topic[32];
    int size = snprintf(topic, sizeof topic, "%s/%lld", topic_name((enum topic_kind)row->about),
                        (long long)row->id);
    const struct follow_gift gift = {.kind = TAILGATE_OBSERVED_EVENT,
                                     .topic = span_of(topic, (size_t)size),
                                     .json = row->json,
                                     .id = row->id,
                                     .replayed = true,
                                     .text = ""};
    self->count++;
    self->page++;
    self->page_size += row->json.size;
    self->mended += row->id > self->since;
    follow_raise(self, self->kinds, row->id);
    self->setup.give(self->setup.context, &gift);
}

/* A row that is not well-formed is passed over: asked for again it would be no better. */
void follow_part(struct follow *self, struct span json)
{
    if (self->stage != FOLLOW_REPLAY)
        return;
    struct heard row = heard_replayed(json);
    self->told++;
    if (row.kind != HEARD_ROW || !follow_wants(self->kinds, row.about) || row.id > self->upto ||
        row.id <= self->had[row.about] || !follow_matches(self, &row))
        return;
    if (self->page >= FOLLOW_PAGE_MOST || self->page_size + json.size > FOLLOW_PAGE_SIZE)
        self->spoilt = true;
    else if (!self->spoilt)
        give(self, &row);
}

struct end {
    int64_t after, upto, events;
    bool more;
};

static bool read_end(struct span json, struct end *ret_end)
{
    const struct span none = {NULL, 0};
    struct span type = none, after = none, upto = none, events = none, more = none;
    const struct jtext_wanted wanted[] = {
        {"type", &type}, {"after", &after}, {"upto", &upto}, {"events", &events}, {"more", &more}};
    if (jtext_check(json) != JTEXT_OBJECT)
        return false;
    jtext_pick(json, wanted, sizeof wanted / sizeof *wanted);
    if (type.size == 0 || jtext_type(type) != JTEXT_STRING || !jtext_is(type, "replayed") ||
        after.size == 0 || upto.size == 0 || events.size == 0 ||
        jtext_integer(after, &ret_end->after) != 0 || jtext_integer(upto, &ret_end->upto) != 0 ||
        jtext_integer(events, &ret_end->events) != 0)
        return false;
    ret_end->more = span_is(more, "true");
    return true;
}

static void resume(struct follow *self)
{
    struct parcel held = self->held;
    self->held = (struct parcel){.frame = NULL};
    if (held.count > 0) {
        struct heard heard = heard_read(held.frame, held.count);
        follow_go_on(self, &heard);
    }
    parcel_done(&held);
}

/* Where the file ends before what was asked for, what was there is gone: it is not asked for again.
 */
static void end_replay(struct follow *self)
{
    self->stage = FOLLOW_LIVE;
    if (self->upto != INT64_MAX)
        follow_raise(self, self->kinds, self->upto);
    if (self->count > 0 && !self->history)
        follow_tell(self, TAILGATE_OBSERVED_REPAIRED, self->count, 0, "");
    self->history = false;
    resume(self);
}

int follow_end(struct follow *self, struct span json)
{
    struct end end;
    if (!read_end(json, &end))
        return -1;
    int64_t reach = end.upto < self->upto ? end.upto : self->upto;
    bool stuck = end.more && reach <= self->after;
    if (self->stage != FOLLOW_REPLAY || self->spoilt || stuck || (int64_t)self->told < end.events)
        return -1;
    follow_raise(self, self->kinds, reach);
    if (self->by_since) /* rows that are told a second time may be older, and above UPTO */
        follow_raise(self, self->kinds, end.after);
    self->by_since = false;
    self->after = reach;
    turn_page(self);
    if (!end.more || reach >= self->upto)
        end_replay(self);
    return 0;
}
