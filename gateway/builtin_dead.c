/* tailgate.dead, .redrive and .drop: dead letters through the gate. The changes are those of
 * `tailgate dead` (adapters/bridge/dead.h), made by the only writer. */
#include "adapters/host/clock.h"
#include "gateway/builtin_call.h"
#include "gateway/log.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define DEAD_DEFAULT 50
#define DEAD_MOST 200
#define QUESTION_CHARS 200
#define PAGE_BYTES (1u << 20) /* of questions that are read in one go */

/* dead */

struct page {
    struct server *server;
    struct buffer *json, question, shown;
    size_t limit, count;
    size_t read; /* bytes */
    bool more;
};

/* The question of a row's TEXT, in our buffer where it is not the text itself. */
static struct span question_of(struct page *page, struct span text)
{
    struct span literal;

    buffer_reset(&page->question);
    if (!utf8_valid(text))
        utf8_repair(&page->question, text);
    else if (jtext_check(text) == JTEXT_OBJECT && jtext_find(text, "question", &literal) &&
             jtext_type(literal) == JTEXT_STRING)
        jtext_decode(&page->question, literal);
    else
        return text;
    return buffer_span(&page->question);
}

/* Secrets go before it is cut: a part of one may not be known as such. */
static void put_question(struct page *page, struct span text)
{
    struct span question;

    buffer_text(page->json, ",\"question\":");
    page->read += text.size;
    if (text.size == 0 || text.size > LIMIT_EVENT_ROW || !page->server->publish.bodies) {
        buffer_text(page->json, "null");
        return;
    }
    question = question_of(page, text);
    buffer_reset(&page->shown);
    if (redact_text(page->server->redact, question, &page->shown) > 0)
        question = buffer_span(&page->shown);
    escape_json(page->json, utf8_cut_chars(question, QUESTION_CHARS));
}

/* A text that came from others. */
static void put_name(struct page *page, const char *name, struct span text)
{
    buffer_format(page->json, ",\"%s\":", name);
    buffer_reset(&page->shown);
    if (redact_text(page->server->redact, text, &page->shown) > 0)
        text = buffer_span(&page->shown);
    escape_json(page->json, text);
}

static bool see(void *context, const struct delivery_record *record)
{
    struct page *page = context;
    char at[STAMP_SIZE];

    page->more = page->count == page->limit || page->read >= PAGE_BYTES;
    if (page->more)
        return false;
    stamp_format(record->updated_at_us, at);
    buffer_text(page->json, page->count++ ? ",{" : "{");
    jtext_member_integer(page->json, "message_id", record->message_id);
    put_name(page, "conversation_id", record->conversation_id);
    put_name(page, "service", record->service);
    jtext_member_integer(page->json, "attempts", record->attempt);
    put_name(page, "reason", record->reason);
    jtext_member(page->json, "at", span_str(at));
    put_question(page, record->question);
    if (record->redriven)
        jtext_member_integer(page->json, "redriven", record->redriven);
    else
        jtext_member_raw(page->json, "redriven", span_str("null"));
    jtext_member_raw(page->json, "expired", span_str(record->live ? "false" : "true"));
    buffer_byte(page->json, '}');
    return true;
}

static struct fault read_page(struct span object, int64_t *ret_before, int64_t *ret_limit)
{
    struct span before = {0}, limit = {0};
    const struct jtext_wanted wanted[] = {{"before", &before}, {"limit", &limit}};

    jtext_pick(object, wanted, 2);
    before = call_given(before);
    limit = call_given(limit);
    *ret_before = INT64_MAX;
    *ret_limit = DEAD_DEFAULT;
    if (before.size && (jtext_integer(before, ret_before) < 0 || *ret_before <= 0))
        return (struct fault){"invalid", "before is the id of a row, a number above 0"};
    if (limit.size &&
        (jtext_integer(limit, ret_limit) < 0 || *ret_limit < 1 || *ret_limit > DEAD_MOST))
        return (struct fault){"invalid", "limit is a number of dead queries, 1 to 200"};
    return FAULT_NONE;
}

