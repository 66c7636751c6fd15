/* An observer's life, and what callers do with it. */
#include <stdlib.h>
#include <unistd.h>

#include "adapters/c/bell.h"
#include "adapters/c/check.h"
#include "adapters/c/observer_inside.h"
#include "adapters/c/patience.h"
#include "proto/buffer.h"
#include "proto/event_batch.h"
#include "proto/limits.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

#define ALL_KINDS ((1u << (TOPIC_KINDS + 1)) - 1)

/* --- what is asked for --- */

/* The bits of the kinds that OPTIONS names, or 0 when one is unknown. */
static unsigned read_kinds(const struct tailgate_observer_options *options)
{
    unsigned kinds = 0;
    if (options->kind_count == 0)
        return ALL_KINDS;
    for (size_t i = 0; options->kinds && i < options->kind_count; i++) {
        int kind = 0;
        while (kind < TOPIC_KINDS &&
               !(options->kinds[i] &&
                 strcmp(options->kinds[i], topic_name((enum topic_kind)kind)) == 0))
            kind++;
        if (kind == TOPIC_KINDS)
            return 0;
        kinds |= 1u << kind;
    }
    return kinds;
}

static bool check_begin(const struct tailgate_observer_options *options)
{
    int64_t utc_us;
    if (options->after < TAILGATE_FROM_NOW)
        return false;
    if (!options->since)
        return options->after == TAILGATE_FROM_NOW || options->gate;
    return options->gate && options->after <= 0 &&
           stamp_parse(span_str(options->since), &utc_us) == 0;
}

/* An id may hold anything that is text. */
static bool check_conversation(const char *id)
{
    struct span text = span_str(id);
    return text.size > 0 && text.size <= LIMIT_CONVERSATION_ID && utf8_valid(text);
}

static bool check(const struct tailgate_observer_options *options)
{
    return check_endpoint(options->endpoint) && (!options->gate || check_endpoint(options->gate)) &&
           read_kinds(options) != 0 &&
           (!options->conversation || check_conversation(options->conversation)) &&
           (!options->service || check_text(options->service, LIMIT_SERVICE)) &&
           check_begin(options);
}

/* --- its life --- */

static void subscribe(struct tailgate_observer *self, const char *topic, size_t size)
{
    self->topic[self->topics++] = memory_text(span_of(topic, size));
}

/* Marks are taken in any case, and batches, which some endpoints send. What is about a conversation
 * has it in its topic; an empty topic is everything. */
static void make_topics(struct tailgate_observer *self, unsigned kinds)
{
    char topic[TOPIC_SIZE];
    struct span conversation = span_str(self->conversation);
    if (kinds == ALL_KINDS && !self->conversation) {
        subscribe(self, "", 0);
        return;
    }
    for (int kind = 0; kind < TOPIC_GATEWAY; kind++) {
        if ((kinds >> kind & 1u) != 0 && !(kind == TOPIC_WORKER && self->conversation))
            subscribe(self, topic, topic_make((enum topic_kind)kind, conversation, topic));
    }
    subscribe(self, topic, topic_make(TOPIC_GATEWAY, span_str(""), topic));
    subscribe(self, EVENT_BATCH_TOPIC, strlen(EVENT_BATCH_TOPIC));
}

static char *copy_of(const char *text)
{
    return text ? memory_text(span_str(text)) : NULL;
}

static struct tailgate_observer *observer_new(const struct tailgate_observer_options *options,
                                              struct tailgate_loop *loop, int bell)
{
    struct tailgate_observer *self = memory_zero(1, sizeof *self);
    unsigned kinds = read_kinds(options);
    self->bell = bell;
    self->loop = loop;
    self->own_loop = !options->loop;
    pthread_mutex_init(&self->lock, NULL);
    patience_init(&self->news);
    self->endpoint = copy_of(options->endpoint);
    self->conversation = copy_of(options->conversation);
    self->service = copy_of(options->service);
    self->since = copy_of(options->since);
    make_topics(self, kinds);
    const struct follow_setup setup = {.kinds = kinds,
                                       .everything = kinds == ALL_KINDS && !self->conversation,
                                       .can_replay = options->gate != NULL,
                                       .conversation = self->conversation,
                                       .service = self->service,
                                       .after = options->after,
                                       .since = self->since,
                                       .give = observer_take,
                                       .context = self};
    follow_init(&self->follow, &setup);
    self->position = follow_position(&self->follow);
    return self;
}

