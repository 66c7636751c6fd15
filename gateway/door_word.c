#include "gateway/door_word.h"

#include <stdio.h>
#include <string.h>

/* Takes ENDING off the first *SIZE bytes of WORD. False: they do not end so. */
static bool take(const char *word, size_t *size, const char *ending)
{
    size_t end = strlen(ending);
    bool ends = *size > end && memcmp(word + *size - end, ending, end) == 0;

    *size -= ends ? end : 0;
    return ends;
}

void door_word_read(const char *word, bool curve, struct door_word *ret_door)
{
    size_t size = strlen(word);
    bool tcp = strncmp(word, "tcp://", 6) == 0;
    bool batches = take(word, &size, ",batches");
    bool plain = tcp && take(word, &size, ",plain");

    batches = batches || take(word, &size, ",batches");
    snprintf(ret_door->endpoint, sizeof ret_door->endpoint, "%.*s", (int)size, word);
    ret_door->curve = curve && tcp && !plain;
    ret_door->batches = batches;
}
