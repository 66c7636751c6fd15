#include "gateway/cli.h"
#include "gateway/log.h"

int log_options(const char *command, const char *program, const char *level, const char *format)
{
    enum log_level chosen_level = LOG_INFO;
    enum log_format chosen_format = LOG_AUTO;

    if (level && log_level_parse(level, &chosen_level) != 0)
        return cli_fail(command, CLI_USAGE, "--log-level is error, warn, info or debug");
    if (format && log_format_parse(format, &chosen_format) != 0)
        return cli_fail(command, CLI_USAGE, "--log-format is human, json, journal or auto");
    log_setup(chosen_level, chosen_format, program);
    return -1;
}
