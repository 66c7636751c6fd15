#include "gateway/http_page_log.h"

#include <stdlib.h>

#include "proto/escape.h"
#include "proto/jtext.h"

void page_log_init(struct page_log *self)
{
    memset(self, 0, sizeof *self);
}

void page_log_done(struct page_log *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->event[(self->first + i) % PAGE_LOG_EVENTS].json);
    page_log_init(self);
}

const struct page_event *page_log_at(const struct page_log *self, size_t at)
{
    return &self->event[(self->first + at) % PAGE_LOG_EVENTS];
}

static void forget_first(struct page_log *self)
{
    struct page_event *event = &self->event[self->first];

    self->bytes -= event->size;
    free(event->json);
    event->json = NULL;
    self->first = (self->first + 1) % PAGE_LOG_EVENTS;
    self->count--;
}

/* Replaces a JSON TEXT by the member that a person reads; leaves any other text as it is. */
static void take_gist(struct buffer *text)
{
    struct span question = {0}, answer = {0}, error = {0}, type = {0};
    const struct jtext_wanted wanted[] = {
        {"question", &question}, {"answer", &answer}, {"error", &error}, {"type", &type}};
    struct span member;
    struct buffer gist;

    if (jtext_check(buffer_span(text)) != JTEXT_OBJECT)
        return;
    jtext_pick(buffer_span(text), wanted, sizeof wanted / sizeof wanted[0]);
    member = question;
    if (type.size == 0 || !jtext_is(type, "query"))
        member = answer.size ? answer : error;
    if (member.size == 0)
        return;
    buffer_init(&gist);
    if (jtext_type(member) == JTEXT_STRING)
        jtext_decode(&gist, member);
    else
        buffer_add(&gist, member);
    buffer_done(text);
    *text = gist;
}

/* Appends the members "text" and, where something is missing of it, "cut". */
static void put_text(struct buffer *json, struct span literal)
{
    struct buffer text;
    struct span shown;

    buffer_init(&text);
    jtext_decode(&text, literal);
    take_gist(&text);
    shown = escape_cut(buffer_span(&text), PAGE_EVENT_TEXT);
    buffer_text(json, ",\"text\":");
    escape_json(json, shown);
    if (shown.size < text.size)
        buffer_text(json, ",\"cut\":true");
    buffer_done(&text);
}

/* The members that decide where an event belongs. */
struct facts {
    struct span event, id, message_id, in_reply_to, attempt, text;
};

static int64_t number(struct span value)
{
    int64_t number = 0;

    if (value.size && jtext_integer(value, &number) < 0)
        return 0;
    return number;
}

static bool is_event(struct span json, struct facts *ret_facts)
{
    struct facts facts = {0};
    const struct jtext_wanted wanted[] = {
        {"event", &facts.event},           {"id", &facts.id},
        {"message_id", &facts.message_id}, {"in_reply_to", &facts.in_reply_to},
        {"attempt", &facts.attempt},       {"text", &facts.text},
    };

    if (jtext_check(json) != JTEXT_OBJECT)
        return false;
    jtext_pick(json, wanted, sizeof wanted / sizeof wanted[0]);
    *ret_facts = facts;
    return facts.event.size && jtext_type(facts.event) == JTEXT_STRING;
}

static struct page_event place(const struct facts *facts)
{
    struct page_event event = {.query = number(facts->message_id)};

    if (jtext_is(facts->event, "query"))
        event.query = number(facts->id);
    else if (jtext_is(facts->event, "response"))
        event.query = number(facts->in_reply_to);
    else if (jtext_is(facts->event, "partial"))
        event.attempt = number(facts->attempt);
    return event;
}

/* The partial of the same attempt; NULL when there is none. */
static struct page_event *same_attempt(struct page_log *self, const struct page_event *event)
{
    for (size_t i = self->count; event->attempt && i-- > 0;) {
        struct page_event *other = &self->event[(self->first + i) % PAGE_LOG_EVENTS];
        if (other->query == event->query && other->attempt == event->attempt)
            return other;
    }
    return NULL;
}

static struct page_event *keep(struct page_log *self, struct page_event event)
{
    struct page_event *into = same_attempt(self, &event);

    if (into) {
        self->bytes -= into->size;
        free(into->json);
    } else {
        if (self->count == PAGE_LOG_EVENTS)
            forget_first(self);
        into = &self->event[(self->first + self->count++) % PAGE_LOG_EVENTS];
    }
    *into = event;
    self->bytes += event.size;
    while (self->bytes > PAGE_LOG_BYTES && page_log_at(self, 0) != into)
        forget_first(self);
    return into;
}

const struct page_event *page_log_add(struct page_log *self, struct span json)
{
    static const char *const left_out[] = {"text", "metadata", "hash", NULL};
    struct page_event event;
    struct facts facts;
    struct buffer made;

    if (!is_event(json, &facts))
        return NULL;
    event = place(&facts);
    buffer_init(&made);
    buffer_byte(&made, '{');
    jtext_members_except(&made, json, left_out);
    if (facts.text.size && jtext_type(facts.text) == JTEXT_STRING)
        put_text(&made, facts.text);
    buffer_byte(&made, '}');
    if (made.size > PAGE_EVENT_BYTES) {
        buffer_done(&made);
        return NULL;
    }
    event.json = made.data; /* the buffer's storage is the event's from here */
    event.size = made.size;
    return keep(self, event);
}
