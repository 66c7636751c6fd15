/* CURVE on a socket (zmq_curve(7)). */
#ifndef TAILGATE_ADAPTERS_ZMQ_CURVE_H
#define TAILGATE_ADAPTERS_ZMQ_CURVE_H

#include <zmq.h>

#include "adapters/zmq/cert.h"

/* What a connecting socket needs: who we are, and whom we expect. */
struct curve_client {
    char public_key[CERT_TEXT_SIZE], secret_key[CERT_TEXT_SIZE]; /* ours, Z85 */
    char server_key[CERT_TEXT_SIZE]; /* the gateway's, Z85; "": no CURVE at all */
};

/* Reads both from files: CERT (ours, with its FILE_secret beside it) and SERVER_CERT (the gateway's
 * public one). Both NULL: no CURVE. One NULL is an error. Returns 0, or -1 and RET_WHY as
 * cert_load() does. */
int curve_client_load(const char *cert, const char *server_cert, struct curve_client *ret_client,
                      char ret_why[CERT_WHY_SIZE]);
/* Before SOCKET connects; does nothing when CLIENT (may be NULL) has no server key. Returns 0 or
 * -errno. */
int curve_client_apply(const struct curve_client *client, void *socket);

/* What a bound socket's ZAP domain is: the handler (zap.h) is asked by these names. */
#define CURVE_DOMAIN_GATE "tailgate.gate"
#define CURVE_DOMAIN_EVENTS "tailgate.events"

/* Before SOCKET is bound: it then lets in whom the ZAP handler of its context allows into DOMAIN,
 * and nobody when there is no handler. SECRET_KEY is ours, in Z85. Returns 0 or -errno. */
int curve_server_apply(void *socket, const char *secret_key, const char *domain);
/* Whether the key of that fingerprint may (still) be connected. */
typedef bool curve_allowed_fn(void *context, const char *fingerprint);
/* The fingerprint of the key by which the connection that FRAME came from was let in, as the
 * handler has said it ("" when it has not). FRAME must be the last one of its message. */
void curve_sender(const zmq_msg_t *frame, char ret_fingerprint[CERT_FINGERPRINT_SIZE]);

#endif
