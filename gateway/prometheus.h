/* Prometheus' text format, version 0.0.4: families of samples, written into a buffer.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * Names and helps are ours; what stands in labels may be anybody's: it is cut, and what could forge
 * a line or turn the reading direction is escaped. */
#ifndef TAILGATE_GATEWAY_PROMETHEUS_H
#define TAILGATE_GATEWAY_PROMETHEUS_H

#include "proto/buffer.h"

#define PROMETHEUS_LABEL_MAX 128 /* bytes of a label's value */

enum prometheus_type { PROMETHEUS_COUNTER, PROMETHEUS_GAUGE, PROMETHEUS_HISTOGRAM };

/* The lines before a family's samples, which follow at once. */
void prometheus_family(struct buffer *ret_text, const char *name, enum prometheus_type type,
                       const char *help);
/* Appends `name="value"` to a sample's labels, with a comma before it unless it is the first. Two
 * samples of a family must not have the same labels as they are written here. */
void prometheus_label(struct buffer *ret_labels, const char *name, struct span value);
/* One sample of the family that has begun; LABELS may be empty. */
void prometheus_sample(struct buffer *ret_text, const char *name, struct span labels, double value);
/* A family of one sample without labels. */
void prometheus_single(struct buffer *ret_text, const char *name, enum prometheus_type type,
                       const char *help, double value);
/* A histogram's samples: COUNT of each bucket, of which there are BOUNDS, and one more; not
 * cumulative. */
void prometheus_buckets(struct buffer *ret_text, const char *name, const double *bound,
                        const double *count, size_t bounds, double sum);

#endif
