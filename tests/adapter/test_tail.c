/* adapters/bridge/tail: every committed row once, in order, and nothing else. */
#include "adapters/bridge/tail.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/bridge/row.h"
#include "tests/adapter/support.h"

static char folder[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    support_mkdir(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_rmdir(folder);
    return 0;
}

static struct tail *open_tail(const struct place *place)
{
    struct tail *tail = NULL;
    assert_int_equal(tail_open(place, &tail), BRIDGE_OK);
    return tail;
}

struct seen {
    int64_t last;
    size_t rows;
    size_t rolled_back;
};

static void see(void *context, const struct tail_row *row)
{
    struct seen *seen = context;
    assert_true(row->id > seen->last);
    seen->last = row->id;
    seen->rows++;
    if (span_is(row->columns.text, "rolled back"))
        seen->rolled_back++;
}

/* Reads to the end; returns false when there was no change, or the file is locked just now. */
static bool catch_up(struct tail *tail, size_t limit, struct seen *seen)
{
    bool changed = false;
    int error = tail_changed(tail, &changed);
    if (error == BRIDGE_BUSY)
        return false;
    assert_int_equal(error, BRIDGE_OK);
    if (!changed)
        return false;
    size_t count = limit;
    while (count == limit) {
        error = tail_read(tail, limit, see, seen, &count);
        if (error == BRIDGE_BUSY)
            return false; /* not settled: the change is still to be read */
        assert_int_equal(error, BRIDGE_OK);
        assert_true(tail_is_quiet(tail));
    }
    tail_settle(tail);
    return true;
}

static bool is_changed(struct tail *tail)
{
    bool changed = false;
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK);
    return changed;
}

static void follow_bursts(const char *mode)
{
    struct place place = support_place(folder, "bridge.db");
    peer_run("make", place.db, CONVERSATION, mode, NULL);
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    struct peer_process peer = peer_start("burst", place.db, CONVERSATION, "3000", mode, NULL);
    while (!peer_ended(&peer, 0))
        catch_up(tail, 100, &seen);
    assert_int_equal(peer_wait(&peer), 0);
    catch_up(tail, 100, &seen);
    assert_int_equal(seen.rolled_back, 0);
    tail_close(&tail);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM messages"), seen.rows);
    assert_true(seen.rows > 2000);
}

static void every_committed_row_is_seen_once_in_order_in_wal_mode(void **state)
{
    (void)state;
    follow_bursts("WAL");
}

static void every_committed_row_is_seen_once_in_order_in_rollback_mode(void **state)
{
    (void)state;
    follow_bursts("DELETE");
}

