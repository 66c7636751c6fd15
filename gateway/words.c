#include "gateway/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/buffer.h"

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n';
}

/* TEXT stands behind a backslash: copies what that quotes. Returns what follows; NULL: nothing. */
static const char *take_escape(const char *text, bool in_quotes, char **to)
{
    if (*text == '\0')
        return NULL;
    if (*text == '\n')
        return text + 1;
    if (in_quotes && !strchr("\"\\$`", *text))
        *(*to)++ = '\\';
    *(*to)++ = *text;
    return text + 1;
}

/* TEXT stands behind an opening QUOTE: copies what is in front of the closing one. Returns what
 * follows that; NULL: there is none. */
static const char *take_quoted(const char *text, char quote, char **to)
{
    while (text && *text != quote) {
        if (*text == '\0')
            return NULL;
        if (*text == '\\' && quote == '"')
            text = take_escape(text + 1, true, to);
        else
            *(*to)++ = *text++;
    }
    return text ? text + 1 : NULL;
}

/* Copies the word at TEXT. Returns what follows it, or NULL and why. */
static const char *take_word(const char *text, char **to, const char **ret_why)
{
    while (text && *text != '\0' && !is_blank(*text)) {
        char first = *text++;
        *ret_why = first == '\''  ? "a ' is not closed"
                   : first == '"' ? "a \" is not closed"
                                  : "nothing follows the backslash at its end";
        if (first == '\'' || first == '"')
            text = take_quoted(text, first, to);
        else if (first == '\\')
            text = take_escape(text, false, to);
        else
            *(*to)++ = first;
    }
    return text;
}

/* Passes over what separates words, a line that goes on behind a backslash included. */
static const char *skip_blanks(const char *text)
{
    while (is_blank(*text) || (text[0] == '\\' && text[1] == '\n'))
        text += *text == '\\' ? 2 : 1;
    return text;
}

char **words_split(const char *text, size_t *ret_count, const char **ret_why)
{
    /* Each word but the last has a blank behind it, which is room for its NUL. */
    size_t size = strlen(text), most = size / 2 + 1, count = 0;
    char **word = memory_new((most + 1) * sizeof *word + size + 1);
    char *to = (char *)(word + most + 1);

    for (text = skip_blanks(text); *text != '\0'; text = skip_blanks(text)) {
        word[count++] = to;
        text = take_word(text, &to, ret_why);
        if (!text) {
            free(word);
            return NULL;
        }
        *to++ = '\0';
    }
    word[count] = NULL;
    *ret_count = count;
    return word;
}
