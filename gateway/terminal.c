#include "gateway/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/escape.h"

bool terminal_is(int descriptor)
{
    return isatty(descriptor) == 1;
}

bool terminal_colours(int descriptor)
{
    const char *none = getenv("NO_COLOR"); /* no-color.org */
    const char *kind = getenv("TERM");
    if (none && *none)
        return false;
    return terminal_is(descriptor) && kind && strcmp(kind, "dumb") != 0;
}

void terminal_quote(struct buffer *ret_text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:,+@%";
    if (*word && word[strspn(word, plain)] == '\0') {
        buffer_text(ret_text, word);
        return;
    }
    buffer_byte(ret_text, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            buffer_text(ret_text, "'\\''");
        else
            buffer_byte(ret_text, *word);
    }
    buffer_byte(ret_text, '\'');
}

void terminal_put(struct span text)
{
    struct buffer shown;
    buffer_init(&shown);
    if (terminal_is(STDOUT_FILENO))
        escape_text(&shown, text, ESCAPE_PROSE);
    else
        buffer_add(&shown, text);
    buffer_byte(&shown, '\n');
    fwrite(shown.data, 1, shown.size, stdout);
    buffer_done(&shown);
}
