/* Rows that nothing in their transaction looks at again, of the audit log and of who sent what:
 * they are written many at once, the last of them before COMMIT. An INSERT of sixteen rows costs
 * less than half of what sixteen of one row cost, most of all where the table has AUTOINCREMENT. */
#include <assert.h>

#include "adapters/bridge/audit.h"
#include "adapters/bridge/store_inside.h"

#define KEPT_ROOM 4096 /* storage kept for the next row in its place */

#define FOUR(row) row ", " row ", " row ", " row
#define SIXTEEN(row) FOUR(FOUR(row))

#define AUDIT_ROW "(?, ?, ?, ?, ?)"
/* Where a row of this id was before, its sender is somebody else's. */
#define SENDER "INSERT OR REPLACE INTO tailgate_sender(message_id, principal, name, made_at) VALUES"
#define SENDER_ROW "(?, ?, ?, ?)"

const struct store_sql store_sql_of_rows[] = {
    {RUN_AUDIT, false, AUDIT_INSERT AUDIT_ROW},
    {RUN_AUDIT_FOUR, false, AUDIT_INSERT FOUR(AUDIT_ROW)},
    {RUN_AUDIT_SIXTEEN, false, AUDIT_INSERT SIXTEEN(AUDIT_ROW)},
    {RUN_SENDER, false, SENDER SENDER_ROW},
    {RUN_SENDER_FOUR, false, SENDER FOUR(SENDER_ROW)},
    {RUN_SENDER_SIXTEEN, false, SENDER SIXTEEN(SENDER_ROW)},
    {0},
};

/* The largest first. */
static const struct {
    enum store_statement statement[STORE_GATHERINGS];
    size_t rows;
} insert[] = {
    {{RUN_AUDIT_SIXTEEN, RUN_SENDER_SIXTEEN}, STORE_GATHERED},
    {{RUN_AUDIT_FOUR, RUN_SENDER_FOUR}, 4},
    {{RUN_AUDIT, RUN_SENDER}, 1},
};

static const size_t columns[STORE_GATHERINGS] = {
    [STORE_GATHER_AUDIT] = AUDIT_COLUMNS, [STORE_GATHER_SENDER] = 4};

/* Copies the texts of VALUES, which RET_ROW then points to. */
static void copy_row(const struct sql_value *values, size_t count, struct buffer *texts,
                     struct sql_value *ret_row)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += values[i].text.size;
    if (texts->room > KEPT_ROOM)
        buffer_done(texts);
    buffer_reset(texts);
    buffer_reserve(texts, size);
    for (size_t i = 0; i < count; i++) {
        size_t at = texts->size;
        buffer_add(texts, values[i].text);
        ret_row[i] = values[i];
        ret_row[i].text = span_of(texts->data + at, values[i].text.size);
    }
}

static int write_rows(struct store *self, enum store_gathering which)
{
    struct store_gather *gather = &self->gather[which];
    size_t done = 0;
    int error = BRIDGE_OK;
    while (error == BRIDGE_OK && done < gather->rows) {
        size_t size = 0;
        while (insert[size].rows > gather->rows - done)
            size++;
        error =
            store_run(self, insert[size].statement[which], &gather->value[done * columns[which]],
                      insert[size].rows * columns[which]);
        done += insert[size].rows;
    }
    gather->rows = 0;
    return error;
}

int store_gather(struct store *self, enum store_gathering which, const struct sql_value *values)
{
    assert(!sqlite3_get_autocommit(self->db));
    struct store_gather *gather = &self->gather[which];
    copy_row(values, columns[which], &gather->texts[gather->rows],
             &gather->value[gather->rows * columns[which]]);
    gather->rows++;
    return gather->rows < STORE_GATHERED ? BRIDGE_OK : write_rows(self, which);
}

int store_write_gathered(struct store *self)
{
    int error = write_rows(self, STORE_GATHER_AUDIT);
    return error == BRIDGE_OK ? write_rows(self, STORE_GATHER_SENDER) : error;
}

void store_forget_gathered(struct store *self)
{
    for (size_t which = 0; which < STORE_GATHERINGS; which++)
        self->gather[which].rows = 0;
}

void store_gathered_done(struct store *self)
{
    for (size_t which = 0; which < STORE_GATHERINGS; which++)
        for (size_t i = 0; i < STORE_GATHERED; i++)
            buffer_done(&self->gather[which].texts[i]);
}
