/* adapters/bridge/schema and db: what is made, what is recognised, and what is left alone. */
#include "adapters/bridge/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/store.h"
#include "adapters/bridge/tail.h"
#include "adapters/host/clock.h"
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

static int make_bridge(const struct place *place)
{
    sqlite3 *db = NULL;
    int error = db_open(place, DB_MAKER, 5000, &db);
    if (error == BRIDGE_OK)
        error = schema_make_bridge(db);
    db_close(&db);
    return error;
}

static int look(const struct place *place, enum schema_state *ret_state)
{
    sqlite3 *db = NULL;
    int error = db_open(place, DB_READER, 0, &db);
    if (error == BRIDGE_OK)
        error = schema_look(db, ret_state);
    db_close(&db);
    return error;
}

static int open_store(const struct place *place)
{
    struct store *store = NULL;
    struct token_key key;
    int error = store_open(place, 5000, &store, &key);
    store_close(&store);
    return error;
}

static int open_tail(const struct place *place)
{
    struct tail *tail = NULL;
    int error = tail_open(place, &tail);
    tail_close(&tail);
    return error;
}

static void the_public_bridge_works_unchanged_on_what_init_makes(void **state)
{
    (void)state;
    struct place place = support_place(folder, "new bridge ü.db");
    assert_int_equal(make_bridge(&place), BRIDGE_OK);
    assert_int_equal(open_store(&place), BRIDGE_OK); /* with our own tables beside its */

    sqlite3 *db = NULL;
    struct conversation conversation;
    assert_int_equal(db_open(&place, DB_MAKER, 5000, &db), BRIDGE_OK);
    assert_int_equal(
        conversation_make(db, "asker", "default", 10800, clock_utc_us(), &conversation), BRIDGE_OK);
    db_close(&db);

    peer_run("tables", place.db, NULL);
    peer_run("send", place.db, conversation.id, "a", "What is X?", NULL);
    peer_run("status", place.db, conversation.id, "b", NULL);
    char line[1000];
    struct peer_process peer = peer_start("fetch", place.db, conversation.id, "b", NULL);
    assert_true(peer_line(&peer, line, sizeof line));
    assert_int_equal(peer_wait(&peer), 0);
    assert_non_null(strstr(line, "What is X?"));
    assert_int_equal(file_number(&place, "SELECT count(*) FROM messages WHERE read = 1"), 1);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM session_status"), 1);
    char *mode = file_text(&place, "PRAGMA journal_mode");
    assert_string_equal(mode, "wal");
    free(mode);
}

/* Type, name, NOT NULL, default and key of every column of every table of the bridge, and their
 * foreign keys. */
static char *describe(const struct place *place)
{
    return file_text(
        place,
        "SELECT group_concat(x, char(10)) FROM (SELECT s.name || ' ' || p.cid || ' ' || p.name"
        " || ' ' || p.type || ' ' || p.\"notnull\" || ' ' || coalesce(p.dflt_value, '-')"
        " || ' ' || p.pk || ' ' || (SELECT count(*) FROM pragma_foreign_key_list(s.name))"
        " || ' ' || (s.sql LIKE '%AUTOINCREMENT%') AS x"
        " FROM sqlite_schema s, pragma_table_info(s.name) p WHERE s.type = 'table'"
        " AND s.name NOT LIKE 'sqlite_%' ORDER BY s.name, p.cid)");
}

