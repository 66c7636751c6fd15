/* One row per subcommand; adding one is adding a cmd_*.c and a row in main.c. */
#ifndef TAILGATE_GATEWAY_COMMAND_H
#define TAILGATE_GATEWAY_COMMAND_H

#include "gateway/cli.h"

extern const struct cli_command cmd_init;
extern const struct cli_command cmd_serve;
extern const struct cli_command cmd_work;
extern const struct cli_command cmd_ask;
extern const struct cli_command cmd_status;
extern const struct cli_command cmd_dead;
extern const struct cli_command cmd_pause;
extern const struct cli_command cmd_resume;
extern const struct cli_command cmd_drain;
extern const struct cli_command cmd_doctor;
extern const struct cli_command cmd_watch;
extern const struct cli_command cmd_relay;
extern const struct cli_command cmd_jetstream;
extern const struct cli_command cmd_http;
extern const struct cli_command cmd_keygen;
extern const struct cli_command cmd_bench;

#endif
