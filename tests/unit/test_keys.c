/* Who is let in through CURVE when the handler that ZeroMQ asks is not there, or does not answer:
 * nobody new. And who is cut when a routing id has become free. The gate and the events endpoint
 * are made by the functions that the gateway uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "gateway/keys.h"

#define HANG_MS 60000 /* only a hang misses it */

struct world {
    char dir[32];
    struct gate *gate;
    struct events *events;
    struct keys *keys;
    struct curve_client client; /* an allowed worker and observer */
    struct frameset set;
    int64_t now_us;
    const char *name; /* the routing id that guests set; NULL: none */
};

/* A peer, and what its monitor says of its connection. */
struct guest {
    void *socket, *monitor;
};

static void save(const struct world *world, const char *name, struct cert *cert)
{
    char path[200], why[CERT_WHY_SIZE];

    snprintf(path, sizeof path, "%s/%s", world->dir, name);
    assert_int_equal(cert_save_public(cert, path, why), 0);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char path[200], why[CERT_WHY_SIZE];
    struct cert gateway = {.name = "gateway"}, guest = {.name = "guest"};

    if (!world)
        return -1;
    strcpy(world->dir, "/tmp/tgkeysXXXXXX");
    if (!mkdtemp(world->dir) || cert_make(&gateway) < 0 || cert_make(&guest) < 0)
        return -1;
    for (unsigned i = 0; i < ALLOW_ROLES; i++) {
        snprintf(path, sizeof path, "%s/%s", world->dir, allow_role_name(i));
        if (mkdir(path, 0700) < 0)
            return -1;
    }
    snprintf(path, sizeof path, "%s/gateway.cert", world->dir);
    if (cert_save(&gateway, path, why) < 0)
        return -1;
    save(world, "worker/guest.cert", &guest);
    save(world, "observer/guest.cert", &guest);
    memcpy(world->client.public_key, guest.public_key, sizeof guest.public_key);
    memcpy(world->client.secret_key, guest.secret_key, sizeof guest.secret_key);
    memcpy(world->client.server_key, gateway.public_key, sizeof gateway.public_key);
    world->gate = gate_new();
    world->events = events_new(gate_context(world->gate));
    frameset_init(&world->set);
    *state = world;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *world = *state;
    int failed = nftw(world->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);

    frameset_done(&world->set);
    events_destroy(&world->events, 0);
    keys_destroy(&world->keys);
    gate_destroy(&world->gate, 0);
    free(world);
    return failed;
}

static void start_handler(struct world *world)
{
    char why[CERT_WHY_SIZE];

    world->keys = keys_new(world->dir, gate_context(world->gate), why);
    assert_non_null(world->keys);
}

static void bind_doors(struct world *world)
{
    char path[200], why[CERT_WHY_SIZE];
    struct cert own;

    snprintf(path, sizeof path, "%s/gateway.cert", world->dir);
    assert_int_equal(cert_load(path, true, &own, why), 0);
    assert_int_equal(gate_bind_curve(world->gate, "tcp://127.0.0.1:*", own.secret_key), 0);
    assert_int_equal(events_bind_curve(world->events, "tcp://127.0.0.1:*", own.secret_key), 0);
}

static struct guest come(struct world *world, int type, const char *endpoint)
{
    void *context = gate_context(world->gate);
    struct guest guest = {zmq_socket(context, type), zmq_socket(context, ZMQ_PAIR)};
    const int linger = 0;
    char name[64];

