/* `tailgate dead`: the queries that were given up. It works on the file, beside a running gateway
 * or without one; what it changes is audited. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/cli_complete.h"
#include "gateway/command.h"
#include "gateway/dead_command.h"
#include "gateway/problem.h"
#include "proto/buffer.h"
#include "proto/message.h"

#define BUSY_MS 10000 /* as the bridge's own programs wait */
#define SHOWN 1000    /* lines of a list, unless told otherwise */

static struct dead_words words;

#define DB                                                                                         \
    {                                                                                              \
        "db", 'd', CLI_TEXT, &words.db, "FILE", "the bridge database", 0, 0                        \
    }
#define CHOICE                                                                                     \
    {"service", 's', CLI_TEXT, &words.service, "NAME", "only those of this service", 0, 0},        \
    {                                                                                              \
        "older-than", 0, CLI_SECONDS, &words.older_us, "D",                                        \
            "only those that have been dead for longer, for example 30m, 12h, 7d", 0, 0            \
    }
#define YES                                                                                        \
    {                                                                                              \
        "yes", 'y', CLI_FLAG, &words.yes, NULL,                                                    \
            "do not ask; needed without ids where nobody can be asked", 0, 0                       \
    }
#define JSON(what)                                                                                 \
    {                                                                                              \
        "json", 0, CLI_FLAG, &words.json, NULL, what, 0, 0                                         \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0                                                  \
    }

static const struct cli_option list_options[] = {
    DB,
    CHOICE,
    {"all", 0, CLI_FLAG, &words.all, NULL, "also those that were asked again already", 0, 0},
    {"limit", 0, CLI_INTEGER, &words.limit, "N", "at most N of them, the oldest first (1000)", 1,
     1000000000},
    JSON("print one JSON object per line"),
    END};

static const struct cli_option show_options[] = {DB, JSON("print one JSON object"), END};

static const struct cli_option redrive_options[] = {
    DB,
    CHOICE,
    {"all", 0, CLI_FLAG, &words.all, NULL, "all of them", 0, 0},
    {"again", 0, CLI_FLAG, &words.again, NULL, "also those that were asked again already", 0, 0},
    YES,
    JSON("print one JSON object per query and line"),
    END};

static const struct cli_option drop_options[] = {
    DB,
    CHOICE,
    {"all", 0, CLI_FLAG, &words.all, NULL, "all of them", 0, 0},
    {"answers", 0, CLI_FLAG, &words.answers, NULL, "with the answers that were kept for them", 0,
     0},
    YES,
    JSON("print one JSON object per query and line"),
    END};

static const struct cli_option no_options[] = {END};

/* What a verb needs to be told. */
enum wants { WANTS_NOTHING, WANTS_ID, WANTS_CHOICE };

