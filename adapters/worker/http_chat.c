#include "adapters/worker/http_chat.h"

#include "adapters/worker/excerpt.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/space.h"

#define EXPLAINED 300 /* bytes of a server's words, before they are escaped */

void http_chat_init(struct http_chat *self)
{
    *self = (struct http_chat){.prompt_tokens = -1, .completion_tokens = -1, .total_tokens = -1};
    buffer_init(&self->text);
}

void http_chat_done(struct http_chat *self)
{
    buffer_done(&self->text);
}

/* --- what is asked --- */

static void add_message(struct buffer *ret_json, const char *role, struct span content)
{
    buffer_text(ret_json, ret_json->data[ret_json->size - 1] == '[' ? "{" : ",{");
    jtext_member(ret_json, "role", span_str(role));
    jtext_member(ret_json, "content", content);
    buffer_byte(ret_json, '}');
}

void http_chat_ask(const struct http_chat_ask *ask, struct buffer *ret_json)
{
    struct buffer content;
    buffer_init(&content);
    if (ask->context.size > 0) {
        buffer_add(&content, ask->context);
        buffer_text(&content, "\n\n");
    }
    buffer_add(&content, ask->question);
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "model", span_str(ask->model));
    buffer_text(ret_json, ",\"messages\":[");
    if (ask->system.size > 0)
        add_message(ret_json, "system", ask->system);
    add_message(ret_json, "user", buffer_span(&content));
    buffer_byte(ret_json, ']');
    if (ask->stream)
        buffer_text(ret_json, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    buffer_byte(ret_json, '}');
    buffer_done(&content);
}

/* --- what is answered --- */

/* Finds a member of OBJECT that has TYPE. */
static bool find(struct span object, const char *name, enum jtext_type type, struct span *ret_value)
{
    struct span value;
    if (!jtext_find(object, name, &value) || jtext_type(value) != type)
        return false;
    *ret_value = value;
    return true;
}

static void read_count(struct span usage, const char *name, int64_t *ret_count)
{
    struct span value;
    int64_t count;
    if (jtext_find(usage, name, &value) && jtext_integer(value, &count) == 0 && count >= 0)
        *ret_count = count;
}

static bool is_error(struct span body)
{
    struct span error;
    return jtext_find(body, "error", &error) && jtext_type(error) != JTEXT_NULL;
}

/* The first of the choices; we ask for one. */
static bool first_choice(struct span body, struct span *ret_choice)
{
    struct span rest;
    return find(body, "choices", JTEXT_ARRAY, &rest) && jtext_item(&rest, ret_choice) &&
           jtext_type(*ret_choice) == JTEXT_OBJECT;
}

/* Takes a BODY whose choice has its text in the member HOLDER. Returns whether there was a text. */
static bool take(struct http_chat *self, struct span body, const char *holder)
{
    struct span value, choice, content;
    if (find(body, "model", JTEXT_STRING, &value) &&
        jtext_copy(value, self->model, sizeof self->model) < 0)
        self->model[0] = '\0';
    if (find(body, "usage", JTEXT_OBJECT, &value)) {
        read_count(value, "prompt_tokens", &self->prompt_tokens);
        read_count(value, "completion_tokens", &self->completion_tokens);
        read_count(value, "total_tokens", &self->total_tokens);
    }
    if (!first_choice(body, &choice))
        return false;
    if (find(choice, "finish_reason", JTEXT_STRING, &value) &&
        jtext_copy(value, self->finish, sizeof self->finish) < 0)
        memcpy(self->finish, "unknown", sizeof "unknown"); /* it is over, whatever it is called */
    if (!find(choice, holder, JTEXT_OBJECT, &value) ||
        !find(value, "content", JTEXT_STRING, &content))
        return false;
    jtext_decode(&self->text, content);
    return true;
}

enum http_chat_found http_chat_piece(struct http_chat *self, struct span data)
{
    data = space_trim(data);
    if (span_is(data, "[DONE]"))
        return HTTP_CHAT_END;
    if (data.size == 0)
        return HTTP_CHAT_MORE;
    if (jtext_check(data) != JTEXT_OBJECT)
        return HTTP_CHAT_BAD;
    if (is_error(data))
        return HTTP_CHAT_ERROR;
    (void)take(self, data, "delta");
    return HTTP_CHAT_MORE;
}

enum http_chat_found http_chat_whole(struct http_chat *self, struct span body)
{
    if (jtext_check(body) != JTEXT_OBJECT)
        return HTTP_CHAT_BAD;
    if (is_error(body))
        return HTTP_CHAT_ERROR;
    return take(self, body, "message") ? HTTP_CHAT_END : HTTP_CHAT_BAD;
}

static void add_count(struct buffer *ret_json, const char *name, int64_t count)
{
    if (count >= 0)
        jtext_member_integer(ret_json, name, count);
}

void http_chat_answer(const struct http_chat *self, struct span text, struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    jtext_member(ret_json, "answer", text);
    buffer_text(ret_json, ",\"usage\":{");
    if (self->model[0] != '\0')
        jtext_member(ret_json, "model", span_str(self->model));
    add_count(ret_json, "prompt_tokens", self->prompt_tokens);
    add_count(ret_json, "completion_tokens", self->completion_tokens);
    add_count(ret_json, "total_tokens", self->total_tokens);
    if (self->finish[0] != '\0' && strcmp(self->finish, "stop") != 0)
        jtext_member(ret_json, "finish_reason", span_str(self->finish));
    buffer_text(ret_json, "}}");
}

/* --- what is wrong --- */

/* {"error":{"message":"…"}}, {"error":"…"}, {"message":"…"} or {"detail":"…"} */
static bool find_words(struct span body, struct span *ret_literal)
{
    struct span error;
    if (jtext_check(body) != JTEXT_OBJECT)
        return false;
    if (find(body, "error", JTEXT_OBJECT, &error) &&
        find(error, "message", JTEXT_STRING, ret_literal))
        return true;
    return find(body, "error", JTEXT_STRING, ret_literal) ||
           find(body, "message", JTEXT_STRING, ret_literal) ||
           find(body, "detail", JTEXT_STRING, ret_literal);
}

void http_chat_explain(struct span body, struct buffer *ret_text)
{
    char shown[EXCERPT_SIZE];
    struct span literal;
    struct buffer words;
    buffer_init(&words);
    if (find_words(body, &literal))
        jtext_decode(&words, literal);
    if (space_only(buffer_span(&words))) {
        excerpt_write(body, shown);
        buffer_text(ret_text, shown);
    } else {
        struct span start = escape_cut(space_trim(buffer_span(&words)), EXPLAINED);
        escape_text(ret_text, start, ESCAPE_CELL);
        buffer_text(ret_text, start.size < space_trim(buffer_span(&words)).size ? "…" : "");
    }
    buffer_done(&words);
}
