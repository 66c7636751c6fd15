/* What becomes of the connection behind a connecting socket. A ZeroMQ socket says nothing of it by
 * itself: sending succeeds while the peer is gone, or has refused us. */
#ifndef TAILGATE_ADAPTERS_ZMQ_LINK_MONITOR_H
#define TAILGATE_ADAPTERS_ZMQ_LINK_MONITOR_H

enum link_monitor_event {
    LINK_MONITOR_NONE,   /* nothing more to tell */
    LINK_MONITOR_UP,     /* connected, handshake done: what is sent now reaches the peer */
    LINK_MONITOR_LOST,   /* the connection is gone; ZeroMQ tries again by itself */
    LINK_MONITOR_RETRY,  /* one more attempt to connect has failed */
    LINK_MONITOR_REFUSED /* the peer is there and does not let us in, or speaks something else */
};

enum link_monitor_refusal {
    LINK_MONITOR_STRANGE, /* it speaks something else */
    LINK_MONITOR_KEY,     /* it does not let our key in (ZAP, RFC 27) */
    LINK_MONITOR_SECURITY /* one side wants CURVE, the other does not */
};

struct link_monitor {
    void *watched;                     /* the socket; NULL: closed */
    void *events;                      /* our end of the monitor, to poll for ZMQ_POLLIN */
    enum link_monitor_refusal refusal; /* of the last LINK_MONITOR_REFUSED */
};

/* Starts watching SOCKET of CONTEXT; call it before zmq_connect(). Returns 0 or -errno. */
int link_monitor_open(struct link_monitor *self, void *context, void *socket);
/* The next event; never blocks. */
enum link_monitor_event link_monitor_next(struct link_monitor *self);
/* Stops watching; call it before the socket is closed. May be called twice. */
void link_monitor_close(struct link_monitor *self);

#endif
