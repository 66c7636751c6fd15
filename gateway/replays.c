#include "gateway/replays.h"

#include <errno.h>
#include <stdlib.h>

#include "adapters/bridge/since.h"
#include "gateway/builtin.h"
#include "gateway/row_event.h"
#include "proto/pack.h"
#include "proto/replay.h"

#define REPLAY_SLICE 32 /* R1; at most the frames of a client's PARTIAL */
#define REPLAY_BYTES (128u << 10)
#define REPLAY_ROWS 500
#define PAUSE_US 10000 /* R2; doubles up to */
#define PAUSE_MAX_US 500000

struct replay {
    uint64_t number; /* of the client's request (clients.h) */
    struct replay_request want;
    bool begun;
    int64_t after, at, upto, last; /* rows above AFTER up to AT have been told; it ends at UPTO */
    size_t events, bytes;          /* told so far */
    struct buffer unsent;          /* packed; R2 */
    int64_t due_us, pause_us;
    struct replay *next;
};

struct replays {
    struct replay *first, *last; /* whose turn it is first */
    size_t count;
    struct row_event row;
    struct buffer json;       /* the events of a slice, one behind the other, */
    size_t end[REPLAY_SLICE]; /*   and where each ends */
};

struct replays *replays_new(void)
{
    struct replays *self = memory_zero(1, sizeof *self);

    row_event_init(&self->row);
    return self;
}

static void append(struct replays *self, struct replay *replay)
{
    replay->next = NULL;
    if (self->first)
        self->last->next = replay;
    else
        self->first = replay;
    self->last = replay;
    self->count++;
}

static struct replay *take_first(struct replays *self)
{
    struct replay *replay = self->first;

    self->first = replay->next;
    self->count--;
    return replay;
}

static void discard(struct replay *replay)
{
    buffer_done(&replay->unsent);
    free(replay);
}

void replays_destroy(struct replays **self)
{
    if (!*self)
        return;
    while ((*self)->first)
        discard(take_first(*self));
    row_event_done(&(*self)->row);
    buffer_done(&(*self)->json);
    free(*self);
    *self = NULL;
}

size_t replays_count(const struct replays *self)
{
    return self->count;
}

int64_t replays_due(const struct replays *self)
{
    int64_t due_us = INT64_MAX;

    for (const struct replay *replay = self->first; replay; replay = replay->next)
        if (replay->due_us < due_us)
            due_us = replay->due_us;
    return due_us;
}

/* One slice. */

struct slice {
    struct server *server;
    struct replay *replay;
    size_t events;
    bool full; /* rows from here on are for the next one */
};

static bool is_full(const struct slice *slice)
{
    const struct replay *replay = slice->replay;
    size_t size = slice->server->replays->json.size;

    return slice->events == REPLAY_SLICE || size >= REPLAY_BYTES ||
           replay->events + slice->events >= replay->want.limit ||
           replay->bytes + size >= LIMIT_REPLAY_BYTES;
}

/* True when ROW is one of those that are asked for. */
static bool is_wanted(struct row_event *event, const struct replay_request *want,
                      const struct tail_row *row)
{
    if (want->conversation[0] && !span_is(row->conversation_id, want->conversation))
        return false;
    if (!want->kind[row_event_read(event, row)])
        return false;
    return !want->service[0] || span_is(event->event.service, want->service);
}

static void see(void *context, const struct tail_row *row)
{
    struct slice *slice = context;
    struct server *server = slice->server;
    struct replays *self = server->replays;

    if (slice->full)
        return;
    slice->replay->at = row->id;
    if (!is_wanted(&self->row, &slice->replay->want, row))
        return;
    row_event_make(&self->row, server->redact, row, server->publish.bodies);
    event_row(&self->row.event, NULL, &self->json);
    self->end[slice->events++] = self->json.size;
    slice->full = is_full(slice);
}

/* Packs the events of a slice as the frames of a PARTIAL. */
static void pack_slice(struct replays *self, size_t events, struct buffer *ret_packed)
{
    struct span frame[REPLAY_SLICE];
    size_t start = 0;

    for (size_t i = 0; i < events; i++) {
        frame[i] = span_of(self->json.data + start, self->end[i] - start);
        start = self->end[i];
    }
    pack_write(frame, events, ret_packed);
}

/* Finds out where it begins and ends. Returns false when nothing can be read just now. */
static bool begin(struct server *server, struct replay *replay)
{
    int64_t after = replay->want.after;
    int error = tail_last_id(server->tail, &replay->last);

    if (!error && replay->want.since[0])
        error = since_find(tail_connection(server->tail), span_str(replay->want.since), &after);
    if (!intake_could_read(server, error))
        return false;
    replay->after = replay->at = after;
    replay->upto = replay->want.upto < replay->last ? replay->want.upto : replay->last;
    return replay->begun = true;
}

