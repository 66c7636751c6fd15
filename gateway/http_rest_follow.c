/* GET /v1/conversations/{}/events: every row of one conversation, once, in the order of rows.
 *
 *  F1. Every row that is told comes from a replay (tailgate.replay): events only say that there is
 *      something to replay. So there is one source, in one order, and no seam between what was and
 *      what comes. `cursor` is the row up to which all is told; rows at or below it are
 *      passed over, so that a replay that is begun anew doubles nothing.
 *
 *  F2. A replay reads few rows, and one is out at a time: streams take turns. Where events say
 *      that rows up to N were none of this conversation's, the cursor is moved there.
 *
 *  F3. What the client has not taken stays below BACKLOG, or is one row: the rest of a replay is
 *      left out then, and told by a later one, when all of that is taken. So large rows, and a slow
 *      client, cost time and not the stream.
 *
 *  F4. The token is checked before anything is sent, and every CHECK_US again: a conversation that
 *      expired or was removed ends its streams, after its last rows.
 *
 *   GET ─▶ token checked ─▶ open, behind ─▶ replaying ─▶ up to date ─▶ news: behind
 *                └─▶ refused                                  └─▶ over: ended */
#include <inttypes.h>
#include <stdlib.h>

#include "gateway/http_rest_inside.h"
#include "proto/jtext.h"

#define PAGE 16              /* rows that a replay tells */
#define ROWS 20000           /* rows that it looks at */
#define BACKLOG (128u << 10) /* bytes that the client has not taken: no more rows for now */
#define RETRY_US 1000000     /* after the gateway did not answer */
#define CHECK_US 60000000    /* F4 */
#define FROM_NOW INT64_C(-1) /* a cursor until the stream is open */

struct follow {
    struct rest *rest;
    struct http_request *request; /* until the stream is open */
    struct http_stream *stream;   /* NULL: it is not open yet, or is being cut */
    struct buffer ask;            /* of the gate, whether the token is right */
    struct buffer conversation_id;
    int64_t cursor;
    bool behind;            /* there may be rows above the cursor */
    bool full;              /* rows of a replay were left out: F3 */
    int64_t due_us;         /* no replay before this */
    int64_t check_us;       /* when the token is checked again */
    uint64_t asked;         /* the check of the token; 0: none is out */
    uint64_t replay;        /* of its rows, while it is the one that is out */
    enum rest_problem over; /* why it ends once it is not behind any more */
    TAILQ_ENTRY(follow) link;
};

static void discard(struct follow *self)
{
    struct rest *rest = self->rest;

    if (self->asked)
        http_ask_cancel(rest->http, self->asked);
    if (rest->replaying == self) {
        http_ask_cancel(rest->http, self->replay);
        rest->replaying = NULL;
    }
    TAILQ_REMOVE(&rest->follows, self, link);
    buffer_done(&self->conversation_id);
    buffer_done(&self->ask);
    free(self);
}

void rest_follow_stop(struct rest *self)
{
    struct follow *follow;

    while ((follow = TAILQ_FIRST(&self->follows)))
        discard(follow);
}

static void on_stream_gone(struct http_stream *stream, void *data)
{
    (void)stream;
    discard(data);
}

static void on_request_gone(struct http_request *request, void *data)
{
    (void)request;
    discard(data);
}

/* --- replays --- */

static void on_row(void *context, struct span json)
{
    struct follow *self = context;
    struct span id = span_str(""), literal = span_str("\"\"");
    const struct jtext_wanted wanted[] = {{"id", &id}, {"event", &literal}};
    struct buffer kind;
    int64_t row;
    size_t waiting;

    if (!self->stream || jtext_check(json) != JTEXT_OBJECT)
        return;
    jtext_pick(json, wanted, sizeof wanted / sizeof *wanted);
    if (id.size == 0 || jtext_integer(id, &row) != 0 || row <= self->cursor)
        return;
    waiting = http_stream_waiting(self->stream);
    self->full = self->full || (waiting > 0 && waiting + json.size > BACKLOG);
    if (self->full)
        return;
    buffer_init(&kind);
    jtext_decode(&kind, literal);
    if (http_stream_send(self->stream, id, buffer_span(&kind), json))
        self->cursor = row;
    else
        self->stream = NULL; /* cut: it is called gone later */
    buffer_done(&kind);
}

