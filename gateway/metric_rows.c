#include "gateway/metric_rows.h"

#include <stdlib.h>

#define FOLDED "\xff" /* how many rows a row is made of; no member has such a name */

void metric_rows_init(struct metric_rows *self, const struct metric_column *column,
                      struct span other)
{
    self->column = column;
    self->row = json_object();
    buffer_init(&self->other);
    buffer_add(&self->other, other);
}

void metric_rows_done(struct metric_rows *self)
{
    json_decref(self->row);
    buffer_done(&self->other);
}

/* False when VALUE says nothing. */
static bool read_number(const json_t *value, double *ret_number)
{
    if (json_is_number(value))
        *ret_number = json_number_value(value);
    else if (json_is_boolean(value) || json_is_null(value))
        *ret_number = json_is_true(value);
    else
        return false;
    return true;
}

static void fold(json_t *row, const char *member, enum metric_fold how, double number)
{
    const json_t *before = json_object_get(row, member);
    double old = json_number_value(before);

    if (before && how == METRIC_MAX)
        number = old > number ? old : number;
    else if (before)
        number += old;
    json_object_set_new_nocheck(row, member, json_real(number));
}

/* Folds FROM, a row of the status or one of ours, into ROW. */
static void fold_row(const struct metric_rows *self, json_t *row, const json_t *from)
{
    const json_t *made_of = json_object_get(from, FOLDED);
    double number;

    for (const struct metric_column *column = self->column; column->member; column++)
        if (read_number(json_object_get(from, column->member), &number))
            fold(row, column->member, column->fold, number);
    fold(row, FOLDED, METRIC_SUM, made_of ? json_number_value(made_of) : 1);
}

void metric_rows_add(struct metric_rows *self, struct span labels, const json_t *from)
{
    char *key = memory_text(labels);
    json_t *row = json_object_get(self->row, key);

    if (!row) {
        row = json_object();
        json_object_set_new_nocheck(self->row, key, row);
    }
    fold_row(self, row, from);
    free(key);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* M2. Returns the labels of the rows, which the caller frees (not the texts), and how many. */
static const char **choose(struct metric_rows *self, size_t *ret_count)
{
    size_t all = json_object_size(self->row), count = 0;
    const char **labels = memory_new((all + 1) * sizeof *labels);
    const char *key;
    json_t *row, *rest = json_object();

    json_object_foreach(self->row, key, row)
    {
        if (strcmp(key, self->other.data) != 0)
            labels[count++] = key;
    }
    qsort(labels, count, sizeof *labels, compare);
    for (; count > METRIC_ROWS_MAX; count--)
        fold_row(self, rest, json_object_get(self->row, labels[count - 1]));
    if (json_object_size(rest))
        metric_rows_add(self, buffer_span(&self->other), rest);
    if (json_object_get(self->row, self->other.data)) /* a service may have that name, too */
        labels[count++] = self->other.data;
    json_decref(rest);
    *ret_count = count;
    return labels;
}

/* The samples of COLUMN; its family begins with the first one. */
static void write_column(const struct metric_rows *self, const struct metric_column *column,
                         const char **labels, size_t count, struct buffer *ret_text)
{
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_object_get(self->row, labels[i]);
        const json_t *value = json_object_get(row, column->member);
        bool alone =
            labels[i] != self->other.data && json_number_value(json_object_get(row, FOLDED)) == 1;

        if (!value || (column->fold == METRIC_ALONE && !alone))
            continue;
        if (!begun)
            prometheus_family(ret_text, column->name, column->type, column->help);
        begun = true;
        prometheus_sample(ret_text, column->name, span_str(labels[i]), json_number_value(value));
    }
}

void metric_rows_write(struct metric_rows *self, struct buffer *ret_text)
{
    size_t count;
    const char **labels = choose(self, &count);

    for (const struct metric_column *column = self->column; column->member; column++)
        write_column(self, column, labels, count, ret_text);
    free(labels);
}

void metric_rows_object(json_t *object, const char *label, const char *name, const char *help,
                        struct buffer *ret_text)
{
    const struct metric_column column[] = {
        {"n", METRIC_SUM, name, PROMETHEUS_COUNTER, help},
        {NULL, METRIC_SUM, NULL, PROMETHEUS_COUNTER, NULL},
    };
    struct metric_rows rows;
    struct buffer labels;
    const char *member;
    json_t *value;

    buffer_init(&labels);
    prometheus_label(&labels, label, span_str("other"));
    metric_rows_init(&rows, column, buffer_span(&labels));
    json_object_foreach(object, member, value)
    {
        json_t *row = json_pack("{sO}", "n", value);

        buffer_reset(&labels);
        prometheus_label(&labels, label, span_str(member));
        metric_rows_add(&rows, buffer_span(&labels), row);
        json_decref(row);
    }
    metric_rows_write(&rows, ret_text);
    metric_rows_done(&rows);
    buffer_done(&labels);
}
