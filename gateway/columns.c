#include "gateway/columns.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/escape.h"
#include "proto/utf8.h"

#define CELL_MAX 60

void columns_init(struct columns *self, const char *const *title, size_t count)
{
    assert(count > 0 && count <= COLUMNS_MAX);
    memset(self, 0, sizeof *self);
    self->count = count;
    for (size_t i = 0; i < count; i++)
        self->title[i] = title[i];
}

void columns_done(struct columns *self)
{
    for (size_t i = 0; i < self->cells; i++)
        free(self->cell[i]);
    free(self->cell);
    memset(self, 0, sizeof *self);
}

static void add_take(struct columns *self, char *cell_take)
{
    if (self->cells == self->room) {
        self->room = self->room ? 2 * self->room : 64;
        self->cell = memory_grow(self->cell, self->room * sizeof self->cell[0]);
    }
    self->cell[self->cells++] = cell_take;
}

void columns_text(struct columns *self, struct span text)
{
    struct buffer cell;
    buffer_init(&cell);
    struct span shown = escape_cut(text, CELL_MAX);
    escape_text(&cell, shown.size ? shown : span_str("-"), ESCAPE_CELL);
    if (shown.size < text.size)
        buffer_text(&cell, "...");
    add_take(self, cell.data);
}

void columns_number(struct columns *self, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    add_take(self, memory_text(span_str(text)));
}

void columns_age_text(double seconds, char ret_text[COLUMNS_AGE_SIZE])
{
    if (seconds < 10)
        snprintf(ret_text, COLUMNS_AGE_SIZE, "%.1f s", seconds);
    else if (seconds < 120)
        snprintf(ret_text, COLUMNS_AGE_SIZE, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(ret_text, COLUMNS_AGE_SIZE, "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600)
        snprintf(ret_text, COLUMNS_AGE_SIZE, "%.1f h", seconds / 3600);
    else
        snprintf(ret_text, COLUMNS_AGE_SIZE, "%.0f d", seconds / 86400);
}

void columns_age(struct columns *self, double seconds)
{
    char text[COLUMNS_AGE_SIZE] = "-";
    if (seconds >= 0)
        columns_age_text(seconds, text);
    add_take(self, memory_text(span_str(text)));
}

/* What escape_text() or the caller made is UTF-8: one column for each character. */
static size_t width_of(const char *text)
{
    return utf8_count(span_str(text));
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
    int padding = (int)(width - width_of(text));
    if (right)
        printf("%*s%s", padding, "", text);
    else
        printf("%s%*s", text, last ? 0 : padding, "");
    printf(last ? "\n" : "  ");
}

void columns_print(const struct columns *self)
{
    size_t width[COLUMNS_MAX] = {0};
    bool right[COLUMNS_MAX];
    const char *title[COLUMNS_MAX];
    for (size_t i = 0; i < self->count; i++) {
        right[i] = self->title[i][0] == '>';
        title[i] = self->title[i] + right[i];
        width[i] = width_of(title[i]);
    }
    for (size_t i = 0; i < self->cells; i++) {
        size_t wide = width_of(self->cell[i]);
        if (wide > width[i % self->count])
            width[i % self->count] = wide;
    }
    for (size_t i = 0; i < self->count; i++)
        print_cell(title[i], width[i], right[i], i + 1 == self->count);
    for (size_t i = 0; i < self->cells; i++) {
        size_t column = i % self->count;
        print_cell(self->cell[i], width[column], right[column], column + 1 == self->count);
    }
}
