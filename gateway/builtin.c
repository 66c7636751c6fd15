#include "gateway/builtin.h"

#include "proto/pack.h"

static const char *const prefixes[] = {"mmi.", "titanic.", "tailgate."};

bool builtin_is_name(struct span name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t size = strlen(prefixes[i]);
        if (name.size >= size && memcmp(name.data, prefixes[i], size) == 0)
            return true;
    }
    return false;
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
    static const struct builtin_service *const tables[] = {builtin_of_control, builtin_of_titanic,
                                                           builtin_of_replay};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct builtin_service *at = tables[i]; at->name; at++)
            if (span_is(name, at->name))
                return at;
    return NULL;
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

/* The owner of the database, root, and whoever the gateway runs as. */
static bool may_change(const struct server *self, const struct asking *asking)
{
    struct gate_sender sender;

    gate_sender(self->gate, asking->peer->door, &self->set, &sender);
    return sender.local && place_is_owner(&self->place, sender.uid);
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
        requests_error(
            "no such built-in service: tailgate.status, .replay, .pause, .resume, .drain "
            "and .rescan, titanic.request, .reply and .close, and mmi.service are there",
            ret_packed);
        return BUILTIN_ANSWERED;
    }
    if (service->changes && !may_change(self, asking)) {
        self->stats.count[STAT_NOT_ALLOWED]++;
        requests_error("only for the database's owner, through the gate's unix socket", ret_packed);
        return BUILTIN_ANSWERED;
    }
    return service->ask(self, now_us, asking, ret_packed);
}
