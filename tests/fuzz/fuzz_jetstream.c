/* Messages of JetStream's streams, and its answers. Each line gives a header or a subject (below),
 * the rest is the body. What is read lies inside the message and is what the next one would take.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/jetstream/api.h"
#include "adapters/jetstream/incoming.h"
#include "proto/jtext.h"
#include "proto/via.h"

#define LINES 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static natsMsg *read_message(const uint8_t *data, size_t size)
{
    static const char *const header[LINES] = {HEADER_TOKEN, HEADER_BRIDGE, HEADER_DEADLINE,
                                              HEADER_VIA,   "Status",      "Nats-Pending-Messages",
                                              HEADER_FRAMES};
    struct span rest = span_of((const char *)data, size), line[LINES];
    size_t count = 0;
    while (count < LINES && rest.size > 0) {
        const char *end = memchr(rest.data, '\n', rest.size);
        size_t length = end ? (size_t)(end - rest.data) : rest.size;
        line[count++] = span_of(rest.data, length);
        rest = span_of(rest.data + length + (end != NULL), rest.size - length - (end != NULL));
    }
    natsMsg *message = conn_message("subject", NULL, rest);
    for (size_t i = 0; i < count; i++) {
        if (line[i].size > 0)
            conn_set(message, header[i], line[i]);
    }
    return message;
}

static void check_incoming(natsMsg *message)
{
    struct incoming_query query;
    struct source_answer answer;
    struct incoming_failure failure;
    struct span frame[LIMIT_BODY_FRAMES];
    struct via via;
    const char *body = natsMsg_GetData(message);
    size_t size = (size_t)natsMsg_GetDataLength(message);
    if (incoming_read_query(message, &query))
        check(names_token_ok(query.token) && names_bridge_ok(query.bridge) &&
              jtext_check(query.json) == JTEXT_OBJECT);
    if (incoming_read_answer(message, frame, &answer)) {
        check(answer.token.size <= NAMES_TOKEN_MAX);
        check(answer.frames >= 1 && answer.frames <= LIMIT_BODY_FRAMES);
        check(answer.via.size == 0 || via_read(answer.via, &via) == 0);
        for (size_t i = 0; i < answer.frames; i++)
            check(frame[i].size == 0 ||
                  (frame[i].data >= body && frame[i].data + frame[i].size <= body + size));
    }
    incoming_read_failure(span_of(body, size), &failure);
    check(failure.why[0] != '\0' && strlen(failure.why) < INCOMING_WHY);
}

static void check_answers(natsMsg *message)
{
    struct api_stored stored;
    char why[CONN_TEXT];
    int64_t left;
    api_read_stored(message, &stored);
    check(stored.done || stored.staged ||
          (stored.why[0] != '\0' && strlen(stored.why) < CONN_TEXT));
    check(stored.done == (stored.seq > 0) && !(stored.done && stored.staged));
    check(api_made(message, why) || strlen(why) < CONN_TEXT);
    check(api_read_ack_wait(message) >= 0);
    (void)api_status(message, &left);
    check(left >= -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool opened;
    char text[257], subject[NAMES_SIZE];
    opened = opened || nats_Open(-1) == NATS_OK;
    check(opened);
    natsMsg *message = read_message(data, size);
    check_incoming(message);
    check_answers(message);
    natsMsg_Destroy(message);
    struct span name = span_of((const char *)data, size < 256 ? size : 256);
    names_reply_subject("tailgate", "0123456789abcdef", name, subject);
    check(strlen(subject) < NAMES_SIZE - 1 && !strpbrk(subject, " *>\t\r\n"));
    memcpy(text, data, name.size);
    text[name.size] = '\0';
    check(api_delivered(text) >= 0);
    return 0;
}