static int client_new(const struct tailgate_observer_options *options, struct tailgate_loop *loop,
                      struct tailgate_client **ret_client)
{
    const struct tailgate_client_options client = {.endpoint = options->gate,
                                                   .cert = options->cert,
                                                   .server_cert = options->server_cert,
                                                   .loop = loop};
    return options->gate ? tailgate_client_new(&client, ret_client) : TAILGATE_OK;
}

int tailgate_observer_new(const struct tailgate_observer_options *options,
                          struct tailgate_observer **ret_observer)
{
    struct tailgate_loop *loop = options->loop;
    struct tailgate_client *client = NULL;
    int code = check(options) ? TAILGATE_OK : TAILGATE_INVALID;
    struct curve_client curve;
    if (code == TAILGATE_OK && !check_certs(options->cert, options->server_cert, &curve))
        code = TAILGATE_INVALID;
    if (code == TAILGATE_OK && !loop)
        code = tailgate_loop_new(&loop);
    if (code != TAILGATE_OK)
        return code;
    int bell = bell_new();
    code = bell < 0 ? TAILGATE_NO_RESOURCES : client_new(options, loop, &client);
    if (code != TAILGATE_OK) {
        if (bell >= 0)
            close(bell);
        if (!options->loop)
            tailgate_loop_destroy(&loop);
        return code;
    }
    struct tailgate_observer *self = observer_new(options, loop, bell);
    self->client = client;
    self->curve = curve;
    explicit_bzero(&curve, sizeof curve);
    observer_start(self);
    *ret_observer = self;
    return TAILGATE_OK;
}

void tailgate_observer_destroy(struct tailgate_observer **self)
{
    struct tailgate_observer *observer = *self;
    *self = NULL;
    if (!observer)
        return;
    loop_remove(observer->loop, &observer->seat);
    tailgate_request_destroy(&observer->request);
    tailgate_client_destroy(&observer->client);
    if (observer->own_loop)
        tailgate_loop_destroy(&observer->loop);
    follow_done(&observer->follow);
    giftbox_done(&observer->box);
    gift_free(&observer->given);
    gift_free(&observer->state_kept);
    close(observer->bell);
    pthread_cond_destroy(&observer->news);
    pthread_mutex_destroy(&observer->lock);
    for (size_t i = 0; i < observer->topics; i++)
        free(observer->topic[i]);
    explicit_bzero(&observer->curve, sizeof observer->curve);
    free(observer->endpoint);
    free(observer->conversation);
    free(observer->service);
    free(observer->since);
    free(observer);
}

/* --- what callers do with it --- */

/* Under the lock. Where there was no room, the thread goes on when half of it is free. */
static bool take(struct tailgate_observer *self, struct tailgate_observed *ret_observed)
{
    bool full = !giftbox_has_room(&self->box, 2);
    struct gift *gift = giftbox_take(&self->box);
    if (!gift)
        return false;
    gift_free(&self->given);
    self->given = gift;
    self->position = gift->position;
    *ret_observed = gift->observed;
    if (full && giftbox_has_room(&self->box, 2)) {
        self->busy = true;
        loop_wake(self->loop);
    }
    return true;
}

int tailgate_observer_next(struct tailgate_observer *self, int timeout_ms,
                           struct tailgate_observed *ret_observed)
{
    int64_t end_us = patience_end(timeout_ms);
    bool got = false, on = true;
    pthread_mutex_lock(&self->lock);
    while (on && !(got = take(self, ret_observed)))
        on = patience_wait(&self->news, &self->lock, end_us);
    observer_announce(self);
    pthread_mutex_unlock(&self->lock);
    return got ? TAILGATE_OK : TAILGATE_TIMED_OUT;
}

int tailgate_observer_fd(const struct tailgate_observer *self)
{
    return self->bell;
}

int64_t tailgate_observer_position(const struct tailgate_observer *self)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&self->lock;
    pthread_mutex_lock(lock);
    int64_t position = self->position;
    pthread_mutex_unlock(lock);
    return position;
}
