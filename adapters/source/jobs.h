/* The queries of JetStream that are here, by their tokens.
 *
 *   WAITING ──given to a worker──▶ OUT ──answer, error, return──▶ STORING ──stored──▶ done
 *                                   ▲                                ▲
 *   (a worker has it from before) HELD ──its query comes again──▶ OUT, or STORING */
#ifndef TAILGATE_ADAPTERS_SOURCE_JOBS_H
#define TAILGATE_ADAPTERS_SOURCE_JOBS_H

#include "adapters/jetstream/api.h"
#include "proto/buffer.h"

#define JOBS_MAX 4096   /* at once */
#define JOBS_DONE 4096  /* tokens that are remembered after their end */
#define JOB_SUBJECT 192 /* room of a subject to acknowledge at */

enum job_state { JOB_WAITING, JOB_OUT, JOB_STORING, JOB_HELD };

struct job {
    enum job_state state;
    char token[NAMES_TOKEN_MAX + 1];
    char bridge[NAMES_BRIDGE + 1]; /* "" while HELD */
    char ack[JOB_SUBJECT];         /* "" while HELD */
    size_t service;                /* its index */
    bool shared;                   /* OUT: in a slot that takes any service */
    int64_t delivered;             /* how often it was, this time included */
    uint64_t number;               /* STORING: by which the confirmation is known */
    int64_t since_us;              /* in this state */
    int64_t told_us;               /* when the stream was last told that it is here */
    int64_t sent_us;               /* STORING: 0: to be sent */
    uint32_t doubts;               /* STORING: how often it was found to be staged (api.h) */
    int64_t over_us;               /* its deadline; INT64_MAX: none */
    struct buffer json;            /* WAITING: the query */
    struct buffer body;            /* STORING, or HELD with an answer already */
    char kind[8];                  /* of body: final, error, return; "" while there is none */
    struct buffer via;
    bool packed; /* body is several frames */
};

struct jobs {
    struct job *job[JOBS_MAX];
    size_t count;
    uint64_t number;
    size_t bytes;                              /* of all bodies */
    char done[JOBS_DONE][NAMES_TOKEN_MAX + 1]; /* ring */
    uint8_t done_size[JOBS_DONE];              /* 0: none */
    size_t next_done;
};

struct job *jobs_find(const struct jobs *self, struct span token);
struct job *jobs_number(const struct jobs *self, uint64_t number);
/* Takes one on; NULL when there are too many. */
struct job *jobs_add(struct jobs *self, struct span token, enum job_state state, int64_t now_us);
/* It is over; DONE: its token is remembered. */
void jobs_remove(struct jobs *self, struct job *job, bool done);
bool jobs_was_done(const struct jobs *self, struct span token);
void jobs_done(struct jobs *self);
/* What became of JOB: KIND and the frames. */
void jobs_answer(struct jobs *self, struct job *job, const char *kind, const struct span *frame,
                 size_t frames, struct span via);
/* The oldest in STATE, or NULL; and how many, of SERVICE unless that is SIZE_MAX. */
struct job *jobs_oldest(const struct jobs *self, enum job_state state);
size_t jobs_in(const struct jobs *self, enum job_state state, size_t service, bool shared);

#endif
