/* The subcommands of `tailgate jetstream`. */
#ifndef TAILGATE_GATEWAY_JETSTREAM_COMMANDS_H
#define TAILGATE_GATEWAY_JETSTREAM_COMMANDS_H

/* argv[0] is the subcommand's name. Each returns an exit code. */
int run_setup(int argc, char **argv);
int run_publish(int argc, char **argv);
int run_serve(int argc, char **argv);

#endif