static void a_tail_starts_with_the_rows_that_are_there(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    file_run(&place,
             "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000)"
             " INSERT INTO messages(conversation_id, from_session, to_session, message,"
             " timestamp) SELECT '" CONVERSATION "', 'a', 'b', 'm' || i, '' FROM n");
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    int64_t last = 0;
    assert_int_equal(tail_last_id(tail, &last), BRIDGE_OK);
    assert_int_equal(last, 10000);
    size_t count = 0;
    assert_true(is_changed(tail));
    assert_int_equal(tail_read(tail, 256, see, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 256);
    assert_int_equal(tail_cursor(tail), 256);
    assert_true(catch_up(tail, 256, &seen));
    assert_int_equal(seen.rows, 10000);
    assert_int_equal(tail_cursor(tail), 10000);
    tail_close(&tail);
}

static void changed_says_no_until_somebody_commits(void **state)
{
    (void)state;
    const char *modes[] = {"WAL", "DELETE"};
    for (size_t i = 0; i < 2; i++) {
        struct place place = support_place(folder, modes[i]);
        peer_run("make", place.db, CONVERSATION, modes[i], NULL);
        struct tail *tail = open_tail(&place);
        struct seen seen = {0};
        assert_true(is_changed(tail)); /* the first time, always */
        assert_true(catch_up(tail, 10, &seen));
        for (int j = 0; j < 10; j++)
            assert_false(is_changed(tail));
        for (int j = 0; j < 5; j++) {
            peer_run("burst", place.db, CONVERSATION, "1", modes[i], NULL);
            assert_true(is_changed(tail));
            assert_true(is_changed(tail)); /* until it is settled */
            assert_true(catch_up(tail, 10, &seen));
            assert_false(is_changed(tail));
            assert_int_equal(seen.rows, 5 * (j + 1));
        }
        peer_run("script", place.db,
                 "BEGIN IMMEDIATE; INSERT INTO messages(conversation_id,"
                 " from_session, to_session, message, timestamp) VALUES"
                 "('x', 'a', 'b', 'rolled back', ''); ROLLBACK",
                 NULL);
        catch_up(tail, 10, &seen);
        assert_int_equal(seen.rows, 25);
        tail_close(&tail);
    }
}

static void a_commit_between_version_and_rows_is_seen_again(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    size_t count = 0;
    assert_true(is_changed(tail));
    peer_run("send", place.db, CONVERSATION, "a", "in between", NULL);
    assert_int_equal(tail_read(tail, 10, see, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, 1);
    tail_settle(tail);
    assert_true(is_changed(tail)); /* once too often, never once too seldom */
    assert_true(catch_up(tail, 10, &seen));
    assert_int_equal(seen.rows, 1);
    tail_close(&tail);
}

static void tailing_goes_on_when_others_switch_to_wal_and_delete_it(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    char wal[PATH_MAX + 8];
    snprintf(wal, sizeof wal, "%s-wal", place.db);
    peer_run("make", place.db, CONVERSATION, "DELETE", NULL);
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    assert_true(catch_up(tail, 10, &seen));
    /* two processes after each other, each the last to close: -wal comes and goes twice unseen */
    peer_run("burst", place.db, CONVERSATION, "1", "WAL", NULL);
    assert_int_equal(access(wal, F_OK), -1);
    peer_run("burst", place.db, CONVERSATION, "1", "WAL", NULL);
    assert_int_equal(access(wal, F_OK), -1);
    assert_true(catch_up(tail, 10, &seen));
    assert_int_equal(seen.rows, 10);
    /* now the tail is a reader of the WAL, and nobody else is ever the last */
    for (int i = 0; i < 5; i++) {
        peer_run("burst", place.db, CONVERSATION, "1", "WAL", NULL);
        assert_true(catch_up(tail, 10, &seen));
        assert_int_equal(access(wal, F_OK), 0);
    }
    assert_int_equal(seen.rows, 35);
    peer_run("script", place.db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL);
    catch_up(tail, 10, &seen);
    peer_run("burst", place.db, CONVERSATION, "1", "WAL", NULL);
    assert_true(catch_up(tail, 10, &seen));
    assert_int_equal(seen.rows, 40);
    tail_close(&tail);
}

static void a_loaded_row_is_the_only_thing_that_is_not_quiet(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "What is X?", NULL);
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    struct tail_row row;
    assert_true(catch_up(tail, 10, &seen));
    assert_int_equal(tail_load(tail, 2, &row), BRIDGE_ABSENT);
    assert_true(tail_is_quiet(tail));
    assert_int_equal(tail_load(tail, 1, &row), BRIDGE_OK);
    assert_true(span_is(row.columns.text, "What is X?"));
    assert_false(tail_is_quiet(tail));
    tail_unload(tail);
    assert_true(tail_is_quiet(tail));
    peer_run("send", place.db, CONVERSATION, "a", "more", NULL);
    assert_true(is_changed(tail)); /* an un-reset statement would freeze the version */
    tail_close(&tail);
}

/* Loads row ID by LOAD and says whether it is read. */
static bool is_read(struct tail *tail, int (*load)(struct tail *, int64_t, struct tail_row *),
                    int64_t id)
{
    struct tail_row row;
    assert_int_equal(load(tail, id, &row), BRIDGE_OK);
    bool read = row.read;
    tail_unload(tail);
    return read;
}

static void known_rows_come_from_one_instant_until_they_are_let_go(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "What is X?", NULL);
    peer_run("send", place.db, CONVERSATION, "a", "What is Y?", NULL);
    struct tail *tail = open_tail(&place);
    struct tail_row row;
    assert_false(is_read(tail, tail_load_known, 1));
    assert_false(tail_is_quiet(tail));
    file_run(&place, "UPDATE messages SET read = 1");
    assert_false(is_read(tail, tail_load_known, 2)); /* as it stood with row 1 */
    assert_true(is_read(tail, tail_load, 2));        /* as it is */
    assert_true(tail_is_quiet(tail));
    assert_true(is_read(tail, tail_load_known, 2));
    tail_let_go(tail);
    assert_true(tail_is_quiet(tail));
    assert_int_equal(tail_load_known(tail, 9, &row), BRIDGE_ABSENT);
    assert_int_equal(tail_load_known(tail, 0, &row), BRIDGE_ABSENT);
    file_run(&place, "UPDATE messages SET read = 0");
    assert_true(is_changed(tail)); /* an open transaction would freeze the version */
    assert_true(tail_is_quiet(tail));
    tail_close(&tail);
}

