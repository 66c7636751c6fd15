/* What an observer is to be given, in order. Whoever fills it asks first whether it has room. */
#ifndef TAILGATE_ADAPTERS_C_GIFTBOX_H
#define TAILGATE_ADAPTERS_C_GIFTBOX_H

#include "adapters/c/parcel.h"
#include "adapters/c/tailgate.h"

#define GIFTBOX_ROOM 1000        /* gifts */
#define GIFTBOX_SIZE (16u << 20) /* and their bytes */

struct gift {
    struct gift *next;
    struct tailgate_observed observed; /* its texts are those of `body` */
    int64_t position;                  /* of the observer, when it has been given */
    struct parcel body;                /* topic and JSON; empty when it is no event */
};

struct giftbox {
    struct gift *first, **end;
    struct gift *last; /* NULL: it is empty */
    size_t count, size;
};

void giftbox_init(struct giftbox *self);
void giftbox_done(struct giftbox *self);
/* True when less than 1/SHARE of it is taken. */
bool giftbox_has_room(const struct giftbox *self, size_t share);
/* Puts GIFT in. */
void giftbox_put(struct giftbox *self, struct gift *gift_take);
/* Takes the oldest out, for the caller to free; NULL when there is none. */
struct gift *giftbox_take(struct giftbox *self);

/* A gift of KIND with TEXT (cut), and for an event copies of its TOPIC and JSON. */
struct gift *gift_new(enum tailgate_observed_kind kind, const char *text);
struct gift *gift_of_event(struct span topic, struct span json);
/* Frees it and sets *self to NULL; NULL is fine. */
void gift_free(struct gift **self);

#endif
