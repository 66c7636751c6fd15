#include "gateway/checkpoints.h"

#include "adapters/host/clock.h"

#define FRAMES_MAX 400
/* SQLite waits for the place that a reader has among its read marks, also when that reader has gone
 * on to the newest commit and taken the same place again, as our own does. The next try sees that.
 * Not where a writer was in the way: what could be moved was, and each try would sync it again. */
#define TRYING_US 5000
/* They have waited about so long with the lock held, and who reads for an hour will not end sooner
 * for it: the next one is so much later, doubling. */
#define AGAIN_FIRST_US 1000000
#define AGAIN_MAX_US 4000000
/* A -wal file above this is large. Half as much is what SQLite leaves of it (db.c). */
#define SIZE_MAX_BYTES (16 << 20)

void checkpoints_init(struct checkpoints *self)
{
    self->due_frames = 0;
    self->due_us = INT64_MAX;
    self->pause_us = AGAIN_FIRST_US;
}

int checkpoints_try(struct checkpoints *self, struct store *store)
{
    int64_t until_us = clock_mono_us() + TRYING_US;
    enum store_checkpointed how;
    int error;
    bool complete;

    do {
        atomic_fetch_add(&self->begun, 1);
        error = store_checkpoint(store, &how);
    } while (!error && how == STORE_CHECKPOINT_BUSY && store_wal_unmoved(store) > 0 &&
             clock_mono_us() < until_us);
    complete = how == STORE_CHECKPOINT_COMPLETE;

    if (!error && complete && store_wal_size(store) > SIZE_MAX_BYTES)
        error = store_restart_wal(store, clock_utc_us());
    self->ended[how]++;
    complete = complete && store_wal_size(store) <= SIZE_MAX_BYTES;
    if (complete) {
        checkpoints_init(self);
        return error;
    }
    self->due_frames = store_wal_frames(store) + FRAMES_MAX;
    self->due_us = clock_mono_us() + self->pause_us;
    if (self->pause_us < AGAIN_MAX_US)
        self->pause_us *= 2;
    return error;
}

bool checkpoints_due(const struct checkpoints *self, const struct store *store, int64_t now_us)
{
    int frames = store_wal_frames(store);

    if (self->due_us == INT64_MAX)
        return frames >= FRAMES_MAX;
    return frames >= self->due_frames || now_us >= self->due_us;
}

const char *checkpoints_end_name(enum store_checkpointed how)
{
    static const char *const name[STORE_CHECKPOINTED] = {"complete", "busy", "partial", "failed"};
    return name[how];
}
