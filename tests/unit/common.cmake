# What both executables share: log lines, escaping, the command line. And what `ask` makes of a row.
tailgate_test(log test_log.c tailgate_common)
tailgate_test(cli test_cli.c tailgate_common)
tailgate_test(reply "test_reply.c;${PROJECT_SOURCE_DIR}/gateway/reply.c" tailgate_common PkgConfig::JANSSON)
