#include "gateway/log_fold.h"

#include <stdio.h>

#include "proto/escape.h"

static const char other[] = "other";

static int64_t end_of(const struct log_fold_slot *slot)
{
    return slot->since_us + LOG_FOLD_WINDOW_US;
}

static void begin(struct log_fold_slot *slot, int64_t now_us, const char *event, struct span why)
{
    memset(slot, 0, sizeof *slot);
    snprintf(slot->event, sizeof slot->event, "%s", event);
    if (why.size > 0)
        memcpy(slot->why, why.data, why.size);
    slot->since_us = now_us;
}

static bool is_free(const struct log_fold_slot *slot, int64_t now_us)
{
    return slot->event[0] == '\0' || (slot->held == 0 && now_us >= end_of(slot));
}

/* The slot of EVENT and WHY: the one that has it, or a free one that then begins. NULL: there is
 * none. */
static struct log_fold_slot *slot_of(struct log_fold *self, int64_t now_us, const char *event,
                                     struct span why)
{
    struct log_fold_slot *found = NULL;
    unsigned reasons = 0;

    for (size_t i = 0; i < LOG_FOLD_SLOTS; i++) {
        struct log_fold_slot *slot = &self->slot[i];

        if (is_free(slot, now_us)) {
            found = slot;
            continue;
        }
        if (strncmp(slot->event, event, LOG_FOLD_EVENT) != 0)
            continue;
        if (span_is(why, slot->why))
            return slot;
        reasons++;
    }
    if (found && (reasons < LOG_FOLD_REASONS || span_is(why, other)))
        begin(found, now_us, event, why);
    else
        found = NULL;
    return found;
}

bool log_fold_admit(struct log_fold *self, int64_t now_us, int level, const char *event,
                    struct span why)
{
    struct log_fold_slot *slot = slot_of(self, now_us, event, escape_cut(why, LOG_FOLD_WHY));

    if (!slot)
        slot = slot_of(self, now_us, event, span_str(other));
    if (!slot) {
        slot = &self->slot[LOG_FOLD_SLOTS];
        if (is_free(slot, now_us))
            begin(slot, now_us, other, span_str(other));
    }
    if (slot->seen++ < LOG_FOLD_FIRST)
        return true;
    slot->held++;
    slot->level = level;
    return false;
}

bool log_fold_take(struct log_fold *self, int64_t now_us, struct log_fold_slot *ret_slot)
{
    for (size_t i = 0; i <= LOG_FOLD_SLOTS; i++) {
        struct log_fold_slot *slot = &self->slot[i];

        if (slot->held == 0 || now_us < end_of(slot))
            continue;
        *ret_slot = *slot;
        memset(slot, 0, sizeof *slot);
        return true;
    }
    return false;
}

int64_t log_fold_due(const struct log_fold *self)
{
    int64_t due_us = INT64_MAX;

    for (size_t i = 0; i <= LOG_FOLD_SLOTS; i++)
        if (self->slot[i].held > 0 && end_of(&self->slot[i]) < due_us)
            due_us = end_of(&self->slot[i]);
    return due_us;
}
