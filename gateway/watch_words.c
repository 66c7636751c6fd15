#include "gateway/watch_words.h"

#include <inttypes.h>

#include "proto/jtext.h"

void watch_words_init(struct watch_words *self)
{
    memset(self, 0, sizeof *self);
    buffer_init(&self->before);
    buffer_init(&self->words);
}

void watch_words_done(struct watch_words *self)
{
    buffer_done(&self->before);
    buffer_done(&self->words);
}

void watch_words_seconds(struct buffer *ret_text, double seconds)
{
    if (seconds < 0.0005)
        buffer_text(ret_text, "<1 ms");
    else if (seconds < 0.9995)
        buffer_format(ret_text, "%.0f ms", seconds * 1000);
    else if (seconds < 99.95)
        buffer_format(ret_text, "%.1f s", seconds);
    else if (seconds < 5970)
        buffer_format(ret_text, "%.1f min", seconds / 60);
    else
        buffer_format(ret_text, "%.1f h", seconds / 3600);
}

/* NAME without the brackets that are ours: what a worker calls itself, or somebody a key. */
static void put_name(struct buffer *text, struct span name)
{
    size_t size = text->size;
    watch_event_text(name, text);
    for (size_t i = size; i < text->size; i++) {
        if (text->data[i] == '[' || text->data[i] == ']')
            text->data[i] = text->data[i] == '[' ? '(' : ')';
    }
}

#define PRINCIPAL_SHOWN 12 /* bytes of a key's: "key:1a2b3c4d" */

/* "[w1 key:1a2b3c4d]" of WHO, whom the gateway has verified; nothing when it has nobody. */
static void put_who(struct buffer *text, struct span who)
{
    struct span principal = {0}, name = {0};
    const struct jtext_wanted wanted[] = {{"principal", &principal}, {"name", &name}};
    struct buffer shown;
    if (who.size == 0 || jtext_type(who) != JTEXT_OBJECT)
        return;
    jtext_pick(who, wanted, sizeof wanted / sizeof wanted[0]);
    buffer_init(&shown);
    watch_event_text(principal, &shown);
    if (shown.size > PRINCIPAL_SHOWN && strncmp(shown.data, "key:", 4) == 0)
        shown.size = PRINCIPAL_SHOWN;
    buffer_byte(text, '[');
    if (name.size) {
        put_name(text, name);
        buffer_byte(text, ' ');
    }
    buffer_add(text, buffer_span(&shown));
    buffer_byte(text, ']');
    buffer_done(&shown);
}

/* "shard-1 [uid:1000]: ", or nothing when there is no worker. */
static void put_worker(struct buffer *text, const struct watch_event *event)
{
    size_t size = text->size;
    put_name(text, event->worker);
    if (text->size > size && event->verified.size)
        buffer_byte(text, ' ');
    put_who(text, event->verified);
    if (text->size > size)
        buffer_text(text, ": ");
}

/* Replaces WORDS, a JSON object, by the member that a person reads. Members that are missing leave
 * it as it is. */
static void take_member(struct watch_words *self, bool is_query)
{
    struct span question = {0}, answer = {0}, error = {0}, type = {0};
    const struct jtext_wanted wanted[] = {
        {"question", &question}, {"answer", &answer}, {"error", &error}, {"type", &type}};
    struct buffer taken;
    if (jtext_check(buffer_span(&self->words)) != JTEXT_OBJECT)
        return; /* it was cut */
    jtext_pick(buffer_span(&self->words), wanted, sizeof wanted / sizeof wanted[0]);
    self->is_bad = !is_query && error.size > 0 && (watch_event_is(type, "error") || !answer.size);
    struct span member = is_query ? question : self->is_bad ? error : answer;
    if (member.size == 0)
        return;
    buffer_init(&taken);
    watch_event_text(member, &taken);
    buffer_done(&self->words);
    self->words = taken;
}

/* "[uid:1000] " of who has asked, or steered the gateway. */
static void put_sender(struct buffer *text, struct span who)
{
    size_t size = text->size;
    put_who(text, who);
    if (text->size > size)
        buffer_byte(text, ' ');
}

