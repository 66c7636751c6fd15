#include "adapters/zmq/zap.h"

#include <errno.h>
#include <stdlib.h>

#include "adapters/zmq/frameset.h"
#include "proto/buffer.h"

#define ENDPOINT "inproc://zeromq.zap.01" /* RFC 27 */
#define LARGEST 255 /* bytes of a frame of a request: longer ones are no request of libzmq's */

/* The frames of a request, behind the empty one that REP takes away. */
enum { VERSION, REQUEST_ID, DOMAIN_NAME, ADDRESS, ROUTING_ID, MECHANISM, KEY, REQUEST_FRAMES };

struct zap {
    void *socket; /* a REP: a request is answered before the next one is taken */
    struct frameset set;
};

struct zap *zap_new(void *context)
{
    struct zap *self = memory_zero(1, sizeof *self);
    const int linger = 0;

    frameset_init(&self->set);
    self->socket = zmq_socket(context, ZMQ_REP);
    if (!self->socket || zmq_setsockopt(self->socket, ZMQ_LINGER, &linger, sizeof linger) < 0 ||
        zmq_bind(self->socket, ENDPOINT) < 0)
        zap_destroy(&self);
    return self;
}

void zap_destroy(struct zap **self)
{
    int error = errno;

    if (!*self)
        return;
    if ((*self)->socket)
        zmq_close((*self)->socket);
    frameset_done(&(*self)->set);
    free(*self);
    *self = NULL;
    errno = error;
}

void *zap_socket(const struct zap *self)
{
    return self->socket;
}

/* RET_FINGERPRINT is that of the key in FRAME. */
static bool is_request(const struct span *frame, size_t count,
                       char ret_fingerprint[CERT_FINGERPRINT_SIZE])
{
    if (count != REQUEST_FRAMES || !span_equal(frame[VERSION], span_str("1.0")) ||
        !span_equal(frame[MECHANISM], span_str("CURVE")) || frame[KEY].size != CERT_KEY_SIZE)
        return false;
    for (size_t i = 0; i < count; i++)
        if (frame[i].size > LARGEST)
            return false;
    cert_fingerprint((const unsigned char *)frame[KEY].data, ret_fingerprint);
    return true;
}

/* Who has gone meanwhile gets no answer, and REP drops it. */
static void answer(struct zap *self, struct span request_id, const char *code, const char *text,
                   const char *user)
{
    const struct span frame[] = {span_str("1.0"), request_id,     span_str(code),
                                 span_str(text),  span_str(user), span_str("")};

    frameset_send(self->socket, frame, sizeof frame / sizeof frame[0]);
}

size_t zap_run(struct zap *self, zap_allow_fn *allow, void *context)
{
    char fingerprint[CERT_FINGERPRINT_SIZE];
    size_t odd = 0;

    for (int i = 0; i < ZAP_AT_ONCE; i++) {
        int got = frameset_receive(&self->set, self->socket);
        const struct span *frame = self->set.frame;
        struct zap_request request;

        if (got == 0 || (got < 0 && got != -E2BIG))
            break;
        if (got < 0 || !is_request(frame, self->set.count, fingerprint)) {
            odd++;
            answer(self, got > 0 && self->set.count > REQUEST_ID ? frame[REQUEST_ID] : span_str(""),
                   "500", "no request that this handler knows", "");
            continue;
        }
        request = (struct zap_request){frame[DOMAIN_NAME], frame[ADDRESS], fingerprint};
        if (allow(context, &request))
            answer(self, frame[REQUEST_ID], "200", "OK", fingerprint);
        else
            answer(self, frame[REQUEST_ID], "400", "this key is not allowed", "");
    }
    return odd;
}
