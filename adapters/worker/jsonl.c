#include "adapters/worker/jsonl.h"

#include "adapters/worker/excerpt.h"
#include "proto/jtext.h"
#include "proto/message.h"

void jsonl_add_query(struct buffer *ret_lines, struct span query)
{
    size_t from = ret_lines->size;
    if (jtext_check(query) == JTEXT_OBJECT) {
        buffer_add(ret_lines, query);
    } else {
        buffer_byte(ret_lines, '{');
        jtext_member(ret_lines, "question", query);
        buffer_byte(ret_lines, '}');
    }
    for (size_t i = from; i < ret_lines->size; i++) {
        if (ret_lines->data[i] == '\n' || ret_lines->data[i] == '\r')
            ret_lines->data[i] = ' ';
    }
    buffer_byte(ret_lines, '\n');
}

static bool is_partial(struct span line)
{
    struct span type;
    return jtext_check(line) == JTEXT_OBJECT && jtext_find(line, "type", &type) &&
           jtext_type(type) == JTEXT_STRING && jtext_is(type, "partial");
}

static void report_partial(struct span line, struct buffer *storage,
                           struct adapter_report *ret_report)
{
    struct span text;
    ret_report->kind = ADAPTER_PARTIAL;
    if (jtext_find(line, "text", &text) && jtext_type(text) == JTEXT_STRING)
        jtext_decode(storage, text);
    ret_report->text = buffer_span(storage);
}

static void report_no_answer(struct span line, struct buffer *storage,
                             struct adapter_report *ret_report)
{
    char shown[EXCERPT_SIZE];
    excerpt_write(line, shown);
    buffer_text(storage, "the program's answer is no JSON object: ");
    buffer_text(storage, shown);
    ret_report->kind = ADAPTER_FAILED;
    ret_report->text = buffer_span(storage);
}

void jsonl_report(struct span line, enum jsonl_form form, struct buffer *storage,
                  struct adapter_report *ret_report)
{
    struct answer answer;
    answer_read(line, &answer);
    buffer_reset(storage);
    *ret_report =
        (struct adapter_report){.kind = ADAPTER_ANSWER, .token = answer.token, .text = line};
    if (is_partial(line))
        report_partial(line, storage, ret_report);
    else if (form == JSONL_OBJECTS && jtext_check(line) != JTEXT_OBJECT)
        report_no_answer(line, storage, ret_report);
}
