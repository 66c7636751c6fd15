/* What a connection is made from, what is said about it, and the messages that go through it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/jetstream/conn.h"
#include "proto/buffer.h"

#define TIMEOUT_MS 5000 /* to connect */

void conn_mask(const char *url, char ret_text[CONN_TEXT])
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *at = strrchr(host, '@');
    if (at)
        snprintf(ret_text, CONN_TEXT, "%.*s***%s", (int)(host - url), url, at);
    else
        snprintf(ret_text, CONN_TEXT, "%s", url);
}

bool conn_refused(natsStatus status)
{
    return status == NATS_CONNECTION_AUTH_FAILED || status == NATS_SSL_ERROR ||
           status == NATS_NOT_PERMITTED || status == NATS_SECURE_CONNECTION_REQUIRED ||
           status == NATS_SECURE_CONNECTION_WANTED;
}

void conn_explain(natsStatus status, char ret_text[CONN_TEXT])
{
    natsStatus last = NATS_OK;
    const char *more = nats_GetLastError(&last);
    const char *text = natsStatus_GetText(status);
    if (more && *more == '(' && strstr(more, "): ")) /* where in libnats */
        more = strstr(more, "): ") + 3;
    if (status == NATS_NO_SERVER)
        snprintf(ret_text, CONN_TEXT, "no NATS server answers there");
    else if (more && *more && last == status && strcmp(more, text) != 0 &&
             !strchr(more, '@')) /* an @: a URL's password */
        snprintf(ret_text, CONN_TEXT, "%s: %s", text, more);
    else
        snprintf(ret_text, CONN_TEXT, "%s", text);
}

/* The host of URL, without user and port. */
static void host_of(const char *url, char ret_host[CONN_TEXT])
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *at = strrchr(host, '@');
    host = at ? at + 1 : host;
    bool bracket = *host == '[';
    size_t size = bracket ? strcspn(++host, "]") : strcspn(host, ":/");
    snprintf(ret_host, CONN_TEXT, "%.*s", (int)size, host);
}

static natsStatus set_tls(natsOptions *options, const struct conn_setup *setup, const char *url)
{
    char host[CONN_TEXT];
    if (!setup->ca && !setup->cert && strncmp(url, "tls://", 6) != 0)
        return NATS_OK;
    host_of(url, host);
    natsStatus status = natsOptions_SetSecure(options, true);
    if (status == NATS_OK)
        status = natsOptions_SetExpectedHostname(options, host);
    if (status == NATS_OK && setup->ca)
        status = natsOptions_LoadCATrustedCertificates(options, setup->ca);
    if (status == NATS_OK && setup->cert)
        status = natsOptions_LoadCertificatesChain(options, setup->cert, setup->key);
    return status;
}

natsOptions *conn_options(const struct conn_setup *setup, size_t index, char ret_why[CONN_TEXT])
{
    natsOptions *options = NULL;
    natsStatus status = natsOptions_Create(&options);
    if (status == NATS_OK)
        status = natsOptions_SetURL(options, setup->url[index]);
    if (status == NATS_OK)
        status = set_tls(options, setup, setup->url[index]);
    if (status == NATS_OK && setup->creds)
        status = natsOptions_SetUserCredentialsFromFiles(options, setup->creds, NULL);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(options, TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetName(options, "tailgate");
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(options, false);
    if (status == NATS_OK)
        return options;
    conn_explain(status, ret_why);
    natsOptions_Destroy(options);
    return NULL;
}

/* --- messages --- */

natsMsg *conn_message(const char *subject, const char *reply, struct span data)
{
    natsMsg *message = NULL;
    if (natsMsg_Create(&message, subject, reply, data.data, (int)data.size) != NATS_OK)
        abort(); /* no memory: as memory_new() */
    return message;
}

/* A line break would begin another header; where blanks may stand, as in JSON, one is as good. */
void conn_set(natsMsg *message, const char *name, struct span value)
{
    char *text = memory_text(value);
    for (char *at = text; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    }
    if (natsMsgHeader_Set(message, name, text) != NATS_OK)
        abort();
    free(text);
}

struct span conn_header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    if (natsMsgHeader_Get(message, name, &value) != NATS_OK)
        return span_of(NULL, 0);
    return span_str(value);
}
