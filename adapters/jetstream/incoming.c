#include "adapters/jetstream/incoming.h"

#include <stdio.h>

#include "adapters/jetstream/names.h"
#include "proto/jtext.h"
#include "proto/pack.h"
#include "proto/stamp.h"
#include "proto/via.h"

static struct span data_of(natsMsg *message)
{
    int size = natsMsg_GetDataLength(message);
    return span_of(natsMsg_GetData(message), size > 0 ? (size_t)size : 0);
}

struct span incoming_member(struct span object, const char *member, char *text, size_t room)
{
    struct span literal;
    int size = jtext_find(object, member, &literal) ? jtext_copy(literal, text, room) : -1;
    return span_of(text, size > 0 ? (size_t)size : 0);
}

bool incoming_read_query(natsMsg *message, struct incoming_query *ret_query)
{
    *ret_query = (struct incoming_query){.token = conn_header(message, HEADER_TOKEN),
                                         .bridge = conn_header(message, HEADER_BRIDGE),
                                         .json = data_of(message)};
    if (stamp_parse(conn_header(message, HEADER_DEADLINE), &ret_query->deadline_us) != 0)
        ret_query->deadline_us = INT64_MAX;
    return names_token_ok(ret_query->token) && names_bridge_ok(ret_query->bridge) &&
           jtext_check(ret_query->json) == JTEXT_OBJECT;
}

bool incoming_read_answer(natsMsg *message, struct span *frame, struct source_answer *ret_answer)
{
    struct span data = data_of(message);
    struct via via;
    *ret_answer = (struct source_answer){.token = conn_header(message, HEADER_TOKEN),
                                         .via = conn_header(message, HEADER_VIA),
                                         .frame = frame};
    if (conn_header(message, HEADER_FRAMES).size == 0 ||
        pack_read(data, frame, LIMIT_BODY_FRAMES, &ret_answer->frames) != 0 ||
        ret_answer->frames == 0) {
        frame[0] = data;
        ret_answer->frames = 1;
    }
    if (via_read(ret_answer->via, &via) != 0)
        ret_answer->via = span_of(NULL, 0);
    return data.size <= LIMIT_FRAME_SIZE && names_token_ok(ret_answer->token);
}

void incoming_read_failure(struct span json, struct incoming_failure *ret_failure)
{
    struct span value, reason = span_of(NULL, 0);
    ret_failure->retry = true;
    if (jtext_check(json) == JTEXT_OBJECT) {
        reason = incoming_member(json, "error", ret_failure->why, sizeof ret_failure->why);
        ret_failure->retry = !jtext_find(json, "retry", &value) || !span_is(value, "false");
    }
    if (reason.size == 0)
        snprintf(ret_failure->why, sizeof ret_failure->why, "no reason was given");
}
