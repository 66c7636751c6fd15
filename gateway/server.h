/* One running gateway: what its parts share. All of it belongs to the loop's thread; the
 * committer's thread has only what committer.h gives it.
 *
 *   intake.c   rows of the tail            ──▶ events for the core
 *   door.c     frames of the gate          ──▶ events for the core
 *   carry.c    actions of the core         ──▶ frames, jobs for the committer, log lines
 *   settle.c   jobs that have ended        ──▶ events for the core, log lines
 *   loop.c     waits for whatever comes next, and calls them */
#ifndef TAILGATE_GATEWAY_SERVER_H
#define TAILGATE_GATEWAY_SERVER_H

#include "adapters/bridge/place.h"
#include "adapters/bridge/tail.h"
#include "adapters/bridge/watch.h"
#include "adapters/zmq/gate.h"
#include "gateway/committer.h"
#include "gateway/config.h"
#include "gateway/dispatch.h"
#include "gateway/stats.h"
#include "gateway/wake.h"

/* The answer that is being fed to the core, for the ACTION_ANSWER that may come of it. */
struct answer_in_hand {
    bool loaded;         /* the tail has ROW loaded; carry_let_go() ends that */
    struct tail_row row; /* of the query */
    struct message query;
    const struct answer *answer;
};

struct server {
    struct config config;
    struct place place;
    struct place_identity identity; /* of the database file when it was opened */
    int64_t since_utc_us;           /* when this run began to serve */
    struct token_key key;           /* of the fencing tokens */
    struct watch *watch;
    struct wake wake;
    struct tail *tail;
    struct store *store; /* the committer's: only opened and closed here */
    struct committer *committer;
    enum committer_state committer_state; /* as last logged */
    struct gate *gate;
    struct dispatch *dispatch;
    struct stats stats;
    uint64_t messages[MESSAGE_KINDS]; /* unread rows for the served session, by kind */
    /* intake.c */
    int64_t blocked_since_us; /* the database cannot be read since then; 0: it can */
    bool tail_behind;         /* the last read stopped before the end */
    bool caught_up;           /* the first pass over the file is done */
    int64_t skip_to;          /* rows up to here are left alone (--backlog skip) */
    /* door.c */
    struct frameset set; /* the message being looked at */
    size_t first_door;   /* whose turn it is to be read first */
    bool held;           /* set waits until its row can be read */
    struct peer held_peer;
    struct span *held_frame;
    size_t held_count;
    struct peer *closed; /* connections that have closed, until what they still sent is read */
    size_t closed_count, closed_room;
    /* status.c */
    struct buffer status; /* as it was sent last; empty when something was done since */
    int64_t status_us;    /* when it was made */
    /* carry.c */
    struct answer_in_hand in_hand;
    struct action *dead; /* error replies that wait until their row can be read */
    size_t dead_count, dead_room;
    struct job_list done;
    /* loop.c */
    int signal_fd, timer_fd;
    int64_t timer_us;       /* what the timer is armed for; INT64_MAX: nothing */
    int64_t told_us;        /* when the log last told of a trouble that lasts */
    int64_t identity_us;    /* when the file's identity is looked at again */
    int64_t deaf_until_us;  /* until then empty doors prove nothing */
    int64_t heard_until_us; /* all frames that had come by then have been read */
    bool draining;
    int64_t drain_until_us;
    bool finished;
    int exit_code; /* enum cli_exit, when finished */
};

/* intake.c */

/* Notes how a read of the database went. A lock or the like passes: false, to be tried again. What
 * does not pass (an I/O error, a corrupt file) ends the run. True: it was read, or there is no such
 * row. */
bool intake_could_read(struct server *self, int error);
/* Feeds row ID to the core once more, if it is a query that waits for its answer. */
void intake_again(struct server *self, int64_t now_us, int64_t id);
/* Looks for committed rows when a check is due, and feeds the queries among them to the core. */
void intake_run(struct server *self, int64_t now_us);
/* The service of a query row: what message_read() found, else the role of the addressed session,
 * else "default". Borrowed from ROW and MESSAGE. */
struct span intake_service(const struct tail_row *row, const struct message *message);
/* True when the row's conversation exists and its time is not over at UTC_US. */
bool intake_is_live(const struct tail_row *row, int64_t utc_us);

/* door.c */

/* Takes what waits at the doors, a bounded number of messages each, and feeds it to the core.
 * Returns true when nothing waits any more. */
bool door_run(struct server *self, int64_t now_us);

/* carry.c */

/* Carries out all actions that the core has decided on. */
void carry_actions(struct server *self, int64_t now_us);
/* Commits the error reply of a dead query, as soon as its row can be read. */
void carry_dead(struct server *self, int64_t now_us, const struct action *action);
/* Tries again what waits for a row that could not be read. */
void carry_waiting(struct server *self, int64_t now_us);
/* Ends the loading of the row in hand, which the core's verdict on it no longer needs. */
void carry_let_go(struct server *self);
/* Feeds EVENT to the core and carries out what comes of it. */
void carry_event(struct server *self, int64_t now_us, const struct event *event);
/* Sends a frame sequence to PEER with a worker's ENVELOPE in front (NULL: none). Returns as
 * gate_send(). */
int carry_send(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count);

/* settle.c */

/* Takes what the committer has ended, and says how the committer is. True when something has. */
bool settle_run(struct server *self, int64_t now_us);

/* loop.c */

/* Ends the run with EXIT_CODE after this turn; the first code stands. */
void loop_finish(struct server *self, int exit_code);
/* Runs until a signal or a fatal failure, drains, and returns the exit code (enum cli_exit).
 * SIGTERM, SIGINT and SIGHUP are blocked and come through SIGNAL_FD. */
int loop_run(struct server *self);

/* status.c */

/* The answer to `ASK tailgate.status`: a JSON object (WIRE.md, "Status"), at most 100 ms old.
 * Borrowed. */
struct span status_text(struct server *self, int64_t now_us);

#endif
