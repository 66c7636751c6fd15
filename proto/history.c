#include "proto/history.h"

#include "proto/jtext.h"
#include "proto/utf8.h"

struct item {
    struct span attempt, worker, reason, at; /* raw; size 0: not there */
};

static bool read_item(struct span json, struct item *ret_item)
{
    struct item item = {.attempt = {NULL, 0}};
    const struct jtext_wanted wanted[] = {{"attempt", &item.attempt},
                                          {"worker", &item.worker},
                                          {"reason", &item.reason},
                                          {"at", &item.at}};
    int64_t attempt;

    if (jtext_type(json) != JTEXT_OBJECT)
        return false;
    jtext_pick(json, wanted, sizeof wanted / sizeof wanted[0]);
    *ret_item = item;
    return item.attempt.size && jtext_integer(item.attempt, &attempt) == 0;
}

static void put_text(struct buffer *ret_json, const char *name, struct span literal, size_t most)
{
    struct buffer text;

    buffer_init(&text);
    if (literal.size && jtext_type(literal) == JTEXT_STRING)
        jtext_decode(&text, literal);
    jtext_member(ret_json, name, utf8_cut(buffer_span(&text), most));
    buffer_done(&text);
}

static void put_item(struct buffer *ret_json, const struct item *item)
{
    int64_t attempt = 0;

    (void)jtext_integer(item->attempt, &attempt);
    buffer_byte(ret_json, '{');
    jtext_member_integer(ret_json, "attempt", attempt);
    put_text(ret_json, "worker", item->worker, HISTORY_REASON);
    put_text(ret_json, "reason", item->reason, HISTORY_REASON);
    put_text(ret_json, "at", item->at, HISTORY_REASON);
    buffer_byte(ret_json, '}');
}

size_t history_last(struct span history, size_t count, struct buffer *ret_json)
{
    struct span rest = history, json;
    struct item item;
    size_t items = 0, at = 0;

    if (history.size > HISTORY_BYTES || jtext_check(history) != JTEXT_ARRAY)
        return 0;
    while (jtext_item(&rest, &json))
        items += read_item(json, &item);
    if (items == 0 || count == 0)
        return 0;
    buffer_byte(ret_json, '[');
    for (rest = history; jtext_item(&rest, &json);) {
        if (!read_item(json, &item) || at++ + count < items)
            continue;
        if (ret_json->data[ret_json->size - 1] != '[')
            buffer_byte(ret_json, ',');
        put_item(ret_json, &item);
    }
    buffer_byte(ret_json, ']');
    return items < count ? items : count;
}
