# What both executables share: log lines, escaping, the command line. And what `ask` makes of a row.
tailgate_test(log test_log.c tailgate_common)
tailgate_test(log_fold test_log_fold.c tailgate_common)
tailgate_test(vitals "test_vitals.c;${PROJECT_SOURCE_DIR}/gateway/vitals.c" tailgate_proto)
tailgate_test(cli test_cli.c tailgate_common)
tailgate_test(process test_process.c tailgate_host)
tailgate_test(tar "test_tar.c;${PROJECT_SOURCE_DIR}/gateway/tar.c" tailgate_proto)
tailgate_test(words "test_words.c;${PROJECT_SOURCE_DIR}/gateway/words.c" tailgate_proto)
tailgate_test(reply "test_reply.c;${PROJECT_SOURCE_DIR}/gateway/reply_sources.c" tailgate_common PkgConfig::JANSSON)
# REST: its rate limits, and its bodies.
tailgate_test(http_rest_body "test_http_rest_body.c;${PROJECT_SOURCE_DIR}/gateway/http_rest_body.c" tailgate_proto)
tailgate_test(http_rate "test_http_rate.c;${PROJECT_SOURCE_DIR}/gateway/http_rate.c" tailgate_core PkgConfig::SODIUM)
# The settings; their file is read by czmq.
set(config_sources config.c config_change.c config_keys.c config_print.c)
list(TRANSFORM config_sources PREPEND ${PROJECT_SOURCE_DIR}/gateway/)
foreach(part config config_file)
    tailgate_test(${part} "test_${part}.c;${config_sources}" tailgate_common PkgConfig::CZMQ)
endforeach()
# What `watch` makes of an event, and of --since.
set(watch_sources watch_event.c watch_line.c watch_text.c watch_words.c)
list(TRANSFORM watch_sources PREPEND ${PROJECT_SOURCE_DIR}/gateway/)
tailgate_test(watch_line "test_watch_line.c;${watch_sources}" tailgate_proto)
# What the page keeps of one.
tailgate_test(page_log "test_page_log.c;${PROJECT_SOURCE_DIR}/gateway/http_page_log.c" tailgate_proto)
tailgate_test(watch_since "test_watch_since.c;${PROJECT_SOURCE_DIR}/gateway/watch_since.c" tailgate_common)
# What /metrics makes of the status.
set(metrics_sources http_metrics_counters.c http_metrics_own.c http_metrics_rows.c http_metrics_text.c metric_rows.c
                    prometheus.c)
list(TRANSFORM metrics_sources PREPEND ${PROJECT_SOURCE_DIR}/gateway/)
tailgate_test(metrics "test_metrics.c;${metrics_sources}" tailgate_common PkgConfig::JANSSON)
# What `bench` makes of its rounds.
tailgate_test(bench_stats "test_bench_stats.c;${PROJECT_SOURCE_DIR}/gateway/bench/bench_stats.c" tailgate_common m)
