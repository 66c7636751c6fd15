#include "gateway/lookups.h"

#include <stdlib.h>

#include "adapters/bridge/answered.h"
#include "adapters/host/clock.h"
#include "gateway/builtin_call.h"

#define LOOKUP_ROWS 500    /* K1 */
#define LOOKUP_US 5000     /* K1 */
#define LOOKUP_MOST 200000 /* K2 */
#define PAUSE_US 20000     /* where the database cannot be read just now */

struct lookup {
    uint64_t number; /* of the client's request (clients.h) */
    struct fate fate;
    lookup_compose_fn *compose;
    int64_t due_us;
    struct lookup *next;
};

struct lookups {
    struct lookup *first, *last; /* whose turn it is first */
    size_t count;
};

struct lookups *lookups_new(void)
{
    return memory_zero(1, sizeof(struct lookups));
}

static void append(struct lookups *self, struct lookup *lookup)
{
    lookup->next = NULL;
    if (self->first)
        self->last->next = lookup;
    else
        self->first = lookup;
    self->last = lookup;
    self->count++;
}

static struct lookup *take_first(struct lookups *self)
{
    struct lookup *lookup = self->first;

    self->first = lookup->next;
    self->count--;
    return lookup;
}

void lookups_destroy(struct lookups **self)
{
    if (!*self)
        return;
    while ((*self)->first)
        free(take_first(*self));
    free(*self);
    *self = NULL;
}

int64_t lookups_due(const struct lookups *self)
{
    int64_t due_us = INT64_MAX;

    for (const struct lookup *lookup = self->first; lookup; lookup = lookup->next)
        if (lookup->due_us < due_us)
            due_us = lookup->due_us;
    return due_us;
}

/* Appends the packed answer. Returns a bridge_error. */
static int answer(struct server *server, struct fate *fate, lookup_compose_fn *compose,
                  struct buffer *ret_packed)
{
    struct buffer json;
    int error = fate_conclude(server, fate);

    buffer_init(&json);
    if (!error)
        error = compose(server, fate, &json);
    if (!error)
        call_give(&json, ret_packed);
    buffer_done(&json);
    return error;
}

static bool is_settled(const struct fate *fate)
{
    return fate->state || fate->reply_id || fate->looked;
}

/* The next slice; the first one says where the search ends. Returns a bridge_error. */
static int look_on(struct server *server, struct fate *fate)
{
    int64_t last = 0, found = 0, upto;
    int error = tail_last_id(server->tail, &last);

    if (error)
        return error;
    if (fate->looked_to < fate->id)
        fate->looked_to = fate->id;
    upto = fate->looked_to + LOOKUP_ROWS < last ? fate->looked_to + LOOKUP_ROWS : last;
    error = answered_find(tail_connection(server->tail), fate->id, span_str(fate->conversation_id),
                          span_str(fate->asked), fate->looked_to, clock_mono_us() + LOOKUP_US,
                          &found, &upto);
    if (error)
        return error;
    fate->reply_id = found;
    fate->looked_to = upto > fate->looked_to ? upto : fate->looked_to;
    fate->looked_at_all = upto >= last;
    fate->looked =
        fate->reply_id || fate->looked_at_all || fate->looked_to - fate->id >= LOOKUP_MOST;
    return BRIDGE_OK;
}

/* Returns false when it goes on. */
static bool work_on(struct server *server, int64_t now_us, struct lookup *lookup)
{
    struct client_parcel parcel;
    struct buffer packed;
    int error;

    if (clients_turn(server->clients, lookup->number, &parcel) == CLIENTS_GONE)
        return true;
    buffer_init(&packed);
    carry_let_go(server);
    error = is_settled(&lookup->fate) ? BRIDGE_OK : look_on(server, &lookup->fate);
    if (!error && is_settled(&lookup->fate))
        error = answer(server, &lookup->fate, lookup->compose, &packed);
    lookup->due_us = intake_could_read(server, error) ? now_us : now_us + PAUSE_US;
    if (packed.size)
        clients_reply(server->clients, lookup->number, 0, buffer_span(&packed));
    buffer_done(&packed);
    return packed.size > 0;
}

void lookups_run(struct server *server, int64_t now_us)
{
    struct lookups *self = server->lookups;
    struct lookup *lookup;

    for (size_t i = 0; i < self->count && self->first->due_us > now_us; i++)
        append(self, take_first(self));
    if (!self->first || self->first->due_us > now_us)
        return;
    lookup = take_first(self);
    if (work_on(server, now_us, lookup))
        free(lookup);
    else
        append(self, lookup);
}

enum builtin lookups_answer(struct server *server, int64_t now_us, const struct asking *asking,
                            struct fate *fate, lookup_compose_fn *compose,
                            struct buffer *ret_packed)
{
    struct lookups *self = server->lookups;
    struct lookup *lookup;
    uint64_t number;

    if (is_settled(fate))
        return intake_could_read(server, answer(server, fate, compose, ret_packed))
                   ? BUILTIN_ANSWERED
                   : BUILTIN_BUSY;
    if (self->count >= LIMIT_LOOKUPS)
        return call_refuse(
            (struct fault){"busy", "too much is looked for at once: try again later"}, ret_packed);
    number = requests_expect(server, asking);
    if (!number)
        return BUILTIN_LATER;
    lookup = memory_zero(1, sizeof *lookup);
    lookup->number = number;
    lookup->fate = *fate;
    lookup->compose = compose;
    lookup->due_us = now_us;
    append(self, lookup);
    return BUILTIN_LATER;
}
