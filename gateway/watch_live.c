/* `tailgate watch` on a gateway's events: what the observer tells, and how that is said. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli.h"
#include "gateway/watch_run.h"

#define AT_ONCE 200 /* events between two looks at signals and the reader of our output */

int watch_live_open(struct watch_run *self, const char *events, const char *gate, int64_t now_us)
{
    const struct watch_wish *wish = &self->wish;
    bool by_time = self->after < 0 && self->since.kind == WATCH_SINCE_TIME;
    const struct tailgate_observer_options options = {
        .endpoint = events,
        .gate = gate,
        .cert = self->cert,
        .server_cert = self->server_cert,
        .kinds = wish->kind,
        .kind_count = wish->kinds,
        .conversation = wish->conversation,
        .service = wish->service,
        .after = by_time ? 0 : self->after,
        .since = by_time ? self->since.stamp : NULL,
    };
    int code = tailgate_observer_new(&options, &self->observer);
    if (code)
        return cli_fail("watch", CLI_FAILED, "%s: %s", events, tailgate_error_text(code));
    self->away_us = now_us; /* until it is there */
    return -1;
}

void watch_live_close(struct watch_run *self)
{
    int64_t position = tailgate_observer_position(self->observer);
    if (position >= 0)
        self->after = position;
    tailgate_observer_destroy(&self->observer);
}

static int say_up(struct watch_run *self, const char *text)
{
    bool quiet = !self->why_away[0]; /* that it is there is what everybody expects */
    self->away_us = 0;
    self->why_away[0] = '\0';
    return watch_show_notice(&self->show, "watch/up", -1, quiet, "the gateway is back%s",
                             *text ? ", restarted" : "");
}

/* Said once, not with every attempt to connect. */
static int say_away(struct watch_run *self, const char *text, int64_t now_us)
{
    bool again = strcmp(text, self->why_away) == 0;
    bool quiet = self->why_away[0] && strncmp(text, "no gateway", 10) == 0;
    if (!self->away_us)
        self->away_us = now_us;
    if (again)
        return -1;
    snprintf(self->why_away, sizeof self->why_away, "%s", text);
    return watch_show_notice(&self->show, "watch/away", -1, quiet, "the gateway is away: %s", text);
}

static int say_lost(struct watch_run *self, uint64_t count)
{
    const char *why =
        self->db || self->gate_given ? "that are no rows" : "(with --gate rows would be replayed)";
    if (count == 0)
        return watch_show_notice(&self->show, "watch/lost", 0, false, "some events were lost %s",
                                 why);
    return watch_show_notice(&self->show, "watch/lost", (int64_t)count, false,
                             "%" PRIu64 " event%s lost %s", count, count == 1 ? " was" : "s were",
                             why);
}

int watch_reset(struct watch_run *self, int64_t id)
{
    watch_show_reset(&self->show, id);
    return watch_show_notice(&self->show, "watch/reset", -1, false,
                             "the database was put back to an older one: going on behind row "
                             "%" PRId64,
                             id);
}

static int hear(struct watch_run *self, const struct tailgate_observed *observed, int64_t now_us)
{
    switch (observed->kind) {
    case TAILGATE_OBSERVED_EVENT:
        return watch_show_event(&self->show, span_of(observed->json, observed->size));
    case TAILGATE_OBSERVED_REPAIRED:
        return watch_show_notice(&self->show, "watch/repaired", (int64_t)observed->count, false,
                                 "repaired %" PRIu64 " row%s that had been missed", observed->count,
                                 observed->count == 1 ? "" : "s");
    case TAILGATE_OBSERVED_LOST:
        return say_lost(self, observed->count);
    case TAILGATE_OBSERVED_UP:
        return say_up(self, observed->text);
    case TAILGATE_OBSERVED_AWAY:
        return say_away(self, observed->text, now_us);
    case TAILGATE_OBSERVED_RESET:
        return watch_reset(self, observed->id);
    }
    return -1; /* of a newer library */
}

int watch_live_step(struct watch_run *self, int64_t now_us)
{
    struct tailgate_observed observed;
    int code = -1;
    for (int i = 0; code < 0 && i < AT_ONCE; i++) {
        if (tailgate_observer_next(self->observer, 0, &observed) != TAILGATE_OK)
            break;
        code = hear(self, &observed, now_us);
    }
    return code;
}
