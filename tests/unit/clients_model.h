/* What C1 to C8 of gateway/clients.h promise, kept in arrays and searched. */
#ifndef TAILGATE_TESTS_CLIENTS_MODEL_H
#define TAILGATE_TESTS_CLIENTS_MODEL_H

#include "gateway/clients.h"

#define SECOND 1000000
#define PEERS 5
#define QUESTIONS 4 /* of each kind: of the upper ones, tickets are wanted */
#define ASKS 3000
#define ROWS (2 * ASKS)
#define WINDOW 3
#define LARGE (33u << 20) /* a reply: two are more than a connection may keep */

enum stage { OVER, WAITS, TOLD, MAKING, ASKED, DONE }; /* TOLD: its reply comes without a row */

struct ask {
    unsigned peer, question;
    uint64_t number;
    enum stage stage;
    int row; /* MAKING, ASKED, or a ticket that is DONE; -1: none */
    enum client_protocol protocol;
    int64_t not_before_us; /* WAITS: its twin seems to be there */
    int64_t id;            /* DONE: what it was asked for */
    char reply[24];
    size_t size;
};

struct row {
    unsigned question;
    bool making, over;
    bool ended; /* over, and nobody had that: it is looked for in the file */
    int maker;  /* the ask; -1 once it is made */
    int64_t id, since_us, made_us, waited_us, overdue_us;
    unsigned askers, orphan_at;
};

struct connection {
    int line[ASKS];
    size_t count;
    bool cut, stalled;
    int64_t stalled_until_us, pause_us;
};

struct clients_model {
    struct clients *clients;
    uint64_t random;
    int64_t now_us, ids;
    bool in_next; /* what is discarded has attached */
    struct ask ask[ASKS];
    struct row row[ROWS];
    size_t asks, rows;
    unsigned orphans; /* so far */
    struct connection connection[PEERS];
    int64_t lost[ASKS]; /* to be named by clients_lost() */
    bool lost_cut[ASKS];
    size_t lost_count;
    uint64_t attached, cut, sent, discarded;
};

extern struct clients_model model;
extern const struct clients_limits model_limits;

void model_begin(uint64_t seed);
unsigned model_below(unsigned n);
struct peer model_peer(unsigned peer);
static inline bool model_ticket(unsigned question)
{
    return question >= QUESTIONS;
}
/* The first ask of PEER at STAGE; -1: there is none. */
int model_first(unsigned peer, enum stage stage);
/* How many of PEER's are TOLD, MAKING or ASKED. */
size_t model_running(unsigned peer);
/* The row that somebody who asks QUESTION now attaches to; -1: none. */
int model_orphan(unsigned question);
/* True when another connection than PEER has waited long for an answer to QUESTION. */
bool model_twin(unsigned peer, unsigned question);
/* Checks what clients_take() or clients_next() says of looking into the file. */
void model_check_look(unsigned question, bool look);
/* ASK waits for ROW from now on; it does not any longer. */
void model_join(int ask, int row);
void model_leave(int ask);
/* A new row, made for ASK. */
void model_make(int ask);
/* ASK has its reply: SIZE bytes that begin with TEXT. */
void model_done(int ask, const char *text, size_t size);
/* The connection of PEER is gone, or is CUT. */
void model_drop(unsigned peer, bool cut);
/* ASK, the first of its connection, is over. */
void model_over(int ask);
/* All who wait for ROW, which has ended, have their reply. ID: what it was to them. */
void model_answer(int row, const char *text, size_t size, int64_t id);
/* ROW was SAME all along. */
void model_merge(int row, int same);
/* Some of COUNT asks or rows, where IS says yes; -1: there is none. */
int model_pick(size_t count, bool (*is)(size_t));
bool model_told(size_t ask);
bool model_making(size_t row);
/* The row is there, and not over. */
bool model_can_end(size_t row);
/* All that can be seen from outside. */
void model_check(void);

#endif