/* The role at the session that row 1 is addressed to, as LOAD finds it. */
static void expect_role(struct tail *tail, int (*load)(struct tail *, int64_t, struct tail_row *),
                        const char *role)
{
    struct tail_row row;
    assert_int_equal(load(tail, 1, &row), BRIDGE_OK);
    assert_true(span_is(row.role, role));
    tail_unload(tail);
}

static void what_is_known_of_a_conversation_is_as_old_as_the_row_that_it_comes_with(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "What is X?", NULL);
    file_run(&place, "UPDATE conversations SET session_b_role = 'first'");
    struct tail *tail = open_tail(&place);
    expect_role(tail, tail_load_known, "first");
    tail_let_go(tail);
    expect_role(tail, tail_load_known, "first"); /* remembered: nobody has committed */
    file_run(&place, "UPDATE conversations SET session_b_role = 'second'");
    expect_role(tail, tail_load_known, "first"); /* the transaction is still open */
    tail_let_go(tail);
    expect_role(tail, tail_load_known, "second");
    file_run(&place, "UPDATE conversations SET session_b_role = 'third'");
    expect_role(tail, tail_load, "third");
    file_run(&place, "UPDATE conversations SET session_b_role = 'fourth'");
    expect_role(tail, tail_load_known, "fourth");
    tail_let_go(tail);
    file_run(&place, "UPDATE conversations SET session_b_role = 'fifth'");
    bool changed;
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_OK); /* reads the version, too */
    expect_role(tail, tail_load_known, "fifth");
    tail_let_go(tail);
    tail_close(&tail);
}

static void known_rows_come_in_whatever_order_they_are_asked_for(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct tail_row row;
    unsigned random = 1;
    file_run(&place, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
                     " INSERT INTO messages(id, conversation_id, from_session, to_session, message,"
                     " timestamp, read) SELECT i, '" CONVERSATION "', 'a', 'b', i, '', 0 FROM n"
                     " WHERE i % 7 <> 0");
    struct tail *tail = open_tail(&place);
    for (int i = 0; i < 600; i++) {
        char text[12];
        /* two that go up, and now and then any */
        int64_t id = i % 2 ? i / 2 % 42 + 1 : (i / 3 + 17) % 42 + 1;
        random = random * 1103515245 + 12345;
        if (random >> 16 & 1)
            id = random >> 17 & 63;
        id += id == 0;
        int error = tail_load_known(tail, id, &row);
        assert_int_equal(error, id % 7 && id <= 40 ? BRIDGE_OK : BRIDGE_ABSENT);
        if (error != BRIDGE_OK)
            continue;
        snprintf(text, sizeof text, "%d", (int)id);
        assert_int_equal(row.id, id);
        assert_true(span_is(row.columns.text, text));
        tail_unload(tail);
    }
    tail_let_go(tail);
    assert_true(tail_is_quiet(tail));
    tail_close(&tail);
}

static void known_rows_are_not_held_for_ever(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    peer_run("send", place.db, CONVERSATION, "a", "What is X?", NULL);
    struct tail *tail = open_tail(&place);
    assert_false(is_read(tail, tail_load_known, 1));
    file_run(&place, "UPDATE messages SET read = 1");
    int loads = 1;
    while (loads < 1000 && !is_read(tail, tail_load_known, 1))
        loads++;
    assert_in_range(loads, 2, 999);
    tail_let_go(tail);
    tail_close(&tail);
}

