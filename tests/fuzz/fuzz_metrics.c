/* A status of any JSON: what becomes of it is valid text of Prometheus' format, with no family and
 * no sample twice, and of bounded size. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/http_metrics.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FAMILIES 256
#define ROWS 256 /* of one family: 201, or the buckets of a histogram */

struct reading {
    struct span family[FAMILIES], row[ROWS];
    size_t families, rows;
    bool typed; /* the family's TYPE has come */
};

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void add_once(struct span *list, size_t *count, size_t room, struct span one)
{
    for (size_t i = 0; i < *count; i++)
        check(!span_equal(list[i], one));
    check(*count < room);
    list[(*count)++] = one;
}

static size_t name_size(struct span text)
{
    size_t size = 0;

    while (size < text.size &&
           ((text.data[size] >= 'a' && text.data[size] <= 'z') || text.data[size] == '_'))
        size++;
    check(size > 0);
    return size;
}

/* `{a="b",c="d"}`: returns its size, 0 when there is none. */
static size_t labels_size(struct span text)
{
    size_t at = 0;

    if (text.size == 0 || text.data[0] != '{')
        return 0;
    do {
        at++;
        at += name_size(span_of(text.data + at, text.size - at));
        check(at + 2 < text.size && text.data[at] == '=' && text.data[at + 1] == '"');
        for (at += 2; at < text.size && text.data[at] != '"'; at++)
            if (text.data[at] == '\\') {
                at++;
                check(at < text.size && (text.data[at] == '\\' || text.data[at] == '"'));
            }
        at++;
    } while (at < text.size && text.data[at] == ',');
    check(at < text.size && text.data[at] == '}');
    return at + 1;
}

static void read_comment(struct reading *self, struct span line)
{
    struct span rest = span_of(line.data + 7, line.size - 7);
    struct span name = span_of(rest.data, name_size(rest));

    check(rest.size > name.size + 1);
    if (span_starts(line, "# HELP ")) {
        add_once(self->family, &self->families, FAMILIES, name);
        self->rows = 0;
        self->typed = false;
        return;
    }
    check(span_starts(line, "# TYPE ") && self->families > 0 && !self->typed);
    check(span_equal(self->family[self->families - 1], name));
    self->typed = true;
}

static void read_sample(struct reading *self, struct span line)
{
    struct span name = span_of(line.data, name_size(line));
    size_t labels = labels_size(span_of(line.data + name.size, line.size - name.size));
    char value[64], *end;
    size_t size = line.size - name.size - labels;

    check(self->typed && name.size >= self->family[self->families - 1].size);
    check(memcmp(name.data, self->family[self->families - 1].data,
                 self->family[self->families - 1].size) == 0);
    add_once(self->row, &self->rows, ROWS, span_of(line.data, name.size + labels));
    check(size > 1 && size < sizeof value && line.data[line.size - size] == ' ');
    memcpy(value, line.data + line.size - size + 1, size - 1);
    value[size - 1] = '\0';
    strtod(value, &end);
    check(*end == '\0');
}

static void check_text(struct span text)
{
    struct reading reading = {.families = 0};

    check(utf8_valid(text));
    while (text.size) {
        const char *end = memchr(text.data, '\n', text.size);
        struct span line;

        check(end);
        line = span_of(text.data, (size_t)(end - text.data));
        for (size_t i = 0; i < line.size; i++)
            check((unsigned char)line.data[i] >= ' ' && line.data[i] != 0x7f);
        check(line.size > 8);
        if (line.data[0] == '#')
            read_comment(&reading, line);
        else
            read_sample(&reading, line);
        text = span_of(end + 1, text.size - line.size - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_own own = {.requests = 1};
    json_t *status = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    struct buffer text;

    buffer_init(&text);
    http_metrics_text(status, &own, &text);
    check_text(buffer_span(&text));
    buffer_done(&text);
    json_decref(status);
    return 0;
}
