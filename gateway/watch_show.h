/* What `tailgate watch` prints: events on stdout, each row once; what happens to the watching
 * itself on stderr, and with --json as an object besides. */
#ifndef TAILGATE_GATEWAY_WATCH_SHOW_H
#define TAILGATE_GATEWAY_WATCH_SHOW_H

#include "gateway/watch_line.h"
#include "gateway/watch_out.h"
#include "proto/event.h"

/* What is wanted. All borrowed. */
struct watch_wish {
    const char *kind[TOPIC_KINDS]; /* the first `kinds`; none: all */
    size_t kinds;
    const char *conversation, *service; /* NULL: all */
    bool full, json;
};

struct watch_show {
    const struct watch_wish *wish;
    struct watch_out *out;
    struct watch_style style;
    int64_t
        told[EVENT_DURABLE]; /* the highest row of each kind that was seen: they come in order */
    struct buffer text;
};

void watch_show_init(struct watch_show *self, const struct watch_wish *wish, struct watch_out *out);
void watch_show_done(struct watch_show *self);
/* Prints the event JSON if it is wanted, and is no row that was printed before. Returns as
 * watch_out_put(). */
int watch_show_event(struct watch_show *self, struct span json);
/* From here on rows above ID are news, and no others. */
void watch_show_reset(struct watch_show *self, int64_t id);
/* Says what happened to the watching. NAME: "watch/away", the event with --json, in which COUNT
 * stands unless it is negative. QUIET: with --json only. Returns as watch_out_put(). */
int watch_show_notice(struct watch_show *self, const char *name, int64_t count, bool quiet,
                      const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
