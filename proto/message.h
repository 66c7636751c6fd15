/* What stands in a bridge row, and what we write into one (BRIDGE.md's message forms).
 *
 *   row ──message_read()──▶ a query? ──message_compose_query()──▶ what a worker receives
 *   what a worker answers ──answer_read()──▶ answer or error
 *       ──answer_compose() / dead_compose()──▶ text and metadata of the reply row */
#ifndef TAILGATE_PROTO_MESSAGE_H
#define TAILGATE_PROTO_MESSAGE_H

#include <stdint.h>

#include "proto/body.h"
#include "proto/buffer.h"
#include "proto/identity.h"
#include "proto/jrewrite.h"
#include "proto/limits.h"

enum message_kind {
    MESSAGE_QUERY,       /* JSON object with "type":"query" */
    MESSAGE_QUESTION,    /* any other text whose metadata has action_type "question" or "query" */
    MESSAGE_RESPONSE,    /* JSON object with "type":"response" or "type":"error" */
    MESSAGE_OTHER,       /* prose, heartbeats, status, any other JSON */
    MESSAGE_EMPTY,       /* nothing, or only white space */
    MESSAGE_BROKEN_JSON, /* starts like an object and is not valid JSON */
    MESSAGE_NOT_UTF8,    /* text that is not UTF-8 */
    MESSAGE_NOT_TEXT,    /* a BLOB, number or NULL in the message column */
    MESSAGE_KINDS
};

/* A row's columns as stored (borrowed). */
struct message_row {
    struct span text;      /* column message */
    bool text_is_text;     /* false: the column holds a BLOB, number or NULL */
    struct span metadata;  /* column metadata; size 0 when NULL */
    bool metadata_is_text; /* false: a BLOB or number */
};

struct message {
    enum message_kind kind;
    bool metadata_odd;    /* metadata is there and is not a JSON object; it is then ignored */
    struct span query_id; /* raw JSON value of a MESSAGE_QUERY's query_id (borrowed from the row);
                           * size 0 when absent or larger than LIMIT_QUERY_ID */
    char service[LIMIT_SERVICE + 1]; /* decoded; "" when neither metadata nor message names one */
    bool request;        /* metadata.gate marks the row as a client's request (WIRE.md); false when
                          * there is anything odd about it, and then so are the next two */
    bool majordomo;      /* a request that came by Majordomo: it reaches a raw worker as it came */
    bool ticket;         /* a request that its client comes back for (proto/ticket.h) */
    enum body_form body; /* how the frames of a request stand in the row; else BODY_TEXT */
};

/* A short name for KIND as logs, counters and status show it ("query", "broken-json", …). */
const char *message_kind_name(enum message_kind kind);
/* True for the two kinds that a worker serves. */
bool message_is_query(enum message_kind kind);
/* True when NAME can be a service: 1 to LIMIT_SERVICE bytes of UTF-8 without control characters and
 * without U+FFFD (which stands for something that could not be decoded). */
bool message_service_ok(struct span name);
/* Says what ROW is. Never fails: everything is one of the kinds. The service is metadata.service,
 * else the JSON member service; one that is not a string or not message_service_ok() counts as
 * absent. A question (MESSAGE_QUESTION) takes precedence over broken JSON, never over
 * MESSAGE_QUERY, RESPONSE, EMPTY, NOT_UTF8 or NOT_TEXT. A request whose body is text is a
 * MESSAGE_QUERY or else a question even where it is empty or looks like a response; one whose body
 * is not text is a question always: its asker gets the answer's text. */
void message_read(const struct message_row *row, struct message *ret_message);

/* The service that is to answer the query MESSAGE: its own, else ROLE (of the addressed session;
 * size 0: none) where that can be one, else "default". Borrowed from both. */
struct span message_service_of(const struct message *message, struct span role);

/* What rides in the member "delivery". All spans borrowed. */
struct delivery {
    int64_t message_id;
    struct span conversation_id;
    struct span bridge; /* which bridge that row is in: 16 hexadecimal digits */
    struct span service;
    struct span from;     /* the asking session, as stored: "a" */
    uint32_t attempt;     /* 1 is the first */
    struct span deadline; /* a stamp (proto/stamp.h), UTC */
    struct span token;
    /* Who asks, where the gateway itself has verified that and made the row: size 0: it has not. */
    struct span principal, name;
};

/* Appends metadata for a request: {"action_type":"question","service":…,"gate":{"protocol","body",
 * "from"}}, and "ticket":true in gate when TICKET. PROTOCOL is "MDP/0.1", "MDP/0.2" or "REQ"; FROM
 * says who asks ("uid:1000", "tcp"), NAME what they are called (size 0: it is left out). */
void message_compose_gate(struct span service, const char *protocol, enum body_form body,
                          struct span from, struct span name, bool ticket,
                          struct buffer *ret_metadata);

/* Appends what a worker receives for a row that message_read() found to be a query: one JSON object
 * on one line (raw line breaks between members become blanks). A JSON query keeps every byte of its
 * members, except that a member "delivery" of its own is dropped; plain text becomes
 * {"type":"query","query_id":"m<id>","question":…,"metadata":…}, metadata being the row's JSON
 * object, left out when there is none or when it is nested too deeply to be wrapped.
 * A request whose frames do not stand in the row as text is handed in with the text of
 * body_query_text() in its place, as a MESSAGE_QUESTION where that is plain, else MESSAGE_QUERY. */