static void on_replayed(void *context, enum http_asked how, struct span reply)
{
    struct follow *self = context;
    struct span upto = span_str(""), last = upto;
    const struct jtext_wanted wanted[] = {{"upto", &upto}, {"last", &last}};
    int64_t upto_id = 0, last_id = 0;
    struct buffer detail;
    enum rest_problem problem;

    self->rest->replaying = NULL;
    buffer_init(&detail);
    problem = rest_judge(how, reply, &detail);
    buffer_done(&detail);
    if (problem == REST_FORBIDDEN) { /* our key is no observer's: there will be no rows */
        self->over = problem;
        self->behind = false;
        return;
    }
    if (!problem)
        jtext_pick(reply, wanted, sizeof wanted / sizeof *wanted);
    if (problem || !upto.size || !last.size || jtext_integer(upto, &upto_id) != 0 ||
        jtext_integer(last, &last_id) != 0) {
        self->behind = true;
        self->due_us = http_now_us(self->rest->http) + RETRY_US;
        return;
    }
    if (self->full) {
        self->behind = true;
        return;
    }
    if (upto_id > self->cursor)
        self->cursor = upto_id;
    if (last_id < self->cursor) /* behind the file's end: it was put back to an older one */
        self->cursor = last_id;
    self->behind = self->behind || upto_id < last_id;
}

static void replay(struct follow *self)
{
    int64_t after = self->cursor;
    struct buffer json;

    buffer_init(&json);
    buffer_text(&json, "{");
    jtext_member_integer(&json, "after", after);
    jtext_member(&json, "conversation", buffer_span(&self->conversation_id));
    jtext_member_integer(&json, "upto", after < INT64_MAX - ROWS ? after + ROWS : INT64_MAX);
    jtext_member_integer(&json, "limit", PAGE);
    buffer_text(&json, "}");
    self->full = false;
    self->behind = false; /* but news that come while it is out are for the next one */
    self->rest->replaying = self;
    self->replay = http_replay(self->rest->http, buffer_span(&json), on_row, on_replayed, self);
    buffer_done(&json);
}

/* --- whether it may --- */

static void on_checked(void *context, enum http_asked how, struct span reply);

static void check(struct follow *self)
{
    self->asked =
        http_ask(self->rest->http, "tailgate.session", buffer_span(&self->ask), on_checked, self);
}

/* Its token is right. LAST: the file's last row then, before its client hears of the stream, so
 * that it misses nothing that it causes itself. */
static void open_stream(struct follow *self, int64_t last)
{
    struct http_request *request = self->request;

    if (self->cursor == FROM_NOW || self->cursor > last)
        self->cursor = last;
    self->request = NULL;
    self->stream = http_stream(request, self, on_stream_gone);
    if (!self->stream)
        discard(self); /* too many: it was refused */
}

/* Says why, and ends. */
static void close_stream(struct follow *self)
{
    struct span none = span_str("");
    struct buffer json;

    buffer_init(&json);
    rest_problem_json(self->over, &json);
    if (http_stream_send(self->stream, none, span_str("end"), buffer_span(&json)))
        http_stream_end(self->stream);
    self->stream = NULL;
    buffer_done(&json);
}

static void on_checked(void *context, enum http_asked how, struct span reply)
{
    struct follow *self = context;
    struct span live = span_str("false"), left = span_str(""), last = span_str("0");
    const struct jtext_wanted wanted[] = {
        {"live", &live}, {"seconds_left", &left}, {"last", &last}};
    int64_t now_us = http_now_us(self->rest->http), seconds = 0, last_id = 0;
    struct buffer detail;
    enum rest_problem problem;

    self->asked = 0;
    buffer_init(&detail);
    problem = rest_judge(how, reply, &detail);
    if (!problem)
        jtext_pick(reply, wanted, sizeof wanted / sizeof *wanted);
    if (!problem && !span_is(live, "true"))
        problem = REST_EXPIRED;
    self->check_us = now_us + CHECK_US;
    if (!problem && left.size && jtext_integer(left, &seconds) == 0 &&
        seconds < CHECK_US / SECOND_US)
        self->check_us = now_us + seconds * SECOND_US;
    if (self->request && problem) {
        rest_refuse(self->request, problem, detail.size ? detail.data : "");
        discard(self);
    } else if (self->request) {
        (void)jtext_integer(last, &last_id);
        open_stream(self, last_id);
    } else if (problem && problem != REST_UNAVAILABLE) {
        self->over = problem;
        self->behind = true; /* its last rows */
    }
    buffer_done(&detail);
}

