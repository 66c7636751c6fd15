/* Invariants:
 *   1. Between two calls no statement of the connection is un-reset and no transaction open, except
 *      between tail_load() and tail_unload(), and from tail_load_known() to the next call but that
 *      or to tail_let_go(). An open one freezes data_version and pins the WAL: it ends after
 *      KNOWN_ROWS of them at the latest.
 *   2. The cursor moves with each row that SEE has had, so an error in the middle repeats none.
 *   3. The version is read before the rows and stored after them. A commit in between is then seen
 *      once more, as a change without new rows, and never missed. */
#include "adapters/bridge/tail.h"

#include <assert.h>
#include <stdlib.h>

#include "adapters/bridge/row.h"
#include "adapters/bridge/schema.h"
#include "adapters/bridge/sql.h"
#include "proto/buffer.h"

#define KNOWN_ROWS 200 /* loaded in one transaction */
#define STREAMS 2 /* of rows that are loaded one behind another: those handed out, and answered */
#define STEPS_MOST 3 /* over so many rows it is cheaper to step than to search anew */

/* Known rows in id order, as far as they are asked for. */
struct stream {
    sqlite3_stmt *rows;
    int64_t at; /* the row at which it stands; 0: it is reset */
};

struct tail {
    sqlite3 *db;
    sqlite3_stmt *version; /* the proof */
    sqlite3_stmt *rows;    /* above the cursor */
    sqlite3_stmt *unread;  /* of those the unread ones of a session */
    sqlite3_stmt *ahead;   /* how far some of them reach */
    sqlite3_stmt *one;     /* by id */
    sqlite3_stmt *last;    /* the highest id */
    sqlite3_stmt *begin, *end;
    struct stream stream[STREAMS];
    size_t turn; /* the stream that begins anew next */
    struct addressees addressees;
    int64_t cursor; /* highest id that SEE has had */
    int seen;       /* version that tail_changed() read last */
    int settled;    /* version up to which everything was read */
    bool has_seen;
    bool has_settled;
    bool loaded;       /* between tail_load() and tail_unload() */
    bool open;         /* a transaction is, for tail_load_known() */
    size_t known_rows; /* loaded in it */
};

/* Rows with their senders, where the file has our table of them. */
static int prepare_rows(struct tail *self)
{
    bool senders = false;
    int error = schema_has(self->db, "tailgate_sender", &senders);
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {row_sql_above(senders), &self->rows},
        {row_sql_unread(senders), &self->unread},
        {row_sql_one(senders), &self->one},
        {row_sql_above(senders), &self->stream[0].rows},
        {row_sql_above(senders), &self->stream[1].rows},
    };
    sqlite3_stmt *made[sizeof all / sizeof all[0]] = {NULL};
    for (size_t i = 0; i < sizeof all / sizeof all[0] && error == BRIDGE_OK; i++)
        error = db_prepare(self->db, all[i].sql, &made[i]);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sqlite3_stmt **statement = error == BRIDGE_OK ? all[i].statement : &made[i];
        sqlite3_finalize(*statement);
        *statement = error == BRIDGE_OK ? made[i] : NULL;
    }
    return error;
}

static int prepare_all(struct tail *self)
{
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {"PRAGMA data_version", &self->version},
        {"SELECT max(id) FROM messages", &self->last},
        {row_sql_ahead(), &self->ahead},
        {"BEGIN", &self->begin},
        {"COMMIT", &self->end},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        int error = db_prepare(self->db, all[i].sql, all[i].statement);
        if (error != BRIDGE_OK)
            return error;
    }
    int error = addressees_init(&self->addressees, self->db);
    return error == BRIDGE_OK ? prepare_rows(self) : error;
}

int tail_know_senders(struct tail *self)
{
    tail_let_go(self);
    return prepare_rows(self);
}

int tail_open(const struct place *place, struct tail **ret_tail)
{
    struct tail *self = memory_zero(1, sizeof *self);
    int error = db_open(place, DB_READER, 0, &self->db);
    if (error == BRIDGE_OK)
        error = schema_require_bridge(self->db);
    if (error == BRIDGE_OK)
        error = prepare_all(self);
    if (error != BRIDGE_OK) {
        tail_close(&self);
        return error;
    }
    *ret_tail = self;
    return BRIDGE_OK;
}

void tail_close(struct tail **self)
{
    if (!*self)
        return;
    sqlite3_finalize((*self)->version);
    sqlite3_finalize((*self)->rows);
    sqlite3_finalize((*self)->unread);
    sqlite3_finalize((*self)->ahead);
    sqlite3_finalize((*self)->one);
    for (size_t i = 0; i < STREAMS; i++)
        sqlite3_finalize((*self)->stream[i].rows);
    sqlite3_finalize((*self)->last);
    sqlite3_finalize((*self)->begin);
    sqlite3_finalize((*self)->end);
    addressees_done(&(*self)->addressees);
    db_close(&(*self)->db);
    free(*self);
    *self = NULL;
}

