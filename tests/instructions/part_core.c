/* The core: queries are seen, handed to 4 workers with 100 slots each, answered and committed in
 * groups. The tokens that the workers answer with are made beforehand; that they are verified
 * counts here. */
#include <stdlib.h>

#include "gateway/dispatch.h"
#include "proto/buffer.h"
#include "tests/instructions/part.h"

#define WORKERS 4
#define SLOTS 100
#define GROUP 1000 /* answers in one commit */
#define SECOND INT64_C(1000000)

static struct {
    struct dispatch *core;
    struct rulebook book;
    int64_t now_us;
    struct token token[QUERIES_MAX + 1]; /* by id, of its first attempt */
    struct token_digest digest[QUERIES_MAX + 1];
    struct peer at[QUERIES_MAX + 1];       /* which worker has it */
    size_t given[QUERIES_MAX], givens;     /* ids, in the order in which they were handed out */
    size_t answered[QUERIES_MAX], answers; /* ids, in the order of their answers */
} core;

static void feed(const struct event *event)
{
    core.now_us += 5;
    dispatch_feed(core.core, core.now_us, event);
}

/* Carries out what the core wants: it is handed over, it is answered. */
static void carry_out(void)
{
    const struct action *action;

    while ((action = dispatch_take(core.core))) {
        struct event event = {.kind = EVENT_DELIVERED};
        size_t id = (size_t)action->id;

        if (action->kind == ACTION_ANSWER)
            core.answered[core.answers++] = id;
        if (action->kind != ACTION_DELIVER)
            continue;
        core.at[id] = action->peer;
        core.given[core.givens++] = id;
        event.delivered.id = action->id;
        event.delivered.attempt = action->attempt;
        event.delivered.peer = &core.at[id];
        feed(&event);
    }
}

static void hire(unsigned char number)
{
    static const struct envelope envelope;
    const struct worker_options options = {
        .name = PART_WORKER, .slots = SLOTS, .heartbeats = true, .interval_ms = 2500};
    const struct peer peer = {.size = 5, .id = {0, 0x12, 0x34, 0x56, number}};
    struct event event = {.kind = EVENT_READY};

    event.ready.peer = &peer;
    event.ready.protocol = WORKER_MDP_02;
    event.ready.envelope = &envelope;
    event.ready.service = span_str(SERVICE_ALL);
    event.ready.options = &options;
    feed(&event);
    carry_out();
}

void part_prepare(void)
{
    struct dispatch_config config = {.seed = 7,
                                     .rulebook = &core.book,
                                     .beat_us = 5 * SECOND / 2,
                                     .grace_us = 2 * SECOND,
                                     .record_after_us = SECOND / 4,
                                     .queue = 10000};
    char text[QUERY_SIZE + 1];

    core.book.general = (struct rules){.lease_us = 600 * SECOND,
                                       .attempt_max_us = 1800 * SECOND,
                                       .attempt_hard_max_us = 7200 * SECOND,
                                       .backoff_first_us = SECOND,
                                       .backoff_max_us = 60 * SECOND,
                                       .attempts = 5,
                                       .window = 10000};
    memset(config.key.bytes, 0x5a, sizeof config.key.bytes);
    core.now_us = 1000 * SECOND;
    core.core = dispatch_new(&config);
    for (size_t id = 1; id <= QUERIES_MAX; id++) {
        token_digest(span_str(part_conversation(id)), part_query(id, text), &core.digest[id]);
        token_sign(&config.key, (int64_t)id, 1, &core.digest[id], &core.token[id]);
    }
    for (unsigned char i = 0; i < WORKERS; i++)
        hire(i);
}

static void answer(size_t id)
{
    struct event event = {.kind = EVENT_ANSWER};

    event.answer.peer = &core.at[id];
    event.answer.token = core.token[id];
    event.answer.row.found = true;
    event.answer.row.digest = core.digest[id];
    event.answer.row.service = span_str("default");
    event.answer.row.conversation_id = span_str(part_conversation(id));
    feed(&event);
    carry_out();
}

void part_run(size_t queries)
{
    size_t committed = 0;

    for (size_t id = 1; id <= queries; id++) {
        struct event event = {.kind = EVENT_QUERY};
        event.query.id = (int64_t)id;
        event.query.conversation_id = span_str(part_conversation(id));
        event.query.service = span_str("default");
        feed(&event);
        carry_out();
    }
    for (size_t i = 0; i < queries; i++) {
        part_need(i < core.givens, "the core hands nothing out any more");
        answer(core.given[i]);
        for (; core.answers - committed == GROUP || (i + 1 == queries && committed < queries);
             committed++) {
            struct event event = {.kind = EVENT_COMMITTED};
            event.committed.id = (int64_t)core.answered[committed];
            feed(&event);
            carry_out();
        }
    }
    part_need(core.answers == queries && dispatch_outstanding(core.core) == 0,
              "not every query was answered once");
}

void part_end(void)
{
    dispatch_destroy(&core.core);
}
