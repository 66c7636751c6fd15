/* `tailgate ask --gate`: asks through a gateway as a Majordomo client (libtailgate), and shows the
 * answer while it comes. */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "adapters/c/tailgate.h"
#include "adapters/host/clock.h"
#include "gateway/ask.h"
#include "gateway/cli.h"
#include "gateway/terminal.h"

#define TELL_MS 1000 /* between two looks at the waiting time */

struct errand {
    struct question *question;
    const struct ask_words *words;
    struct tailgate_client *client;
    struct tailgate_request *request;
    int64_t since_us;
    bool reached;        /* the gateway was there at least once */
    bool away;           /* and is not there now */
    bool tells, follows; /* a person sees the waiting time; the answer as it comes */
    struct buffer parts; /* what was shown of it */
};

static int open_client(struct errand *self)
{
    const struct tailgate_client_options options = {.endpoint = self->words->gate,
                                                    .cert = self->words->cert,
                                                    .server_cert = self->words->server_cert};
    const struct tailgate_frame body = {self->question->body.data, self->question->body.size};
    const char *service = self->words->service ? self->words->service : "default";
    int64_t ms = (self->words->timeout_us + 999) / 1000;
    int timeout_ms = ms == 0 ? -1 : ms < INT_MAX ? (int)ms : INT_MAX;
    int code = tailgate_client_new(&options, &self->client);
    if (code == TAILGATE_OK)
        code = tailgate_client_send(self->client, service, &body, 1, timeout_ms, &self->request);
    if (code == TAILGATE_INVALID)
        return cli_fail("ask", CLI_USAGE, "--service %s: that is not the name of a service",
                        service);
    return code == TAILGATE_OK ? -1
                               : cli_fail("ask", CLI_FAILED, "%s: %s", self->words->gate,
                                          tailgate_error_text(code));
}

static void show_part(struct errand *self, const struct tailgate_reply *part)
{
    for (size_t i = 0; self->follows && i < tailgate_reply_frames(part); i++) {
        size_t size = 0;
        const char *text = tailgate_reply_frame(part, i, &size);
        if (self->tells)
            ask_show_no_waiting();
        self->tells = false; /* what is shown from now on is the answer */
        ask_show_part(span_of(text, size));
        buffer_add(&self->parts, span_of(text, size));
    }
}

/* How much of the answer is on the terminal already. When something else is, the answer follows
 * whole, on a line of its own. */
static size_t count_shown(const struct errand *self)
{
    struct buffer words;
    size_t shown = self->parts.size;
    if (shown == 0)
        return 0;
    buffer_init(&words);
    reply_words(&self->question->reply, &words);
    bool begins = !self->question->reply.is_error && shown <= words.size &&
                  memcmp(words.data, self->parts.data, shown) == 0;
    buffer_done(&words);
    if (begins)
        return shown;
    terminal_put(span_of("", 0));
    return 0;
}

static int take_reply(struct errand *self, const struct tailgate_reply *reply)
{
    struct buffer text;
    buffer_init(&text);
    for (size_t i = 0; i < tailgate_reply_frames(reply); i++) {
        size_t size = 0;
        const char *frame = tailgate_reply_frame(reply, i, &size);
        buffer_add(&text, span_of(frame, size));
    }
    const struct message_row row = {.text = buffer_span(&text), .text_is_text = true};
    reply_take(&self->question->reply, 0, &row);
    buffer_done(&text);
    self->question->shown = count_shown(self);
    return ask_show_reply(self->question);
}

/* EVENT says why. */
static int fail_to_reach(const struct errand *self, const struct tailgate_event *event)
{
    if (event->kind == TAILGATE_EVENT_REFUSED)
        return cli_fail("ask", CLI_FAILED, "%s: %s", self->words->gate, event->text);
    return cli_fail("ask", CLI_FAILED,
                    "no gateway listens at %s: start one (tailgate serve --db FILE --gate %s), or "
                    "check the endpoint (tailgate status --json names a gateway's)",
                    self->words->gate, self->words->gate);
}

/* Returns the exit code, or -1 to go on. */
static int hear(struct errand *self, struct tailgate_event *event)
{
    int code = -1;
    switch (event->kind) {
    case TAILGATE_EVENT_READY:
        self->reached = true;
        self->away = false;
        break;
    case TAILGATE_EVENT_LOST:
        self->away = true;
        break;
    case TAILGATE_EVENT_ABSENT:
    case TAILGATE_EVENT_REFUSED:
        if (!self->reached)
            code = fail_to_reach(self, event);
        break;
    case TAILGATE_EVENT_PARTIAL:
        show_part(self, event->reply);
        break;
    case TAILGATE_EVENT_REPLY:
        if (self->tells)
            ask_show_no_waiting();
        code = take_reply(self, event->reply);
        break;
    case TAILGATE_EVENT_EXPIRED:
        if (self->tells)
            ask_show_no_waiting();
        if (self->parts.size > 0)
            terminal_put(span_of("", 0)); /* the part of it that came has no end */
        code =
            cli_fail("ask", CLI_TIMED_OUT,
                     "no answer yet; the gateway keeps the question, and the same question asked "
                     "again within ten minutes waits for the same answer");
        break;
    default:
        break;
    }
    tailgate_reply_destroy(&event->reply);
    return code;
}

static int await(struct errand *self)
{
    struct tailgate_event event;
    int code = -1;
    while (code < 0) {
        int got = tailgate_client_next(self->client, self->tells ? TELL_MS : -1, &event);
        if (got == TAILGATE_OK)
            code = hear(self, &event);
        else if (self->tells)
            ask_show_waiting(clock_mono_us() - self->since_us,
                             self->away ? " (the gateway is away)" : "");
    }
    return code;
}

int ask_gate(struct question *question)
{
    struct errand self = {.question = question, .words = question->words};
    self.tells = terminal_is(STDERR_FILENO);
    self.follows = terminal_is(STDOUT_FILENO) && !question->words->json;
    self.since_us = clock_mono_us();
    buffer_init(&self.parts);
    int code = open_client(&self);
    if (code < 0)
        code = await(&self);
    tailgate_request_destroy(&self.request);
    tailgate_client_destroy(&self.client);
    buffer_done(&self.parts);
    return code;
}
