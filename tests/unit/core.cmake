# The pure core, from the inside (one file each) and from the outside (dispatch, in scripts), and the
# gate's sockets.
add_library(tailgate_script STATIC script.c script_actions.c script_workers.c script_rows.c)
target_link_libraries(tailgate_script PUBLIC tailgate_core PkgConfig::CMOCKA)

foreach(part timers table pending pending_order pending_window workers inflight wake)
    tailgate_test(${part} test_${part}.c tailgate_core)
endforeach()
tailgate_test(pending_random "test_pending_random.c;waiting_model.c" tailgate_core)
foreach(part order answers attempts loss leases limits returns records claim restore holding rules
        window lasting)
    tailgate_test(dispatch_${part} test_dispatch_${part}.c tailgate_script)
endforeach()
tailgate_test(dispatch_random "test_dispatch_random.c;random_model.c" tailgate_script)
tailgate_test(doors test_doors.c tailgate_zmq)
tailgate_test(gate test_gate.c tailgate_zmq)
