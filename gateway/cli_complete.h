/* What shells offer while a command line is typed; deploy/completion/ has the shells' side. */
#ifndef TAILGATE_GATEWAY_CLI_COMPLETE_H
#define TAILGATE_GATEWAY_CLI_COMPLETE_H

#include "gateway/cli.h"

/* True when ARGV is NAME --complete …. */
bool cli_is_completing(int argc, char **argv);
/* For who has commands below it: true when the name of one is being typed, to be answered with
 * cli_offer(). Otherwise --complete, if it is there, changes places with the command's name, so
 * that the command finds it as its own first word. */
bool cli_completes_name(int argc, char **argv);
/* Prints WORD as one that can stand there. */
void cli_offer(const char *word, const char *about);
/* Prints what can stand at the end of ARGV, for cli_parse(). Returns an exit code. */
int cli_complete(const struct cli_command *command, const struct cli_option *table, int argc,
                 char **argv);

#endif
