#include <assert.h>
#include <errno.h>

#include "adapters/host/clock.h"
#include "gateway/log.h"
#include "gateway/server.h"
#include "proto/mdp.h"
#include "proto/pack.h"

int carry_send(struct server *self, const struct peer *peer, const struct envelope *envelope,
               const struct span *frame, size_t count)
{
    struct span all[2 + MDP_FRAMES_MAX];
    size_t n = 0;
    int error;

    for (size_t i = 0; envelope && i < envelope->count; i++)
        all[n++] = span_of(envelope->data[i], envelope->size[i]);
    for (size_t i = 0; i < count; i++)
        all[n++] = frame[i];
    error = peer->door < DIAL_DOOR_FIRST ? gate_send(self->gate, peer, all, n)
                                         : reps_send(self->reps, peer, all, n);
    if (error == -EHOSTUNREACH)
        self->stats.count[STAT_PEERS_GONE]++;
    else if (error)
        self->stats.count[STAT_PEERS_FULL]++;
    return error;
}

void carry_count(struct server *self, const struct action *action)
{
    struct adapter_stats *row = stats_adapter(&self->stats, action->adapter);

    if (!row)
        return;
    row->dispatched += action->kind == ACTION_DELIVER;
    row->answered += action->kind == ACTION_ANSWER;
    row->partials += action->kind == ACTION_PARTIAL;
    row->failed += action->kind == ACTION_RETRY || action->kind == ACTION_DEAD;
    row->returned += action->kind == ACTION_RETURNED;
    row->left += action->kind == ACTION_LEFT;
}

static void send_command(struct server *self, const struct peer *peer,
                         const struct envelope *envelope, enum worker_protocol protocol,
                         enum mdp_command command)
{
    const struct mdp_message message = {.command = command};
    enum mdp_version version = door_version(protocol);
    struct span frame[MDP_FRAMES_MAX];

    carry_send(self, peer, envelope, frame, mdp_write(version, &message, frame));
}

static void on_heartbeat(struct server *self, const struct action *action)
{
    const struct worker *worker = dispatch_worker(self->dispatch, &action->peer);

    if (worker)
        send_command(self, &action->peer, &worker->envelope, worker->protocol, MDP_HEARTBEAT);
}

static void on_disconnect(struct server *self, int64_t now_us, const struct action *action)
{
    if (action->protocol == WORKER_REP)
        reps_give_up(self->reps, now_us, &action->peer);
    else
        send_command(self, &action->peer, &action->envelope, action->protocol, MDP_DISCONNECT);
}

void carry_refused(struct server *self, int64_t now_us, const struct action *action)
{
    static const enum counter counter[REFUSALS] = {STAT_REFUSED_FORGED, STAT_REFUSED_DUPLICATE,
                                                   STAT_REFUSED_PAST, STAT_REFUSED_FULL};

    self->stats.count[counter[action->refusal]]++;
    if (action->refusal == REFUSED_DUPLICATE)
        submit_late(self, action);
    announce_refused(self, now_us, action);
    log_event(LOG_WARN, "refused", LOG_STR("why", refusal_name(action->refusal)),
              LOG_INT("id", action->id), LOG_INT("attempt", action->attempt));
}

static void on_joined(struct server *self, int64_t now_us, const struct action *action)
{
    announce_worker(self, now_us, action, "joined");
    log_event(LOG_INFO, "joined", LOG_STR("worker", action->worker),
              LOG_STR("service", action->service), LOG_STR("verified", action->verified.principal),
              LOG_STR("name", action->verified.name),
              LOG_STR("protocol", worker_protocol_name(action->protocol)));
}

static void on_left(struct server *self, int64_t now_us, const struct action *action)
{
    announce_worker(self, now_us, action, "left");
    self->stats.count[STAT_WORKERS_LEFT]++;
    log_event(LOG_INFO, "left", LOG_STR("worker", action->worker),
              LOG_STR("service", action->service), LOG_STR("why", action->reason));
}

static void on_retry(struct server *self, int64_t now_us, const struct action *action)
{
    bool returned = action->kind == ACTION_RETURNED;

    self->stats.count[returned ? STAT_RETURNED : STAT_RETRIED]++;
    log_each(LOG_WARN, returned ? "returned" : "retry", LOG_INT("id", action->id),
             LOG_INT("attempt", action->attempt), LOG_STR("worker", action->worker),
             LOG_US("pause", action->due_us - now_us), LOG_STR("why", action->reason));
    if (returned) /* the others are told of when they are on disk */
        announce_returned(self, now_us, action);
    if (!returned || action->recorded)
        submit_action(self, now_us, action);
}

