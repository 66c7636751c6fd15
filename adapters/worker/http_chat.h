/* The chat of OpenAI-compatible servers (POST /v1/chat/completions): what is asked, and what the
 * answer, whole or in pieces, says. Nothing here knows of connections. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_CHAT_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_CHAT_H

#include <stdint.h>

#include "proto/buffer.h"

#define HTTP_CHAT_NAME 200 /* bytes of a model's name that are kept */

/* What a completion has said so far. */
struct http_chat {
    struct buffer text; /* the answer */
    char model[HTTP_CHAT_NAME + 1];
    char finish[HTTP_CHAT_NAME + 1]; /* finish_reason: "stop"; "": not said */
    int64_t prompt_tokens, completion_tokens, total_tokens; /* -1: not said */
};

struct http_chat_ask {
    const char *model;
    struct span system;   /* size 0: none */
    struct span context;  /* the content of a file that belongs to the question; size 0: none */
    struct span question; /* text */
    bool stream;
};

enum http_chat_found {
    HTTP_CHAT_BAD = -1, /* that is no completion, or no piece of one */
    HTTP_CHAT_ERROR,    /* an error instead: http_chat_explain() */
    HTTP_CHAT_MORE,     /* a piece; its text, if it has any, was added */
    HTTP_CHAT_END       /* the stream's end, or a whole completion */
};

void http_chat_init(struct http_chat *self);
void http_chat_done(struct http_chat *self);
/* Appends the request's body. A context stands before the question in the same message: many
 * models' templates want users and assistants to take turns. */
void http_chat_ask(const struct http_chat_ask *ask, struct buffer *ret_json);
/* Takes the data of one event of a stream. */
enum http_chat_found http_chat_piece(struct http_chat *self, struct span data);
/* Takes the body of an answer that is no stream: END, BAD or ERROR. */
enum http_chat_found http_chat_whole(struct http_chat *self, struct span body);
/* Appends {"answer":TEXT,"usage":{…}}; usage holds what was said: "model", "prompt_tokens",
 * "completion_tokens", "total_tokens", and "finish_reason" unless it is "stop". */
void http_chat_answer(const struct http_chat *self, struct span text, struct buffer *ret_json);
/* Appends what is wrong, as BODY says it, on one line that is harmless on a terminal: its
 * "error":{"message":…} or a relative of that, else its first bytes between quotes. */
void http_chat_explain(struct span body, struct buffer *ret_text);

#endif
