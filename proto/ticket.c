#include "proto/ticket.h"

#include <sodium.h>

#include "proto/jreader.h"

#define TICKET_BYTES 16

static void upper(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'a' && text[i] <= 'f')
            text[i] = (char)(text[i] - 'a' + 'A');
}

void ticket_new(char ret_ticket[TICKET_SIZE])
{
    unsigned char bytes[TICKET_BYTES];

    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(ret_ticket, TICKET_SIZE, bytes, sizeof bytes);
    upper(ret_ticket, TICKET_SIZE - 1);
}

bool ticket_ok(struct span text)
{
    if (text.size != TICKET_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (hex(text.data[i]) < 0)
            return false;
    return true;
}

int ticket_read(struct span text, char ret_ticket[TICKET_SIZE])
{
    if (!ticket_ok(text))
        return -1;
    memcpy(ret_ticket, text.data, text.size);
    ret_ticket[text.size] = '\0';
    upper(ret_ticket, text.size);
    return 0;
}
