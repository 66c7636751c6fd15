# What the adapters of `tailgate work` read from outside, without a process or a connection.
set(worker ${PROJECT_SOURCE_DIR}/adapters/worker)
tailgate_test(sse "test_sse.c;${worker}/sse.c" tailgate_proto)
tailgate_test(http_chat "test_http_chat.c;${worker}/http_chat.c;${worker}/excerpt.c" tailgate_proto)
tailgate_test(http_key "test_http_key.c;${worker}/http_key.c" tailgate_proto)
tailgate_test(agent test_agent.c tailgate_worker)
