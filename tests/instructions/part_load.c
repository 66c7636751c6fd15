/* The tail: one query after the other is loaded by its id, to be handed to a worker. */
#include "adapters/bridge/tail.h"
#include "tests/instructions/part.h"
#include "tests/instructions/site.h"

#define LOADS_AT_ONCE 100 /* in one turn of the loop */

static struct tail *tail;

void part_prepare(void)
{
    part_need(tail_open(site_make(), &tail) == BRIDGE_OK, "the tail is not opened");
}

void part_run(size_t queries)
{
    for (size_t id = 1; id <= queries; id++) {
        struct tail_row row;
        part_need(tail_load_known(tail, (int64_t)id, &row) == BRIDGE_OK &&
                      row.columns.text.size == QUERY_SIZE,
                  "a row is not loaded");
        tail_unload(tail);
        if (id % LOADS_AT_ONCE == 0)
            tail_let_go(tail);
    }
}

void part_end(void)
{
    tail_close(&tail);
    site_remove();
}
