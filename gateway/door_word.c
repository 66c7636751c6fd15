#include "gateway/door_word.h"

#include <stdio.h>
#include <string.h>

void door_word_read(const char *word, bool curve, struct door_word *ret_door)
{
    static const char plain[] = ",plain";
    size_t size = strlen(word), end = strlen(plain);
    bool tcp = strncmp(word, "tcp://", 6) == 0;
    bool open = tcp && size > end && strcmp(word + size - end, plain) == 0;

    if (open)
        size -= end;
    snprintf(ret_door->endpoint, sizeof ret_door->endpoint, "%.*s", (int)size, word);
    ret_door->curve = curve && tcp && !open;
}
