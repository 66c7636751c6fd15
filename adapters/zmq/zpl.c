#include "adapters/zmq/zpl.h"

#include <string.h>

#define INDENT 4 /* spaces of each level */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("$-_@.&+/", c));
}

static struct span skip(struct span line, size_t size)
{
    return span_of(line.data + size, line.size - size);
}

static struct span skip_blanks(struct span line)
{
    while (line.size && is_blank(line.data[0]))
        line = skip(line, 1);
    return line;
}

/* True when nothing follows, or a comment. */
static bool ends(struct span line)
{
    line = skip_blanks(line);
    return line.size == 0 || line.data[0] == '#';
}

/* What stands behind a "=". */
static bool is_value(struct span line)
{
    const char *end;

    line = skip_blanks(line);
    if (line.size == 0 || (line.data[0] != '"' && line.data[0] != '\''))
        return true;
    end = memchr(line.data + 1, line.data[0], line.size - 1);
    return end && ends(skip(line, (size_t)(end - line.data) + 1));
}

/* LEVEL is that of the line before that had a name, or -1; it becomes this one's. */
static bool is_line(struct span line, int *level)
{
    size_t indent = 0, name = 0;

    while (line.size && is_blank(line.data[line.size - 1]))
        line.size--;
    if (line.size == 0)
        return true;
    while (line.data[indent] == ' ')
        indent++;
    line = skip(line, indent);
    if (indent % INDENT)
        return false;
    if (line.data[0] == '#')
        return true;
    while (name < line.size && is_name(line.data[name]))
        name++;
    if (name == 0 || line.data[0] == '/' || line.data[name - 1] == '/' ||
        (int)(indent / INDENT) > *level + 1)
        return false;
    *level = (int)(indent / INDENT);
    line = skip_blanks(skip(line, name));
    return line.size > 0 && line.data[0] == '=' ? is_value(skip(line, 1)) : ends(line);
}

bool zpl_is_sound(struct span text)
{
    int level = -1;

    while (text.size) {
        const char *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size;

        if (size > ZPL_LINE_MAX || !is_line(span_of(text.data, size), &level))
            return false;
        text = skip(text, end ? size + 1 : size);
    }
    return true;
}