static const struct verb {
    struct cli_command command;
    const struct cli_option *options;
    enum db_role role;
    enum wants wants;
    int (*run)(const struct dead_run *run);
} verbs[] = {
    {.command =
         {
             .name = "dead list",
             .usage = "dead list --db FILE [--service NAME] [--older-than D] [--all] [options]",
             .about = "list the queries that were given up, the oldest first",
             .details = "Each with its service, conversation, attempts, the time it died and why. "
                        "On a terminal as a table; else one line each, with tabs between, and how "
                        "many there are on standard error.\n",
         },
     .options = list_options,
     .role = DB_READER,
     .wants = WANTS_NOTHING,
     .run = dead_view_list},
    {.command =
         {
             .name = "dead show",
             .usage = "dead show ID --db FILE [--json]",
             .about = "show everything that is known of one query",
             .details = "Its question, why it is dead, what each attempt came to, and the answers "
                        "that were kept for it: also for a query that is not dead, but whose "
                        "answer came too late (superseded, expired, deleted) or was cut.\n"
                        "\n"
                        "Exit status: 1 when it is not dead and no answer was kept for it.\n",
         },
     .options = show_options,
     .role = DB_READER,
     .wants = WANTS_ID,
     .run = dead_view_show},
    {.command =
         {
             .name = "dead redrive",
             .usage = "dead redrive --db FILE (ID... | --service NAME | --older-than D | --all) "
                      "[options]",
             .about = "ask dead queries again, each as a new message",
             .details = "Inserts each question once more into its conversation, as any of the "
                        "bridge's writers would; metadata.redrive_of names the old one. Prints "
                        "\"old -> new\". One whose conversation has expired or is gone is "
                        "refused, the others go on.\n"
                        "\n"
                        "Exit status: 0 all were asked again, 1 some were not.\n"
                        "\n"
                        "Examples:\n"
                        "  tailgate dead redrive --db bridge.db 12 15\n"
                        "  tailgate dead redrive --db bridge.db --service docs --yes\n",
         },
     .options = redrive_options,
     .role = DB_WRITER,
     .wants = WANTS_CHOICE,
     .run = dead_change_redrive},
    {.command =
         {
             .name = "dead drop",
             .usage = "dead drop --db FILE (ID... | --service NAME | --older-than D | --all) "
                      "[options]",
             .about = "forget dead queries, those included that were asked again",
             .details = "Removes what is known of why they died. The question, the error reply and "
                        "the audit rows stay in the bridge, and the answers that were kept unless "
                        "--answers is given.\n"
                        "\n"
                        "Exit status: 0 all were dropped, 1 some were not dead.\n"
                        "\n"
                        "Example:\n"
                        "  tailgate dead drop --db bridge.db --older-than 30d --yes\n",
         },
     .options = drop_options,
     .role = DB_WRITER,
     .wants = WANTS_CHOICE,
     .run = dead_change_drop},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

struct records_filter dead_filter(const struct dead_run *run, bool redriven)
{
    int64_t before_us = run->now_us - run->words->older_us;
    struct records_filter filter = {.service = span_str(run->words->service), .redriven = redriven};
    if (run->words->older_us >= 0)
        filter.older_than_us = before_us > 0 ? before_us : 1; /* 0 would mean any */
    return filter;
}

/* Reads the ids COUNT words name. Returns -1 to go on. */
static int take_ids(char **word, size_t count, int64_t *ret_id)
{
    for (size_t i = 0; i < count; i++) {
        char *end;
        errno = 0;
        ret_id[i] = strtoll(word[i], &end, 10);
        if (word[i][0] < '0' || word[i][0] > '9' || *end || errno || ret_id[i] < 1)
            return cli_fail(words.command, CLI_USAGE, "%s is not the id of a message", word[i]);
    }
    return -1;
}

/* Checks that the words go together. Returns -1 to go on. */
static int check(const struct verb *verb)
{
    bool chosen = words.service || words.older_us >= 0;
    if (!words.db)
        return cli_fail(words.command, CLI_USAGE, "name the bridge database: --db FILE");
    if (words.service && !message_service_ok(span_str(words.service)))
        return cli_fail(words.command, CLI_USAGE, "--service: that is not the name of a service");
    if (verb->wants == WANTS_NOTHING && words.count > 0)
        return cli_fail(words.command, CLI_USAGE, "%" PRId64 " is one word too many", words.id[0]);
    if (verb->wants == WANTS_ID && words.count != 1)
        return cli_fail(words.command, CLI_USAGE, "give the id of one message");
    if (verb->wants != WANTS_CHOICE)
        return -1;
    if (words.count > 0 && (chosen || words.all))
        return cli_fail(words.command, CLI_USAGE,
                        "give ids, or choose by --service, --older-than or --all, not both");
    if (words.count == 0 && !chosen && !words.all)
        return cli_fail(words.command, CLI_USAGE,
                        "give ids, or choose by --service, --older-than or --all");
    if (words.all && chosen)
        return cli_fail(words.command, CLI_USAGE,
                        "--all means every one: leave out --service and --older-than, or --all");
    return -1;
}

static int open_bridge(const struct place *place, enum db_role role, sqlite3 **ret_db)
{
    int error = db_open(place, role, BUSY_MS, ret_db);
    if (!error)
        error = schema_require_bridge(*ret_db);
    if (!error)
        error = schema_check_ours(*ret_db);
    return error;
}

static int run_verb(const struct verb *verb)
{
    struct place place;
    int error = place_find(words.db, &place);
    if (error)
        return problem_place(words.command, words.db, error);
    sqlite3 *db = NULL;
    error = open_bridge(&place, verb->role, &db);
    const struct dead_run run = {&words, &place, db, clock_utc_us()};
    int code = error ? problem_bridge(words.command, &place, error, db) : verb->run(&run);
    db_close(&db);
    if (fflush(stdout))
        return cli_fail(words.command, CLI_FAILED, "stdout: %s", strerror(errno));
    return code;
}

static int parse_and_run(const struct verb *verb, int argc, char **argv)
{
    words = (struct dead_words){.command = verb->command.name, .older_us = -1, .limit = SHOWN};
    int first, code = cli_parse(&verb->command, verb->options, argc, argv, &first);
    if (code >= 0)
        return code;
    size_t count = (size_t)(argc - first);
    int64_t *id = memory_new((count + 1) * sizeof *id);
    words.id = id;
    words.count = count;
    code = take_ids(argv + first, count, id);
    if (code < 0)
        code = check(verb);
    if (code < 0)
        code = run_verb(verb);
    free(id);
    return code;
}

static int offer_verbs(void)
{
    for (size_t i = 0; i < VERBS; i++)
        cli_offer(verbs[i].command.name + strlen("dead "), verbs[i].command.about);
    return CLI_OK;
}

static int run_dead(int argc, char **argv)
{
    if (cli_completes_name(argc, argv))
        return offer_verbs();
    const char *word = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(word, verbs[i].command.name + strlen("dead ")) == 0)
            return parse_and_run(&verbs[i], argc - 1, argv + 1);
    }
    int first, code = -1;
    if (*word == '-')
        code = cli_parse(&cmd_dead, no_options, 2, argv, &first);
    return code >= 0 ? code
                     : cli_fail("dead", CLI_USAGE,
                                "say first what to do: tailgate dead list, show, redrive or drop");
}

const struct cli_command cmd_dead = {
    .name = "dead",
    .usage = "dead list|show|redrive|drop --db FILE [options]",
    .about = "list, show, ask again or drop the queries that were given up",
    .details =
        "A query is dead when its attempts are used up, or when its worker said that trying again "
        "is useless. Its asker has been told by an error reply; the reason, and what each attempt "
        "came to, are kept in the file. Works on the file, with a running gateway and without: so "
        "it "
        "is for the host that has the file, and has no --gate.\n"
        "\n"
        "  tailgate dead list --db FILE             all that are dead and were not asked again\n"
        "  tailgate dead show ID --db FILE          everything known of one, and answers that\n"
        "                                           were kept because they came too late\n"
        "  tailgate dead redrive ID... --db FILE    asks them again, as new messages\n"
        "  tailgate dead drop ID... --db FILE       forgets them\n"
        "\n"
        "Each has a --help of its own, and --json.\n",
    .run = run_dead,
};
