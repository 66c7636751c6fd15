/* `tailgate init`: a bridge, when there is none yet, and one conversation in it. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/command.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/utf8.h"

#define BUSY_MS 10000 /* as the bridge's own programs wait */
#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

static struct {
    const char *asker;
    const char *responder;
    int64_t ttl_us;
    bool json;
} option;

static const struct cli_option options[] = {
    {"asker", 0, CLI_TEXT, &option.asker, "ROLE", "role of session a, which asks (asker)", 0, 0},
    {"responder", 0, CLI_TEXT, &option.responder, "ROLE",
     "role of session b, which answers (default); it is the service of a query that names none", 0,
     0},
    {"ttl", 0, CLI_SECONDS, &option.ttl_us, "D",
     "how long the conversation lives, for example 45m, 3h, 30d (3h)", SECOND_US, 3650 * DAY_US},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print one JSON object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

static bool is_role(const char *role)
{
    size_t size = strlen(role);
    if (size == 0 || size > LIMIT_SERVICE || !utf8_valid(span_of(role, size)))
        return false;
    for (const char *at = role; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return false;
    }
    return true;
}

/* Brings the bridge's tables into DB where they are missing; leaves a file that is something else
 * alone. */
static int make_schema(sqlite3 *db)
{
    enum schema_state state;
    int error = schema_look(db, &state);
    if (error)
        return error;
    if (state == SCHEMA_FOREIGN)
        return BRIDGE_FOREIGN;
    error = schema_check_ours(db);
    return error ? error : schema_make_bridge(db);
}

static void print_json(const struct place *place, const struct conversation *made)
{
    struct buffer json;
    buffer_init(&json);
    buffer_byte(&json, '{');
    jtext_member(&json, "db", span_str(place->db));
    jtext_member(&json, "conversation_id", span_str(made->id));
    jtext_member(&json, "session_a_token", span_str(made->token_a));
    jtext_member(&json, "session_b_token", span_str(made->token_b));
    jtext_member(&json, "expires_at", span_str(made->expires_at));
    buffer_byte(&json, '}');
    printf("%s\n", json.data);
    buffer_done(&json);
}

static void print_human(const struct place *place, bool is_new, const struct conversation *made)
{
    struct buffer file;
    buffer_init(&file);
    terminal_quote(&file, place->db);
    printf("Bridge         %s (%s)\n"
           "Conversation   %s, until %s UTC\n"
           "Session a      %s, token %s\n"
           "Session b      %s, token %s\n\n"
           "Keep the tokens to the two programs that talk. Next:\n"
           "  tailgate serve --db %s\n"
           "  tailgate work --db %s --echo\n"
           "  tailgate ask --db %s --conversation %s \"your question\"\n",
           place->db, is_new ? "new" : "was there", made->id, made->expires_at, option.asker,
           made->token_a, option.responder, made->token_b, file.data, file.data, file.data,
           made->id);
    buffer_done(&file);
}

static int run_init(int argc, char **argv)
{
    option.asker = "asker";
    option.responder = "default";
    option.ttl_us = 3 * 3600 * SECOND_US;
    int first, code = cli_parse(&cmd_init, options, argc, argv, &first);
    if (code >= 0)
        return code;
    if (argc - first != 1)
        return cli_fail("init", CLI_USAGE, "name one database file: tailgate init bridge.db");
    if (!is_role(option.asker) || !is_role(option.responder))
        return cli_fail("init", CLI_USAGE,
                        "a role is 1 to %d bytes of UTF-8 without control characters",
                        LIMIT_SERVICE);

    struct place place;
    struct place_identity identity;
    int error = place_find(argv[first], &place);
    if (error)
        return problem_place("init", argv[first], error);
    bool is_new = place_identify(&place, &identity) == -ENOENT;

    umask(0077); /* the file holds tokens */
    sqlite3 *db = NULL;
    struct conversation made;
    error = db_open(&place, DB_MAKER, BUSY_MS, &db);
    if (!error)
        error = make_schema(db);
    if (!error)
        error = conversation_make(db, option.asker, option.responder, option.ttl_us / SECOND_US,
                                  clock_utc_us(), &made);
    if (error)
        code = problem_bridge("init", &place, error, db);
    db_close(&db);
    if (error)
        return code;
    if (option.json)
        print_json(&place, &made);
    else
        print_human(&place, is_new, &made);
    return fflush(stdout) == 0 ? CLI_OK : cli_fail("init", CLI_FAILED, "cannot write to stdout");
}

const struct cli_command cmd_init = {
    .name = "init",
    .usage = "init DB [--asker ROLE] [--responder ROLE] [--ttl D] [--json]",
    .about = "make a bridge, if there is none yet, and a conversation in it",
    .details = "Creates the database file with the bridge's tables when it is missing (only its "
               "owner can read it, as it holds the tokens), adds a conversation between sessions a "
               "and b and prints its id and the two tokens.\n"
               "\n"
               "Example:\n"
               "  tailgate init bridge.db --responder docs --ttl 8h\n",
    .run = run_init,
};
