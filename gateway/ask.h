/* `tailgate ask`, in parts: cmd_ask.c reads the command line and makes the question, ask_db.c and
 * ask_gate.c take it to where it is answered and wait, ask_show.c prints what came. */
#ifndef TAILGATE_GATEWAY_ASK_H
#define TAILGATE_GATEWAY_ASK_H

#include "proto/reply.h"

/* What the command line says; NULL: not given. */
struct ask_words {
    const char *db, *gate;          /* one of them */
    const char *cert, *server_cert; /* only with gate */
    const char *conversation;
    const char *token; /* of the conversation; only with gate */
    const char *service;
    const char *context;
    int64_t timeout_us; /* 0: for ever */
    bool text;          /* ask in plain text, not with a JSON query */
    bool json;          /* print the response object */
};

/* One question on its way, and what came back. */
struct question {
    const struct ask_words *words;
    struct buffer asked; /* the question itself */
    struct buffer body;  /* what is sent: a JSON query that holds it, or the same */
    char query_id[32];   /* of the JSON query */
    struct reply reply;
    size_t shown; /* bytes of the answer that were printed while it came */
};

/* Each takes QUESTION to its answer, prints it and returns the exit code; else prints one line on
 * stderr that says what to do. */
int ask_db(struct question *question);
int ask_gate(struct question *question);

/* Shows on the terminal that and how long we wait; NOTE is added. */
void ask_show_waiting(int64_t waited_us, const char *note);
/* Takes that line off the terminal again. */
void ask_show_no_waiting(void);
/* Prints a part of the answer, as it comes. */
void ask_show_part(struct span part);
/* Prints the reply, but for its first `shown` bytes; returns the exit code. */
int ask_show_reply(const struct question *question);

#endif
