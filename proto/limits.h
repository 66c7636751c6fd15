/* Every bound on what comes from outside (invariant I7). Hitting one is an error code and a
 * counter, never an abort. Sizes are bytes unless a name says otherwise. */
#ifndef TAILGATE_PROTO_LIMITS_H
#define TAILGATE_PROTO_LIMITS_H

#define LIMIT_FRAME_SIZE (16u << 20) /* one frame; a larger one costs the sender its link */
#define LIMIT_FRAMES 64              /* frames in one ZeroMQ message, envelope included */
#define LIMIT_ENVELOPE_SIZE 255      /* both envelope frames of a bare peer together */
#define LIMIT_PEER_ID 255            /* a ZeroMQ routing id */
#define LIMIT_SERVICE 100            /* a service name */
#define LIMIT_WORKER_NAME 64         /* a worker's name as given in READY */
#define LIMIT_USAGE 1000 /* bytes of an answer's "usage" that go into the reply's metadata */
#define LIMIT_RELAYS 16  /* relays in a row, from a gateway to the last of its workers */
#define LIMIT_ADAPTER 32 /* bytes of the word for how a worker reaches its program */
#define LIMIT_CONVERSATION_ID 200  /* a conversation id: a topic holds it (<= 245 with its kind) */
#define LIMIT_TOPIC 245            /* a topic of an event */
#define LIMIT_BATCH_EVENTS 1000    /* events in one batch of them */
#define LIMIT_BATCH_SIZE 32768     /* all of these, but for one that has more by itself */
#define LIMIT_EVENT_TEXT 16384     /* of an answer's text in one event; more makes more events */
#define LIMIT_EVENT_ROW (1u << 20) /* a row's text, or metadata, that is told in an event */
#define LIMIT_REPLAYS 1000         /* replays that are asked for at once */
#define LIMIT_LOOKUPS 1000         /* searches for replies at once */
#define LIMIT_REPLAY_EVENTS 10000  /* events of one replay */
#define LIMIT_REPLAY_BYTES (4u << 20) /* bytes of one replay, after which it ends early */
#define LIMIT_SUBSCRIPTIONS 1000      /* of one observer's connection */
#define LIMIT_SESSION_TOKEN 200       /* a session token that a client names */
#define LIMIT_SUBMIT_SIZE (1u << 20)  /* the body of a built-in service that takes an object */
#define LIMIT_SUBMIT_QUERY_ID 200     /* the query_id of a query that is submitted */
#define LIMIT_SUBMIT_KEY 255          /* its idempotency_key */
#define LIMIT_SUBMIT_HELD (64u << 20) /* what was submitted and is not committed yet */
#define LIMIT_SUBMIT_KEY_S 86400      /* seconds for which that is known */
#define LIMIT_QUESTION_CHARS 50000    /* characters of a question that is submitted */
#define LIMIT_OPTIONS_SIZE 65536      /* the JSON frame of READY */
#define LIMIT_JSON_DEPTH 64           /* nesting of JSON that comes from outside */
#define LIMIT_JSON_NUMBER 1000  /* one JSON number; Python refuses whole ones above 4300 digits */
#define LIMIT_REASON 1000       /* an error text kept or shown */
#define LIMIT_REPLY_CHARS 50000 /* characters of a reply's text, and of its metadata's sources */
#define LIMIT_SLOTS 1000        /* queries in flight at one worker */
#define LIMIT_WORKERS 10000     /* workers registered at once */
#define LIMIT_SERVICES 10000    /* services known at once (backlog, workers or in flight) */
#define LIMIT_QUERY_ID 4096     /* a query_id that is echoed; a longer one is left out */
#define LIMIT_BODY_FRAMES 56    /* body frames of one request or answer */
#define LIMIT_BODY_IN_ROW 36864 /* all frames of a body that stands in its row as base64 */
#define LIMIT_CLIENTS 10000     /* client connections with open requests */
#define LIMIT_REQUESTS 100000   /* clients' requests that are open at once */
#define LIMIT_REQUEST_SIZE (8u << 20) /* all frames of a request together */
#define LIMIT_CLIENT_WAITING 1000 /* requests of one connection that wait beyond client.window */
#define LIMIT_CLIENT_BYTES (64u << 20)   /* held for one client connection */
#define LIMIT_CLIENTS_BYTES (256u << 20) /* held for all of them */

#endif
