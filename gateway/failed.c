#include "gateway/failed.h"

#include "adapters/bridge/records.h"
#include "adapters/host/clock.h"
#include "proto/history.h"
#include "proto/jtext.h"
#include "proto/stamp.h"
#include "proto/utf8.h"

struct look {
    const struct job *job;
    struct buffer *items;
    bool last; /* the failure that JOB ends with is not among them yet */
};

static void see(void *context, const struct delivery_record *record)
{
    struct look *look = context;
    size_t count = HISTORY_IN_REPLY;

    if (!span_is(record->conversation_id, look->job->conversation_id))
        return; /* of another row, from before somebody restored the file */
    look->last = look->last && record->failed < look->job->failed;
    if (look->last)
        count--;
    history_last(record->history, count, look->items);
}

/* The last failure as it will stand in the history, which the commit itself writes. */
static void put_last(const struct job *job, struct buffer *items)
{
    char now[STAMP_SIZE];

    stamp_format(clock_utc_us(), now);
    if (items->size)
        items->size--; /* the bracket */
    else
        buffer_byte(items, '[');
    buffer_text(items, items->size > 1 ? ",{" : "{");
    jtext_member_integer(items, "attempt", job->attempt);
    jtext_member(items, "worker", span_str(job->worker));
    jtext_member(items, "reason", utf8_cut(span_str(job_reason(job)), HISTORY_REASON));
    jtext_member(items, "at", span_str(now));
    buffer_text(items, "}]");
}

struct span failed_put(struct server *self, const struct job *job, struct buffer *storage)
{
    struct buffer items;
    struct look look = {.job = job, .items = &items, .last = job->kind == JOB_DEAD};

    if (job->failed == 0)
        return span_str("");
    buffer_init(&items);
    (void)records_one(tail_connection(self->tail), job->id, clock_utc_us(), see, &look);
    if (look.last)
        put_last(job, &items);
    if (items.size && redact_json(self->redact, buffer_span(&items), storage) == 0)
        buffer_add(storage, buffer_span(&items));
    buffer_done(&items);
    return buffer_span(storage);
}
