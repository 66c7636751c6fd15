#include "gateway/http_rate.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/table.h"
#include "proto/buffer.h"

#define KEY_SIZE 32
#define FIRST_ROOM 8 /* times; doubles */

static const int64_t length_us[RATE_WINDOWS] = {60 * INT64_C(1000000), 3600 * INT64_C(1000000),
                                                86400 * INT64_C(1000000)};

struct session {
    unsigned char key[KEY_SIZE];
    int64_t *time; /* of its queries that the longest window holds, rising */
    size_t count, room;
    struct table_node node;
    TAILQ_ENTRY(session) used; /* the least recently used one first */
};

struct http_rate {
    unsigned limit[RATE_WINDOWS];
    int64_t longest_us; /* of the windows that have a limit; 0: none has */
    struct table table;
    TAILQ_HEAD(sessions, session) used;
};

struct http_rate *http_rate_new(const unsigned limit[RATE_WINDOWS], uint64_t seed)
{
    struct http_rate *self = memory_zero(1, sizeof *self);

    memcpy(self->limit, limit, sizeof self->limit);
    for (int i = 0; i < RATE_WINDOWS; i++)
        if (limit[i])
            self->longest_us = length_us[i];
    table_init(&self->table, seed);
    TAILQ_INIT(&self->used);
    return self;
}

static void forget(struct http_rate *self, struct session *session)
{
    table_remove(&self->table, &session->node);
    TAILQ_REMOVE(&self->used, session, used);
    free(session->time);
    free(session);
}

void http_rate_destroy(struct http_rate **self)
{
    struct session *session;

    if (!*self)
        return;
    while ((session = TAILQ_FIRST(&(*self)->used)))
        forget(*self, session);
    table_done(&(*self)->table);
    free(*self);
    *self = NULL;
}

/* What a session is known by: a hash, so that no token stays in memory. */
static void make_key(struct span conversation, struct span token, unsigned char ret_key[KEY_SIZE])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, NULL, 0, KEY_SIZE);
    crypto_generichash_update(&state, (const unsigned char *)&conversation.size,
                              sizeof conversation.size);
    crypto_generichash_update(&state, (const unsigned char *)conversation.data, conversation.size);
    crypto_generichash_update(&state, (const unsigned char *)token.data, token.size);
    crypto_generichash_final(&state, ret_key, KEY_SIZE);
}

static struct session *find(const struct http_rate *self, const unsigned char key[KEY_SIZE])
{
    struct table_node *node = table_first(&self->table, table_hash(&self->table, key, KEY_SIZE));

    for (; node; node = table_next(node)) {
        struct session *session = table_owner(node, struct session, node);
        if (memcmp(session->key, key, KEY_SIZE) == 0)
            return session;
    }
    return NULL;
}

static struct session *add(struct http_rate *self, const unsigned char key[KEY_SIZE])
{
    struct session *session = memory_zero(1, sizeof *session);

    if (self->table.count == RATE_SESSIONS)
        forget(self, TAILQ_FIRST(&self->used));
    memcpy(session->key, key, KEY_SIZE);
    table_add(&self->table, &session->node, table_hash(&self->table, key, KEY_SIZE));
    TAILQ_INSERT_TAIL(&self->used, session, used);
    return session;
}

/* Forgets the times that no window holds any more. */
static void slide(const struct http_rate *self, struct session *session, int64_t now_us)
{
    size_t past = 0;

    while (past < session->count && session->time[past] + self->longest_us <= now_us)
        past++;
    if (past == 0)
        return;
    session->count -= past;
    memmove(session->time, session->time + past, session->count * sizeof *session->time);
}

/* Until every window has room for one more. */
static int64_t pause_of(const struct http_rate *self, const struct session *session, int64_t now_us)
{
    int64_t pause_us = 0;

    for (int i = 0; i < RATE_WINDOWS; i++) {
        unsigned limit = self->limit[i];
        if (limit == 0 || session->count < limit)
            continue;
        int64_t free_us = session->time[session->count - limit] + length_us[i];
        if (free_us - now_us > pause_us)
            pause_us = free_us - now_us;
    }
    return pause_us;
}

int64_t http_rate_take(struct http_rate *self, struct span conversation, struct span token,
                       int64_t now_us)
{
    unsigned char key[KEY_SIZE];
    struct session *session;
    int64_t pause_us;

    if (self->longest_us == 0)
        return 0;
    make_key(conversation, token, key);
    session = find(self, key);
    if (!session)
        session = add(self, key);
    TAILQ_REMOVE(&self->used, session, used);
    TAILQ_INSERT_TAIL(&self->used, session, used);
    if (session->count)
        slide(self, session, now_us);
    pause_us = pause_of(self, session, now_us);
    if (pause_us > 0)
        return pause_us;
    if (session->count == session->room) {
        session->room = session->room ? session->room * 2 : FIRST_ROOM;
        session->time = memory_grow(session->time, session->room * sizeof *session->time);
    }
    session->time[session->count++] = now_us;
    return 0;
}

void http_rate_return(struct http_rate *self, struct span conversation, struct span token,
                      int64_t at_us)
{
    unsigned char key[KEY_SIZE];
    struct session *session;
    size_t at;

    make_key(conversation, token, key);
    session = find(self, key);
    if (!session)
        return;
    for (at = session->count; at > 0 && session->time[at - 1] != at_us; at--)
        ;
    if (at > 0) {
        session->count--;
        memmove(session->time + at - 1, session->time + at,
                (session->count - (at - 1)) * sizeof *session->time);
    }
    if (session->count == 0)
        forget(self, session);
}

size_t http_rate_sessions(const struct http_rate *self)
{
    return self->table.count;
}