/* Reads a slice into UNSENT. Returns false when nothing can be read just now. */
static bool read_slice(struct server *server, struct replay *replay)
{
    struct slice slice = {.server = server, .replay = replay};
    size_t rows = replay->want.conversation[0] ? REPLAY_ROWS : 2 * REPLAY_SLICE, count = 0;

    carry_let_go(server);
    if (!replay->begun && !begin(server, replay))
        return false;
    buffer_reset(&server->replays->json);
    if (replay->at < replay->upto &&
        !intake_could_read(
            server, tail_range(server->tail, replay->at, replay->upto, rows, see, &slice, &count)))
        return false;
    if (count < rows && !slice.full)
        replay->at = replay->upto;
    if (slice.events)
        pack_slice(server->replays, slice.events, &replay->unsent);
    replay->events += slice.events;
    server->stats.count[STAT_REDACTION_FAILED] = redact_failures(server->redact);
    buffer_reset(&server->status); /* its counters have changed */
    replay->bytes += server->replays->json.size;
    server->stats.count[STAT_REPLAYED] += slice.events;
    return true;
}

static void finish(struct server *server, const struct replay *replay)
{
    const struct replay_end end = {.after = replay->after,
                                   .upto = replay->at,
                                   .last = replay->last,
                                   .events = replay->events,
                                   .more = replay->at < replay->upto};
    struct buffer json, packed;
    struct span frame;

    buffer_init(&json);
    buffer_init(&packed);
    replay_write(&end, &json);
    frame = buffer_span(&json);
    pack_write(&frame, 1, &packed);
    clients_reply(server->clients, replay->number, 0, buffer_span(&packed));
    buffer_done(&packed);
    buffer_done(&json);
}

/* True when nothing more is to be read for it. */
static bool is_through(const struct replay *replay)
{
    return replay->begun && (replay->at >= replay->upto || replay->events >= replay->want.limit ||
                             replay->bytes >= LIMIT_REPLAY_BYTES);
}

enum step { STEP_GOES_ON, STEP_WAITS, STEP_OVER };

static enum step work_on(struct server *server, struct replay *replay)
{
    struct client_parcel parcel;
    enum clients_turn turn = clients_turn(server->clients, replay->number, &parcel);

    if (turn != CLIENTS_TURN)
        return turn == CLIENTS_GONE ? STEP_OVER : STEP_WAITS;
    if (replay->unsent.size == 0 && !is_through(replay) && !read_slice(server, replay))
        return STEP_WAITS;
    if (replay->unsent.size) {
        int error;
        parcel.packed = buffer_span(&replay->unsent);
        error = replies_part(server, &parcel);
        if (error)
            return error == -EAGAIN ? STEP_WAITS : STEP_OVER;
        buffer_reset(&replay->unsent);
    }
    if (!is_through(replay))
        return STEP_GOES_ON;
    finish(server, replay);
    return STEP_OVER;
}

/* The first one that is due goes to the front. */
static bool find_due(struct replays *self, int64_t now_us)
{
    for (size_t i = 0; i < self->count; i++) {
        if (self->first->due_us <= now_us)
            return true;
        append(self, take_first(self));
    }
    return false;
}

void replays_run(struct server *server, int64_t now_us)
{
    struct replays *self = server->replays;
    struct replay *replay;

    if (!find_due(self, now_us))
        return;
    replay = take_first(self);
    switch (work_on(server, replay)) {
    case STEP_GOES_ON:
        replay->due_us = now_us;
        replay->pause_us = PAUSE_US;
        append(self, replay);
        break;
    case STEP_WAITS:
        replay->due_us = now_us + replay->pause_us;
        replay->pause_us =
            replay->pause_us * 2 < PAUSE_MAX_US ? replay->pause_us * 2 : PAUSE_MAX_US;
        append(self, replay);
        break;
    case STEP_OVER:
        discard(replay);
        break;
    }
}

/* Asking for one. */

const char *replays_closed_to(struct server *self, const struct asking *asking)
{
    struct gate_sender sender;

    gate_sender(self->gate, asking->peer->door, &self->set, &sender);
    if (!sender.local && !sender.curve && !events_over_tcp(self->events))
        return "over tcp only where the gateway publishes over tcp, too (--events tcp://…)";
    return NULL;
}

/* Why ASKING gets none; NULL: it does. */
static const char *objection(struct server *self, const struct asking *asking,
                             struct replay_request *ret_want)
{
    const char *closed = replays_closed_to(self, asking);

    if (closed)
        return closed;
    if (asking->protocol != CLIENT_MDP_02)
        return "a replay comes in PARTIALs, which only Majordomo 0.2 has";
    if (asking->body_count > 1)
        return "a replay is asked for with one frame";
    if (self->replays->count >= LIMIT_REPLAYS)
        return "too many replays at once: try again later";
    return replay_read(builtin_word(asking), ret_want);
}

static enum builtin on_replay(struct server *self, int64_t now_us, const struct asking *asking,
                              struct buffer *ret_packed)
{
    struct replay_request want;
    struct replay *replay;
    const char *error = objection(self, asking, &want);
    uint64_t number;

    if (error) {
        requests_error(error, ret_packed);
        return BUILTIN_ANSWERED;
    }
    number = requests_expect(self, asking);
    if (!number)
        return BUILTIN_LATER;
    replay = memory_zero(1, sizeof *replay);
    replay->number = number;
    replay->want = want;
    replay->due_us = now_us;
    replay->pause_us = PAUSE_US;
    append(self->replays, replay);
    return BUILTIN_LATER;
}

const struct builtin_service builtin_of_replay[] = {
    {"tailgate.replay", RIGHT_REPLAY, false, on_replay}, {0}};
