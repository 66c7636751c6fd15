/* What the files of REST share (http_rest*.c). One thread: see http.h.
 *
 *   http_rest.c            the table of routes; what happens, and when
 *   http_rest_body.c       bodies
 *   http_rest_problem.c    every way to say no
 *   http_rest_converse.c   POST …/conversations
 *   http_rest_submit.c     POST …/queries
 *   http_rest_look.c       GET …/queries/{}, at once or when its reply is committed
 *   http_rest_follow.c     GET …/events
 *   http_rest_document.c   the description */
#ifndef TAILGATE_GATEWAY_HTTP_REST_INSIDE_H
#define TAILGATE_GATEWAY_HTTP_REST_INSIDE_H

#include <sys/queue.h>

#include "gateway/http.h"
#include "gateway/http_rate.h"
#include "gateway/http_rest_body.h"
#include "proto/limits.h"

#define REST_WAITS 128 /* reads that wait at once: there is room for others besides */
#define REST_WAIT_MAX_S 60
#define REST_AGAIN_S 1 /* Retry-After of a 503 */
#define SECOND_US INT64_C(1000000)

struct submit;
struct look;
struct follow;

struct rest {
    struct http *http;
    struct http_rate *rate;
    TAILQ_HEAD(submits, submit) submits; /* that the gate has */
    TAILQ_HEAD(looks, look) looks;       /* reads, each of them */
    size_t waits;                        /* of these, those that wait for something to happen */
    TAILQ_HEAD(follows, follow) follows; /* streams, each of them; whose turn it is first */
    struct follow *replaying;            /* whose rows are being replayed: one at a time */
};

struct rest *rest_of(const struct http *http);

/* --- http_rest_problem.c --- */

enum rest_problem {
    REST_NO_PROBLEM,
    REST_BAD_PARAMETER,
    REST_BAD_JSON,
    REST_NO_TOKEN,
    REST_WRONG_TOKEN,
    REST_FORBIDDEN,
    REST_EXPIRED,
    REST_NOT_FOUND,
    REST_CONFLICT,
    REST_TOO_LARGE,
    REST_INVALID,
    REST_RATE,
    REST_UNAVAILABLE,
    REST_PROBLEMS
};

/* Answers REQUEST, which is over then. DETAIL may be "". */
void rest_refuse(struct http_request *request, enum rest_problem problem, const char *detail);
/* The same with Retry-After. */
void rest_refuse_for(struct http_request *request, enum rest_problem problem, int64_t seconds,
                     const char *detail);
/* Appends the problem document as the data of an event. */
void rest_problem_json(enum rest_problem problem, struct buffer *ret_json);
/* What the gate said: REST_NO_PROBLEM when REPLY is a JSON object of another type than "error".
 * Otherwise which problem that is, and its sentence in RET_DETAIL. */
enum rest_problem rest_judge(enum http_asked how, struct span reply, struct buffer *ret_detail);
/* Reads a body by TABLE into the JSON of a request to the gate. False: REQUEST has been refused. */
bool rest_read_body(struct http_request *request, const struct rest_member *table,
                    struct buffer *ret_json);
/* Appends {"conversation_id":…,"session_token":… of REQUEST. False: it has been refused. */
bool rest_read_session(struct http_request *request, struct buffer *ret_json);
/* The whole number that TEXT is, 0 to MOST, or -1. */
int64_t rest_number(struct span text, int64_t most);
/* Appends a path to what was made: /v1/conversations/ID/… with ID escaped. */
void rest_path(struct buffer *ret_path, struct span conversation_id);
/* Appends, under TO, the member FROM of the valid JSON object that a gate's reply is, if there. */
void rest_copy(struct buffer *ret_json, const char *to, struct span reply, const char *from);

/* --- the requests --- */

void rest_converse(struct http *http, struct http_request *request);
void rest_submit(struct http *http, struct http_request *request);
void rest_look(struct http *http, struct http_request *request);
void rest_follow(struct http *http, struct http_request *request);
void rest_document_yaml(struct http *http, struct http_request *request);
void rest_document_json(struct http *http, struct http_request *request);

/* The texts of proto/openapi.yaml and .json; made by embed_openapi.cmake. */
extern const char rest_openapi_yaml[], rest_openapi_json[];

/* --- what happens --- */

/* What an event, or the lack of some, is about. */
struct rest_news {
    bool all;                    /* something may have been missed: everybody looks again */
    struct span conversation_id; /* size 0: about none */
    int64_t id;                  /* of a row; 0: it is none */
    int64_t query;               /* what it is about; 0: any query of that conversation */
    int64_t highest;             /* the file was put back to this row; -1: it was not */
};

void rest_submit_stop(struct rest *self);
void rest_look_news(struct rest *self, const struct rest_news *news);
int64_t rest_look_time(struct rest *self, int64_t now_us);
void rest_follow_news(struct rest *self, const struct rest_news *news);
int64_t rest_follow_time(struct rest *self, int64_t now_us);
void rest_follow_stop(struct rest *self);

#endif
