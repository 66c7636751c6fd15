/* What pending must be like, told by rows in an array and by searching through them. The test makes
 * each step here and there; then model_check() compares. Include it after cmocka.h. */
#ifndef TAILGATE_TESTS_WAITING_MODEL_H
#define TAILGATE_TESTS_WAITING_MODEL_H

#include "tests/unit/waiting.h"

#define STEPS 3000
#define SERVICES 3
#define CONVERSATIONS 7
#define ROWS (STEPS + 1)

enum place {
    UNSEEN, /* in the file, and not to be served yet */
    HERE,   /* it waits in memory */
    BEYOND, /* it was turned away: it waits in the file */
    OUT,    /* given out */
    ENDED
};

struct row {
    enum place place;
    unsigned service, conversation;
    bool returned, single;
    bool withdrawn; /* ended by somebody else */
    unsigned out;   /* times that it was given out and did not come back */
};

/* A line of those who take turns. */
struct line {
    unsigned member[CONVERSATIONS + SERVICES];
    size_t count;
};

struct model {
    uint64_t random;
    struct row row[ROWS + 1]; /* by id */
    int64_t last_id;
    struct rulebook book;
    struct rules_entry entry[SERVICES];
    struct pending *pending;
    struct service *service[SERVICES];
    uint64_t key[CONVERSATIONS];
    struct line conversations[SERVICES], services;
    unsigned refills, given_way; /* that the rare cases happened */
};

extern struct model model;

/* Forgets everything, and begins anew. */
void model_begin(uint64_t seed);
/* A random number below BOUND. */
unsigned model_below(unsigned bound);
enum order model_order(unsigned service);
size_t model_window(unsigned service);
struct waiting model_waiting(int64_t id);
/* The queue that a row stands in. */
unsigned model_queue(const struct row *row);
bool model_same_queue(const struct row *a, const struct row *b);
size_t model_count(unsigned service, enum place place);
/* The first row of QUEUE that waits here, or 0. */
int64_t model_first_here(unsigned service, unsigned queue);
bool model_busy(unsigned service, unsigned conversation);
/* QUEUE has something to give out. */
bool model_gives(unsigned service, unsigned queue);
void model_leave(struct line *line, unsigned member);
/* MEMBER joins the end of LINE, unless it stands there, or leaves it. */
void model_put(struct line *line, unsigned member, bool belongs);
/* The lines again, after a step that changed one queue of SERVICE at most. */
void model_update(unsigned service);
/* What must be true after each step. */
void model_check(void);
/* Nothing of ID's conversation that is to be served is before ID; what has come back may have
 * passed rows in the file. */
void model_check_first(int64_t id);

#endif