struct told {
    size_t rows;
    char text[400];
};

/* Notes what a row's conversation says. */
static void see_told(void *context, const struct tail_row *row)
{
    struct told *told = context;
    size_t size = strlen(told->text);
    snprintf(told->text + size, sizeof told->text - size, "%.*s %.*s %.*s %d,", (int)row->role.size,
             row->role.data ? row->role.data : "", (int)row->expires_at.size,
             row->expires_at.data ? row->expires_at.data : "", (int)row->agent_at.size,
             row->agent_at.data ? row->agent_at.data : "", row->has_conversation);
    told->rows++;
}

static void a_row_comes_with_what_its_conversation_says_of_its_session(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
#define ROW                                                                                        \
    "INSERT INTO messages(conversation_id, from_session, to_session, message, timestamp, read) "
    file_run(&place,
             "INSERT INTO conversations VALUES('c1', 'A1', 'B1', 'x', 'x', '', 'T1'),"
             " ('c2', 'A2', 'B2', 'x', 'x', '', 'T2');"
             "INSERT INTO session_status VALUES('c1', 'b', 'there', 'H'), ('c2', 'a', 'tailgate',"
             " 'H');" ROW "VALUES('c1', 'a', 'b', '', '', 0), ('c2', 'a', 'b', '', '', 0),"
             " ('c1', 'a', 'b', '', '', 1), ('c1', 'b', 'a', '', '', 0),"
             " ('c2', 'b', 'a', '', '', 0), (x'6331', 'a', 'b', '', '', 0),"
             " ('c1', 'a', x'62', '', '', 0), ('c', 'a', '1b', '', '', 0),"
             " ('c1', 'a', 'b', '', '', 0)");
#undef ROW
    struct tail *tail = open_tail(&place);
    struct told told = {0, ""};
    size_t count = 0;
    assert_int_equal(tail_read(tail, 100, see_told, &told, &count), BRIDGE_OK);
    assert_string_equal(told.text, "B1 T1 H 1,B2 T2  1,B1 T1  1,A1 T1  1,A2 T2  1,   0,A1 T1  1,"
                                   "   0,B1 T1 H 1,");
    /* nothing of that is believed in the next read */
    file_run(&place, "UPDATE conversations SET session_b_role = 'new' WHERE id = 'c1';"
                     "DELETE FROM conversations WHERE id = 'c2'; DELETE FROM session_status");
    told = (struct told){0, ""};
    assert_int_equal(tail_range(tail, 0, 2, 100, see_told, &told, &count), BRIDGE_OK);
    assert_string_equal(told.text, "new T1  1,   0,");
    tail_close(&tail);
}

static void a_locked_file_is_skipped_at_once_and_read_later(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    peer_run("make", place.db, CONVERSATION, "DELETE", NULL);
    struct tail *tail = open_tail(&place);
    struct seen seen = {0};
    assert_true(catch_up(tail, 10, &seen));
    sqlite3 *other =
        NULL; /* an exclusive lock: in this mode readers are kept out while it writes */
    assert_int_equal(db_open(&place, DB_WRITER, 0, &other), BRIDGE_OK);
    assert_int_equal(db_run(other, "BEGIN EXCLUSIVE; INSERT INTO messages(conversation_id,"
                                   " from_session, to_session, message, timestamp) VALUES"
                                   "('" CONVERSATION "', 'a', 'b', 'late', '')"),
                     BRIDGE_OK);
    bool changed;
    size_t count;
    struct tail_row row;
    assert_int_equal(tail_changed(tail, &changed), BRIDGE_BUSY);
    assert_int_equal(tail_read(tail, 10, see, &seen, &count), BRIDGE_BUSY);
    assert_int_equal(tail_load(tail, 1, &row), BRIDGE_BUSY);
    assert_true(tail_is_quiet(tail));
    assert_int_equal(db_run(other, "COMMIT"), BRIDGE_OK);
    db_close(&other);
    assert_true(catch_up(tail, 10, &seen));
    assert_int_equal(seen.rows, 1);
    tail_close(&tail);
}

