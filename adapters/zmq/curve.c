#include "adapters/zmq/curve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* ZMQ_ZAP_ENFORCE_DOMAIN: its name is among the drafts of zmq.h, the option is in every libzmq
 * since 4.3.0. A library that refuses it is not used for CURVE: without it, no handler lets
 * everybody in.
 */
#define ZAP_ENFORCE_DOMAIN 93

int curve_client_load(const char *cert, const char *server_cert, struct curve_client *ret_client,
                      char ret_why[CERT_WHY_SIZE])
{
    struct curve_client client = {.server_key = ""};
    struct cert own, server;

    if (!cert && !server_cert) {
        *ret_client = client;
        return 0;
    }
    if (!cert || !server_cert) {
        snprintf(ret_why, CERT_WHY_SIZE,
                 "a certificate of our own and the gateway's go together: %s is missing",
                 cert ? "the gateway's (server certificate)" : "our own");
        return -1;
    }
    if (cert_load(server_cert, false, &server, ret_why) < 0 ||
        cert_load(cert, true, &own, ret_why) < 0)
        return -1;
    memcpy(client.public_key, own.public_key, sizeof client.public_key);
    memcpy(client.secret_key, own.secret_key, sizeof client.secret_key);
    memcpy(client.server_key, server.public_key, sizeof client.server_key);
    *ret_client = client;
    cert_wipe(&own);
    return 0;
}

static int set_key(void *socket, int option, const char *key)
{
    return zmq_setsockopt(socket, option, key, CERT_TEXT_SIZE) < 0 ? -errno : 0;
}

int curve_client_apply(const struct curve_client *client, void *socket)
{
    int error;

    if (!client || !client->server_key[0])
        return 0;
    if ((error = set_key(socket, ZMQ_CURVE_SERVERKEY, client->server_key)) < 0 ||
        (error = set_key(socket, ZMQ_CURVE_PUBLICKEY, client->public_key)) < 0)
        return error;
    return set_key(socket, ZMQ_CURVE_SECRETKEY, client->secret_key);
}

int curve_server_apply(void *socket, const char *secret_key, const char *domain)
{
    const int yes = 1;

    if (zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)) < 0 ||
        zmq_setsockopt(socket, ZAP_ENFORCE_DOMAIN, &yes, sizeof yes) < 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) < 0)
        return -errno;
    return set_key(socket, ZMQ_CURVE_SECRETKEY, secret_key);
}

void curve_sender(const zmq_msg_t *frame, char ret_fingerprint[CERT_FINGERPRINT_SIZE])
{
    /* The call takes a pointer that is not const; it changes nothing. */
    const char *user = zmq_msg_gets((zmq_msg_t *)frame, "User-Id");

    if (user && strlen(user) == CERT_FINGERPRINT_SIZE - 1)
        memcpy(ret_fingerprint, user, CERT_FINGERPRINT_SIZE);
    else
        ret_fingerprint[0] = '\0';
}
