/* One running gateway: what its parts share. All of it belongs to the loop's thread; the
 * committer's thread has only what committer.h gives it.
 *
 *   intake.c   rows of the tail            ──▶ events for the core
 *   restore.c  rows of our own tables      ──▶ events for the core
 *   door.c     frames of the gate          ──▶ events for the core
 *   ready.c    READY of a worker           ──▶ events for the core
 *   control.c  ASK of a built-in service   ──▶ answers, events for the core
 *   carry.c    actions of the core         ──▶ frames, log lines
 *   submit.c   actions of the core         ──▶ jobs for the committer
 *   settle.c   jobs that have ended        ──▶ events for the core, log lines
 *   upkeep.c   time                        ──▶ jobs for the committer
 *   loop.c     waits for whatever comes next, and calls them */
#ifndef TAILGATE_GATEWAY_SERVER_H
#define TAILGATE_GATEWAY_SERVER_H

#include "adapters/bridge/place.h"
#include "adapters/bridge/tail.h"
#include "adapters/bridge/watch.h"
#include "adapters/text/redact.h"
#include "adapters/zmq/gate.h"
#include "gateway/committer.h"
#include "gateway/config.h"
#include "gateway/dispatch.h"
#include "gateway/stats.h"
#include "gateway/upkeep.h"
#include "gateway/wake.h"

#define SERVER_STUCK 1000

/* The answer that is being fed to the core, for the ACTION_ANSWER or _GONE that may come of it. */
struct answer_in_hand {
    bool loaded;         /* the tail has ROW loaded; carry_let_go() ends that */
    struct tail_row row; /* of the query */
    struct message query;
    const struct answer *answer;
};

