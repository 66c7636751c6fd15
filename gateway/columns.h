/* A small table for people: cells are collected, then printed aligned. */
#ifndef TAILGATE_GATEWAY_COLUMNS_H
#define TAILGATE_GATEWAY_COLUMNS_H

#include <stdint.h>

#include "proto/span.h"

#define COLUMNS_MAX 10

struct columns {
    const char *title[COLUMNS_MAX]; /* borrowed; one that begins with '>' is set to the right */
    size_t count;
    char **cell; /* rows of COUNT cells each */
    size_t cells, room;
};

/* A table with COUNT titles. */
void columns_init(struct columns *self, const char *const *title, size_t count);
void columns_done(struct columns *self);
/* Adds the next cell: TEXT from outside (escaped, cut at 60 bytes; empty shows "-"), a number, or
 * an age in seconds as a person says it ("-" when negative). */
void columns_text(struct columns *self, struct span text);
void columns_number(struct columns *self, int64_t number);
void columns_age(struct columns *self, double seconds);
/* Prints the table on stdout. */
void columns_print(const struct columns *self);
/* Writes an age of SECONDS as a person says it: "0.4 s", "12 s", "5 min", "3.2 h", "4 d". */
#define COLUMNS_AGE_SIZE 32
void columns_age_text(double seconds, char ret_text[COLUMNS_AGE_SIZE]);

#endif