static void say_row(struct watch_words *self, const struct watch_event *event)
{
    double seconds = watch_event_seconds(event->seconds);
    if (seconds >= 0) {
        watch_words_seconds(&self->before, seconds);
        buffer_byte(&self->before, ' ');
    }
    put_worker(&self->before, event);
    put_sender(&self->before, event->sender);
    if (watch_event_is(event->form, "empty")) {
        buffer_text(&self->words, "(empty)");
        return;
    }
    watch_event_text(event->text, &self->words);
    if (self->words.size == 0) { /* events.bodies off, or a text that is too long for an event */
        buffer_format(&self->words, "(%" PRId64 " bytes)", watch_event_number(event->size));
        return;
    }
    self->is_body = true;
    if (watch_event_is(event->form, "query"))
        take_member(self, true);
    else if (watch_event_is(event->form, "response"))
        take_member(self, false);
    self->is_bad = self->is_bad || span_is(event->dead, "true");
    if (self->is_bad)
        buffer_text(&self->before, "error: ");
}

static void say_partial(struct watch_words *self, const struct watch_event *event)
{
    put_worker(&self->before, event);
    watch_event_text(event->text, &self->words);
    self->is_body = true;
}

static void say_retry(struct watch_words *self, const struct watch_event *event)
{
    double pause = watch_event_seconds(event->pause);
    put_worker(&self->before, event);
    watch_event_text(event->why, &self->words);
    buffer_format(&self->words, " (attempt %" PRId64, watch_event_number(event->attempt));
    buffer_text(&self->words, span_is(event->returned, "true") ? " given back" : "");
    if (pause > 0) {
        buffer_text(&self->words, "; next in ");
        watch_words_seconds(&self->words, pause);
    }
    buffer_byte(&self->words, ')');
}

static void say_dead(struct watch_words *self, const struct watch_event *event)
{
    int64_t attempts = watch_event_number(event->attempts);
    put_worker(&self->before, event);
    watch_event_text(event->why, &self->words);
    if (attempts > 0)
        buffer_format(&self->words, " (%" PRId64 " attempt%s)", attempts, attempts == 1 ? "" : "s");
    self->is_bad = true;
}

static void say_worker(struct watch_words *self, const struct watch_event *event)
{
    int64_t workers = watch_event_number(event->workers);
    put_name(&self->before, event->worker);
    buffer_byte(&self->before, ' ');
    put_sender(&self->before, event->verified);
    watch_event_text(event->change, &self->before);
    if (watch_event_is(event->change, "adopted"))
        buffer_text(&self->before, " it again");
    if (event->why.size > 2) /* more than "" */
        buffer_text(&self->before, ": ");
    else
        buffer_byte(&self->before, ' ');
    watch_event_text(event->why, &self->words);
    buffer_text(&self->words, self->words.size ? " (" : "(");
    watch_event_text(event->protocol, &self->words);
    buffer_format(&self->words, "; %" PRId64 " worker%s)", workers, workers == 1 ? "" : "s");
}

/* What nobody is verified to have said may look as if somebody were. */
static bool is_doubtful(const struct watch_words *self, const struct watch_event *event)
{
    return self->is_body && !event->verified.size && !event->sender.size && self->words.size > 0 &&
           memchr(self->words.data, '[', self->words.size);
}

/* Everything else: the word of a gateway/…, the worker, and why. */
static void say_why(struct watch_words *self, const struct watch_event *event)
{
    struct buffer name;
    buffer_init(&name);
    watch_event_text(event->event, &name);
    const char *slash = name.size ? memchr(name.data, '/', name.size) : NULL;
    if (slash) {
        buffer_add(&self->before, span_of(slash + 1, name.size - (size_t)(slash + 1 - name.data)));
        buffer_text(&self->before, event->why.size || event->worker.size ? ": " : "");
    }
    put_worker(&self->before, event);
    put_sender(&self->before, event->by);
    watch_event_text(event->why, &self->words);
    buffer_done(&name);
}

void watch_words_of(struct watch_words *self, const struct watch_event *event)
{
    typedef void say_fn(struct watch_words * self, const struct watch_event *event);
    static say_fn *const say[TOPIC_KINDS] = {
        [TOPIC_QUERY] = say_row,       [TOPIC_RESPONSE] = say_row, [TOPIC_MESSAGE] = say_row,
        [TOPIC_PARTIAL] = say_partial, [TOPIC_RETRY] = say_retry,  [TOPIC_DEAD] = say_dead,
        [TOPIC_WORKER] = say_worker,
    };
    enum topic_kind kind = watch_event_kind(event);
    buffer_reset(&self->before);
    buffer_reset(&self->words);
    self->is_body = self->is_bad = false;
    if (kind < TOPIC_KINDS && say[kind])
        say[kind](self, event);
    else
        say_why(self, event);
    self->is_doubtful = is_doubtful(self, event);
}