static void stream_stop(struct stream *stream)
{
    sql_reset(stream->rows);
    stream->at = 0;
}

void tail_let_go(struct tail *self)
{
    bool row;

    assert(!self->loaded);
    addressees_forget(&self->addressees);
    if (!self->open)
        return;
    for (size_t i = 0; i < STREAMS; i++)
        stream_stop(&self->stream[i]);
    (void)sql_step(self->end, &row);
    sql_reset(self->end);
    if (!sqlite3_get_autocommit(self->db))
        sql_rollback(self->db); /* no memory for a COMMIT of what was only read */
    self->open = false;
}

/* PRAGMA data_version, of the transaction that is open, else of now. */
static int read_version(struct tail *self, int *ret_version)
{
    bool row = false;
    int error = sql_step(self->version, &row);

    *ret_version = error == BRIDGE_OK && row ? sqlite3_column_int(self->version, 0) : 0;
    sqlite3_reset(self->version);
    return error;
}

int tail_changed(struct tail *self, bool *ret_changed)
{
    tail_let_go(self);
    int version;
    int error = read_version(self, &version);
    if (error != BRIDGE_OK)
        return error;
    self->seen = version;
    self->has_seen = true;
    /* the number says "another one", not "a later one": it is compared for inequality only */
    *ret_changed = !self->has_settled || version != self->settled;
    return BRIDGE_OK;
}

/* Begins a transaction, which stands where its version was read. */
static int begin(struct tail *self)
{
    int version;
    bool row;
    int error = sql_step(self->begin, &row);

    sql_reset(self->begin);
    if (error != BRIDGE_OK)
        return error;
    self->open = true;
    self->known_rows = 0;
    error = read_version(self, &version);
    if (error == BRIDGE_OK)
        addressees_recall(&self->addressees, version);
    return error;
}

/* Calls SEE for each row of ROWS, which is bound, and moves *AFTER along. */
static int see_rows(struct tail *self, sqlite3_stmt *rows, tail_see_fn *see, void *context,
                    int64_t *after, size_t *ret_count)
{
    size_t count = 0;
    bool more = true;
    int error = BRIDGE_OK;
    while (more) {
        struct tail_row row;
        error = sql_step(rows, &more);
        if (error != BRIDGE_OK || !more)
            break;
        error = row_take(rows, &self->addressees, &row);
        if (error != BRIDGE_OK)
            break;
        see(context, &row);
        *after = row.id;
        count++;
    }
    sql_reset(rows);
    if (error == BRIDGE_OK)
        *ret_count = count;
    return error;
}

/* The rows above *AFTER up to UPTO. */
static int read_rows(struct tail *self, int64_t *after, int64_t upto, size_t limit,
                     tail_see_fn *see, void *context, size_t *ret_count)
{
    tail_let_go(self);
    const struct sql_value values[] = {sql_integer(*after), sql_integer((int64_t)limit),
                                       sql_integer(upto)};
    int error = begin(self);
    if (error == BRIDGE_OK)
        error = sql_bind(self->rows, values, 3);
    if (error == BRIDGE_OK)
        error = see_rows(self, self->rows, see, context, after, ret_count);
    tail_let_go(self);
    return error;
}

int tail_read(struct tail *self, size_t limit, tail_see_fn *see, void *context, size_t *ret_count)
{
    return read_rows(self, &self->cursor, INT64_MAX, limit, see, context, ret_count);
}

/* How many rows are above the cursor, at most LIMIT, and where they end. */
static int look_ahead(struct tail *self, size_t limit, size_t *ret_count, int64_t *ret_upto)
{
    const struct sql_value values[] = {sql_integer(self->cursor), sql_integer((int64_t)limit)};
    bool row = false;
    int error = sql_bind(self->ahead, values, 2);
    if (error == BRIDGE_OK)
        error = sql_step(self->ahead, &row);
    *ret_count = row ? (size_t)sqlite3_column_int64(self->ahead, 0) : 0;
    *ret_upto = row ? sqlite3_column_int64(self->ahead, 1) : 0;
    sql_reset(self->ahead);
    return error;
}

int tail_read_unread(struct tail *self, struct span session, size_t limit, tail_see_fn *see,
                     void *context, size_t *ret_count)
{
    tail_let_go(self);
    size_t count = 0, seen = 0;
    int64_t upto = 0;
    int error = begin(self);
    if (error == BRIDGE_OK)
        error = look_ahead(self, limit, &count, &upto);
    const struct sql_value values[] = {sql_integer(self->cursor), sql_integer(upto),
                                       sql_text(session)};
    if (error == BRIDGE_OK)
        error = sql_bind(self->unread, values, 3);
    if (error == BRIDGE_OK && count > 0)
        error = see_rows(self, self->unread, see, context, &self->cursor, &seen);
    tail_let_go(self);
    if (error != BRIDGE_OK)
        return error;
    if (count > 0)
        self->cursor = upto;
    *ret_count = count;
    return BRIDGE_OK;
}

