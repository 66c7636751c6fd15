/* What an endpoint is allowed to be. */
#ifndef TAILGATE_ADAPTERS_ZMQ_ENDPOINT_H
#define TAILGATE_ADAPTERS_ZMQ_ENDPOINT_H

#include <stdbool.h>

enum endpoint_kind {
    ENDPOINT_IPC,      /* ipc://PATH */
    ENDPOINT_LOOPBACK, /* tcp://127.x.y.z:PORT, tcp://[::1]:PORT, tcp://localhost:PORT */
    ENDPOINT_OFF_HOST, /* tcp:// any other address, name, interface or * */
    ENDPOINT_BAD /* anything else: inproc, abstract ipc names (@…), no port, unknown transport */
};

/* Says what ENDPOINT is, by its text alone: no name is looked up. */
enum endpoint_kind endpoint_read(const char *endpoint);
/* True when ENDPOINT, which is not ENDPOINT_BAD, names one place to connect to: no wildcard, no
 * port 0. */
bool endpoint_can_dial(const char *endpoint);

#endif
