# What both executables share: log lines, escaping, the command line. And what `ask` makes of a row.
tailgate_test(log test_log.c tailgate_common)
tailgate_test(cli test_cli.c tailgate_common)
tailgate_test(words "test_words.c;${PROJECT_SOURCE_DIR}/gateway/words.c" tailgate_proto)
tailgate_test(reply "test_reply.c;${PROJECT_SOURCE_DIR}/gateway/reply_sources.c" tailgate_common PkgConfig::JANSSON)
# The settings; their file is read by czmq.
set(config_sources config.c config_change.c config_keys.c)
list(TRANSFORM config_sources PREPEND ${PROJECT_SOURCE_DIR}/gateway/)
foreach(part config config_file)
    tailgate_test(${part} "test_${part}.c;${config_sources}" tailgate_common PkgConfig::CZMQ)
endforeach()
# What `watch` makes of an event, and of --since.
set(watch_sources watch_event.c watch_line.c watch_text.c watch_words.c)
list(TRANSFORM watch_sources PREPEND ${PROJECT_SOURCE_DIR}/gateway/)
tailgate_test(watch_line "test_watch_line.c;${watch_sources}" tailgate_proto)
tailgate_test(watch_since "test_watch_since.c;${PROJECT_SOURCE_DIR}/gateway/watch_since.c" tailgate_common)
