#include "adapters/source/upstream.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "adapters/source/uplink.h"
#include "proto/buffer.h"
#include "proto/token.h"

static_assert(UPSTREAM_SERVICES * UPLINK_ITEMS <= SOURCE_ITEMS, "all links can be polled");

struct upstream {
    struct source source;
    struct uplink_setup setup;
    struct uplink *link[UPSTREAM_SERVICES];
    size_t count, turn; /* whose turn it is in next() */
    struct buffer relays;
    uint64_t dropped;    /* answers thrown away and not told yet */
    bool up;             /* SOURCE_UP was said last */
    bool waiting;        /* SOURCE_WAITING was said since */
    struct span refusal; /* the last SOURCE_REFUSED that was said since; static */
};

static struct upstream *own(struct source *source)
{
    return (struct upstream *)(void *)source;
}

static struct uplink *find(const struct upstream *self, struct span service)
{
    for (size_t i = 0; i < self->count; i++) {
        if (span_is(service, uplink_service(self->link[i])))
            return self->link[i];
    }
    return NULL;
}

static struct uplink *find_token(const struct upstream *self, struct span token)
{
    for (size_t i = 0; i < self->count; i++) {
        if (uplink_has(self->link[i], token))
            return self->link[i];
    }
    return NULL;
}

/* The link of SERVICE, made when there is room. */
static struct uplink *link_of(struct upstream *self, struct span service)
{
    struct uplink *link = find(self, service);
    if (link || service.size > LIMIT_SERVICE)
        return link;
    for (size_t i = 0; i < self->count && self->count == UPSTREAM_SERVICES; i++) {
        if (uplink_is_idle(self->link[i])) {
            uplink_destroy(&self->link[i]);
            self->link[i] = self->link[--self->count];
        }
    }
    if (self->count == UPSTREAM_SERVICES)
        return NULL;
    return self->link[self->count++] = uplink_new(&self->setup, service);
}

static void offer(struct source *source, struct span service, uint32_t slots)
{
    struct uplink *link = slots > 0 ? link_of(own(source), service) : find(own(source), service);
    if (link)
        uplink_slots(link, slots, clock_mono_us());
}

static void hold(struct source *source, struct span service, struct span token)
{
    struct uplink *link;
    if (token.size >= TOKEN_SIZE || find_token(own(source), token))
        return;
    link = link_of(own(source), service);
    if (link)
        uplink_hold(link, token);
}

static void relays(struct source *source, struct span ids)
{
    struct upstream *self = own(source);
    buffer_reset(&self->relays);
    buffer_add(&self->relays, ids);
    for (size_t i = 0; i < self->count; i++)
        uplink_relays(self->link[i]);
}

static size_t kept(const struct source *source)
{
    const struct upstream *self = (const struct upstream *)(const void *)source;
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += uplink_kept(self->link[i]);
    return count;
}

/* Makes room for MORE bytes: the link that holds most gives up its oldest. */
static void make_room(struct upstream *self, size_t more)
{
    size_t sum = more;
    for (size_t i = 0; i < self->count; i++)
        sum += uplink_bytes(self->link[i]);
    while (sum > UPSTREAM_KEEP_BYTES && sum > more) {
        size_t most = 0;
        for (size_t i = 1; i < self->count; i++) {
            if (uplink_bytes(self->link[i]) > uplink_bytes(self->link[most]))
                most = i;
        }
        size_t before = uplink_bytes(self->link[most]);
        self->dropped += uplink_shed(self->link[most]);
        sum -= before - uplink_bytes(self->link[most]);
    }
}

static void final(struct source *source, const struct source_answer *answer)
{
    struct upstream *self = own(source);
    struct uplink *link = find_token(self, answer->token);
    size_t bytes = answer->via.size;
    if (!link) /* of a run before this one: whoever judges it does so by its token */
        link = self->count > 0 ? self->link[0] : link_of(self, span_str("*"));
    if (answer->token.size >= TOKEN_SIZE)
        return; /* no gateway has made it */
    for (size_t i = 0; i < answer->frames; i++)
        bytes += answer->frame[i].size;
    make_room(self, bytes);
    self->dropped += uplink_final(link, answer);
}

static void partial(struct source *source, const struct source_answer *answer)
{
    const struct upstream *self = own(source);
    struct uplink *link = find_token(self, answer->token);
    size_t held = 0;
    for (size_t i = 0; i < self->count; i++)
        held += uplink_part_bytes(self->link[i]);
    if (link && held < UPSTREAM_PART_BYTES) /* the final answer will hold all of them */
        uplink_partial(link, answer);
}

static void fail(struct source *source, struct span token, struct span reason, bool retry)
{
    struct uplink *link = find_token(own(source), token);
    if (link)
        uplink_fail(link, token, reason, retry, false);
}

static void give_back(struct source *source, struct span token, struct span reason)
{
    struct uplink *link = find_token(own(source), token);
    if (link)
        uplink_fail(link, token, reason, true, true);
}

