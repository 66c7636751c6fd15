/* One running gateway: what its parts share. All of it belongs to the loop's thread; the
 * committer's thread has only what committer.h gives it.
 *
 *   intake.c   rows of the tail            ──▶ events for the core
 *   restore.c  rows of our own tables      ──▶ events for the core
 *   door.c     messages of the gate        ──▶ told apart
 *   hear_worker.c, ready.c   of workers    ──▶ events for the core
 *   reps.c     of dialled workers          ──▶ the same
 *   hear_client.c            of clients    ──▶ requests
 *   requests.c requests                    ──▶ jobs, or a built-in service (builtin.h)
 *   replies.c  what was committed          ──▶ frames to clients
 *   carry.c    actions of the core         ──▶ frames, log lines
 *   carry_deliver.c  those that send queries ──▶ the same; deliveries.c together, at a turn's end
 *   batches.c  several for one worker      ──▶ one message
 *   submit.c   actions of the core         ──▶ jobs for the committer
 *   settle.c   jobs that have ended        ──▶ events for the core, replies, log lines
 *   upkeep.c   time                        ──▶ jobs for the committer
 *   builtin*.c built-in services           ──▶ jobs, or replies
 *   replays.c  requests for replay         ──▶ rows, told again
 *   lookups.c  questions about one query   ──▶ its reply's row, looked for
 *   publish.c  rows of the tail, and       ──▶ events for observers
 *   announce.c what carry.c and settle.c carry out ──▶ the same
 *   loop.c     waits for whatever comes next, and calls them */
#ifndef TAILGATE_GATEWAY_SERVER_H
#define TAILGATE_GATEWAY_SERVER_H

#include "adapters/bridge/bridge_id.h"
#include "adapters/bridge/place.h"
#include "adapters/bridge/tail.h"
#include "adapters/bridge/wake.h"
#include "adapters/bridge/watch.h"
#include "adapters/text/redact.h"
#include "adapters/zmq/allow.h"
#include "adapters/zmq/events.h"
#include "adapters/zmq/gate.h"
#include "gateway/clients.h"
#include "gateway/committer.h"
#include "gateway/config.h"
#include "gateway/descriptors.h"
#include "gateway/dispatch.h"
#include "gateway/handed.h"
#include "gateway/helpers.h"
#include "gateway/keys.h"
#include "gateway/outcomes.h"
#include "gateway/publish.h"
#include "gateway/replays.h"
#include "gateway/reps.h"
#include "gateway/rights.h"
#include "gateway/stats.h"
#include "gateway/upkeep.h"
#include "gateway/vitals.h"
#include "proto/frames.h"
#include "proto/mdp.h"
#include "proto/via.h"

#define SERVER_STUCK 1000
#define SERVER_DELIVERED 256

/* The answer that is being fed to the core, for the ACTION_ANSWER, _GONE or _PARTIAL that may come
 * of it. */
struct answer_in_hand {
    bool loaded; /* the tail has ROW loaded; carry_let_go() ends that */
    const struct handed_row
        *known;          /* what is known of it is all that ROW and QUERY hold; or NULL */
    struct tail_row row; /* of the query */
    struct message query;
    bool own_frames; /* it is a Majordomo client's, whose frames a worker may be handed */
    const struct answer *answer;
    bool raw; /* it is FRAME as it stands, from a worker that was handed a client's frames */
    const struct span *frame;
    size_t count;
    struct identity sender; /* who sent it */
    const struct via *via;  /* who worked, where a relay passes it on; else NULL */
};

/* A question of a client; all is borrowed. */
struct asking {
    const struct peer *peer;
    enum client_protocol protocol;
    const struct envelope *envelope;
    struct span service; /* as the client named it: it stands in the reply */
    struct span target;  /* the service that is to answer: the same, but for titanic.request */
    const struct span *body;
    size_t body_count;
};

/* Queries that leave in one message. */
#define BATCH_MOST 200
struct batch {
    struct peer peer; /* of their worker, and */
    struct envelope envelope;
    struct buffer body;
    const struct action *action[BATCH_MOST]; /* in the order of the body; of the deliveries */
    size_t count;
};

/* The batches that are open, one for each worker. */
#define BATCHES 32
struct batches {
    struct batch *batch; /* NULL before the first */
    size_t count;
};

struct lookups;