/* What a row should look like, by id. */
struct expected {
    const char *text;
    size_t text_size;
    bool text_is_text;
    const char *metadata;
    bool metadata_is_text;
    bool read;
    bool has_conversation;
    const char *role;
};

static const struct expected odd[] = {
    {"\x00\xff", 2, false, "", true, false, true, "default"}, /* BLOB message, NULL metadata */
    {"bad \xff\xfe", 6, true, "not json", true, false, true, "asker"}, /* invalid UTF-8, to a */
    {"", 0, true, "[1]", true, true, true, "default"},                 /* read already */
    {"orphan", 6, true, "7", true, false, false, ""},                  /* no conversation */
    {"a\0b", 3, true, "\x01", false, true, true, "default"},           /* a NUL; BLOB metadata */
    {"null read", 9, true, "{}", true, false, true, "asker"},          /* read NULL; to "c" */
};

static void see_odd(void *context, const struct tail_row *row)
{
    size_t *count = context;
    const struct expected *want = &odd[*count];
    assert_int_equal(row->id, *count + 1);
    assert_int_equal(row->columns.text.size, want->text_size);
    if (want->text_size > 0)
        assert_memory_equal(row->columns.text.data, want->text, want->text_size);
    assert_int_equal(row->columns.text_is_text, want->text_is_text);
    assert_true(span_is(row->columns.metadata, want->metadata));
    assert_int_equal(row->columns.metadata_is_text, want->metadata_is_text);
    assert_int_equal(row->read, want->read);
    assert_int_equal(row->has_conversation, want->has_conversation);
    assert_true(span_is(row->role, want->role));
    assert_int_equal(row->expires_at.size > 0, want->has_conversation);
    ++*count;
}

static void odd_rows_are_brought_as_they_are(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
#define ROW                                                                                        \
    "INSERT INTO messages(conversation_id, from_session, to_session, message, metadata,"           \
    " timestamp, read) VALUES"
    file_run(&place,
             ROW "('" CONVERSATION "', 'a', 'b', x'00ff', NULL, '', 0);" ROW "('" CONVERSATION
                 "', 'b', 'a', CAST(x'62616420fffe' AS TEXT), 'not json', '', 0);" ROW
                 "('" CONVERSATION "', 'a', 'b', '', '[1]', '', 1);" ROW
                 "('conv_gone', 'a', 'b', 'orphan', 7, '', 0);" ROW "('" CONVERSATION
                 "', 'a', 'b', CAST(x'610062' AS TEXT), x'01', '', 'yes');" ROW "('" CONVERSATION
                 "', 'b', 'c', 'null read', '{}', '', NULL);");
#undef ROW
    struct tail *tail = open_tail(&place);
    size_t seen = 0, count = 0;
    assert_int_equal(tail_read(tail, 100, see_odd, &seen, &count), BRIDGE_OK);
    assert_int_equal(count, sizeof odd / sizeof odd[0]);
    struct tail_row row;
    assert_int_equal(tail_load(tail, 4, &row), BRIDGE_OK);
    assert_true(span_is(row.conversation_id, "conv_gone"));
    tail_unload(tail);
    tail_close(&tail);
}

struct ids {
    char text[400];
};

static void add_id(struct ids *ids, int64_t id)
{
    size_t size = strlen(ids->text);
    snprintf(ids->text + size, sizeof ids->text - size, "%" PRId64 ",", id);
}

static void see_id(void *context, const struct tail_row *row)
{
    add_id(context, row->id);
}

static void see_unread(void *context, const struct tail_row *row)
{
    if (!row->read && span_is(row->to_session, "b"))
        add_id(context, row->id);
}

/* What tail_read_unread() leaves out is what who reads all would have passed over: whatever type
 * somebody has given to a value. */
