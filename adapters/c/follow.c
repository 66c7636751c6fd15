#include "adapters/c/follow.h"

#include <stdio.h>

#include "adapters/c/follow_inside.h"
#include "proto/jtext.h"

void follow_init(struct follow *self, const struct follow_setup *setup)
{
    *self = (struct follow){.setup = *setup, .stage = FOLLOW_LIVE};
    bool rows = (setup->kinds & FOLLOW_ROWS) != 0;
    self->history = rows && (setup->since || setup->after != FOLLOW_UNKNOWN);
    self->suspect = self->history && !setup->since;
    for (int kind = 0; kind < HEARD_DURABLE; kind++)
        self->had[kind] = setup->since ? FOLLOW_UNKNOWN : setup->after;
}

void follow_done(struct follow *self)
{
    parcel_done(&self->held);
}

/* --- what both files use --- */

static bool is_text(struct span value, const char *text)
{
    return value.size > 0 && jtext_type(value) == JTEXT_STRING && jtext_is(value, text);
}

bool follow_matches(const struct follow *self, const struct heard *heard)
{
    const struct follow_setup *setup = &self->setup;
    return (!setup->conversation || is_text(heard->conversation, setup->conversation)) &&
           (!setup->service || is_text(heard->service, setup->service));
}

void follow_tell(const struct follow *self, enum tailgate_observed_kind kind, uint64_t count,
                 int64_t id, const char *text)
{
    const struct follow_gift gift = {.kind = kind, .count = count, .id = id, .text = text};
    self->setup.give(self->setup.context, &gift);
}

void follow_raise(struct follow *self, unsigned kinds, int64_t id)
{
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (follow_wants(kinds, kind) && self->had[kind] < id)
            self->had[kind] = id;
    }
}

int64_t follow_position(const struct follow *self)
{
    unsigned rows = self->setup.kinds & FOLLOW_ROWS;
    int64_t least = INT64_MAX;
    if (rows == 0)
        return self->setup.after;
    if (self->by_since && self->count == 0)
        return FOLLOW_UNKNOWN;
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (follow_wants(rows, kind) && self->had[kind] < least)
            least = self->had[kind];
    }
    return least;
}

/* --- numbers --- */

/* This run's numbers up to SEQ were to be heard by now. */
static void count_up_to(struct follow *self, uint64_t seq)
{
    if (!self->setup.everything || seq <= self->seq)
        return;
    self->gap += seq - self->seq;
    self->seq = seq;
    self->sure = false;
}

static void count_one(struct follow *self, uint64_t seq)
{
    if (self->epoch[0] == '\0' && self->seq == 0)
        self->seq = seq - 1; /* no welcome came: what was before is not ours */
    if (seq <= self->seq)
        self->sure = false;
    else
        count_up_to(self, seq - 1);
    if (seq > self->seq)
        self->seq = seq;
}

/* The last row that the run has passed: no row of any kind lies between it and that kind's last. */
static int64_t passed(const struct heard *mark)
{
    int64_t most = mark->since;
    for (int kind = 0; kind < HEARD_DURABLE; kind++)
        most = mark->last[kind] > most ? mark->last[kind] : most;
    return most;
}

static int64_t highest(const struct follow *self)
{
    int64_t most = FOLLOW_UNKNOWN;
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (follow_wants(self->setup.kinds, kind) && self->had[kind] > most)
            most = self->had[kind];
    }
    return most;
}

/* Another run begins its numbers anew, and tells rows a second time that were not settled. Those
 * that we had already are not lost when they are not heard; how many they are at most, their ids
 * say. */
static void take_run(struct follow *self, const struct heard *mark)
{
    bool first = self->epoch[0] == '\0';
    int64_t had = highest(self);
    int64_t again = (had < passed(mark) ? had : passed(mark)) - mark->since;
    snprintf(self->epoch, sizeof self->epoch, "%s", mark->epoch);
    self->since = mark->since;
    self->suspect = self->suspect || !first;
    self->restarted = self->restarted || !first;
    self->sure = false;
    self->seq = 0;
    if (first)
        self->seq = mark->seq;
    else if (again > 0)
        self->seq = (uint64_t)again < mark->seq ? (uint64_t)again : mark->seq;
}

static void take_numbers(struct follow *self, const struct heard *mark)
{
    bool welcome = mark->kind == HEARD_WELCOME;
    bool again = strcmp(self->epoch, mark->epoch) != 0;
    const char *text = again && self->epoch[0] ? "a new run of the gateway" : "";
    if (again)
        take_run(self, mark);
    count_up_to(self, welcome ? mark->seq : mark->seq - 1);
    if (mark->seq > self->seq)
        self->seq = mark->seq;
    if (welcome)
        self->sure = false; /* the subscription has come after what was told next */
    if (welcome || text[0]) /* who comes before the gateway has a welcome hears of the run later */
        follow_tell(self, TAILGATE_OBSERVED_UP, 0, 0, text);
}

/* --- marks and rows --- */

/* Rows that are not to be had again. Their number is not known, unless every event is counted. */
static void lose(struct follow *self)
{
    if (self->setup.conversation || (self->setup.everything && !self->restarted))
        return;
    follow_tell(self, TAILGATE_OBSERVED_LOST, 0, 0, "");
}