struct server {
    struct config config;
    struct rulebook rulebook;            /* made of it */
    const struct serve_options *options; /* where it came from */
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
    struct redact *redact;
    struct rewriter redactor; /* REDACT, as proto/message.h wants it */
    struct stats stats;
    uint64_t messages[MESSAGE_KINDS]; /* unread rows for the served session, by kind */
    /* intake.c */
    int64_t blocked_since_us; /* the database cannot be read since then; 0: it can */
    bool tail_behind;         /* the last read stopped before the end */
    bool caught_up;           /* the first pass over the file is done */
    int64_t skip_to;          /* rows up to here are left alone (--backlog skip) */
    int64_t progress_us;      /* when the first pass tells how far it is again */
    bool restored;            /* what is parked has been looked at once */
    struct upkeep upkeep;
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
    struct answer_in_hand in_hand;
    /* submit.c */
    struct action *waiting; /* what waits until its row can be read, in order */
    size_t waiting_count, waiting_room;
    struct table ending; /* ids of the queries whose end is under way: submit_end() */
    struct job_list done;
    /* settle.c */
    int64_t stuck[SERVER_STUCK]; /* the last queries whose every reply the database refuses: */
    size_t stuck_count;          /*   to work on them once more would only cost */
    /* loop.c */
    int signal_fd, timer_fd;
    int64_t timer_us;       /* what the timer is armed for; INT64_MAX: nothing */
    int64_t told_us;        /* when the log last told of a trouble that lasts */
    int64_t identity_us;    /* when the file's identity is looked at again */
    int64_t deaf_until_us;  /* until then empty doors prove nothing */
    int64_t heard_until_us; /* all frames that had come by then have been read */
    bool asked_to_stop;     /* by a signal: the next one is the second */
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
/* Looks for committed rows when a check is due, and feeds the queries among them to the core; reads
 * again for services whose memory has room. */
void intake_run(struct server *self, int64_t now_us);
/* True when intake_run() has more to do at once. */
bool intake_is_behind(const struct server *self);
/* The service of a query row: what message_read() found, else the role of the addressed session,
 * else "default". Borrowed from ROW and MESSAGE. */
struct span intake_service(const struct tail_row *row, const struct message *message);
/* True when the row's conversation exists and its time is not over at UTC_US. */
bool intake_is_live(const struct tail_row *row, int64_t utc_us);
/* True when a living agent sits at the addressed session, whose queries are left to it. */
bool intake_is_agents(const struct server *self, const struct tail_row *row, int64_t utc_us);
/* True when the row is an unread query for the served session in a live conversation: what the
 * gateway is there for. *RET_MESSAGE is what message_read() says. */
bool intake_is_ours(const struct server *self, const struct tail_row *row, int64_t utc_us,
                    struct message *ret_message);
/* Feeds ROW to the core if it is a query that is to be served. */
void intake_see(struct server *self, int64_t now_us, const struct tail_row *row);

/* restore.c */

/* At the start, before the first row: feeds what tailgate_delivery says to the core. UNCLEAN: the
 * last run did not end as it should. Returns a bridge_error. */
int restore_deliveries(struct server *self, int64_t now_us);
/* Looks at row ID once more, which the core may have forgotten: records its end, or feeds it.
 * Returns false when it cannot be read just now. */
bool restore_look(struct server *self, int64_t now_us, int64_t id);
/* Says that query ID, which waits or is forgotten, has ended: has that recorded and tells the core.
 * ROW and CLAIMED as in submit_end(). */
void restore_end(struct server *self, int64_t now_us, int64_t id, const struct tail_row *row,
                 bool claimed);
/* Looks at the next parked rows, at most LIMIT; *ret_more: there are others. Returns as above. */
bool restore_parked(struct server *self, int64_t now_us, size_t limit, bool *ret_more);
/* Releases what was in the hands of processes that are gone. */
void restore_check_holders(struct server *self, int64_t now_us);

/* door.c */

/* Takes what waits at the doors, a bounded number of messages each, and feeds it to the core.
 * Returns true when nothing waits any more. */
bool door_run(struct server *self, int64_t now_us);
/* Says no to a bare peer, which waits for one frame. */
void door_tell(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const char *error);
/* PEER broke the protocol: if it is a worker, it is one no longer, and it is told so. */
void door_expel(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, const char *reason);

/* ready.c */

/* A READY of PEER. Returns false when a row that it holds cannot be read just now; nothing was done
 * then. */
bool ready_feed(struct server *self, int64_t now_us, const struct peer *peer,
                enum worker_protocol protocol, const struct envelope *envelope, struct span service,
                struct span options_json);

/* control.c */

/* Answers the ASK of a built-in SERVICE; BODY: what it is asked about (size 0: nothing). */
void control_ask(struct server *self, int64_t now_us, const struct peer *peer,
                 const struct envelope *envelope, struct span service, struct span body);

/* carry.c */

/* Carries out all actions that the core has decided on. */
void carry_actions(struct server *self, int64_t now_us);
/* Ends the loading of the row in hand, which the core's verdict on it no longer needs. */
void carry_let_go(struct server *self);
/* Feeds EVENT to the core and carries out what comes of it. */
void carry_event(struct server *self, int64_t now_us, const struct event *event);
/* Sends a frame sequence to PEER with a worker's ENVELOPE in front (NULL: none). Returns as
 * gate_send(). */
int carry_send(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count);

/* submit.c */

/* Forgets which ends are under way. */
void submit_done(struct server *self);
/* Submits the job that ACTION asks for (CLAIM, RECORD, DEAD, RETRY, RETURNED), as soon as its row
 * can be read. */
void submit_action(struct server *self, int64_t now_us, const struct action *action);
/* Tries again what waits for a row that could not be read. */
void submit_waiting(struct server *self, int64_t now_us);
/* Submits the reply made of the answer in hand. */
void submit_answer(struct server *self, int64_t now_us, const struct action *action);
/* Has it recorded that ACTION's query has ended without us, and keeps the answer in hand (if there
 * is one). */
void submit_gone(struct server *self, const struct action *action);
/* Keeps the answer in hand, which was refused as a duplicate, if its query is dead: it was paid
 * for, and its asker has only an error. */
void submit_late(struct server *self, const struct action *action);
/* Has it recorded how query ID ended without us. ROW: NULL when it is gone. CLAIMED: its read flag
 * is ours. SETTLES: the core waits for it. */
void submit_end(struct server *self, int64_t id, const struct tail_row *row, bool claimed,
                bool settles);
/* True while the end of query ID is under way; submit_ended() says that it is on disk. */
bool submit_is_ending(const struct server *self, int64_t id);
void submit_ended(struct server *self, int64_t id);

/* settle.c */

/* Takes what the committer has ended, and says how the committer is. True when something has. */
bool settle_run(struct server *self, int64_t now_us);

/* upkeep.c */

void upkeep_init(struct server *self, int64_t now_us);
void upkeep_done(struct server *self);
/* Does what is due. */
void upkeep_run(struct server *self, int64_t now_us);
/* When upkeep_run() has something to do; INT64_MAX when nothing is waiting for time. */
int64_t upkeep_next(const struct server *self, int64_t now_us);
/* JOB, a MARK or RETIRE, has ended. */
void upkeep_settled(struct server *self, int64_t now_us, const struct job *job);

/* settings.c */

/* Reads the configuration again, takes over what can change in a running gateway, and says what was
 * and what was not. */
void settings_reload(struct server *self, int64_t now_us);

/* loop.c */

/* Stops taking queries, ends what is in flight, and finishes; WHY for the log. */
void loop_drain(struct server *self, int64_t now_us, const char *why);
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
