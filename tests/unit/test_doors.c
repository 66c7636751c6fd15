/* The doors of the gate: what an endpoint may be, and binding it without harm to what is there.
 * Ports and directories are the system's choice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/zmq/endpoint.h"
#include "adapters/zmq/gate.h"

/* A gate, and a directory for its ipc sockets. */
struct world {
    struct gate *gate;
    char directory[64];
    char path[128];
    char endpoint[160];
};

static int setup(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    world.gate = gate_new();
    snprintf(world.directory, sizeof world.directory, "/tmp/gate-test-XXXXXX");
    *state = &world;
    return mkdtemp(world.directory) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    gate_destroy(&world->gate, 0);
    assert_null(world->gate);
    gate_destroy(&world->gate, 0);
    if (world->path[0])
        unlink(world->path);
    rmdir(world->directory);
    return 0;
}

/* An ipc endpoint in the test's directory; its path is world->path. */
static const char *ipc(struct world *world)
{
    snprintf(world->path, sizeof world->path, "%s/gate", world->directory);
    snprintf(world->endpoint, sizeof world->endpoint, "ipc://%s", world->path);
    return world->endpoint;
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

/* Connects to the socket at PATH and goes away again. Returns 0 or -errno. */
static int connect_to(const char *path)
{
    const struct sockaddr_un address = address_of(path);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error =
        connect(client, (const struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
    close(client);
    return error;
}

/* Endpoints. */

static void an_endpoint_is_what_its_text_says(void **state)
{
    static const struct {
        const char *text;
        enum endpoint_kind kind;
    } table[] = {
        {"ipc:///tmp/a", ENDPOINT_IPC},
        {"ipc://relative/a b ü", ENDPOINT_IPC},
        {"tcp://127.0.0.1:5555", ENDPOINT_LOOPBACK},
        {"tcp://127.9.9.9:*", ENDPOINT_LOOPBACK},
        {"tcp://[::1]:5555", ENDPOINT_LOOPBACK},
        {"tcp://localhost:5555", ENDPOINT_LOOPBACK},
        {"tcp://*:5555", ENDPOINT_OFF_HOST},
        {"tcp://0.0.0.0:5555", ENDPOINT_OFF_HOST},
        {"tcp://[::]:5555", ENDPOINT_OFF_HOST},
        {"tcp://128.0.0.1:5555", ENDPOINT_OFF_HOST},
        {"tcp://eth0:5555", ENDPOINT_OFF_HOST},
        {"tcp://localhost.example.org:5555", ENDPOINT_OFF_HOST},
        {"tcp://127.0.0.1.example.org:5555", ENDPOINT_OFF_HOST},
        {"tcp://127.1:5555", ENDPOINT_OFF_HOST}, /* a short form: not taken for granted */
        {"", ENDPOINT_BAD},
        {"ipc://", ENDPOINT_BAD},
        {"ipc://@abstract", ENDPOINT_BAD},
        {"ipc://*", ENDPOINT_BAD},
        {"inproc://a", ENDPOINT_BAD},
        {"udp://127.0.0.1:5555", ENDPOINT_BAD},
        {"tcp://127.0.0.1", ENDPOINT_BAD},
        {"tcp://127.0.0.1:", ENDPOINT_BAD},
        {"tcp://:5555", ENDPOINT_BAD},
        {"tcp://127.0.0.1:55x", ENDPOINT_BAD},
        {"tcp://127.0.0.1:-5", ENDPOINT_BAD},
        {"tcp://127.0.0.1:65535", ENDPOINT_LOOPBACK},
        {"tcp://127.0.0.1:65536", ENDPOINT_BAD},
        {"tcp://127.0.0.1:4294967297", ENDPOINT_BAD},
        {"tcp://127.0.0.1:5555/path", ENDPOINT_BAD},
        {"TCP://127.0.0.1:5555", ENDPOINT_BAD},
        {"127.0.0.1:5555", ENDPOINT_BAD},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (endpoint_read(table[i].text) != table[i].kind)
            fail_msg("%s is not read as %d", table[i].text, (int)table[i].kind);
}

static void an_endless_host_name_is_bad(void **state)
{
    char text[1000] = "tcp://";
    (void)state;
    memset(text + 6, 'a', 900);
    memcpy(text + 906, ":5555", 6);
    assert_int_equal(endpoint_read(text), ENDPOINT_BAD);
}

static void only_one_place_can_be_dialled(void **state)
{
    (void)state;
    assert_true(endpoint_can_dial("ipc:///tmp/a"));
    assert_true(endpoint_can_dial("tcp://127.0.0.1:5555"));
    assert_true(endpoint_can_dial("tcp://[::1]:1"));
    assert_true(endpoint_can_dial("tcp://example.org:5555"));
    assert_false(endpoint_can_dial("tcp://127.0.0.1:*"));
    assert_false(endpoint_can_dial("tcp://127.0.0.1:0"));
    assert_false(endpoint_can_dial("tcp://[::1]:00000"));
    assert_false(endpoint_can_dial("tcp://*:5555"));
}

/* Binding. */

static void a_port_that_the_system_chose_is_told(void **state)
{
    struct world *world = *state;
    unsigned port = 0;
    assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), 0);
    assert_int_equal(sscanf(gate_endpoint(world->gate, 0), "tcp://127.0.0.1:%u", &port), 1);
    assert_true(port > 0);
    assert_int_equal(gate_bind(world->gate, gate_endpoint(world->gate, 0), false), -EADDRINUSE);
    assert_int_equal(gate_doors(world->gate), 1);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_return_code(lstat(path, &status), errno);
    return status.st_mode;
}

static void an_ipc_door_is_open_to_its_user_only_unless_told(void **state)
{
    struct world *world = *state;
    mode_t before = umask(0022);
    assert_int_equal(gate_bind(world->gate, ipc(world), false), 0);
    assert_true(S_ISSOCK(mode_of(world->path)));
    assert_int_equal(mode_of(world->path) & 0677, 0600);
    assert_int_equal(umask(before), 0022); /* as it was before the bind */
}

static void an_ipc_door_may_be_open_to_the_group(void **state)
{
    struct world *world = *state;
    assert_int_equal(gate_bind(world->gate, ipc(world), true), 0);
    assert_int_equal(mode_of(world->path) & 0667, 0660);
}

static void a_file_in_the_way_is_not_touched(void **state)
{
    struct world *world = *state;
    const char *endpoint = ipc(world);
    FILE *file = fopen(world->path, "w");
    assert_non_null(file);
    fputs("precious", file);
    fclose(file);
    assert_int_equal(gate_bind(world->gate, endpoint, false), -EEXIST);
    assert_true(S_ISREG(mode_of(world->path)));
    assert_int_equal(gate_doors(world->gate), 0);
}

static void a_link_in_the_way_is_not_touched(void **state)
{
    struct world *world = *state;
    const char *endpoint = ipc(world);
    assert_return_code(symlink("/nonexistent", world->path), errno);
    assert_int_equal(gate_bind(world->gate, endpoint, false), -EEXIST);
    assert_true(S_ISLNK(mode_of(world->path)));
}

static void a_living_door_is_not_taken_over(void **state)
{
    struct world *world = *state;
    assert_int_equal(gate_bind(world->gate, ipc(world), false), 0);
    assert_int_equal(gate_bind(world->gate, world->endpoint, false), -EADDRINUSE);
    assert_int_equal(connect_to(world->path), 0); /* it is still there */
}

static void a_dead_socket_is_bound_over(void **state)
{
    struct world *world = *state;
    struct sockaddr_un address;
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ipc(world);
    address = address_of(world->path);
    assert_return_code(bind(dead, (const struct sockaddr *)&address, sizeof address), errno);
    close(dead);
    assert_int_equal(connect_to(world->path), -ECONNREFUSED);
    assert_int_equal(gate_bind(world->gate, world->endpoint, false), 0);
}

static void a_path_beyond_what_a_socket_can_have_is_refused(void **state)
{
    struct world *world = *state;
    char endpoint[300] = "ipc:///tmp/";
    memset(endpoint + 11, 'a', 108 - 5 + 1);
    assert_int_equal(gate_bind(world->gate, endpoint, false), -ENAMETOOLONG);
}

static void errors_of_a_bind_are_told_and_leave_no_door(void **state)
{
    struct world *world = *state;
    assert_int_equal(gate_bind(world->gate, "ipc:///nonexistent/directory/gate", false), -ENOENT);
    assert_true(gate_bind(world->gate, "tcp://no-such-interface:5555", false) < 0);
    assert_int_equal(gate_doors(world->gate), 0);
    assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), 0);
}

static void there_is_a_limit_on_doors(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < GATE_DOORS; i++)
        assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), i);
    assert_int_equal(gate_bind(world->gate, "tcp://127.0.0.1:*", false), -E2BIG);
    assert_int_equal(gate_doors(world->gate), GATE_DOORS);
}

#define gate_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_what_its_text_says),
        cmocka_unit_test(an_endless_host_name_is_bad),
        cmocka_unit_test(only_one_place_can_be_dialled),
        gate_test(a_port_that_the_system_chose_is_told),
        gate_test(an_ipc_door_is_open_to_its_user_only_unless_told),
        gate_test(an_ipc_door_may_be_open_to_the_group),
        gate_test(a_file_in_the_way_is_not_touched),
        gate_test(a_link_in_the_way_is_not_touched),
        gate_test(a_living_door_is_not_taken_over),
        gate_test(a_dead_socket_is_bound_over),
        gate_test(a_path_beyond_what_a_socket_can_have_is_refused),
        gate_test(errors_of_a_bind_are_told_and_leave_no_door),
        gate_test(there_is_a_limit_on_doors),
    };
    return cmocka_run_group_tests_name("doors", tests, NULL, NULL);
}
