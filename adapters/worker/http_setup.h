/* What the command line says to the adapter http, looked at and read. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_SETUP_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_SETUP_H

#include <curl/curl.h>

#include "adapters/worker/http_key.h"
#include "adapters/worker/http_url.h"

/* What all queries of an instance have in common. */
struct http_terms {
    struct http_url url;
    struct http_key key;
    struct curl_slist *head; /* of every request; it holds the key */
    const char *model;       /* to chat with, borrowed; NULL: plain JSON */
    bool stream;             /* ask for the answer in pieces */
    struct buffer system;    /* the system prompt; empty: none */
    int contexts;            /* descriptor of the folder of context files; -1: none are read */
};

/* Empty ones. */
void http_terms_init(struct http_terms *self);
/* Reads SETUP and the files it names. Returns 0; or -1 and why, and SELF is empty. */
int http_terms_open(struct http_terms *self, const struct adapter_setup *setup,
                    char ret_why[ADAPTER_WHY]);
/* Closes what is open and overwrites the key. */
void http_terms_close(struct http_terms *self);
/* The adapter's check(). */
int http_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY]);

#endif
