/* A ring of those who take turns. Its nodes live inside their owners (table_owner() finds one); a
 * ring is a pointer to the node whose turn it is, NULL while it is empty. */
#ifndef TAILGATE_GATEWAY_RING_H
#define TAILGATE_GATEWAY_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    struct ring *next, *previous; /* NULL: in no ring */
};

static inline bool ring_holds(const struct ring *node)
{
    return node->next != NULL;
}

/* Before the one whose turn it is: at the end of the line. */
static inline void ring_join(struct ring **turn, struct ring *node)
{
    if (!*turn) {
        *turn = node->next = node->previous = node;
        return;
    }
    node->next = *turn;
    node->previous = (*turn)->previous;
    node->previous->next = node->next->previous = node;
}

/* If it was NODE's turn, it is the next one's. */
static inline void ring_leave(struct ring **turn, struct ring *node)
{
    if (*turn == node)
        *turn = node->next == node ? NULL : node->next;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

#endif