void message_compose_query(const struct message_row *row, const struct message *message,
                           const struct delivery *delivery, struct buffer *ret_json);

enum answer_kind {
    ANSWER_OBJECT, /* a JSON object with "answer" */
    ANSWER_JSON,   /* an array, or an object with neither "answer" nor "error"; nested less than
                    * LIMIT_JSON_DEPTH, so that it can be wrapped (else it is text) */
    ANSWER_TEXT,   /* anything else: text, or a JSON scalar taken as the text it is */
    ANSWER_ERROR,  /* {"type":"error",…}, an object with "error" (other than null) and no
                    * "answer", or nothing at all (white space only) */
    ANSWER_RETURN  /* {"type":"return",…} without "answer": the worker gives the query back */
};

struct answer {
    enum answer_kind kind;
    struct span body;  /* the worker's bytes (borrowed) */
    struct span token; /* content of delivery.token when the object has one (raw, without quotes) */
    bool retry;        /* ANSWER_ERROR: false only when the worker said "retry":false */
};

/* Says what a worker's answer BODY is. Never fails. A body that is JSON except for invalid UTF-8
 * counts as text: the caller passes a repaired one (utf8_repair) where it finds !utf8_valid(). */
void answer_read(struct span body, struct answer *ret_answer);
/* Appends the error text of an ANSWER_ERROR, at most LIMIT_REASON bytes of UTF-8. An "error" that
 * is not a string is shown as its JSON. REDACTOR as in struct reply_facts: before the text is cut,
 * or a secret could lose the end by which it is known. */
void answer_reason(const struct answer *answer, const struct rewriter *redactor,
                   struct buffer *ret_text);

/* What the reply row's texts are made of besides the answer. All spans borrowed. */
struct reply_facts {
    int64_t message_id; /* of the query */
    const struct message *query;
    struct span service;
    struct span worker;    /* its name */
    struct span through;   /* a JSON array: the relays that passed it on; size 0: it came here */
    uint32_t attempt;      /* that gave the answer; for a dead letter: attempts made */
    int64_t took_us;       /* from the row's being seen to its answer, microseconds */
    struct span principal; /* of who sent the answer (proto/identity.h); size 0: not verified */
    struct span name;      /*   and the name that it has; size 0: none */
    struct span failed;    /* a JSON array, redacted: attempts that failed before; size 0: none */
    const struct rewriter *redactor; /* takes secrets out (proto/jrewrite.h); NULL: nothing does */
};

/* Appends the text and metadata of the reply row for ANSWER (not ANSWER_ERROR).
 * To a JSON query: a response object: the worker's members as they are, "type" and "query_id" set
 * to the query's (m<id> when it had none), its "delivery" dropped, and what is missing of sources
 * ([]), shard_id (the worker's name), llm_type ("unknown") and response_time_sec filled in. To a
 * question in plain text: the answer's text (a JSON value that is not a string as its JSON).
 * Metadata: {"in_reply_to","service","worker","attempt","response_time_sec"}, "failed" where
 * attempts did, "verified" where the sender is (proto/identity.h), the answer object's
 * "usage" if that is an object of at most LIMIT_USAGE bytes, and, for a question in plain text, its
 * "sources". Both are valid UTF-8 without U+0000. An "answer" of ""
 * or null is the worker's to give and is passed on.
 *
 * Redacted is all that others gave: the worker's members, text, name, and the service's name; not
 * "query_id", by which the asker finds its answer: it gets back what it wrote itself. Returns the
 * number of replacements.
 *
 * A text of more than LIMIT_REPLY_CHARS characters is cut to that; the whole, redacted, goes to
 * RET_WHOLE, which stays as it is otherwise, and metadata has "truncated":true and "full_length",
 * the whole's characters. Plain text ends on a character. A response stays one:
 *   - its "answer" is cut, on a character or escape; one that is not a string becomes the start
 *     of its JSON as a string;
 *   - where all the rest has more than half of the room, "sources" become [] first, then members
 *     that a response does not have go, then what the worker gave for shard_id, llm_type and
 *     response_time_sec.
 * Sources in metadata that are longer than LIMIT_REPLY_CHARS become [], and the whole is then an
 * object with both, "answer" and "sources". */
int answer_compose(const struct answer *answer, const struct reply_facts *facts,
                   struct buffer *ret_text, struct buffer *ret_metadata, struct buffer *ret_whole);
/* Appends the body of ANSWER as it came, redacted by REDACTOR (NULL: as it is) and repaired: of an
 * answer that cannot be committed any more and is kept. Returns the number of replacements. */
int answer_keep(const struct answer *answer, const struct rewriter *redactor,
                struct buffer *ret_text);
/* Appends the error reply of a dead query: {"type":"error","query_id","error","attempts"} for both
 * forms of query, and metadata as above plus "dead":true. Redacts REASON, too, and returns the
 * number of replacements. REASON has at most LIMIT_REASON bytes: nothing needs to be cut. */
int dead_compose(struct span reason, const struct reply_facts *facts, struct buffer *ret_text,
                 struct buffer *ret_metadata);

#endif