static void settle(struct follow *self)
{
    uint64_t lost = self->gap > self->mended ? self->gap - self->mended : 0;
    self->gap = self->mended = 0;
    self->restarted = false;
    if (lost > 0 && !self->setup.service)
        follow_tell(self, TAILGATE_OBSERVED_LOST, lost, 0, "");
}

/* Begins with the history, up to row UPTO; false when there is none of it. */
static bool begin_history(struct follow *self, int64_t upto)
{
    unsigned rows = self->setup.kinds & FOLLOW_ROWS;
    self->by_since = self->setup.since != NULL;
    if (self->by_since)
        follow_raise(self, rows, 0);
    self->history = follow_replay(self, rows, follow_position(self), upto);
    if (!self->history)
        self->by_since = false;
    return self->history;
}

void follow_begin(struct follow *self)
{
    if (self->stage == FOLLOW_LIVE && self->history)
        (void)begin_history(self, INT64_MAX);
}

/* The kinds of which rows up to the mark may be missing; *RET_AFTER, *RET_UPTO: from where to
 * where. */
static unsigned behind(const struct follow *self, const struct heard *mark, int64_t *ret_after,
                       int64_t *ret_upto)
{
    unsigned kinds = 0;
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (!follow_wants(self->setup.kinds, kind) || self->had[kind] >= mark->last[kind])
            continue;
        if (kinds == 0 || self->had[kind] < *ret_after)
            *ret_after = self->had[kind];
        if (kinds == 0 || mark->last[kind] > *ret_upto)
            *ret_upto = mark->last[kind];
        kinds |= 1u << kind;
    }
    return kinds;
}

/* The run's file has never reached the rows that we have. */
static bool is_put_back(const struct follow *self, const struct heard *mark)
{
    return self->suspect && mark->highest < highest(self);
}

static void go_back(struct follow *self, const struct heard *mark)
{
    for (int kind = 0; kind < HEARD_DURABLE; kind++) {
        if (self->had[kind] > passed(mark))
            self->had[kind] = passed(mark);
    }
    follow_tell(self, TAILGATE_OBSERVED_RESET, 0, mark->highest, "");
}

static void take_mark(struct follow *self, const struct heard *mark)
{
    unsigned rows = self->setup.kinds & FOLLOW_ROWS;
    int64_t after = 0, upto = 0;
    if (is_put_back(self, mark))
        go_back(self, mark);
    self->suspect = false;
    if (self->history && begin_history(self, mark->highest)) {
        follow_hold(self, mark);
        return;
    }
    if (rows != 0 && follow_position(self) == FOLLOW_UNKNOWN)
        follow_raise(self, rows, passed(mark));
    unsigned kinds = behind(self, mark, &after, &upto);
    if (kinds != 0 && self->setup.can_replay && follow_replay(self, kinds, after, upto)) {
        follow_hold(self, mark);
        return;
    }
    if (kinds != 0)
        lose(self);
    follow_raise(self, rows, passed(mark));
    settle(self);
    self->sure = self->setup.everything && mark->kind == HEARD_MARK;
}

static void give(const struct follow *self, const struct heard *heard)
{
    const struct follow_gift gift = {.kind = TAILGATE_OBSERVED_EVENT,
                                     .topic = heard->topic,
                                     .json = heard->json,
                                     .id = heard->kind == HEARD_ROW ? heard->id : 0,
                                     .text = ""};
    self->setup.give(self->setup.context, &gift);
}

static void take_row(struct follow *self, const struct heard *row)
{
    unsigned rows = self->setup.kinds & FOLLOW_ROWS;
    if (!follow_wants(rows, row->about))
        return;
    if (self->history && begin_history(self, row->id - 1)) {
        follow_hold(self, row);
        return;
    }
    if (follow_position(self) == FOLLOW_UNKNOWN)
        follow_raise(self, rows, row->id - 1);
    if (row->id <= self->had[row->about])
        return;
    bool matches = follow_matches(self, row);
    if (self->had[row->about] < row->prev) {
        if (!matches)
            return; /* what may be missing is replayed before one that is given, or at a mark */
        if (self->setup.can_replay &&
            follow_replay(self, rows, follow_position(self), row->id - 1)) {
            follow_hold(self, row);
            return;
        }
        lose(self);
    }
    follow_raise(self, self->sure ? rows : 1u << row->about, row->id);
    if (matches)
        give(self, row);
}

void follow_go_on(struct follow *self, const struct heard *heard)
{
    if (heard->kind == HEARD_ROW)
        take_row(self, heard);
    else if (heard->kind == HEARD_MARK || heard->kind == HEARD_WELCOME)
        take_mark(self, heard);
}

void follow_hear(struct follow *self, const struct span *frame, size_t count)
{
    struct heard heard = heard_read(frame, count);
    if (heard.kind == HEARD_NOTHING)
        return;
    if (heard.kind == HEARD_MARK || heard.kind == HEARD_WELCOME)
        take_numbers(self, &heard);
    else
        count_one(self, heard.seq);
    if (heard.kind != HEARD_OTHER)
        follow_go_on(self, &heard);
    else if (follow_wants(self->setup.kinds, heard.about) && follow_matches(self, &heard))
        give(self, &heard);
}
