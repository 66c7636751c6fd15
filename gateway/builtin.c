#include "gateway/builtin.h"

#include "gateway/log.h"
#include "gateway/sender.h"
#include "proto/jtext.h"
#include "proto/pack.h"

void builtin_error(const char *code, const char *error, struct buffer *ret_packed)
{
    struct buffer json;
    struct span frame;

    buffer_init(&json);
    buffer_text(&json, "{\"type\":\"error\"");
    jtext_member(&json, "error", span_str(error));
    jtext_member(&json, "code", span_str(code));
    buffer_byte(&json, '}');
    frame = buffer_span(&json);
    pack_write(&frame, 1, ret_packed);
    buffer_done(&json);
}

struct span builtin_word(const struct asking *asking)
{
    return asking->body_count > 0 ? asking->body[0] : span_str("");
}

static void give(const char *text, struct buffer *ret_packed)
{
    const struct span frame = span_str(text);

    pack_write(&frame, 1, ret_packed);
}

static const struct builtin_service *find(struct span name)
{
    static const struct builtin_service *const tables[] = {
        builtin_of_control, builtin_of_titanic, builtin_of_replay, builtin_of_talk,
        builtin_of_query,   builtin_of_dead,    builtin_of_story};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct builtin_service *at = tables[i]; at->name; at++)
            if (span_is(name, at->name))
                return at;
    return NULL;
}

enum right builtin_right(struct span name)
{
    const struct builtin_service *service = find(name);

    return service ? service->right : RIGHT_CONTROL;
}

/* RFC 8: whether somebody serves a service; of what we serve ourselves, we do. */
static void on_mmi(struct server *self, const struct asking *asking, struct buffer *ret_packed)
{
    struct span word = builtin_word(asking);
    bool served;

    if (!span_is(asking->service, "mmi.service")) {
        give("501", ret_packed);
        return;
    }
    if (builtin_is_name(word))
        served = find(word) || span_is(word, "mmi.service");
    else
        served = message_service_ok(word) && dispatch_serves(self->dispatch, word);
    give(served ? "200" : "404", ret_packed);
}

/* The owner of the database, root, whoever the gateway runs as, and operators' keys. */
static bool may_change(const struct server *self, const struct asking *asking)
{
    struct gate_sender sender;

    gate_sender(self->gate, asking->peer->door, &self->set, &sender);
    if (sender.curve) /* requests.c has looked at its key: it is an operator's */
        return true;
    return sender.local && place_is_owner(&self->place, sender.uid);
}

/* Whoever steers the gateway is told by name. */
static void log_who(const struct server *self, const struct asking *asking)
{
    struct identity who;

    sender_identify(self, asking->peer, &who);
    log_event(LOG_WARN, "control", LOG_SPAN("service", asking->service),
              LOG_SPAN("of", builtin_word(asking)), LOG_STR("by", who.principal),
              LOG_STR("name", who.name));
}

enum builtin builtin_ask(struct server *self, int64_t now_us, const struct asking *asking,
                         struct buffer *ret_packed)
{
    const struct builtin_service *service = find(asking->service);

    if (asking->service.size >= 4 && memcmp(asking->service.data, "mmi.", 4) == 0) {
        on_mmi(self, asking, ret_packed);
        return BUILTIN_ANSWERED;
    }
    if (!service) {
        self->stats.count[STAT_UNSUPPORTED]++;
        builtin_error("unsupported",
                      "no such built-in service: tailgate.status, .replay, .converse, .submit, "
                      ".query, .session, .story, "
                      ".dead, .redrive, .drop, .pause, .resume, .drain and .rescan, "
                      "titanic.request, .reply and "
                      ".close, and mmi.service are there",
                      ret_packed);
        return BUILTIN_ANSWERED;
    }
    if (service->changes && !may_change(self, asking)) {
        self->stats.count[STAT_NOT_ALLOWED]++;
        builtin_error("forbidden",
                      "only for the database's owner, through the gate's unix socket, and for "
                      "operators' keys",
                      ret_packed);
        return BUILTIN_ANSWERED;
    }
    if (service->changes)
        log_who(self, asking);
    return service->ask(self, now_us, asking, ret_packed);
}