/* --- what happens --- */

void rest_follow_news(struct rest *self, const struct rest_news *news)
{
    struct follow *follow;

    for (follow = TAILQ_FIRST(&self->follows); follow; follow = TAILQ_NEXT(follow, link)) {
        if (news->highest >= 0 && follow->cursor > news->highest)
            follow->cursor = news->highest;
        if (news->all || (news->id > follow->cursor &&
                          span_equal(news->conversation_id, buffer_span(&follow->conversation_id))))
            follow->behind = true;
    }
}

/* That its client has taken something is a turn of the loop, in which this is asked again. */
static bool may_replay(const struct follow *self)
{
    return self->stream && self->behind &&
           http_stream_waiting(self->stream) <= (self->full ? 0 : BACKLOG);
}

/* The first one that may have a replay now; it goes to the end of the line. */
static struct follow *next_behind(struct rest *self, int64_t now_us)
{
    struct follow *follow;

    for (follow = TAILQ_FIRST(&self->follows); follow; follow = TAILQ_NEXT(follow, link)) {
        if (!may_replay(follow) || follow->due_us > now_us)
            continue;
        TAILQ_REMOVE(&self->follows, follow, link);
        TAILQ_INSERT_TAIL(&self->follows, follow, link);
        return follow;
    }
    return NULL;
}

/* F2. Every row up to POSITION was told of: if SELF is not behind, none of them was for it. */
static void move_on(struct follow *self, int64_t position)
{
    if (!self->behind && self->rest->replaying != self && position > self->cursor)
        self->cursor = position;
}

static int64_t due_of(const struct follow *self)
{
    int64_t due_us = self->asked || self->over ? INT64_MAX : self->check_us;

    if (may_replay(self) && !self->rest->replaying && self->due_us < due_us)
        due_us = self->due_us;
    return due_us;
}

int64_t rest_follow_time(struct rest *self, int64_t now_us)
{
    int64_t due_us = INT64_MAX, position = http_position(self->http);
    struct follow *follow = self->replaying ? NULL : next_behind(self, now_us);

    if (follow)
        replay(follow);
    for (follow = TAILQ_FIRST(&self->follows); follow; follow = TAILQ_NEXT(follow, link)) {
        move_on(follow, position);
        if (!follow->stream)
            continue;
        if (follow->over && !follow->behind && self->replaying != follow)
            close_stream(follow);
        else if (!follow->over && !follow->asked && follow->check_us <= now_us)
            check(follow);
        if (due_of(follow) < due_us)
            due_us = due_of(follow);
    }
    return due_us;
}

/* --- the request --- */

/* The row behind which it begins. False: REQUEST has been refused. */
static bool read_cursor(struct http_request *request, int64_t *ret_cursor)
{
    bool there;
    struct span after = http_query(request, "after", &there);
    struct span last = http_header(request, "Last-Event-ID");

    *ret_cursor = FROM_NOW;
    if (last.size) /* what a connection that was lost has had, whatever the first one said */
        *ret_cursor = rest_number(last, INT64_MAX);
    else if (there)
        *ret_cursor = rest_number(after, INT64_MAX);
    if (*ret_cursor >= 0 || (last.size == 0 && !there))
        return true;
    rest_refuse(request, REST_BAD_PARAMETER,
                "Last-Event-ID and after are the number of a row, 0 or more");
    return false;
}

void rest_follow(struct http *http, struct http_request *request)
{
    struct rest *rest = rest_of(http);
    struct follow *self;
    struct buffer json;
    int64_t cursor;

    buffer_init(&json);
    if (!read_cursor(request, &cursor) || !rest_read_session(request, &json)) {
        buffer_done(&json);
        return;
    }
    buffer_text(&json, "}");
    self = memory_zero(1, sizeof *self);
    self->rest = rest;
    self->request = request;
    self->ask = json;
    buffer_add(&self->conversation_id, http_part_of_path(request, 0));
    self->cursor = cursor;
    self->behind = true;
    TAILQ_INSERT_TAIL(&rest->follows, self, link);
    http_keep(request, self, on_request_gone);
    check(self);
}
