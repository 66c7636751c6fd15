/* tailgate: a table of commands. */
#include <stdio.h>
#include <string.h>

#include "adapters/bridge/db.h"
#include "gateway/cli_complete.h"
#include "gateway/command.h"

static const struct cli_command *const commands[] = {
    &cmd_init,  &cmd_serve,     &cmd_work,   &cmd_ask,   &cmd_status, &cmd_watch,
    &cmd_dead,  &cmd_pause,     &cmd_resume, &cmd_drain, &cmd_doctor, &cmd_keygen,
    &cmd_relay, &cmd_jetstream, &cmd_http,   &cmd_bench};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *out)
{
    fprintf(out,
            "Usage: tailgate COMMAND [options]\n\n"
            "Serves the questions that other programs write into a SQLite bridge: hands each to a\n"
            "persistent worker over ZeroMQ and commits the answer back.\n\n"
            "Commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->about);
    fprintf(
        out,
        "\n"
        "  tailgate COMMAND --help   the options of a command, with examples\n"
        "  tailgate --version        the version, and that of the SQLite in use\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 no answer in time, 4 the answer is an\n"
        "error, 5 another gateway serves the database, 6 not a bridge (or a newer one), 7 the\n"
        "database file was replaced, 8 bench: a target was missed.\n");
}

static int offer_commands(void)
{
    for (size_t i = 0; i < COMMANDS; i++)
        cli_offer(commands[i]->name, commands[i]->about);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

static const struct cli_command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int fail_unknown(const char *word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < COMMANDS; i++) {
        size_t distance = cli_distance(word, commands[i]->name);
        if (cli_is_near(word, commands[i]->name) && (!nearest || distance < least)) {
            nearest = commands[i]->name;
            least = distance;
        }
    }
    if (nearest)
        return cli_fail("", CLI_USAGE, "there is no command %s; did you mean: tailgate %s", word,
                        nearest);
    return cli_fail("", CLI_USAGE, "there is no command %s; see: tailgate --help", word);
}

/* Scripts take the first line; the second says whose bugs the file is exposed to. */
static int print_version(void)
{
    printf("tailgate %s\nSQLite %s, %s\n", TAILGATE_VERSION, db_sqlite_version(),
           db_sqlite_is_linked_in() ? "linked in" : "the system's library");
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (cli_completes_name(argc, argv))
        return offer_commands();
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_help(stdout);
        return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
    }
    if (strcmp(word, "--version") == 0)
        return print_version();
    const struct cli_command *command = find(word);
    return command ? command->run(argc - 1, argv + 1) : fail_unknown(word);
}
