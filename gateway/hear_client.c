/* Frames of clients ──▶ requests. */
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/jtext.h"
#include "proto/mdp.h"

bool hear_majordomo_client(struct server *self, int64_t now_us, const struct peer *peer,
                           const struct envelope *envelope, enum mdp_version version,
                           const struct span *frame, size_t count)
{
    struct mdp_client_message message;
    struct asking asking = {.peer = peer,
                            .envelope = envelope,
                            .protocol = version == MDP_01 ? CLIENT_MDP_01 : CLIENT_MDP_02};

    if (mdp_client_read(version, frame, count, &message) < 0 ||
        message.command != MDP_CLIENT_REQUEST) {
        self->stats.count[STAT_BAD_FRAMES]++;
        log_event(LOG_WARN, "bad-request",
                  LOG_STR("protocol", client_protocol_name(asking.protocol)),
                  LOG_STR("say", "a client's message that is no REQUEST, or has too many frames"));
        return true;
    }
    asking.service = asking.target = message.service;
    asking.body = message.body;
    asking.body_count = message.body_count;
    return requests_hear(self, now_us, &asking);
}

bool hear_ask(struct server *self, int64_t now_us, const struct peer *peer,
              const struct envelope *envelope, const struct opening *opening)
{
    struct asking asking = {.peer = peer, .envelope = envelope, .protocol = CLIENT_REQ};

    asking.service = asking.target = opening->service.size ? opening->service : span_str("default");
    asking.body = &opening->body;
    asking.body_count = opening->body.size > 0;
    return requests_hear(self, now_us, &asking);
}

bool hear_query(struct server *self, int64_t now_us, const struct peer *peer,
                const struct envelope *envelope, struct span object)
{
    struct asking asking = {.peer = peer, .envelope = envelope, .protocol = CLIENT_REQ};
    char service[LIMIT_SERVICE + 1];
    struct span literal;
    int size = -1;

    asking.service = span_str("default");
    if (jtext_find(object, "service", &literal)) {
        size = jtext_copy(literal, service, sizeof service);
        asking.service = span_of(service, size > 0 ? (size_t)size : 0);
    }
    asking.target = asking.service;
    asking.body = &object;
    asking.body_count = 1;
    return requests_hear(self, now_us, &asking);
}