static enum builtin on_dead(struct server *self, int64_t now_us, const struct asking *asking,
                            struct buffer *ret_packed)
{
    struct buffer json;
    struct page page = {.server = self, .json = &json};
    struct span object = span_str("{}");
    int64_t before, limit;
    int error;
    struct fault fault = {"forbidden", replays_closed_to(self, asking)};

    (void)now_us;
    if (!fault.error && builtin_word(asking).size)
        fault = call_object(asking, &object);
    if (!fault.error)
        fault = read_page(object, &before, &limit);
    if (fault.error)
        return call_refuse(fault, ret_packed);
    page.limit = (size_t)limit;
    buffer_init(&json);
    buffer_text(&json, "{\"type\":\"dead\",\"dead\":[");
    carry_let_go(self);
    error = records_dead_below(tail_connection(self->tail), before, clock_utc_us(), page.limit + 1,
                               see, &page);
    buffer_byte(&json, ']');
    jtext_member_raw(&json, "more", span_str(page.more ? "true" : "false"));
    buffer_byte(&json, '}');
    if (!error)
        call_give(&json, ret_packed);
    submit_note_failures(self, 0, "");
    buffer_done(&page.question);
    buffer_done(&page.shown);
    buffer_done(&json);
    return intake_could_read(self, error) ? BUILTIN_ANSWERED : BUILTIN_BUSY;
}

/* redrive, drop */

static enum builtin change(struct server *self, const struct asking *asking, enum call_kind kind,
                           struct buffer *ret_packed)
{
    struct span object, nobody = span_str("");
    struct job *job;
    int64_t id = 0;
    struct fault fault = call_object(asking, &object);

    if (!fault.error)
        fault = call_message(object, &id);
    if (fault.error)
        return call_refuse(fault, ret_packed);
    job = job_new(JOB_CALL, id, nobody, nobody, nobody);
    job->call->kind = kind;
    return call_write(self, asking, job, ret_packed);
}

static enum builtin on_redrive(struct server *self, int64_t now_us, const struct asking *asking,
                               struct buffer *ret_packed)
{
    (void)now_us;
    return change(self, asking, CALL_REDRIVE, ret_packed);
}

static enum builtin on_drop(struct server *self, int64_t now_us, const struct asking *asking,
                            struct buffer *ret_packed)
{
    (void)now_us;
    return change(self, asking, CALL_DROP, ret_packed);
}

static const struct fault not_dead = {"not_found", "no dead query has that message_id"};

struct fault dead_redrive_done(const struct job *job, struct buffer *ret_json)
{
    static const struct fault undone[] = {
        [DEAD_REDRIVEN] = {"conflict", "it was asked again already"},
        [DEAD_GONE] = {"not_found",
                       "its row is gone, or its conversation: there is nothing to ask"},
        [DEAD_EXPIRED] = {"expired", "its conversation has expired: nobody would read the answer"},
        [DEAD_NOT_A_QUESTION] = {"conflict", "it is not a question any more: somebody changed it"},
    };

    if (job->call->dead == DEAD_NOT_DEAD)
        return not_dead;
    if (job->call->dead != DEAD_DONE)
        return undone[job->call->dead];
    log_event(LOG_WARN, "redriven", LOG_INT("id", job->id), LOG_INT("as", job->call->new_id));
    buffer_text(ret_json, "{\"type\":\"done\",\"done\":\"redrive\"");
    jtext_member_integer(ret_json, "message_id", job->id);
    jtext_member_integer(ret_json, "new_message_id", job->call->new_id);
    buffer_byte(ret_json, '}');
    return FAULT_NONE;
}

struct fault dead_drop_done(const struct job *job, struct buffer *ret_json)
{
    if (!job->call->dropped)
        return not_dead;
    log_event(LOG_WARN, "dead-dropped", LOG_INT("id", job->id));
    buffer_text(ret_json, "{\"type\":\"done\",\"done\":\"drop\"");
    jtext_member_integer(ret_json, "message_id", job->id);
    buffer_byte(ret_json, '}');
    return FAULT_NONE;
}

const struct builtin_service builtin_of_dead[] = {
    {"tailgate.dead", RIGHT_REPLAY, false, on_dead},
    {"tailgate.redrive", RIGHT_CONTROL, true, on_redrive},
    {"tailgate.drop", RIGHT_CONTROL, true, on_drop},
    {0},
};
