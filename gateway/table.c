#include "gateway/table.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"

void table_init(struct table *self, uint64_t seed)
{
    memset(self, 0, sizeof *self);
    memcpy(self->key, &seed, sizeof seed);
}

void table_done(struct table *self)
{
    free(self->bucket);
    self->bucket = NULL;
    self->buckets = self->count = 0;
}

uint64_t table_hash(const struct table *self, const void *data, size_t size)
{
    uint64_t hash;
    static_assert(crypto_shorthash_BYTES == sizeof hash, "SipHash gives 64 bits");
    crypto_shorthash((unsigned char *)&hash, data, size, self->key);
    return hash;
}

struct table_node *table_first(const struct table *self, uint64_t hash)
{
    struct table_node *node = self->buckets ? self->bucket[hash & (self->buckets - 1)] : NULL;
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct table_node *table_next(const struct table_node *node)
{
    struct table_node *next = node->next;
    while (next && next->hash != node->hash)
        next = next->next;
    return next;
}

uint64_t table_hash_id(const struct table *self, int64_t id)
{
    uint64_t hash;

    memcpy(&hash, self->key, sizeof hash);
    hash ^= (uint64_t)id; /* then as SplitMix64: each bit of this in each bit of the hash */
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

static void grow(struct table *self)
{
    size_t buckets = self->buckets ? self->buckets * 2 : 16;
    struct table_node **bucket = memory_zero(buckets, sizeof(struct table_node *));

    for (size_t i = 0; i < self->buckets; i++) {
        struct table_node *node = self->bucket[i];
        while (node) {
            struct table_node *next = node->next;
            node->next = bucket[node->hash & (buckets - 1)];
            bucket[node->hash & (buckets - 1)] = node;
            node = next;
        }
    }
    free(self->bucket);
    self->bucket = bucket;
    self->buckets = buckets;
}

void table_add(struct table *self, struct table_node *node, uint64_t hash)
{
    if (self->count >= self->buckets)
        grow(self);
    node->hash = hash;
    node->next = self->bucket[hash & (self->buckets - 1)];
    self->bucket[hash & (self->buckets - 1)] = node;
    self->count++;
}

void table_remove(struct table *self, struct table_node *node)
{
    struct table_node **link = &self->bucket[node->hash & (self->buckets - 1)];
    while (*link != node) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    self->count--;
}

struct table_node *table_walk(const struct table *self, const struct table_node *after)
{
    size_t i = 0;

    if (after) {
        if (after->next)
            return after->next;
        i = (size_t)(after->hash & (self->buckets - 1)) + 1;
    }
    for (; i < self->buckets; i++)
        if (self->bucket[i])
            return self->bucket[i];
    return NULL;
}
