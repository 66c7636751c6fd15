/* A hash table of nodes that live inside their owners. SipHash (libsodium crypto_shorthash) with a
 * key of its own, because names come from outside. The table owns its buckets, never the nodes. */
#ifndef TAILGATE_GATEWAY_TABLE_H
#define TAILGATE_GATEWAY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table_node {
    struct table_node *next; /* in its bucket */
    uint64_t hash;
};

struct table {
    struct table_node **bucket; /* a power of two of them; NULL while empty */
    size_t buckets;
    size_t count; /* nodes held */
    unsigned char key[16];
};

/* The owner of NODE, which is its member MEMBER. */
#define table_owner(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* SEED makes the key: a random number in a process, a fixed one in a simulation. */
void table_init(struct table *self, uint64_t seed);
/* Frees the buckets. The nodes must be gone or forgotten. */
void table_done(struct table *self);
uint64_t table_hash(const struct table *self, const void *data, size_t size);
/* Of a number that only the database gives out, such as a row's id: it takes a tenth of the time.
 */
uint64_t table_hash_id(const struct table *self, int64_t id);
/* The first node whose hash is HASH and the next one after NODE, or NULL. Keys are the caller's. */
struct table_node *table_first(const struct table *self, uint64_t hash);
struct table_node *table_next(const struct table_node *node);
void table_add(struct table *self, struct table_node *node, uint64_t hash);
void table_remove(struct table *self, struct table_node *node);
/* Walks all nodes in no order: start with NULL; the table must not change meanwhile. */
struct table_node *table_walk(const struct table *self, const struct table_node *after);

#endif
