/* tailgate-jetstream: the helper executable behind `tailgate jetstream`, the only program that
 * links a NATS library. It opens no database: it comes through the gate like anyone else. */
#include <stdio.h>
#include <string.h>

#include "adapters/host/child.h"
#include "gateway/cli_complete.h"
#include "gateway/jetstream_commands.h"

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"setup", "make the streams, or bring them up to date", run_setup},
    {"publish", "beside a gateway: put its queries into JetStream, bring the answers back",
     run_publish},
    {"serve", "beside workers: serve them from JetStream, as a gateway would", run_serve},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(void)
{
    printf(
        "Usage: tailgate jetstream (setup | publish | serve) [options]\n\n"
        "Queries travel between hosts in NATS JetStream: each is in a replicated stream until it\n"
        "is answered, and its answer until its bridge has it.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-8s %s\n", commands[i].name, commands[i].about);
    printf("\n"
           "  tailgate jetstream setup --help   the options of each\n");
}

int main(int argc, char **argv)
{
    if (cli_completes_name(argc, argv)) {
        for (size_t i = 0; i < COMMANDS; i++)
            cli_offer(commands[i].name, commands[i].about);
        return CLI_OK;
    }
    const char *word = argc > 1 ? argv[1] : "";
    child_hold_standard();
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return CLI_OK;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, word) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return cli_fail("jetstream", CLI_USAGE, "say setup, publish or serve; see --help");
}
