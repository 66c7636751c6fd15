# Redaction, and the program with which a system test compares it to Python's.
tailgate_test(redact test_redact.c tailgate_redact)
tailgate_test(redact_stream test_redact_stream.c tailgate_redact)
tailgate_test(jrewrite test_jrewrite.c tailgate_proto)
tailgate_test(compose test_compose.c tailgate_redact)
tailgate_test(job_compose test_job_compose.c tailgate_committer)
add_executable(redact_filter redact_filter.c)
target_link_libraries(redact_filter PRIVATE tailgate_redact)
