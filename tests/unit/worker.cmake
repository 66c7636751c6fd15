# What the adapters of `tailgate work` read from outside, without a process or a connection.
set(worker ${PROJECT_SOURCE_DIR}/adapters/worker)
tailgate_test(sse "test_sse.c;${worker}/sse.c" tailgate_proto)
tailgate_test(http_chat "test_http_chat.c;${worker}/http_chat.c;${worker}/excerpt.c" tailgate_proto)
tailgate_test(http_key "test_http_key.c;${worker}/http_key.c" tailgate_proto)
tailgate_test(agent test_agent.c tailgate_worker)

# What tailgate-http reads from requests, files and people.
set(http ${PROJECT_SOURCE_DIR}/gateway)
tailgate_test(http_target "test_http_target.c;${http}/http_target.c" tailgate_proto)
tailgate_test(http_guard "test_http_guard.c;${http}/http_guard.c;${http}/http_limits.c" tailgate_listen)
tailgate_test(http_tokens "test_http_tokens.c;${http}/http_tokens.c" tailgate_proto PkgConfig::SODIUM)