static void on_adopted(struct server *self, int64_t now_us, const struct action *action)
{
    self->stats.count[STAT_ADOPTED]++;
    announce_worker(self, now_us, action, "adopted");
    publish_interrupted(&self->publish, now_us, action->id, action->attempt, action->leased_us);
    log_event(LOG_INFO, "resumed", LOG_INT("id", action->id), LOG_INT("attempt", action->attempt),
              LOG_STR("worker", action->worker),
              LOG_STR("say", "its worker still has it: it is not executed again"));
}

/* Sends COUNT frames to the clients that wait for ACTION's query. */
static void forward(struct server *self, const struct action *action, const struct span *frame,
                    size_t count)
{
    struct buffer packed;

    buffer_init(&packed);
    pack_write(frame, count, &packed);
    replies_partial(self, action->id, buffer_span(&packed));
    buffer_done(&packed);
}

/* Observers get its text redacted; its client, too, unless what it asked is answered in raw frames.
 */
static void on_partial(struct server *self, int64_t now_us, const struct action *action)
{
    const struct answer_in_hand *hand = &self->in_hand;
    const struct publish_partial partial = {
        .id = action->id,
        .attempt = action->attempt,
        .leased_us = action->leased_us,
        .conversation_id = hand->row.conversation_id,
        .service = span_str(action->service),
        .worker = span_str(hand->via && hand->via->worker[0] ? hand->via->worker : action->worker),
        .verified = &hand->sender,
        .frame = hand->frame,
        .frames = hand->count,
        .silent = self->config.partials == PARTIALS_OFF,
    };
    struct span text;
    bool asked = clients_know(self->clients, action->id);

    assert(hand->row.id == action->id);
    self->stats.count[STAT_PARTIALS]++;
    if (asked && hand->raw)
        forward(self, action, hand->frame, hand->count);
    text = publish_partial(&self->publish, now_us, clock_utc_us(), &partial);
    if (asked && !hand->raw && text.size)
        forward(self, action, &text, 1);
    submit_note_failures(self, action->id, action->worker);
}

/* True when ACTION is the end of its query's attempt. */
static bool ends_attempt(const struct action *action)
{
    return action->kind == ACTION_ANSWER || action->kind == ACTION_GONE ||
           action->kind == ACTION_DEAD || action->kind == ACTION_RETRY ||
           action->kind == ACTION_RETURNED;
}

static void carry(struct server *self, int64_t now_us, const struct action *action)
{
    if (ends_attempt(action))
        publish_forget(&self->publish, action->id);
    if (action->kind != ACTION_DELIVER) /* which can fail */
        carry_count(self, action);
    switch (action->kind) {
    case ACTION_DELIVER:
        deliveries_add(self, action);
        break;
    case ACTION_ANSWER:
        submit_answer(self, now_us, action);
        break;
    case ACTION_GONE:
        submit_gone(self, action);
        break;
    case ACTION_CLAIM:
    case ACTION_RECORD:
    case ACTION_DEAD:
    case ACTION_DROP:
        submit_action(self, now_us, action);
        break;
    case ACTION_RETRY:
    case ACTION_RETURNED:
        on_retry(self, now_us, action);
        break;
    case ACTION_ADOPTED:
        on_adopted(self, now_us, action);
        break;
    case ACTION_HEARTBEAT:
        on_heartbeat(self, action);
        break;
    case ACTION_DISCONNECT:
        on_disconnect(self, now_us, action);
        break;
    case ACTION_JOINED:
        on_joined(self, now_us, action);
        break;
    case ACTION_LEFT:
        on_left(self, now_us, action);
        break;
    case ACTION_PARTIAL:
        on_partial(self, now_us, action);
        break;
    case ACTION_REFUSED:
        carry_refused(self, now_us, action);
        break;
    }
}

int carry_load(struct server *self, int64_t id, struct tail_row *ret_row)
{
    unsigned checkpoints = committer_checkpoints(self->committer);

    if (checkpoints != self->checkpoints)
        tail_let_go(self->tail);
    self->checkpoints = checkpoints;
    if (!tail_stands(self->tail))
        self->others = committer_others(self->committer);
    return tail_load_known(self->tail, id, ret_row);
}

void carry_let_go(struct server *self)
{
    if (self->in_hand.loaded)
        tail_unload(self->tail);
    self->in_hand.loaded = false;
    self->in_hand.known = NULL;
}

void carry_actions(struct server *self, int64_t now_us)
{
    const struct action *action;

    while ((action = dispatch_take(self->dispatch))) {
        carry(self, now_us, action);
        buffer_reset(&self->status);
    }
}

void carry_event(struct server *self, int64_t now_us, const struct event *event)
{
    dispatch_feed(self->dispatch, now_us, event);
    carry_actions(self, now_us);
}