static void the_tables_are_the_same_as_the_bridges_own(void **state)
{
    (void)state;
    struct place ours = support_place(folder, "ours.db");
    struct place theirs = support_place(folder, "theirs.db");
    assert_int_equal(make_bridge(&ours), BRIDGE_OK);
    peer_run("tables", theirs.db, NULL);
    char *a = describe(&ours), *b = describe(&theirs);
    assert_non_null(a);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void making_a_bridge_twice_changes_nothing(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    assert_int_equal(open_store(&place), BRIDGE_OK);
    int64_t before = file_number(&place, "PRAGMA schema_version");
    assert_int_equal(make_bridge(&place), BRIDGE_OK);
    assert_int_equal(open_store(&place), BRIDGE_OK);
    assert_int_equal(file_number(&place, "PRAGMA schema_version"), before);
    assert_int_equal(file_number(&place, "SELECT count(*) FROM tailgate_meta"), 2);
}

static void a_bridge_that_is_half_made_is_completed(void **state)
{
    (void)state;
    struct place place = support_place(folder, "half.db");
    enum schema_state found = SCHEMA_FOREIGN;
    peer_run("script", place.db,
             "CREATE TABLE conversations (id TEXT PRIMARY KEY, session_a_role,"
             " session_b_role, session_a_token, session_b_token, created_at,"
             " expires_at)",
             NULL);
    assert_int_equal(look(&place, &found), BRIDGE_OK);
    assert_int_equal(found, SCHEMA_EMPTY);
    assert_int_equal(open_tail(&place), BRIDGE_ABSENT);
    assert_int_equal(open_store(&place), BRIDGE_ABSENT);
    assert_int_equal(make_bridge(&place), BRIDGE_OK);
    assert_int_equal(look(&place, &found), BRIDGE_OK);
    assert_int_equal(found, SCHEMA_BRIDGE);
}

static void write_file(const struct place *place, const char *text)
{
    FILE *file = fopen(place->db, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void a_file_that_is_not_sqlite_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct place place = support_place(folder, "notes.txt");
    const char *texts[] = {"hello", "a longer text that is not a database either, of more than one "
                                    "hundred bytes, so that a whole header could have been in it"};
    for (size_t i = 0; i < 2; i++) {
        write_file(&place, texts[i]);
        uint64_t before = file_hash(place.db);
        enum schema_state found;
        assert_int_equal(look(&place, &found), BRIDGE_NOT_SQLITE);
        assert_int_equal(make_bridge(&place), BRIDGE_NOT_SQLITE);
        assert_int_equal(open_tail(&place), BRIDGE_NOT_SQLITE);
        assert_int_equal(open_store(&place), BRIDGE_NOT_SQLITE);
        assert_true(file_hash(place.db) == before);
    }
}

static void somebody_elses_database_is_refused_and_left_alone(void **state)
{
    (void)state;
    const char *schemas[] = {
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)",
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, subject TEXT)", /* of a mail program */
        "CREATE TABLE messages (id TEXT PRIMARY KEY, conversation_id, from_session, to_session,"
        " message, metadata, timestamp, read)",
        "CREATE TABLE x (y); CREATE VIEW audit_log AS SELECT y AS id, y AS conversation_id, y AS"
        " session_id, y AS action, y AS details, y AS timestamp FROM x",
    };
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "foreign-%zu.db", i);
        struct place place = support_place(folder, name);
        peer_run("script", place.db, schemas[i], NULL);
        uint64_t before = file_hash(place.db);
        enum schema_state found = SCHEMA_EMPTY;
        assert_int_equal(look(&place, &found), BRIDGE_OK);
        assert_int_equal(found, SCHEMA_FOREIGN);
        assert_int_equal(make_bridge(&place), BRIDGE_FOREIGN);
        assert_int_equal(open_tail(&place), BRIDGE_FOREIGN);
        assert_int_equal(open_store(&place), BRIDGE_FOREIGN);
        assert_true(file_hash(place.db) == before);
    }
}

static void more_tables_and_columns_than_the_bridges_do_no_harm(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    file_run(&place, "CREATE TABLE orders (id); ALTER TABLE messages ADD COLUMN colour TEXT;"
                     "CREATE VIEW unread AS SELECT id FROM messages WHERE read = 0;"
                     "CREATE VIRTUAL TABLE found USING fts5(text)");
    enum schema_state found = SCHEMA_EMPTY;
    assert_int_equal(look(&place, &found), BRIDGE_OK);
    assert_int_equal(found, SCHEMA_BRIDGE);
    assert_int_equal(open_store(&place), BRIDGE_OK);
}

static void an_empty_file_is_a_bridge_that_is_still_to_be_made(void **state)
{
    (void)state;
    struct place place = support_place(folder, "empty.db");
    write_file(&place, "");
    uint64_t before = file_hash(place.db);
    enum schema_state found = SCHEMA_FOREIGN;
    assert_int_equal(look(&place, &found), BRIDGE_OK);
    assert_int_equal(found, SCHEMA_EMPTY);
    assert_int_equal(open_tail(&place), BRIDGE_ABSENT);
    assert_int_equal(open_store(&place), BRIDGE_ABSENT);
    assert_true(file_hash(place.db) == before);
    assert_int_equal(make_bridge(&place), BRIDGE_OK);
}

static void a_file_that_is_not_there_is_absent_and_stays_so(void **state)
{
    (void)state;
    struct place place = support_place(folder, "none.db");
    enum schema_state found;
    assert_int_equal(look(&place, &found), BRIDGE_ABSENT);
    assert_int_equal(open_tail(&place), BRIDGE_ABSENT);
    assert_int_equal(open_store(&place), BRIDGE_ABSENT);
    assert_int_equal(access(place.db, F_OK), -1);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    assert_int_equal(open_store(&place), BRIDGE_OK);
    const char *versions[] = {"6", "'x'", "0", "x'01'"};
    for (size_t i = 0; i < 4; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "UPDATE tailgate_meta SET value = %s WHERE key = 'schema_version'", versions[i]);
        file_run(&place, sql);
        uint64_t before = file_hash(place.db);
        sqlite3 *db = NULL;
        assert_int_equal(db_open(&place, DB_WRITER, 0, &db), BRIDGE_OK);
        assert_int_equal(schema_check_ours(db), BRIDGE_NEWER);
        assert_int_equal(schema_make_ours(db), BRIDGE_NEWER);
        db_close(&db);
        assert_int_equal(open_store(&place), BRIDGE_NEWER);
        assert_true(file_hash(place.db) == before);
    }
}

