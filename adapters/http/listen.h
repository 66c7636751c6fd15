/* The one address at which tailgate-http listens: a TCP port or a unix socket. */
#ifndef TAILGATE_ADAPTERS_HTTP_LISTEN_H
#define TAILGATE_ADAPTERS_HTTP_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum listen_kind {
    LISTEN_UNIX,     /* unix:PATH */
    LISTEN_LOOPBACK, /* 127.x.y.z:PORT, [::1]:PORT, localhost:PORT */
    LISTEN_OFF_HOST  /* any other numeric address */
};

struct listen_address {
    enum listen_kind kind;
    char host[46]; /* numeric, without brackets; "" of a unix socket */
    uint16_t port; /* 0: any */
    char path[108];
};

#define LISTEN_URL_SIZE 128 /* "http://[addr]:65535", "unix:PATH" */

/* Reads what a person wrote; no name but localhost is known. Returns 0, or -1 for anything else. */
int listen_read(const char *text, struct listen_address *ret_address);
/* Opens the socket: non-blocking, close-on-exec, listening. A unix socket is 0660; one at that path
 * at which nobody listens any more is replaced. Returns a descriptor, and how it is reached in
 * RET_URL; or -errno: -EADDRINUSE when somebody listens there, -EEXIST when a file is in the way
 * that is no socket, -ENOENT when its folder is not there. */
int listen_open(const struct listen_address *address, char ret_url[LISTEN_URL_SIZE]);
/* Closes DESCRIPTOR (-1: none); of a unix socket removes the file, if it is still this one. */
void listen_close(const struct listen_address *address, int descriptor);

#endif