struct server {
    struct config config;
    struct rulebook rulebook;            /* made of it */
    const struct serve_options *options; /* where it came from: the command line alone */
    struct place place;
    struct place_identity identity; /* of the database file when it was opened */
    int64_t since_utc_us;           /* when this run began to serve */
    struct token_key key;           /* of the fencing tokens */
    char bridge[BRIDGE_ID_SIZE];    /* what the bridge is called */
    struct watch *watch;
    struct wake wake;
    struct tail *tail;
    struct store *store; /* the committer's: only opened and closed here */
    struct committer *committer;
    enum committer_state committer_state; /* as last logged */
    struct keys *keys;                    /* NULL without --curve */
    struct allow *allow;                  /* whose keys get in; NULL without --curve */
    struct gate *gate;
    struct events *events;
    struct publish publish;
    struct reps *reps; /* reps.h */
    struct helpers *helpers;
    struct replays *replays;
    struct lookups *lookups;   /* lookups.h */
    struct outcomes *outcomes; /* of queries that ended lately */
    struct dispatch *dispatch;
    struct clients *clients;
    size_t calls_held;         /* bytes of what built-in services write and is not committed yet */
    uint64_t attached_in_file; /* clients' requests that found their row there */
    int64_t delivered[SERVER_DELIVERED]; /* queries; their clients have had the answers */
    size_t delivered_count;
    int64_t delivered_us; /* when that is due */
    struct redact *redact;
    struct rewriter redactor;    /* REDACT, as proto/message.h wants it */
    struct redact *reply_redact; /* the committer's, while there is one */
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
    size_t batch_heard;  /* it is a batch, of which so many messages were looked at, */
    struct span batch;   /*   and these not yet */
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
    struct handed handed;
    struct deliveries {
        struct action *action; /* to be carried out in this turn, in order */
        size_t count, room;
    } deliveries;
    struct batches batches;
    /* submit.c */
    struct action *waiting; /* what waits until its row can be read, in order */
    size_t waiting_count, waiting_room;
    struct table ending; /* ids of the queries whose end is under way: submit_end() */
    struct job_list done;
    /* settle.c */
    struct job_list unread;       /* requests whose answers could not be read yet */
    int64_t stuck[SERVER_STUCK];  /* the last queries whose every reply the database refuses: */
    size_t stuck_count;           /*   to work on them once more would only cost */
    uint64_t partial_checkpoints; /* as told last */
    unsigned checkpoints;         /* that had begun when a row was loaded last */
    uint64_t others;              /* committer_others() before the rows that are loaded were read */
    bool full;                    /* the committer's queue, as the core was told */
    /* loop.c */
    struct came {
        bool signal, time, watch, helper; /* what the turn began with: there is something to read */
        bool only_time;                   /* and there is nothing else */
        bool change; /* the look that it began with has found one: tail_changed() */
    } came;
    int signal_fd, timer_fd;
    int64_t timer_us;                       /* what the timer is armed for; INT64_MAX: nothing */
    int64_t told_blocked_us, told_stuck_us; /* when the log last told that a trouble lasts */
    int64_t told_cut_us;                    /* … and of an observer that was cut */
    int64_t told_roles_us; /* … and of a key that may not do what it asked for, and how many */
    uint64_t told_roles;   /*   such messages there had been by then */
    struct descriptors descriptors;
    int64_t identity_us;    /* when the file's identity is looked at again */
    int64_t deaf_until_us;  /* until then empty doors prove nothing */
    int64_t heard_until_us; /* all frames that had come by then have been read */
    bool asked_to_stop;     /* by a signal: the next one is the second */
    bool draining;
    int64_t drain_until_us;
    bool finished;
    int exit_code;        /* enum cli_exit, when finished */
    struct vitals vitals; /* manager.c */
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
/* NULL: who sent the message that is being looked at, by PEER's door, may; else why not, after
 * which it is refused: that is counted and logged. Where there are no keys, everybody may. */
const char *door_object(struct server *self, int64_t now_us, const struct peer *peer,
                        enum right right, struct span service);
/* The same for what a worker says. READY: it registers for SERVICE (size 0: for all of them). */
const char *door_object_worker(struct server *self, int64_t now_us, const struct peer *peer,
                               bool ready, struct span service);
/* The version of Majordomo that PROTOCOL is; for what is not Majordomo 0.2. */
enum mdp_version door_version(enum worker_protocol protocol);
/* Says DISCONNECT to what speaks Majordomo VERSION. */
void door_disconnect(struct server *self, const struct peer *peer, const struct envelope *envelope,
                     enum mdp_version version);

/* hear_worker.c: each returns false when a row cannot be read just now; nothing was done then. */

/* PEER broke the protocol: if it is a worker, it is one no longer, and it is told so. */
void hear_expel(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, enum mdp_version version, const char *reason);
/* A command of Majordomo VERSION. */
bool hear_majordomo(struct server *self, int64_t now_us, const struct peer *peer,
                    const struct envelope *envelope, enum mdp_version version,
                    const struct span *frame, size_t count);
/* What a bare peer says that opens nothing: a REQ worker's answer, or an answer that carries its
 * token. */
bool hear_answer(struct server *self, int64_t now_us, const struct peer *peer,
                 const struct envelope *envelope, const struct span *frame, size_t count);
/* True when the COUNT frames of an answer are together no larger than one may be. */
bool hear_fits(const struct span *frame, size_t count);
/* The answer of a REP worker, for TOKEN; its frames fit. */
bool hear_rep(struct server *self, int64_t now_us, const struct peer *peer,
              const struct token *token, const struct span *frame, size_t count);

/* hear_client.c: the same. */

bool hear_majordomo_client(struct server *self, int64_t now_us, const struct peer *peer,
                           const struct envelope *envelope, enum mdp_version version,
                           const struct span *frame, size_t count);
/* ASK, and a query object of a bare peer. */
bool hear_ask(struct server *self, int64_t now_us, const struct peer *peer,
              const struct envelope *envelope, const struct opening *opening);
bool hear_query(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, struct span object);

/* requests.c */

void requests_init(struct server *self, uint64_t seed, int64_t now_us);
/* The settings have changed. */
void requests_limits(struct server *self);
/* Takes a question in. Returns false when the database cannot be read just now; nothing was done
 * then. */
bool requests_hear(struct server *self, int64_t now_us, const struct asking *asking);
/* Has the row of ASKING made. TICKET (size 0: none): what its answer will be asked for by. */
void requests_ask(struct server *self, int64_t now_us, const struct asking *asking,
                  struct span ticket);
/* PACKED (proto/pack.h) is the reply to ASKING. */
void requests_reply(struct server *self, const struct asking *asking, struct span packed);
/* Takes in a question whose reply comes with replies_closed(). Returns its number, 0 when it hears
 * nothing. */
uint64_t requests_expect(struct server *self, const struct asking *asking);
/* Request NUMBER comes to nothing: ERROR. Who wanted a TICKET expects one of Titanic's codes. */
void requests_refuse(struct server *self, uint64_t number, bool ticket, const char *error);
/* Appends the packed frames of an error. */
void requests_error(const char *error, struct buffer *ret_packed);
/* Sends what can be sent, and does what is due. */
void requests_run(struct server *self, int64_t now_us);
/* When requests_run() has something to do; INT64_MAX when nothing waits for time. */
int64_t requests_due(const struct server *self);

/* replies.c */

/* JOB, a JOB_ASK, has ended. Returns false when its request was answered before and that cannot be
 * read just now: replies_answer() is to be called until it returns true. */
bool replies_made(struct server *self, const struct job *job);
/* The request of JOB was answered before, and nobody had that: its client gets it now. Returns
 * false when it cannot be read just now; nothing was done then. */
bool replies_answer(struct server *self, const struct job *job);
/* JOB, with which a query has ended, has ended: whoever waits for it hears of it. */
void replies_end(struct server *self, const struct job *job);
/* JOB, a JOB_UNTICK, has ended: whoever closed the ticket hears of it. */
void replies_closed(struct server *self, const struct job *job);
/* PACKED is a part of the answer to query ID. */
void replies_partial(struct server *self, int64_t id, struct span packed);
/* Sends PARCEL as a part of its request's reply. Returns as gate_send(). */
int replies_part(struct server *self, const struct client_parcel *parcel);
/* Sends the replies whose turn it is. */
void replies_send(struct server *self, int64_t now_us);
/* Tells of the replies that nobody will get any more, and of connections that were cut. */
void replies_lost(struct server *self);
/* Has it noted in the file whose answers were delivered. */
void replies_flush(struct server *self);

/* announce.c: events, as WIRE.md lists them */

/* JOB, a JOB_FAIL, is on disk: another attempt follows. */
void announce_failed(struct server *self, int64_t now_us, const struct job *job);
/* A worker has given ACTION's query back. */
void announce_returned(struct server *self, int64_t now_us, const struct action *action);
/* JOB's query has ended as KIND says, and that is committed. */
void announce_end(struct server *self, int64_t now_us, enum topic_kind kind, const struct job *job,
                  const char *why);
/* CHANGE: "joined", "left", "adopted". */
void announce_worker(struct server *self, int64_t now_us, const struct action *action,
                     const char *change);
void announce_refused(struct server *self, int64_t now_us, const struct action *action);
void announce_undelivered(struct server *self, int64_t now_us, int64_t id, const char *conversation,
                          const char *service, const char *why);
/* NAME is a constant, "gateway/paused". SERVICE (size 0: none) and ID (0: none): what it is about.
 */
void announce_gateway(struct server *self, int64_t now_us, const char *name, const char *why,
                      struct span service, int64_t id);
/* The same of what somebody had done through the gate. */
void announce_control(struct server *self, int64_t now_us, const char *name, const char *why,
                      const struct identity *by, struct span service);

/* ready.c */

/* A READY of PEER. Returns false when a row that it holds cannot be read just now; nothing was done
 * then. */
bool ready_feed(struct server *self, int64_t now_us, const struct peer *peer,
                enum worker_protocol protocol, const struct envelope *envelope, struct span service,
                struct span options_json);

/* deliveries.c */

/* Puts ACTION, an ACTION_DELIVER, off until the next deliveries_run(). */
void deliveries_add(struct server *self, const struct action *action);
/* Carries out what was put off and is still wanted, and what follows from that. */
void deliveries_run(struct server *self, int64_t now_us);

/* batches.c */

/* Has REQUEST, the query of ACTION, sent to WORKER with others; carry_delivered() is called then.
 * ACTION is borrowed for that long. False: it has to go by itself, and what WORKER is to get before
 * it has left. */
bool batches_add(struct server *self, int64_t now_us, const struct worker *worker,
                 const struct action *action, const struct mdp_message *request);
/* Sends what is left. */
void batches_send(struct server *self, int64_t now_us);
void batches_done(struct batches *self);

/* carry_deliver.c */

/* Sends the query of ACTION, an ACTION_DELIVER, and tells the core what came of it, at once or when
 * its batch is sent. ACTION stays as it is until then. */
void carry_deliver(struct server *self, int64_t now_us, const struct action *action);
/* Tells the core that ACTION was carried out, or (ERROR, as gate_send() says it, or -EBUSY: what
 * belongs to the row cannot be read) that it was not. */
void carry_delivered(struct server *self, int64_t now_us, const struct action *action, int error);

/* carry.c */

/* Carries out all actions that the core has decided on. */
void carry_actions(struct server *self, int64_t now_us);
/* As tail_load_known(). What the tail has open from before is let go first when a checkpoint has
 * begun since: it would wait for that, with the write lock held. */
int carry_load(struct server *self, int64_t id, struct tail_row *ret_row);
/* Ends the loading of the row in hand, which the core's verdict on it no longer needs. */
void carry_let_go(struct server *self);
/* ACTION was carried out: counts it where its worker has said how it reaches its program. */
void carry_count(struct server *self, const struct action *action);
/* An answer, or a part of one, was refused, as ACTION says: counts, announces and logs it. */
void carry_refused(struct server *self, int64_t now_us, const struct action *action);
/* Feeds EVENT to the core and carries out what comes of it. */
void carry_event(struct server *self, int64_t now_us, const struct event *event);
/* Sends a frame sequence to PEER with a worker's ENVELOPE in front (NULL: none). Returns as
 * gate_send(). */
int carry_send(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count);

/* submit.c */

/* Forgets which ends are under way. */
void submit_done(struct server *self);
/* Submits the job that ACTION asks for (CLAIM, RECORD, DEAD, DROP, RETRY, RETURNED), as soon as its
 * row can be read. */
void submit_action(struct server *self, int64_t now_us, const struct action *action);
/* Tries again what waits for a row that could not be read. */
void submit_waiting(struct server *self, int64_t now_us);
/* Submits the reply made of the answer in hand. */
void submit_answer(struct server *self, int64_t now_us, const struct action *action);
/* Says and counts when a text of query ID and WORKER could not be redacted and was left out (I6).
 */
void submit_note_failures(struct server *self, int64_t id, const char *worker);
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
/* The same of ACTION's query. */
void submit_end_of(struct server *self, const struct action *action, const struct tail_row *row,
                   bool settles);
/* True while the end of query ID is under way; submit_ended() says that it is on disk. */
bool submit_is_ending(const struct server *self, int64_t id);
void submit_ended(struct server *self, int64_t id);

/* settle.c */

/* Takes what the committer has ended, and says how the committer is. True when something has. */
bool settle_run(struct server *self, int64_t now_us);
/* True when the database has refused every reply to query ID: the next start tries again. */
bool settle_is_stuck(const struct server *self, int64_t id);

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

/* loop_wait.c */

/* Waits until something comes or it is DUE_US, and notes what came. ON: nothing came the last time
 * but time, and nothing but the tail was used since. */
void loop_wait(struct server *self, bool on, int64_t due_us, int64_t now_us);

/* status.c */

/* The answer to `ASK tailgate.status`: a JSON object (WIRE.md, "Status"), at most 100 ms old.
 * Borrowed. */
struct span status_text(struct server *self, int64_t now_us);

#endif
