#include "gateway/prometheus.h"

#include <math.h>
#include <stdio.h>

#include "proto/escape.h"

void prometheus_family(struct buffer *ret_text, const char *name, enum prometheus_type type,
                       const char *help)
{
    static const char *const word[] = {"counter", "gauge", "histogram"};

    buffer_format(ret_text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, word[type]);
}

void prometheus_label(struct buffer *ret_labels, const char *name, struct span value)
{
    struct buffer shown;

    buffer_init(&shown);
    escape_text(&shown, escape_cut(value, PROMETHEUS_LABEL_MAX), ESCAPE_CELL);
    buffer_format(ret_labels, "%s%s=\"", ret_labels->size ? "," : "", name);
    for (size_t i = 0; i < shown.size; i++) {
        if (shown.data[i] == '\\' || shown.data[i] == '"')
            buffer_byte(ret_labels, '\\');
        buffer_byte(ret_labels, shown.data[i]);
    }
    buffer_byte(ret_labels, '"');
    buffer_done(&shown);
}

/* A whole number has no exponent, so that people can read it. */
static void add_number(struct buffer *ret_text, double value)
{
    if (isinf(value))
        buffer_text(ret_text, value > 0 ? "+Inf" : "-Inf");
    else if (isnan(value))
        buffer_text(ret_text, "NaN");
    else
        buffer_format(ret_text, fabs(value) < 1e15 && floor(value) == value ? "%.0f" : "%.12g",
                      value);
}

static void add_sample(struct buffer *ret_text, const char *name, const char *suffix,
                       struct span labels, double value)
{
    buffer_text(ret_text, name);
    buffer_text(ret_text, suffix);
    if (labels.size) {
        buffer_byte(ret_text, '{');
        buffer_add(ret_text, labels);
        buffer_byte(ret_text, '}');
    }
    buffer_byte(ret_text, ' ');
    add_number(ret_text, value);
    buffer_byte(ret_text, '\n');
}

void prometheus_sample(struct buffer *ret_text, const char *name, struct span labels, double value)
{
    add_sample(ret_text, name, "", labels, value);
}

void prometheus_single(struct buffer *ret_text, const char *name, enum prometheus_type type,
                       const char *help, double value)
{
    prometheus_family(ret_text, name, type, help);
    prometheus_sample(ret_text, name, span_str(""), value);
}

void prometheus_buckets(struct buffer *ret_text, const char *name, const double *bound,
                        const double *count, size_t bounds, double sum)
{
    double total = 0;
    char le[32];

    for (size_t i = 0; i < bounds; i++) {
        total += count[i];
        snprintf(le, sizeof le, "le=\"%.12g\"", bound[i]);
        add_sample(ret_text, name, "_bucket", span_str(le), total);
    }
    total += count[bounds];
    add_sample(ret_text, name, "_bucket", span_str("le=\"+Inf\""), total);
    add_sample(ret_text, name, "_sum", span_str(""), sum);
    add_sample(ret_text, name, "_count", span_str(""), total);
}
