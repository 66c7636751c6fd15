#include <stdio.h>
#include <string.h>

#include "gateway/cli.h"
#include "gateway/config_keys.h"

void config_range(const struct key *key, char ret_text[CONFIG_RANGE_SIZE])
{
    char low[32], high[32];

    cli_show_duration(key->min, low, sizeof low);
    cli_show_duration(key->max, high, sizeof high);
    if (key->type == CHOICE || (key->type == TEXT && key->words))
        snprintf(ret_text, CONFIG_RANGE_SIZE, "%s", key->words);
    else if (key->type == DURATION)
        snprintf(ret_text, CONFIG_RANGE_SIZE, "a duration from %s to %s", low, high);
    else if (key->type == NUMBER)
        snprintf(ret_text, CONFIG_RANGE_SIZE, "a number from %lld to %lld (%s)",
                 (long long)key->min, (long long)key->max, key->words);
    else
        snprintf(ret_text, CONFIG_RANGE_SIZE, "text of %lld to %lld bytes", (long long)key->min,
                 (long long)key->max);
}

void config_number_text(const struct key *key, int64_t number, char ret_text[CONFIG_VALUE_SIZE])
{
    const char *word = key->words;
    int64_t initial;

    if (key->type == CHOICE) {
        for (int64_t i = 0; i < number; i++)
            word += strcspn(word, "|") + 1;
        snprintf(ret_text, CONFIG_VALUE_SIZE, "%.*s", (int)strcspn(word, "|"), word);
    } else if (key->type == NUMBER) {
        snprintf(ret_text, CONFIG_VALUE_SIZE, "%lld", (long long)number);
    } else if (cli_duration(key->initial, &initial) == 0 && initial == number) {
        snprintf(ret_text, CONFIG_VALUE_SIZE, "%s", key->initial); /* as the manual has it */
    } else {
        cli_show_duration(number, ret_text, CONFIG_VALUE_SIZE);
    }
}

static void list_text(const struct config_list *list, char ret_text[CONFIG_VALUE_SIZE])
{
    size_t size = 0;

    snprintf(ret_text, CONFIG_VALUE_SIZE, "none");
    for (size_t i = 0; i < list->count && size < CONFIG_VALUE_SIZE; i++)
        size += (size_t)snprintf(ret_text + size, CONFIG_VALUE_SIZE - size, "%s%s", i ? ", " : "",
                                 list->item[i]);
}

void config_value(const struct config *self, const struct key *key,
                  char ret_text[CONFIG_VALUE_SIZE])
{
    const char *at = (const char *)self + key->offset;
    int64_t number;

    if (key->type == LIST) {
        list_text((const struct config_list *)(const void *)at, ret_text);
        return;
    }
    if (key->type == TEXT) {
        snprintf(ret_text, CONFIG_VALUE_SIZE, "%s", *at ? at : "none");
        return;
    }
    memcpy(&number, at, sizeof number);
    config_number_text(key, number, ret_text);
}

/* A text as ZPL reads it back; there is no way to write one with both kinds of quotes. */
static void print_text(const char *name, const char *text)
{
    bool has_double = strchr(text, '"') != NULL, has_single = strchr(text, '\'') != NULL;
    char quote = has_double ? '\'' : '"';

    printf("%s%s = %c%s%c\n", has_double && has_single ? "# on the command line only: " : "", name,
           quote, text, quote);
}

/* True when NAME can be part of a key in a ZPL file. */
static bool is_zpl_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "$-_@.&+/";

    return name[strspn(name, allowed)] == '\0';
}

static void print_about(const struct key *key)
{
    char range[CONFIG_RANGE_SIZE];

    config_range(key, range);
    printf("# %s\n", key->reason);
    if (key->change == FLAG)
        printf("# (option, default %s) %s%s; holds from the next start\n",
               *key->initial ? key->initial : "none", range,
               key->type == LIST ? "; may be repeated" : "");
    else
        printf("# (default %s) %s%s\n", key->initial, range,
               key->change == RULE   ? "; also service.NAME.KEY; SIGHUP reloads it"
               : key->change == LIVE ? "; SIGHUP reloads it"
                                     : "; holds from the next start");
}

/* A key without a value stands there as a comment. */
static void print_key(const struct config *self, const struct key *key)
{
    const void *at = (const char *)self + key->offset;
    const struct config_list *list = at;
    char value[CONFIG_VALUE_SIZE];

    print_about(key);
    for (size_t i = 0; key->type == LIST && i < list->count; i++)
        print_text(key->name, list->item[i]);
    if ((key->type == LIST && list->count == 0) || (key->type == TEXT && !*(const char *)at)) {
        printf("# %s =\n", key->name);
    } else if (key->type == TEXT) {
        print_text(key->name, at);
    } else if (key->type != LIST) {
        config_value(self, key, value);
        printf("%s = %s\n", key->name, value);
    }
}

void config_print(const struct config *self)
{
    char value[CONFIG_VALUE_SIZE];

    for (size_t i = 0; i < config_key_count; i++) {
        print_key(self, &config_keys[i]);
        if (i + 1 < config_key_count || self->own_count > 0)
            putchar('\n');
    }
    for (size_t i = 0; i < self->own_count; i++) {
        const struct config_own *own = &self->own[i];
        config_number_text(own->key, own->value, value);
        printf("%s" CONFIG_OWN_PREFIX "%s.%s = %s\n",
               is_zpl_name(own->service) ? "" : "# with --set only: ", own->service, own->key->name,
               value);
    }
}
