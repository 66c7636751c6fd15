#include "gateway/ask_wait.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "adapters/host/clock.h"

#define READ_AT_ONCE 1000 /* rows of one short read transaction */
#define TELL_US 1000000
#define OPEN_PATIENCE_US 10000000

struct ask_wait {
    struct place place;
    struct place_identity identity; /* of the file we wrote into */
    struct watch *watch;            /* NULL: blind */
    struct tail *tail;
    struct wake wake;
};

/* What a row is compared with while the tail is read. */
struct search {
    struct span conversation;
    const char *from;
    const struct reply_key *key;
    struct reply *reply;
};

/* Opens the tail, whose connection never waits for a lock: somebody may just be making or
 * recovering the database, which is soon over. */
static int open_tail(const struct place *place, struct tail **ret_tail)
{
    int64_t patience = clock_mono_us() + OPEN_PATIENCE_US;
    int error = tail_open(place, ret_tail);
    while (error == BRIDGE_BUSY && clock_mono_us() < patience) {
        const struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
        error = tail_open(place, ret_tail);
    }
    return error;
}

int ask_wait_new(const struct place *place, struct ask_wait **ret_wait)
{
    struct ask_wait *self = memory_zero(1, sizeof *self);
    self->place = *place;
    if (watch_new(place, &self->watch))
        self->watch = NULL; /* the safety net remains */
    int error = place_identify(place, &self->identity) ? BRIDGE_ABSENT : BRIDGE_OK;
    if (!error)
        error = open_tail(place, &self->tail);
    if (error) {
        ask_wait_destroy(&self);
        return error;
    }
    wake_init(&self->wake, clock_mono_us());
    *ret_wait = self;
    return BRIDGE_OK;
}

void ask_wait_destroy(struct ask_wait **self)
{
    if (!*self)
        return;
    tail_close(&(*self)->tail);
    watch_destroy(&(*self)->watch);
    free(*self);
    *self = NULL;
}

bool ask_wait_is_blind(const struct ask_wait *self)
{
    return !self->watch;
}

static void see(void *context, const struct tail_row *row)
{
    struct search *search = context;
    if (search->reply->id || !span_equal(row->conversation_id, search->conversation) ||
        !span_is(row->from_session, search->from))
        return;
    if (reply_answers(&row->columns, search->key))
        reply_take(search->reply, row->id, &row->columns);
}

/* Looks for the proof and, when it is there, at the new rows. BUSY is no news. */
static int check(struct ask_wait *self, struct search *search)
{
    bool changed = false;
    size_t count = 0;
    int error = tail_changed(self->tail, &changed);
    while (!error && changed) {
        error = tail_read(self->tail, READ_AT_ONCE, see, search, &count);
        if (!error && count < READ_AT_ONCE) {
            tail_settle(self->tail);
            break;
        }
    }
    wake_checked(&self->wake, clock_mono_us(), changed && !error);
    return error == BRIDGE_BUSY ? BRIDGE_OK : error;
}

/* Sleeps until UNTIL_US or the next hint, which it takes. */
static void sleep_until(struct ask_wait *self, int64_t until_us)
{
    int64_t left = until_us - clock_mono_us();
    if (left < 0)
        left = 0;
    struct timespec pause = {left / 1000000, left % 1000000 * 1000};
    struct pollfd hint = {self->watch ? watch_fd(self->watch) : -1, POLLIN, 0};
    if (ppoll(&hint, 1, &pause, NULL) > 0 && watch_drain(self->watch))
        wake_hint(&self->wake, clock_mono_us());
}

static bool was_replaced(const struct ask_wait *self)
{
    struct place_identity now;
    return place_identify(&self->place, &now) || now.device != self->identity.device ||
           now.inode != self->identity.inode;
}

enum ask_result ask_wait_reply(struct ask_wait *self, struct span conversation, const char *from,
                               const struct reply_key *key, int64_t timeout_us, ask_tell_fn *tell,
                               void *context, struct reply *reply, int *ret_error)
{
    struct search search = {conversation, from, key, reply};
    int64_t start = clock_mono_us(), next_tell = tell ? start : INT64_MAX;
    int64_t deadline = timeout_us ? start + timeout_us : INT64_MAX;
    tail_start_at(self->tail, key->message_id);
    for (;;) {
        int64_t now = clock_mono_us();
        bool over = now >= deadline; /* one last look then */
        if (over || wake_due(&self->wake, now)) {
            int error = check(self, &search);
            if (reply->id)
                return ASK_ANSWERED;
            if (error) {
                *ret_error = error;
                return ASK_BROKEN;
            }
            if (was_replaced(self))
                return ASK_REPLACED;
        }
        if (over)
            return ASK_TIMED_OUT;
        if (now >= next_tell) {
            tell(context, now - start);
            next_tell += TELL_US;
        }
        int64_t until = wake_next(&self->wake);
        if (next_tell < until)
            until = next_tell;
        sleep_until(self, deadline < until ? deadline : until);
    }
}
