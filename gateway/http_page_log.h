/* The last events as the page shows them: each one small, all of them bounded by number and bytes.
 * Pure: events in, texts out. */
#ifndef TAILGATE_GATEWAY_HTTP_PAGE_LOG_H
#define TAILGATE_GATEWAY_HTTP_PAGE_LOG_H

#include <stdint.h>

#include "proto/buffer.h"

#define PAGE_LOG_EVENTS 1000
#define PAGE_LOG_BYTES ((size_t)512 * 1024) /* less than a stream may have waiting */
#define PAGE_EVENT_TEXT 1000                /* bytes of an event's text */
#define PAGE_EVENT_BYTES 8192               /* a longer one is left out */

struct page_event {
    int64_t query;   /* the row id of the query that it is about; 0: none */
    int64_t attempt; /* of a partial, from 1; 0: it is no partial */
    char *json;      /* owned */
    size_t size;
};

struct page_log {
    struct page_event event[PAGE_LOG_EVENTS]; /* a ring */
    size_t first, count, bytes;
};

void page_log_init(struct page_log *self);
void page_log_done(struct page_log *self);
/* Makes of the event JSON (WIRE.md, "Events") what the page shows, and keeps that: without metadata
 * and hash, `text` being what a person reads of it (a query's question, a response's answer or
 * error), cut to PAGE_EVENT_TEXT with "cut":true. A partial takes the place of the one before of
 * its attempt, whose number is its `index`. Returns what was kept, borrowed until the next call, or
 * NULL when JSON is no event or stays too long. */
const struct page_event *page_log_add(struct page_log *self, struct span json);
/* The events kept, oldest first: AT from 0 to count - 1. */
const struct page_event *page_log_at(const struct page_log *self, size_t at);

#endif
