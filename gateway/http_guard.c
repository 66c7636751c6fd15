#include "gateway/http_guard.h"

#include <arpa/inet.h>
#include <strings.h>

/* HOST without its port, which may be any; the empty span when it is none. */
static struct span name_of(struct span host)
{
    const char *close = host.size ? memchr(host.data, ']', host.size) : NULL;
    size_t size = 0, end;

    if (host.size && host.data[0] == '[')
        size = close ? (size_t)(close - host.data) + 1 : 0;
    else
        while (size < host.size && host.data[size] != ':')
            size++;
    end = size;
    if (end < host.size && host.data[end++] != ':')
        return span_of("", 0);
    for (; end < host.size; end++)
        if (host.data[end] < '0' || host.data[end] > '9')
            return span_of("", 0);
    return span_of(host.data, size);
}

static bool is_like(struct span text, const char *other)
{
    return text.size == strlen(other) && strncasecmp(text.data, other, text.size) == 0;
}

bool http_guard_host(struct span host, const char *own)
{
    struct span name = name_of(host);
    struct in_addr four;
    char text[INET6_ADDRSTRLEN];

    if (name.size > 2 && name.data[0] == '[')
        name = span_of(name.data + 1, name.size - 2);
    if (name.size == 0 || name.size >= sizeof text)
        return false;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    if (is_like(name, "localhost") || is_like(name, "::1") || is_like(name, own))
        return true;
    return inet_pton(AF_INET, text, &four) == 1 && ntohl(four.s_addr) >> 24 == 127;
}

bool http_guard_origin(struct span origin, struct span host)
{
    size_t scheme = span_starts(origin, "http://") ? 7 : span_starts(origin, "https://") ? 8 : 0;
    struct span rest = span_of(origin.data + scheme, origin.size - scheme);

    return scheme > 0 && rest.size > 0 && rest.size == host.size &&
           strncasecmp(rest.data, host.data, rest.size) == 0;
}

bool http_guard_json(struct span type)
{
    static const char json[] = "application/json";
    const size_t size = sizeof json - 1;

    if (type.size < size || strncasecmp(type.data, json, size) != 0)
        return false;
    return type.size == size || type.data[size] == ';' || type.data[size] == ' ' ||
           type.data[size] == '\t';
}
