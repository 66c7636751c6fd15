/* The commit: replies in groups of 1000, as the committer writes those of a queue that is full. */
#include "adapters/bridge/store.h"
#include "tests/instructions/part.h"
#include "tests/instructions/site.h"

#define GROUP 1000
#define NOW_US INT64_C(1767225600000000) /* 2026-01-01 */
#define BUSY_MS 1000

static struct store *store;

void part_prepare(void)
{
    struct token_key key;

    part_need(store_open(site_make(), BUSY_MS, &store, &key) == BRIDGE_OK,
              "the store is not opened");
}

static void reply(size_t id)
{
    const struct store_reply reply = {
        .message_id = (int64_t)id,
        .conversation_id = span_str(part_conversation(id)),
        .from_session = span_str("b"),
        .to_session = span_str("a"),
        .text = part_answer(),
        .metadata =
            span_str("{\"in_reply_to\":1234,\"service\":\"default\",\"worker\":\"" PART_WORKER
                     "\",\"attempt\":1,\"response_time_sec\":0.001}"),
        .worker = span_str(PART_WORKER),
        .service = span_str("default"),
        .attempt = 1,
        .sender = {span_str("uid:0"), span_str("")},
    };
    enum store_outcome outcome = STORE_DELETED;

    part_need(store_reply(store, &reply, &outcome) == BRIDGE_OK && outcome == STORE_COMMITTED,
              "a reply is not committed");
}

void part_run(size_t queries)
{
    for (size_t id = 1; id <= queries; id++) {
        if (id % GROUP == 1)
            part_need(store_begin(store, NOW_US) == BRIDGE_OK, "a group does not begin");
        reply(id);
        if (id % GROUP == 0 || id == queries)
            part_need(store_commit(store) == BRIDGE_OK, "a group is not committed");
    }
}

void part_end(void)
{
    store_close(&store);
    site_remove();
}
