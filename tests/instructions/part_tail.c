/* The tail: new rows are read, as many at once as the loop reads in a turn. */
#include "adapters/bridge/tail.h"
#include "tests/instructions/part.h"
#include "tests/instructions/site.h"

#define ROWS_AT_ONCE 500

static struct tail *tail;
static size_t seen;

void part_prepare(void)
{
    part_need(tail_open(site_make(), &tail) == BRIDGE_OK, "the tail is not opened");
}

static void see(void *context, const struct tail_row *row)
{
    (void)context;
    part_need(row->has_conversation && row->columns.text.size == QUERY_SIZE && !row->read,
              "a row is not what was written");
    seen++;
}

void part_run(size_t queries)
{
    size_t count = 1;

    while (seen < queries && count > 0) {
        size_t limit = queries - seen < ROWS_AT_ONCE ? queries - seen : ROWS_AT_ONCE;
        part_need(tail_read(tail, limit, see, NULL, &count) == BRIDGE_OK, "rows are not read");
    }
    part_need(seen == queries, "not all rows were read");
}

void part_end(void)
{
    tail_close(&tail);
    site_remove();
}
