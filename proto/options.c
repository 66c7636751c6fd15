#include "proto/options.h"

#include <assert.h>

#include "proto/jtext.h"
#include "proto/utf8.h"

/* The longest token by its form: both numbers at their largest, two points, the MAC. */
#define TOKEN_TEXT_MAX (19 + 1 + 10 + 1 + 22)
/* A full list of them, each with quotes and a comma, leaves room for everything else. */
static_assert(LIMIT_SLOTS * (TOKEN_TEXT_MAX + 3) + 1024 <= LIMIT_OPTIONS_SIZE,
              "holding fits READY");

/* Writes the decoded name, cut on a code point, with '?' for each control character. */
static void name_clean(struct span text, char ret_name[LIMIT_WORKER_NAME + 1])
{
    struct span cut = utf8_cut(text, LIMIT_WORKER_NAME);
    size_t size = 0;
    for (size_t at = 0; at < cut.size;) {
        size_t length = utf8_length(cut.data + at, cut.size - at);
        struct span point = span_of(cut.data + at, length);
        if (utf8_has_control(point)) {
            ret_name[size++] = '?';
        } else {
            memcpy(ret_name + size, point.data, length);
            size += length;
        }
        at += length;
    }
    ret_name[size] = '\0';
}

int options_name(struct span value, char ret_name[LIMIT_WORKER_NAME + 1])
{
    if (jtext_type(value) != JTEXT_STRING)
        return -1;
    struct buffer text;
    buffer_init(&text);
    jtext_decode(&text, value);
    name_clean(buffer_span(&text), ret_name);
    buffer_done(&text);
    return 0;
}

/* A word that names counters in status. */
static int read_adapter(struct span value, struct worker_options *options)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    char word[LIMIT_ADAPTER + 1];
    int size = jtext_type(value) == JTEXT_STRING ? jtext_copy(value, word, sizeof word) : -1;
    if (size <= 0 || strspn(word, allowed) != (size_t)size)
        return -1;
    memcpy(options->adapter, word, (size_t)size + 1);
    return 0;
}

static int read_number(struct span value, int64_t min, int64_t max, uint32_t *ret_number)
{
    int64_t number;
    if (jtext_integer(value, &number) < 0 || number < min || number > max)
        return -1;
    *ret_number = (uint32_t)number;
    return 0;
}

static int read_holding(struct span value, struct worker_options *options)
{
    struct span rest = value, item;
    size_t count = 0;
    if (jtext_type(value) != JTEXT_ARRAY)
        return -1;
    while (jtext_item(&rest, &item)) {
        if (jtext_type(item) != JTEXT_STRING || ++count > LIMIT_SLOTS)
            return -1;
    }
    options->holding = value;
    return 0;
}

static int read_format(struct span value, struct worker_options *options)
{
    if (jtext_type(value) != JTEXT_STRING)
        return -1;
    options->wants_query = jtext_is(value, "query");
    options->relays = jtext_is(value, "relay");
    return options->wants_query || options->relays || jtext_is(value, "raw") ? 0 : -1;
}

static int read_relays(struct span value, struct worker_options *options)
{
    struct span rest = value, item;

    if (jtext_type(value) != JTEXT_ARRAY)
        return -1;
    while (jtext_item(&rest, &item)) {
        char *id = options->relay[options->relay_count];
        if (options->relay_count == LIMIT_RELAYS || jtext_type(item) != JTEXT_STRING ||
            jtext_copy(item, id, OPTIONS_RELAY_SIZE) != OPTIONS_RELAY_SIZE - 1 ||
            strspn(id, "0123456789abcdef") != OPTIONS_RELAY_SIZE - 1)
            return -1;
        options->relay_count++;
    }
    return 0;
}

