/* Many rows of the status, as services and workers are, folded into few rows of samples:
 *
 *  M1. Rows that would have the same labels are one.
 *
 *  M2. At most METRIC_ROWS_MAX are shown, in the order of their labels, so that they are the same
 *      ones from scrape to scrape; the others are one row, "other". */
#ifndef TAILGATE_GATEWAY_METRIC_ROWS_H
#define TAILGATE_GATEWAY_METRIC_ROWS_H

#include <jansson.h>

#include "gateway/prometheus.h"

#define METRIC_ROWS_MAX 200

/* What becomes of a number when rows are made one. */
enum metric_fold {
    METRIC_SUM,
    METRIC_MAX,
    METRIC_ALONE /* it is not shown: a sum of counters goes back when one of them leaves */
};

struct metric_column {
    const char *member; /* of a row of the status; NULL ends a list */
    enum metric_fold fold;
    const char *name;
    enum prometheus_type type;
    const char *help;
};

struct metric_rows {
    const struct metric_column *column;
    struct buffer other; /* the labels of the last row */
    json_t *row;         /* labels ──▶ {member: number} */
};

/* OTHER: the labels of the row for what is too many (copied). */
void metric_rows_init(struct metric_rows *self, const struct metric_column *column,
                      struct span other);
void metric_rows_done(struct metric_rows *self);
/* Adds a row with LABELS (prometheus_label()): of each column what FROM, an object, has of that
 * name. True is 1, null and false are 0; what is anything else or missing is left out. */
void metric_rows_add(struct metric_rows *self, struct span labels, const json_t *from);
/* Writes a family for each column that some row has. Once, after all rows. */
void metric_rows_write(struct metric_rows *self, struct buffer *ret_text);
/* All at once for OBJECT, whose members are numbers: one family of counters, with the members'
 * names in LABEL. */
void metric_rows_object(json_t *object, const char *label, const char *name, const char *help,
                        struct buffer *ret_text);

#endif