static void the_token_key_is_made_once_and_never_replaced(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    struct store *store = NULL;
    struct token_key first, second;
    assert_int_equal(store_open(&place, 0, &store, &first), BRIDGE_OK);
    store_close(&store);
    assert_int_equal(store_open(&place, 0, &store, &second), BRIDGE_OK);
    store_close(&store);
    assert_memory_equal(first.bytes, second.bytes, TOKEN_KEY_SIZE);
    file_run(&place, "UPDATE tailgate_meta SET value = x'00' WHERE key = 'token_key'");
    assert_int_equal(open_store(&place), BRIDGE_CORRUPT);
}

static void session_tokens_cannot_be_read_by_who_tails_or_commits(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    const char *reads[] = {
        "SELECT session_a_token FROM conversations",
        "SELECT id FROM conversations WHERE Session_B_Token = 'x'",
        "SELECT * FROM conversations",
        "CREATE TEMP VIEW v AS SELECT session_b_token AS t FROM conversations; SELECT t FROM v",
    };
    const enum db_role roles[] = {DB_READER, DB_WRITER};
    for (size_t role = 0; role < 2; role++) {
        sqlite3 *db = NULL;
        assert_int_equal(db_open(&place, roles[role], 0, &db), BRIDGE_OK);
        for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
            assert_int_not_equal(db_run(db, reads[i]), BRIDGE_OK);
        assert_int_equal(db_run(db, "SELECT session_b_role FROM conversations"), BRIDGE_OK);
        db_close(&db);
    }
    sqlite3 *db = NULL;
    assert_int_equal(db_open(&place, DB_MAKER, 0, &db), BRIDGE_OK);
    assert_int_equal(db_run(db, reads[0]), BRIDGE_OK);
    db_close(&db);
}

static int64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(db_prepare(db, sql, &statement), BRIDGE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void writers_sync_fully_and_readers_cannot_write(void **state)
{
    (void)state;
    struct place place = support_bridge(folder);
    sqlite3 *db = NULL;
    assert_int_equal(db_open(&place, DB_WRITER, 123, &db), BRIDGE_OK);
    assert_int_equal(pragma(db, "PRAGMA synchronous"), 3);
    assert_int_equal(pragma(db, "PRAGMA busy_timeout"), 123);
    assert_int_equal(pragma(db, "PRAGMA wal_autocheckpoint"), 0);
    db_close(&db);
    assert_int_equal(db_open(&place, DB_READER, 0, &db), BRIDGE_OK);
    assert_int_equal(db_run(db, "DELETE FROM messages"), BRIDGE_READ_ONLY);
    assert_true(db_is_quiet(db));
    db_close(&db);
}

static void the_holder_of_the_write_lock_is_named(void **state)
{
    (void)state;
    const char *modes[] = {"WAL", "DELETE"};
    for (size_t i = 0; i < 2; i++) {
        struct place place = support_place(folder, modes[i]);
        peer_run("make", place.db, CONVERSATION, modes[i], NULL);
        sqlite3 *db = NULL; /* a connection of ours, which holds no write lock */
        assert_int_equal(db_open(&place, DB_READER, 0, &db), BRIDGE_OK);
        assert_int_equal(db_run(db, "SELECT count(*) FROM messages"), BRIDGE_OK);
        assert_int_equal(db_lock_holder(&place), 0);
        struct peer_process peer = peer_start("lock", place.db, NULL);
        char line[32];
        assert_true(peer_line(&peer, line, sizeof line));
        assert_int_equal(db_lock_holder(&place), peer.pid);
        assert_int_equal(peer_wait(&peer), 0);
        assert_int_equal(db_lock_holder(&place), 0);
        db_close(&db);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_public_bridge_works_unchanged_on_what_init_makes),
        TEST(the_tables_are_the_same_as_the_bridges_own),
        TEST(making_a_bridge_twice_changes_nothing),
        TEST(a_bridge_that_is_half_made_is_completed),
        TEST(a_file_that_is_not_sqlite_is_refused_and_left_alone),
        TEST(somebody_elses_database_is_refused_and_left_alone),
        TEST(more_tables_and_columns_than_the_bridges_do_no_harm),
        TEST(an_empty_file_is_a_bridge_that_is_still_to_be_made),
        TEST(a_file_that_is_not_there_is_absent_and_stays_so),
        TEST(a_newer_schema_is_refused_and_left_alone),
        TEST(the_token_key_is_made_once_and_never_replaced),
        TEST(session_tokens_cannot_be_read_by_who_tails_or_commits),
        TEST(writers_sync_fully_and_readers_cannot_write),
        TEST(the_holder_of_the_write_lock_is_named),
    };
    if (token_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