int tail_range(struct tail *self, int64_t after, int64_t upto, size_t limit, tail_see_fn *see,
               void *context, size_t *ret_count)
{
    return read_rows(self, &after, upto, limit, see, context, ret_count);
}

sqlite3 *tail_connection(struct tail *self)
{
    if (!self->loaded)
        tail_let_go(self);
    return self->db;
}

void tail_start_at(struct tail *self, int64_t id)
{
    if (id > self->cursor)
        self->cursor = id;
}

int64_t tail_cursor(const struct tail *self)
{
    return self->cursor;
}

void tail_settle(struct tail *self)
{
    if (!self->has_seen)
        return;
    self->settled = self->seen;
    self->has_settled = true;
}

int tail_load(struct tail *self, int64_t id, struct tail_row *ret_row)
{
    tail_let_go(self);
    const struct sql_value value = sql_integer(id);
    int error = sql_bind(self->one, &value, 1);
    bool row = false;
    if (error == BRIDGE_OK)
        error = sql_step(self->one, &row);
    if (error == BRIDGE_OK && !row)
        error = BRIDGE_ABSENT;
    if (error == BRIDGE_OK)
        error = row_take(self->one, &self->addressees, ret_row);
    if (error != BRIDGE_OK) {
        sql_reset(self->one);
        return error;
    }
    self->loaded = true;
    return BRIDGE_OK;
}

/* The stream that stands at ID or shortly before it, else one that is to begin there. */
static struct stream *stream_to(struct tail *self, int64_t id)
{
    struct stream *stream;

    for (size_t i = 0; i < STREAMS; i++) {
        stream = &self->stream[i];
        if (stream->at && stream->at <= id && id - stream->at <= STEPS_MOST)
            return stream;
    }
    stream = &self->stream[self->turn++ % STREAMS];
    stream_stop(stream);
    return stream;
}

/* Moves STREAM to the first row from ID on. BRIDGE_ABSENT: that is another one, or none. */
static int stream_move(struct stream *stream, int64_t id)
{
    const struct sql_value values[] = {sql_integer(id - 1), sql_integer(-1),
                                       sql_integer(INT64_MAX)};
    int error = stream->at ? BRIDGE_OK : sql_bind(stream->rows, values, 3);

    while (error == BRIDGE_OK && stream->at < id) {
        bool row = false;
        error = sql_step(stream->rows, &row);
        if (error == BRIDGE_OK && !row)
            error = BRIDGE_ABSENT;
        if (error == BRIDGE_OK)
            stream->at = row_id(stream->rows);
    }
    if (error != BRIDGE_OK)
        stream_stop(stream);
    return error == BRIDGE_OK && stream->at != id ? BRIDGE_ABSENT : error;
}

int tail_load_known(struct tail *self, int64_t id, struct tail_row *ret_row)
{
    struct stream *stream = NULL;
    int error = BRIDGE_OK;

    assert(!self->loaded);
    if (id <= 0)
        return BRIDGE_ABSENT; /* somebody has edited a table of ours: the tail brings none */
    if (!self->open || self->known_rows == KNOWN_ROWS) {
        tail_let_go(self);
        error = begin(self);
    }
    if (error == BRIDGE_OK) {
        stream = stream_to(self, id);
        error = stream_move(stream, id);
    }
    if (error == BRIDGE_OK)
        error = row_take(stream->rows, &self->addressees, ret_row);
    if (error != BRIDGE_OK && error != BRIDGE_ABSENT)
        tail_let_go(self);
    self->known_rows++;
    self->loaded = error == BRIDGE_OK;
    return error;
}

bool tail_stands(const struct tail *self)
{
    return self->open;
}

void tail_unload(struct tail *self)
{
    if (!self->open)
        sql_reset(self->one);
    self->loaded = false;
}

int tail_last_id(struct tail *self, int64_t *ret_id)
{
    tail_let_go(self);
    bool row = false;
    int error = sql_step(self->last, &row);
    int64_t id = error == BRIDGE_OK && row ? sqlite3_column_int64(self->last, 0) : 0;
    sql_reset(self->last);
    if (error != BRIDGE_OK)
        return error;
    *ret_id = id;
    return BRIDGE_OK;
}

bool tail_is_quiet(const struct tail *self)
{
    return !self->loaded && !self->open && sqlite3_get_autocommit(self->db) &&
           db_is_quiet(self->db);
}