static size_t items(const struct source *source, zmq_pollitem_t ret_item[SOURCE_ITEMS])
{
    const struct upstream *self = (const struct upstream *)(const void *)source;
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += uplink_items(self->link[i], ret_item + count);
    return count;
}

static int64_t due(const struct source *source)
{
    const struct upstream *self = (const struct upstream *)(const void *)source;
    int64_t due_us = self->dropped > 0 ? 0 : INT64_MAX;
    for (size_t i = 0; i < self->count; i++) {
        int64_t own_us = uplink_due(self->link[i]);
        due_us = own_us < due_us ? own_us : due_us;
    }
    return due_us;
}

/* Several links have one way: what becomes of it is told once. */

static bool all_registered(const struct upstream *self)
{
    for (size_t i = 0; i < self->count; i++) {
        if (uplink_wanted(self->link[i]) && !uplink_registered(self->link[i]))
            return false;
    }
    return true;
}

static struct source_news tell_up(struct upstream *self)
{
    if (self->up || !all_registered(self))
        return (struct source_news){.kind = SOURCE_NOTHING};
    self->up = true;
    self->waiting = false;
    self->refusal = span_str("");
    return (struct source_news){
        .kind = SOURCE_UP, .text = span_str(self->setup.endpoint), .count = kept(&self->source)};
}

static struct source_news tell_down(struct upstream *self, enum source_news_kind kind,
                                    struct span text)
{
    bool tell = (kind == SOURCE_REFUSED && !span_equal(text, self->refusal)) ||
                (kind == SOURCE_LOST && self->up) || (kind == SOURCE_WAITING && !self->waiting);
    self->up = false;
    self->waiting = self->waiting || kind == SOURCE_WAITING;
    if (kind == SOURCE_REFUSED)
        self->refusal = text;
    return (struct source_news){.kind = tell ? kind : SOURCE_NOTHING, .text = text};
}

static struct source_news translate(struct upstream *self, const struct uplink *link,
                                    const struct uplink_news *news)
{
    switch (news->kind) {
    case UPLINK_READY:
        return tell_up(self);
    case UPLINK_QUERY:
        return (struct source_news){.kind = SOURCE_QUERY,
                                    .service = span_str(uplink_service(link)),
                                    .token = news->token,
                                    .json = news->json,
                                    .frame = news->frame,
                                    .frames = news->frames};
    case UPLINK_END:
        return (struct source_news){.kind = SOURCE_END, .token = news->token};
    case UPLINK_LOST:
    case UPLINK_DISMISSED:
        return tell_down(self, SOURCE_LOST, news->text);
    case UPLINK_WAITING:
        return tell_down(self, SOURCE_WAITING, news->text);
    case UPLINK_REFUSED:
        return tell_down(self, SOURCE_REFUSED, news->text);
    case UPLINK_NOTHING:
        break;
    }
    return (struct source_news){.kind = SOURCE_NOTHING};
}

static struct source_news next(struct source *source, int64_t now_us)
{
    struct upstream *self = own(source);
    struct source_news some = {.kind = SOURCE_DROPPED, .count = self->dropped};
    int64_t utc_us = clock_utc_us();
    self->dropped = 0;
    if (some.count > 0)
        return some;
    some.kind = SOURCE_NOTHING;
    /* Each link until it has nothing more, then the one behind it. */
    for (size_t quiet = 0; quiet < self->count && some.kind == SOURCE_NOTHING;) {
        const struct uplink *link = self->link[self->turn % self->count];
        struct uplink_news news = uplink_next(self->link[self->turn % self->count], now_us, utc_us);
        some = translate(self, link, &news);
        quiet = news.kind == UPLINK_NOTHING ? quiet + 1 : 0;
        if (news.kind == UPLINK_NOTHING)
            self->turn = (self->turn + 1) % self->count;
    }
    return some;
}

static void destroy(struct source **source)
{
    struct upstream *self = own(*source);
    *source = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        uplink_destroy(&self->link[i]);
    buffer_done(&self->relays);
    free(self);
}

struct source *upstream_new(const struct upstream_setup *setup)
{
    static const struct source_class class = {.services = UPSTREAM_SERVICES,
                                              .offer = offer,
                                              .hold = hold,
                                              .relays = relays,
                                              .final = final,
                                              .partial = partial,
                                              .fail = fail,
                                              .give_back = give_back,
                                              .items = items,
                                              .due = due,
                                              .next = next,
                                              .kept = kept,
                                              .destroy = destroy};
    struct upstream *self = memory_zero(1, sizeof *self);
    self->source.class = &class;
    buffer_init(&self->relays);
    buffer_text(&self->relays, "[]");
    self->setup = (struct uplink_setup){.context = setup->context,
                                        .endpoint = setup->endpoint,
                                        .curve = setup->curve,
                                        .name = setup->name,
                                        .interval_ms = setup->interval_ms,
                                        .relays = &self->relays};
    return &self->source;
}
