#include "adapters/worker/http_url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/buffer.h"

static bool is_loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

/* Copies PART of URL; false when it is not there or does not fit. */
static bool copy(CURLU *url, CURLUPart part, unsigned flags, char *ret_text, size_t room)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return false;
    int size = snprintf(ret_text, room, "%s", text);
    curl_free(text);
    return size >= 0 && (size_t)size < room;
}

static bool has(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return there;
}

/* The path of an OpenAI-compatible server's base URL becomes that of its chat. */
static void complete(CURLU *url)
{
    struct buffer path;
    char *text = NULL;
    if (curl_url_get(url, CURLUPART_PATH, &text, 0) != CURLUE_OK)
        return;
    buffer_init(&path);
    buffer_text(&path, text);
    curl_free(text);
    if (path.size >= 4 && span_is(span_of(path.data + path.size - 4, 4), "/v1/"))
        path.data[--path.size] = '\0';
    if (path.size >= 3 && span_is(span_of(path.data + path.size - 3, 3), "/v1")) {
        buffer_text(&path, "/chat/completions");
        (void)curl_url_set(url, CURLUPART_PATH, path.data, 0);
    }
    buffer_done(&path);
}

static const char *read_parts(CURLU *url, const char *target, bool chat, struct http_url *ret_url)
{
    char scheme[16], host[256], port[8], *whole = NULL;
    if (curl_url_set(url, CURLUPART_URL, target, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        !copy(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !copy(url, CURLUPART_HOST, 0, host, sizeof host))
        return "use http://HOST:PORT/PATH or https://HOST/PATH";
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        return "only http:// and https:// are spoken";
    if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD))
        return "put no name or password into the URL, which everybody can see; see --key-file";
    if (!copy(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port))
        return "its port is none";
    if (chat)
        complete(url);
    if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
        return "it cannot be read";
    *ret_url = (struct http_url){.url = memory_text(span_str(whole)),
                                 .loopback = is_loopback(host),
                                 .tls = strcmp(scheme, "https") == 0};
    snprintf(ret_url->place, sizeof ret_url->place, "%s:%s", host, port);
    curl_free(whole);
    return NULL;
}

int http_url_read(const char *target, bool chat, struct http_url *ret_url,
                  char ret_why[ADAPTER_WHY])
{
    CURLU *url = curl_url();
    const char *wrong = url ? read_parts(url, target, chat, ret_url) : "no memory";
    curl_url_cleanup(url);
    if (wrong) /* the target is not shown: it may hold a password */
        snprintf(ret_why, ADAPTER_WHY, "--http URL: %s", wrong);
    return wrong ? -1 : 0;
}

void http_url_done(struct http_url *self)
{
    free(self->url);
    self->url = NULL;
}

void http_url_host(const char *url, char *ret_host, size_t room)
{
    CURLU *parsed = curl_url();
    ret_host[0] = '\0';
    if (parsed && url &&
        curl_url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
        (void)copy(parsed, CURLUPART_HOST, 0, ret_host, room);
    curl_url_cleanup(parsed);
}
