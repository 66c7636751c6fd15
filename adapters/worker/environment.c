#include "adapters/worker/environment.h"

#include <stdlib.h>
#include <string.h>

#include "proto/jtext.h"

extern char **environ;

#define OWN 2 /* entries, the first ones */

static const char *const own_name[OWN] = {"TAILGATE_SENDER=", "TAILGATE_SENDER_NAME="};

static bool is_own(const char *entry)
{
    for (size_t i = 0; i < OWN; i++) {
        if (strncmp(entry, own_name[i], strlen(own_name[i])) == 0)
            return true;
    }
    return false;
}

/* NAME with VALUE, a JSON string; NULL when it is none, or empty, or no C string. */
static char *entry_new(const char *name, struct span value)
{
    struct buffer text;
    char *entry = NULL;
    if (value.size == 0 || jtext_type(value) != JTEXT_STRING)
        return NULL;
    buffer_init(&text);
    buffer_text(&text, name);
    jtext_decode(&text, value);
    if (text.size > strlen(name) && !memchr(text.data, 0, text.size))
        entry = memory_text(buffer_span(&text));
    buffer_done(&text);
    return entry;
}

static struct span sender_of(struct span query)
{
    struct span delivery, sender;
    if (jtext_check(query) != JTEXT_OBJECT || !jtext_find(query, "delivery", &delivery) ||
        jtext_type(delivery) != JTEXT_OBJECT || !jtext_find(delivery, "sender", &sender) ||
        jtext_type(sender) != JTEXT_OBJECT)
        return span_of(NULL, 0);
    return sender;
}

char **environment_new(struct span query)
{
    struct span value[OWN] = {{0}}, sender = sender_of(query);
    const struct jtext_wanted wanted[] = {{"principal", &value[0]}, {"name", &value[1]}};
    size_t count = 0;
    for (char **entry = environ; *entry; entry++)
        count++;
    char **self = memory_zero(count + OWN + 1, sizeof *self);
    size_t at = 0;
    if (sender.size > 0)
        jtext_pick(sender, wanted, OWN);
    for (size_t i = 0; i < OWN; i++) {
        self[at] = entry_new(own_name[i], value[i]);
        at += self[at] != NULL;
    }
    for (char **entry = environ; *entry; entry++) {
        if (!is_own(*entry))
            self[at++] = *entry;
    }
    return self;
}

void environment_free(char ***self)
{
    for (char **entry = *self; entry && *entry && is_own(*entry); entry++)
        free(*entry);
    free(*self);
    *self = NULL;
}
