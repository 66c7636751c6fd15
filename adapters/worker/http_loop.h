/* libcurl's transfers in somebody else's loop: one curl multi handle whose sockets are in one epoll
 * descriptor, and the time at which it wants to be called. */
#ifndef TAILGATE_ADAPTERS_WORKER_HTTP_LOOP_H
#define TAILGATE_ADAPTERS_WORKER_HTTP_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct http_loop {
    CURLM *multi;
    int epoll;        /* -1: closed */
    int64_t now_us;   /* as of the call that is being made */
    int64_t timer_us; /* when libcurl wants to be called; INT64_MAX: not because of time */
};

/* A closed one. */
void http_loop_init(struct http_loop *self);
/* Room for CONNECTIONS that are kept open for the next query. Returns 0, or -errno and is closed.
 */
int http_loop_open(struct http_loop *self, unsigned connections);
/* Every handle must have been removed. It may be closed already. */
void http_loop_close(struct http_loop *self);
/* Begins the transfer EASY, which stays the caller's. */
bool http_loop_add(struct http_loop *self, CURL *easy, int64_t now_us);
/* Ends it where it is. */
void http_loop_remove(struct http_loop *self, CURL *easy);
/* Moves what can be moved without blocking. */
void http_loop_run(struct http_loop *self, int64_t now_us);
/* A transfer that has ended and how, and which is still to be removed; NULL: no other has. */
CURL *http_loop_ended(struct http_loop *self, CURLcode *ret_result);

#endif
