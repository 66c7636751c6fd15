#include "adapters/zmq/endpoint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool is_loopback(const char *host)
{
    struct in_addr four;
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127;
}

/* A number from 0 to 65535 or *; libzmq would take the lower 16 bits of a larger one. */
static bool is_port(const char *port)
{
    size_t digits = strspn(port, "0123456789");

    if (strcmp(port, "*") == 0)
        return true;
    return digits > 0 && digits <= 5 && port[digits] == '\0' && atoi(port) <= 65535;
}

static enum endpoint_kind read_tcp(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');

    if (!colon || colon == address || !is_port(colon + 1))
        return ENDPOINT_BAD;
    if ((size_t)(colon - address) >= sizeof host || strchr(address, '/'))
        return ENDPOINT_BAD;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    return is_loopback(host) ? ENDPOINT_LOOPBACK : ENDPOINT_OFF_HOST;
}

enum endpoint_kind endpoint_read(const char *endpoint)
{
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return endpoint[6] == '\0' || endpoint[6] == '@' || endpoint[6] == '*' ? ENDPOINT_BAD
                                                                               : ENDPOINT_IPC;
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return read_tcp(endpoint + 6);
    return ENDPOINT_BAD;
}

bool endpoint_can_dial(const char *endpoint)
{
    if (strncmp(endpoint, "tcp://", 6) != 0)
        return true;
    return endpoint[6] != '*' && atoi(strrchr(endpoint, ':') + 1) > 0; /* atoi ("*") is 0 */
}
