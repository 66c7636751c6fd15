/* Queries for one worker, together in one message, where it takes that (options.h, `batches`): a
 * message costs ZeroMQ, both threads of it and the system's calls as much as what it holds.
 *
 *  A1. A batch holds what was carried out in one go of deliveries_run(), in that order, and is sent
 *      when that ends, or earlier when it is long enough.
 *
 *  A2. What is in it counts as delivered when it is sent, not before.
 *
 *  A3. There are batches for BATCHES workers at a time: where more get something in one go, there
 * is little for each, and the others get it by itself. */
#include <stdlib.h>

#include "gateway/server.h"

static struct batch *find(struct batches *self, const struct peer *peer)
{
    for (size_t i = 0; i < self->count; i++)
        if (peer_equal(&self->batch[i].peer, peer))
            return &self->batch[i];
    return NULL;
}

static struct batch *begin(struct batches *self, const struct worker *worker)
{
    struct batch *batch;

    if (!self->batch) /* its pages cost nothing before they are used */
        self->batch = memory_zero(BATCHES, sizeof *self->batch);
    batch = &self->batch[self->count++];
    batch->peer = worker->peer;
    batch->envelope = worker->envelope;
    buffer_init(&batch->body);
    batch->count = 0;
    return batch;
}

/* One query needs no batch: it goes as it would to any worker. */
static int send_one(struct server *self, const struct batch *batch)
{
    struct span rest = buffer_span(&batch->body), taken[MDP_FRAMES_MAX], frame[MDP_FRAMES_MAX];
    struct mdp_message request;

    mdp_batch_take(&rest, taken, &request);
    return carry_send(self, &batch->peer, &batch->envelope, frame,
                      mdp_write(MDP_02, &request, frame));
}

static int send_all(struct server *self, const struct batch *batch)
{
    struct span body = buffer_span(&batch->body), frame[MDP_FRAMES_MAX];
    const struct mdp_message message = {.command = MDP_BATCH, .body = &body, .body_count = 1};

    return carry_send(self, &batch->peer, &batch->envelope, frame,
                      mdp_write(MDP_02, &message, frame));
}

static void send(struct server *self, int64_t now_us, struct batch *batch)
{
    int error = batch->count == 1 ? send_one(self, batch) : send_all(self, batch);

    for (size_t i = 0; i < batch->count; i++)
        carry_delivered(self, now_us, batch->action[i], error);
    buffer_reset(&batch->body);
    batch->count = 0;
}

bool batches_add(struct server *self, int64_t now_us, const struct worker *worker,
                 const struct action *action, const struct mdp_message *request)
{
    struct batch *batch;

    if (worker->protocol != WORKER_MDP_02 || !worker->options.batches || worker->options.slots < 2)
        return false;
    batch = find(&self->batches, &worker->peer);
    if (!mdp_batch_suits(request)) {
        if (batch && batch->count > 0)
            send(self, now_us, batch);
        return false;
    }
    if (!batch && self->batches.count == BATCHES)
        return false;
    if (!batch)
        batch = begin(&self->batches, worker);
    mdp_batch_add(request, &batch->body);
    batch->action[batch->count++] = action;
    if (batch->count == BATCH_MOST || batch->body.size >= MDP_BATCH_SIZE)
        send(self, now_us, batch);
    return true;
}

void batches_send(struct server *self, int64_t now_us)
{
    struct batches *batches = &self->batches;

    for (size_t i = 0; i < batches->count; i++) {
        if (batches->batch[i].count > 0)
            send(self, now_us, &batches->batch[i]);
        buffer_done(&batches->batch[i].body);
    }
    batches->count = 0;
}

void batches_done(struct batches *self)
{
    free(self->batch);
    *self = (struct batches){0};
}
