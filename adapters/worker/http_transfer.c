#include "adapters/worker/http_transfer.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "proto/limits.h"

#define CONNECT_MS 10000L     /* to reach the server, its TLS handshake included */
#define ERROR_MAX (64u << 10) /* bytes of an error's body that are kept */

static curl_socket_t open_socket(void *state, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)state;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Nothing of the environment decides where a key goes in the clear: this machine is never reached
 * through a proxy. CURL_CA_BUNDLE is read by the program curl only, so we do that. QUICK_EXIT: to
 * let go of a transfer does not wait for a name that is being looked up. */
void transfer_prepare(CURL *easy, const struct http_url *url, char error[CURL_ERROR_SIZE])
{
    const char *authorities = getenv("CURL_CA_BUNDLE");
    curl_easy_setopt(easy, CURLOPT_URL, url->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "tailgate/" TAILGATE_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    if (url->loopback)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    if (authorities && authorities[0] != '\0')
        curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
}

struct transfer *transfer_new(const struct http_terms *terms, struct span token)
{
    struct transfer *self = memory_zero(1, sizeof *self);
    self->terms = terms;
    self->token = memory_text(token);
    buffer_init(&self->request);
    buffer_init(&self->refusal);
    buffer_init(&self->body);
    sse_init(&self->sse, LIMIT_FRAME_SIZE);
    http_chat_init(&self->chat);
    return self;
}

void transfer_destroy(struct transfer **self)
{
    struct transfer *transfer = *self;
    *self = NULL;
    if (!transfer)
        return;
    if (transfer->loop)
        http_loop_remove(transfer->loop, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    http_chat_done(&transfer->chat);
    sse_done(&transfer->sse);
    buffer_done(&transfer->body);
    buffer_done(&transfer->refusal);
    buffer_done(&transfer->request);
    free(transfer->token);
    free(transfer);
}

static size_t hear_head(char *bytes, size_t one, size_t size, void *state)
{
    struct transfer *self = state;
    (void)bytes;
    self->head_size += one * size;
    self->large = self->large || self->head_size > TRANSFER_HEAD_MAX;
    return self->large ? 0 : one * size;
}

long transfer_status(const struct transfer *self)
{
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

bool transfer_has_type(const struct transfer *self, const char *name)
{
    const char *type = NULL;
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_TYPE, &type);
    size_t size = type ? strcspn(type, "; \t") : 0, want = strlen(name);
    if (size < want || (name[0] != '+' && size != want))
        return false;
    return strncasecmp(type + size - want, name, want) == 0;
}

static size_t hear_body(char *bytes, size_t one, size_t size, void *state)
{
    struct transfer *self = state;
    struct span piece = span_of(bytes, one * size);
    bool good = transfer_status(self) / 100 == 2;
    if (!self->begun)
        self->stream = good && self->terms->model && transfer_has_type(self, "text/event-stream");
    self->begun = true;
    size_t most = good ? LIMIT_FRAME_SIZE : ERROR_MAX;
    size_t room = self->body.size < most ? most - self->body.size : 0;
    if (good && piece.size > room) {
        self->large = true;
        return 0;
    }
    buffer_add(&self->body, span_of(bytes, piece.size < room ? piece.size : room));
    return piece.size;
}

void transfer_begin(struct transfer *self, struct http_loop *loop, int64_t now_us)
{
    CURL *easy = curl_easy_init();
    self->easy = easy;
    if (!easy) {
        transfer_ended(self, CURLE_OUT_OF_MEMORY);
        return;
    }
    transfer_prepare(easy, &self->terms->url, self->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, self);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, self->terms->head);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)self->request.size);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, self->request.data);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, hear_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, self);
    if (http_loop_add(loop, easy, now_us))
        self->loop = loop;
    else
        transfer_ended(self, CURLE_FAILED_INIT);
}

void transfer_ended(struct transfer *self, CURLcode result)
{
    if (self->loop)
        http_loop_remove(self->loop, self->easy);
    self->loop = NULL;
    self->ended = true;
    self->result = result;
}
