#include "gateway/config_keys.h"

#include <stdio.h>
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

static size_t size_of(const struct key *key)
{
    return key->type == LIST   ? sizeof(struct config_list)
           : key->type == TEXT ? (size_t)key->max + 1
                               : sizeof(int64_t);
}

static bool same(const struct config *a, const struct config *b, const struct key *key)
{
    const void *at = (const char *)a + key->offset, *bt = (const char *)b + key->offset;
    const struct config_list *x = at, *y = bt;

    if (key->type != LIST)
        return memcmp(at, bt, size_of(key)) == 0;
    if (x->count != y->count)
        return false;
    for (size_t i = 0; i < x->count; i++)
        if (strcmp(x->item[i], y->item[i]) != 0)
            return false;
    return true;
}

static bool is_live(const struct key *key)
{
    return key->change == LIVE || key->change == RULE;
}

static const struct config_own *find_own(const struct config *self, const struct config_own *as)
{
    for (size_t i = 0; i < self->own_count; i++)
        if (self->own[i].key == as->key && strcmp(self->own[i].service, as->service) == 0)
            return &self->own[i];
    return NULL;
}

/* The value that holds in SELF for the service and key of AS: its own, or that of all services. */
static void own_value(const struct config *self, const struct config_own *as,
                      char ret_text[CONFIG_VALUE_SIZE])
{
    const struct config_own *own = find_own(self, as);

    if (own)
        config_number_text(own->key, own->value, ret_text);
    else
        config_value(self, as->key, ret_text);
}

/* Tells of the services' own settings of A that are not the same in B. SWAPPED: A is what holds
 * from now on, and what both have was told already. */
static void compare_own(const struct config *a, const struct config *b, bool swapped,
                        config_see_fn *see, void *context)
{
    char name[LIMIT_SERVICE + 64], was[CONFIG_VALUE_SIZE], now[CONFIG_VALUE_SIZE];

    for (size_t i = 0; i < a->own_count; i++) {
        const struct config_own *own = &a->own[i], *other = find_own(b, own);
        if (other && (swapped || other->value == own->value))
            continue; /* told already, or the same */
        snprintf(name, sizeof name, CONFIG_OWN_PREFIX "%s.%s", own->service, own->key->name);
        own_value(swapped ? b : a, own, was);
        own_value(swapped ? a : b, own, now);
        see(context, &(struct config_change){name, true, was, now});
    }
}

void config_compare(const struct config *a, const struct config *b, config_see_fn *see,
                    void *context)
{
    char was[CONFIG_VALUE_SIZE], now[CONFIG_VALUE_SIZE];

    for (size_t i = 0; i < config_key_count; i++) {
        const struct key *key = &config_keys[i];
        if (same(a, b, key))
            continue;
        config_value(a, key, was);
        config_value(b, key, now);
        see(context, &(struct config_change){key->name, is_live(key), was, now});
    }
    compare_own(a, b, false, see, context);
    compare_own(b, a, true, see, context);
}

void config_take_live(struct config *self, const struct config *from)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (is_live(&config_keys[i]))
            memcpy((char *)self + config_keys[i].offset, (const char *)from + config_keys[i].offset,
                   size_of(&config_keys[i]));
    free(self->own);
    self->own_count = from->own_count;
    self->own = memory_zero(from->own_count + 1, sizeof *self->own);
    for (size_t i = 0; i < from->own_count; i++)
        self->own[i] = from->own[i];
}

void config_swap_options(struct config *a, struct config *b)
{
    char piece[sizeof(struct config)];

    for (size_t i = 0; i < config_key_count; i++) {
        const struct key *key = &config_keys[i];
        char *at = (char *)a + key->offset, *bt = (char *)b + key->offset;
        if (key->change != FLAG)
            continue;
        memcpy(piece, at, size_of(key));
        memcpy(at, bt, size_of(key));
        memcpy(bt, piece, size_of(key));
    }
}
