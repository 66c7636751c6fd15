#include "adapters/worker/http_compose.h"

#include "adapters/worker/context.h"
#include "adapters/worker/http_chat.h"
#include "proto/jtext.h"

/* Appends what is asked; false: the query has no question. */
static bool read_question(struct span query, struct buffer *ret_text)
{
    struct span question;
    if (jtext_check(query) != JTEXT_OBJECT) {
        buffer_add(ret_text, query);
        return true;
    }
    if (!jtext_find(query, "question", &question) || jtext_type(question) == JTEXT_NULL)
        return false;
    if (jtext_type(question) == JTEXT_STRING)
        jtext_decode(ret_text, question);
    else
        buffer_add(ret_text, question);
    return true;
}

/* Appends the content of the file that the query names, if it names one and files are read. Returns
 * 0; or -1 with why appended. */
static int read_context(const struct http_terms *terms, struct span query, struct buffer *ret_text,
                        struct buffer *ret_why)
{
    struct span value;
    struct buffer name;
    if (terms->contexts < 0 || jtext_check(query) != JTEXT_OBJECT ||
        !jtext_find(query, "context_file", &value) || jtext_type(value) == JTEXT_NULL)
        return 0;
    if (jtext_type(value) != JTEXT_STRING) {
        buffer_text(ret_why, "context_file is no text");
        return -1;
    }
    buffer_init(&name);
    jtext_decode(&name, value);
    int code = context_read(terms->contexts, buffer_span(&name), ret_text, ret_why);
    buffer_done(&name);
    return code;
}

void http_compose(const struct http_terms *terms, struct span query, struct buffer *ret_request,
                  struct buffer *ret_refusal)
{
    struct buffer question, context;
    if (!terms->model) {
        buffer_add(ret_request, query);
        return;
    }
    buffer_init(&question);
    buffer_init(&context);
    if (!read_question(query, &question)) {
        buffer_text(ret_refusal, "the query has no question to put to a model");
    } else if (read_context(terms, query, &context, ret_refusal) == 0) {
        const struct http_chat_ask ask = {.model = terms->model,
                                          .system = buffer_span(&terms->system),
                                          .context = buffer_span(&context),
                                          .question = buffer_span(&question),
                                          .stream = terms->stream};
        http_chat_ask(&ask, ret_request);
    }
    buffer_done(&context);
    buffer_done(&question);
}