    snprintf(name, sizeof name, "inproc://guest-%p", guest.socket);
    zmq_setsockopt(guest.socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(guest.monitor, ZMQ_LINGER, &linger, sizeof linger);
    if (world->name)
        zmq_setsockopt(guest.socket, ZMQ_ROUTING_ID, world->name, strlen(world->name));
    assert_int_equal(curve_client_apply(&world->client, guest.socket), 0);
    assert_int_equal(zmq_socket_monitor(guest.socket, name,
                                        ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                            ZMQ_EVENT_HANDSHAKE_FAILED_AUTH),
                     0);
    assert_int_equal(zmq_connect(guest.monitor, name), 0);
    assert_int_equal(zmq_connect(guest.socket, endpoint), 0);
    return guest;
}

static void leave(struct guest *guest)
{
    zmq_socket_monitor(guest->socket, NULL, 0);
    zmq_close(guest->monitor);
    zmq_close(guest->socket);
}

/* Waits for what comes of the handshake, with the handler answering meanwhile if it is there. */
static bool is_let_in(struct world *world, struct guest *guest, bool answering)
{
    zmq_pollitem_t item[2] = {{guest->monitor, 0, ZMQ_POLLIN, 0}};
    uint16_t event;
    zmq_msg_t frame;
    int items = 1;

    if (answering)
        item[items++] = (zmq_pollitem_t){keys_socket(world->keys), 0, ZMQ_POLLIN, 0};
    for (;;) {
        assert_true(zmq_poll(item, items, HANG_MS) > 0);
        if (answering)
            keys_run(world->keys, ++world->now_us, world->gate, world->events);
        if (item[0].revents)
            break;
    }
    zmq_msg_init(&frame);
    assert_true(zmq_msg_recv(&frame, guest->monitor, 0) >= (int)sizeof event);
    memcpy(&event, zmq_msg_data(&frame), sizeof event);
    zmq_msg_close(&frame);
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
}

/* Both doors let nobody in. */
static void check_closed(struct world *world)
{
    struct guest worker = come(world, ZMQ_DEALER, gate_endpoint(world->gate, 0));
    struct guest observer = come(world, ZMQ_SUB, events_endpoint(world->events, 0));

    zmq_send(worker.socket, "let me in", 9, 0);
    zmq_setsockopt(observer.socket, ZMQ_SUBSCRIBE, "", 0);
    assert_false(is_let_in(world, &worker, false));
    assert_false(is_let_in(world, &observer, false));
    events_drain(world->events);
    assert_int_equal(events_subscriptions(world->events), 0);
    assert_int_equal(frameset_receive(&world->set, gate_socket(world->gate, 0)), 0);
    leave(&worker);
    leave(&observer);
}

/* WORKER is heard, and hears. */
static void check_works(struct world *world, struct guest *worker)
{
    zmq_pollitem_t item = {gate_socket(world->gate, 0), 0, ZMQ_POLLIN, 0};
    struct span answer = span_str("yes"), *frame;
    struct gate_sender sender;
    struct peer peer;
    size_t count;
    char heard[8];
    bool first;

    assert_int_equal(zmq_send(worker->socket, "here", 4, 0), 4);
    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    assert_int_equal(gate_receive(world->gate, 0, &world->set, &frame, &count, &peer, &first), 1);
    gate_sender(world->gate, 0, &world->set, &sender);
    assert_true(sender.curve && sender.fingerprint[0]);
    assert_int_equal(gate_send(world->gate, &peer, &answer, 1), 0);
    item.socket = worker->socket;
    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    assert_int_equal(zmq_recv(worker->socket, heard, sizeof heard, 0), 3);
}

static void without_a_handler_nobody_gets_in(void **state)
{
    bind_doors(*state);
    check_closed(*state);
}

static void when_the_handler_is_gone_nobody_new_gets_in_and_who_is_there_goes_on(void **state)
{
    struct world *world = *state;
    struct guest worker;

    start_handler(world);
    bind_doors(world);
    worker = come(world, ZMQ_DEALER, gate_endpoint(world->gate, 0));
    assert_true(is_let_in(world, &worker, true));
    check_works(world, &worker);
    keys_destroy(&world->keys);
    check_closed(world);
    check_works(world, &worker);
    leave(&worker);
}

static void while_the_handler_does_not_answer_nobody_new_gets_in(void **state)
{
    struct world *world = *state;
    struct guest worker;

    start_handler(world);
    bind_doors(world);
    check_closed(world); /* it is waited for as long as a handshake may take */
    worker = come(world, ZMQ_DEALER, gate_endpoint(world->gate, 0));
    assert_true(is_let_in(world, &worker, true));
    check_works(world, &worker);
    leave(&worker);
}

static void where_another_handler_answers_it_does_not_start(void **state)
{
    struct world *world = *state;
    void *other = zmq_socket(gate_context(world->gate), ZMQ_REP);
    char why[CERT_WHY_SIZE] = "";

    assert_int_equal(zmq_bind(other, "inproc://zeromq.zap.01"), 0);
    assert_null(keys_new(world->dir, gate_context(world->gate), why));
    assert_non_null(strstr(why, "ZAP handler"));
    zmq_close(other);
}

/* A connection that does not get on with its handshake. */
static int come_slowly(const struct world *world)
{
    const char *port = strrchr(gate_endpoint(world->gate, 0), ':') + 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = htons((uint16_t)atoi(port));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool is_open(int fd)
{
    char greeting[64];
    ssize_t got;

    while ((got = recv(fd, greeting, sizeof greeting, MSG_DONTWAIT)) > 0)
        continue;
    return got < 0 && errno == EAGAIN;
}

static void come_and_go(struct world *world)
{
    zmq_pollitem_t item = {gate_monitor(world->gate, 0), 0, ZMQ_POLLIN, 0};
    struct guest guest = come(world, ZMQ_DEALER, gate_endpoint(world->gate, 0));
    struct peer gone;

    assert_true(is_let_in(world, &guest, true));
    check_works(world, &guest);
    leave(&guest);
    while (!gate_closed(world->gate, 0, &gone))
        assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
}

/* A second passes, by the only clock that counts here. */
static void turn(struct world *world)
{
    world->now_us += 1000000;
    keys_run(world->keys, world->now_us, world->gate, world->events);
}

static void who_is_slow_to_come_is_not_cut_when_others_with_names_come_and_go(void **state)
{
    static const char *const name[] = {"a", "b", "c", "d"};

    struct world *world = *state;
    int slow;

    start_handler(world);
    bind_doors(world);
    slow = come_slowly(world);
    for (int i = 0; i < 4; i++) {
        world->name = name[i];
        come_and_go(world);
        turn(world);
        assert_true(is_open(slow));
    }
    for (int i = 0; i < 6; i++) /* it may wait for one of these names, after all */
        turn(world);
    assert_false(is_open(slow));
    close(slow);
}

static void who_came_after_a_name_was_free_is_not_cut_for_it(void **state)
{
    struct world *world = *state;
    int later;

    world->name = "name";
    start_handler(world);
    bind_doors(world);
    come_and_go(world);
    turn(world);
    later = come_slowly(world);
    world->name = NULL;
    come_and_go(world); /* so LATER has been accepted */
    for (int i = 0; i < 10; i++)
        turn(world);
    assert_true(is_open(later));
    close(later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_handler_nobody_gets_in, setup, teardown),
        cmocka_unit_test_setup_teardown(
            when_the_handler_is_gone_nobody_new_gets_in_and_who_is_there_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(while_the_handler_does_not_answer_nobody_new_gets_in, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            who_is_slow_to_come_is_not_cut_when_others_with_names_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(who_came_after_a_name_was_free_is_not_cut_for_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(where_another_handler_answers_it_does_not_start, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
