#include "gateway/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"

static struct rules rules_of(const struct config *self)
{
    const struct rules rules = {
        .lease_us = self->lease_us,
        .attempt_max_us = self->attempt_max_us,
        .attempt_hard_max_us = self->attempt_hard_max_us,
        .backoff_first_us = self->backoff_first_us,
        .backoff_max_us = self->backoff_max_us,
        .attempts = (uint32_t)self->attempts,
        .window = (size_t)self->window,
        .order = (enum order)self->order,
    };
    return rules;
}

/* The rules of the service that OWN is about. */
static struct rules own_rules(const struct config *self, const struct config_own *own)
{
    struct config merged = *self;

    for (size_t i = 0; i < self->own_count; i++)
        if (strcmp(self->own[i].service, own->service) == 0)
            memcpy((char *)&merged + self->own[i].key->offset, &self->own[i].value,
                   sizeof self->own[i].value);
    return rules_of(&merged);
}

void config_rulebook(const struct config *self, struct rulebook *ret_rulebook)
{
    struct rulebook book = {.general = rules_of(self)};

    book.entry = memory_zero(self->own_count + 1, sizeof *book.entry);
    for (size_t i = 0; i < self->own_count; i++) {
        const struct config_own *own = &self->own[i];
        struct rules_entry *entry = &book.entry[book.count];

        if (rulebook_find(&book, span_str(own->service)) != &book.general)
            continue;
        memcpy(entry->service, own->service, sizeof entry->service);
        entry->rules = own_rules(self, own);
        book.count++;
    }
    *ret_rulebook = book;
}

/* Changing. */

static bool same_own(const struct config *a, const struct config *b)
{
    if (a->own_count != b->own_count)
        return false;
    for (size_t i = 0; i < a->own_count; i++)
        if (strcmp(a->own[i].service, b->own[i].service) != 0 || a->own[i].key != b->own[i].key ||
            a->own[i].value != b->own[i].value)
            return false;
    return true;
}

static size_t size_of(const struct key *key)
{
    return key->type == TEXT ? (size_t)key->max + 1 : sizeof(int64_t);
}

void config_compare(const struct config *a, const struct config *b, config_see_fn *see,
                    void *context)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (memcmp((const char *)a + config_keys[i].offset, (const char *)b + config_keys[i].offset,
                   size_of(&config_keys[i])) != 0)
            see(context, config_keys[i].name, config_keys[i].change != AT_RESTART);
    if (!same_own(a, b))
        see(context, "service", true);
}

void config_take_live(struct config *self, const struct config *from)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys[i].change != AT_RESTART)
            memcpy((char *)self + config_keys[i].offset, (const char *)from + config_keys[i].offset,
                   size_of(&config_keys[i]));
    config_done(self);
    self->own_count = from->own_count;
    self->own = memory_zero(from->own_count + 1, sizeof *self->own);
    for (size_t i = 0; i < from->own_count; i++)
        self->own[i] = from->own[i];
}