int options_read(struct span options, struct worker_options *ret_options)
{
    struct worker_options read = {.name = "", .slots = 1, .heartbeats = false, .interval_ms = 0};
    struct span value;

    if (options.size == 0) {
        *ret_options = read;
        return 0;
    }
    if (options.size > LIMIT_OPTIONS_SIZE || jtext_check(options) != JTEXT_OBJECT)
        return -1;
    if (jtext_find(options, "name", &value) && options_name(value, read.name) < 0)
        return -1;
    if (jtext_find(options, "adapter", &value) && read_adapter(value, &read) < 0)
        return -1;
    if (jtext_find(options, "slots", &value) && read_number(value, 1, LIMIT_SLOTS, &read.slots) < 0)
        return -1;
    if (jtext_find(options, "interval", &value) &&
        read_number(value, 100, 60000, &read.interval_ms) < 0)
        return -1;
    if (jtext_find(options, "heartbeats", &value)) {
        if (jtext_type(value) != JTEXT_BOOL)
            return -1;
        read.heartbeats = span_is(value, "true");
    }
    if (jtext_find(options, "batches", &value)) {
        if (jtext_type(value) != JTEXT_BOOL)
            return -1;
        read.batches = span_is(value, "true");
    }
    if (jtext_find(options, "holding", &value) && read_holding(value, &read) < 0)
        return -1;
    if (jtext_find(options, "format", &value) && read_format(value, &read) < 0)
        return -1;
    if (jtext_find(options, "relay", &value) && read_relays(value, &read) < 0)
        return -1;
    *ret_options = read;
    return 0;
}

int options_read_slots(struct span json, uint32_t *ret_slots)
{
    struct span value;

    if (json.size > LIMIT_OPTIONS_SIZE || jtext_check(json) != JTEXT_OBJECT ||
        !jtext_find(json, "slots", &value))
        return -1;
    return read_number(value, 0, LIMIT_SLOTS, ret_slots);
}

int options_read_relays(struct span json, struct worker_options *options)
{
    struct worker_options read = {.relay_count = 0};
    struct span value;

    if (!jtext_find(json, "relay", &value))
        return 0;
    if (read_relays(value, &read) < 0)
        return -1;
    memcpy(options->relay, read.relay, sizeof options->relay);
    options->relay_count = read.relay_count;
    return 1;
}

static void write_relays(const struct worker_options *options, struct buffer *ret_json)
{
    jtext_member_raw(ret_json, "relay", span_str("["));
    for (size_t i = 0; i < options->relay_count; i++)
        buffer_format(ret_json, "%s\"%s\"", i ? "," : "", options->relay[i]);
    buffer_byte(ret_json, ']');
}

void options_write(const struct worker_options *options, struct buffer *ret_json)
{
    buffer_byte(ret_json, '{');
    if (options->name[0])
        jtext_member(ret_json, "name", span_str(options->name));
    if (options->adapter[0])
        jtext_member(ret_json, "adapter", span_str(options->adapter));
    jtext_member_integer(ret_json, "slots", options->slots);
    jtext_member_raw(ret_json, "heartbeats", span_str(options->heartbeats ? "true" : "false"));
    if (options->interval_ms)
        jtext_member_integer(ret_json, "interval", options->interval_ms);
    if (options->batches)
        jtext_member_raw(ret_json, "batches", span_str("true"));
    if (options->holding.size)
        jtext_member_raw(ret_json, "holding", options->holding);
    if (options->wants_query)
        jtext_member(ret_json, "format", span_str("query"));
    if (options->relays)
        jtext_member(ret_json, "format", span_str("relay"));
    if (options->relay_count)
        write_relays(options, ret_json);
    buffer_byte(ret_json, '}');
}

size_t options_hold(const struct span *token, size_t count, struct buffer *ret_json)
{
    size_t held = 0;
    buffer_byte(ret_json, '[');
    for (size_t i = 0; i < count && held < LIMIT_SLOTS; i++) {
        struct token form;
        if (token_parse(token[i], &form) < 0)
            continue;
        if (held++ > 0)
            buffer_byte(ret_json, ',');
        jtext_quote(ret_json, token[i]);
    }
    buffer_byte(ret_json, ']');
    return held;
}

bool options_holding(struct span *rest, struct token *ret_token)
{
    struct span item;
    while (jtext_item(rest, &item)) {
        char text[TOKEN_SIZE];
        int size = jtext_copy(item, text, sizeof text);
        if (size > 0 && token_parse(span_of(text, (size_t)size), ret_token) == 0)
            return true;
    }
    return false;
}
