# The pure core, from the inside (one file each) and from the outside (dispatch, in scripts), and the
# gate's sockets.
add_library(tailgate_script STATIC script.c script_actions.c script_workers.c script_rows.c)
target_link_libraries(tailgate_script PUBLIC tailgate_core PkgConfig::CMOCKA)

foreach(part clients clients_limits)
    tailgate_test(${part} test_${part}.c tailgate_core)
endforeach()
tailgate_test(clients_random "test_clients_random.c;clients_model.c" tailgate_core)
foreach(part timers table pending pending_order pending_window workers inflight wake)
    tailgate_test(${part} test_${part}.c tailgate_core)
endforeach()
tailgate_test(pending_random "test_pending_random.c;waiting_model.c" tailgate_core)
foreach(part order answers attempts loss leases limits returns records claim restore holding rules
        window lasting withdraw protocols)
    tailgate_test(dispatch_${part} test_dispatch_${part}.c tailgate_script)
endforeach()
tailgate_test(dispatch_random "test_dispatch_random.c;random_model.c" tailgate_script)
foreach(name dial dial_again)
    tailgate_test(${name} "test_${name}.c;dial_world.c" tailgate_zmq)
endforeach()
tailgate_test(doors test_doors.c tailgate_zmq)
tailgate_test(gate test_gate.c tailgate_zmq)
tailgate_test(events test_events.c tailgate_zmq)
tailgate_test(observers test_observers.c tailgate_zmq)
tailgate_test(publish "test_publish.c;${PROJECT_SOURCE_DIR}/gateway/publish.c" tailgate_core tailgate_redact
              tailgate_zmq)