static void the_unread_rows_of_a_session_are_those_that_all_rows_would_show(void **state)
{
    static const char *const session[] = {"'b'", "'a'", "x'62'", "'b '", "''", "'B'"};
    static const char *const flag[] = {"0",   "1",     "NULL",  "0.0",   "0.5", "'0'",
                                       "'1'", "'yes'", "x'30'", "x'00'", "-1",  "''"};
    (void)state;
    struct place place = support_bridge(folder);
    for (size_t i = 0; i < sizeof session / sizeof session[0]; i++)
        for (size_t k = 0; k < sizeof flag / sizeof flag[0]; k++) {
            char sql[400];
            snprintf(sql, sizeof sql,
                     "INSERT INTO messages(conversation_id, from_session, to_session, message,"
                     " timestamp, read) VALUES('" CONVERSATION "', 'a', %s, '', '', %s)",
                     session[i], flag[k]);
            file_run(&place, sql);
        }
    file_run(&place, "DELETE FROM messages WHERE id IN (2, 40, 72);"
                     "INSERT INTO messages(id, conversation_id, from_session, to_session, message,"
                     " timestamp) VALUES(1000000000000000, '" CONVERSATION "', 'a', 'b', '', '')");
    struct tail *all = open_tail(&place);
    struct ids want = {""};
    size_t count = 0;
    assert_int_equal(tail_read(all, 1000, see_unread, &want, &count), BRIDGE_OK);
    assert_int_equal(count, 70);
    assert_non_null(strstr(want.text, "1000000000000000"));
    for (size_t limit = 1; limit <= 71; limit += 7) {
        struct tail *tail = open_tail(&place);
        struct ids seen = {""};
        size_t passed = 0, reads = 0;
        do {
            assert_int_equal(tail_read_unread(tail, span_str("b"), limit, see_id, &seen, &count),
                             BRIDGE_OK);
            assert_true(tail_is_quiet(tail));
            passed += count;
            reads++;
        } while (count == limit);
        assert_int_equal(passed, 70);
        assert_int_equal(reads, 70 / limit + 1); /* a gap of ids is no way to go */
        assert_string_equal(seen.text, want.text);
        assert_int_equal(tail_cursor(tail), tail_cursor(all));
        tail_close(&tail);
    }
    tail_close(&all);
}

/* Steps of SQL's plan that hold TEXT; none of them may be a scan. */
static int steps_with(sqlite3 *db, const char *sql, const char *text)
{
    char explain[2000];
    sqlite3_stmt *statement = NULL;
    int count = 0;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(db_prepare(db, explain, &statement), BRIDGE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(statement, 3);
        assert_null(strstr(step, "SCAN"));
        assert_null(strstr(step, "TEMP B-TREE"));
        count += strstr(step, text) != NULL;
    }
    sqlite3_finalize(statement);
    return count;
}

static void reading_new_rows_is_a_search_by_rowid(void **state)
{
    (void)state;
    static const char by_rowid[] = "SEARCH m USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    struct place place = support_bridge(folder);
    sqlite3 *db = NULL;
    assert_int_equal(db_open(&place, DB_READER, 0, &db), BRIDGE_OK);
    assert_int_equal(steps_with(db, row_sql_above(false), by_rowid), 1);
    assert_int_equal(steps_with(db, row_sql_unread(false), by_rowid), 1);
    assert_int_equal(steps_with(db, addressees_sql(), "SEARCH c USING"), 1);
    assert_int_equal(steps_with(db, addressees_sql(), "SEARCH s USING"), 1);
    db_close(&db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_committed_row_is_seen_once_in_order_in_wal_mode),
        TEST(every_committed_row_is_seen_once_in_order_in_rollback_mode),
        TEST(a_tail_starts_with_the_rows_that_are_there),
        TEST(changed_says_no_until_somebody_commits),
        TEST(a_commit_between_version_and_rows_is_seen_again),
        TEST(tailing_goes_on_when_others_switch_to_wal_and_delete_it),
        TEST(a_loaded_row_is_the_only_thing_that_is_not_quiet),
        TEST(known_rows_come_from_one_instant_until_they_are_let_go),
        TEST(what_is_known_of_a_conversation_is_as_old_as_the_row_that_it_comes_with),
        TEST(known_rows_come_in_whatever_order_they_are_asked_for),
        TEST(known_rows_are_not_held_for_ever),
        TEST(a_row_comes_with_what_its_conversation_says_of_its_session),
        TEST(a_locked_file_is_skipped_at_once_and_read_later),
        TEST(odd_rows_are_brought_as_they_are),
        TEST(the_unread_rows_of_a_session_are_those_that_all_rows_would_show),
        TEST(reading_new_rows_is_a_search_by_rowid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
