# The contracts in proto/; tables of test vectors are read from proto/vectors.
foreach(name buffer history space utf8 stamp jtext options mdp pack ticket topic event event_batch replay via)
    tailgate_test(${name} test_${name}.c tailgate_proto)
endforeach()
foreach(name token frames message answer body wire)
    tailgate_test(${name} test_${name}.c tailgate_proto PkgConfig::JANSSON)
    target_compile_definitions(test_${name} PRIVATE TAILGATE_PROTO="${PROJECT_SOURCE_DIR}/proto")
endforeach()
