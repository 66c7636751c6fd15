#include "adapters/c/letter.h"

#include <stdlib.h>

#include "proto/buffer.h"

struct letter letter_of(struct span token, struct span text)
{
    char *bytes = memory_new(token.size + text.size + 1);
    if (token.size > 0)
        memcpy(bytes, token.data, token.size);
    if (text.size > 0)
        memcpy(bytes + token.size, text.data, text.size);
    bytes[token.size + text.size] = '\0';
    return (struct letter){bytes, span_of(bytes, token.size),
                           span_of(bytes + token.size, text.size)};
}

void letter_done(struct letter *self)
{
    free(self->bytes);
    *self = (struct letter){.bytes = NULL};
}
