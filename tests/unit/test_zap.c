/* The ZAP handler, asked as ZeroMQ asks it: frames of RFC 27 from a socket of the same context. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "adapters/zmq/curve.h"
#include "adapters/zmq/frameset.h"
#include "adapters/zmq/zap.h"

#define HANG_MS 60000 /* only a hang misses it */

enum { VERSION, ID, DOMAIN_NAME, ADDRESS, ROUTING_ID, MECHANISM, KEY, FRAMES };

struct world {
    void *context, *asker; /* a DEALER, which may ask without waiting */
    struct zap *zap;
    struct frameset answer;
    struct span frame[FRAMES]; /* a sound request */
    bool allow;                /* what the list says */
    int asked;
    char domain[32], fingerprint[CERT_FINGERPRINT_SIZE]; /* of the last one */
};

static const char key[CERT_KEY_SIZE + 1] = "0123456789abcdef0123456789abcdef";

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    if (!world)
        return -1;
    world->context = zmq_ctx_new();
    world->zap = zap_new(world->context);
    world->asker = zmq_socket(world->context, ZMQ_DEALER);
    frameset_init(&world->answer);
    world->frame[VERSION] = span_str("1.0");
    world->frame[ID] = span_str("7");
    world->frame[DOMAIN_NAME] = span_str(CURVE_DOMAIN_GATE);
    world->frame[ADDRESS] = span_str("10.1.2.3");
    world->frame[ROUTING_ID] = span_str("");
    world->frame[MECHANISM] = span_str("CURVE");
    world->frame[KEY] = span_of(key, CERT_KEY_SIZE);
    world->allow = true;
    *state = world;
    return world->zap ? zmq_connect(world->asker, "inproc://zeromq.zap.01") : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    const int linger = 0;

    frameset_done(&world->answer);
    zmq_setsockopt(world->asker, ZMQ_LINGER, &linger, sizeof linger);
    zmq_close(world->asker);
    zap_destroy(&world->zap);
    zap_destroy(&world->zap);
    zmq_ctx_term(world->context);
    free(world);
    return 0;
}

static bool decide(void *context, const struct zap_request *request)
{
    struct world *world = context;

    world->asked++;
    assert_true(request->domain.size < sizeof world->domain);
    memcpy(world->domain, request->domain.data, request->domain.size);
    world->domain[request->domain.size] = '\0';
    memcpy(world->fingerprint, request->fingerprint, sizeof world->fingerprint);
    return world->allow;
}

static void ask(struct world *world, size_t count)
{
    struct span frame[FRAMES + 2] = {span_str("")};

    memcpy(frame + 1, world->frame, sizeof world->frame);
    frame[FRAMES + 1] = span_str("one more");
    assert_int_equal(frameset_send(world->asker, frame, count + 1), 0);
}

/* Lets the handler answer; returns how many odd requests it has met. */
static size_t run(struct world *world)
{
    zmq_pollitem_t item = {zap_socket(world->zap), 0, ZMQ_POLLIN, 0};

    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    return zap_run(world->zap, decide, world);
}

/* The answer's six frames; code and User-Id are those. */
static void check_answer(struct world *world, const char *code, const char *user)
{
    zmq_pollitem_t item = {world->asker, 0, ZMQ_POLLIN, 0};
    const struct span *frame;

    assert_int_equal(zmq_poll(&item, 1, HANG_MS), 1);
    assert_true(frameset_receive(&world->answer, world->asker) > 0);
    assert_int_equal(world->answer.count, 7);
    frame = world->answer.frame + 1; /* behind the empty one */
    assert_true(span_is(frame[0], "1.0"));
    assert_true(span_is(frame[1], "7"));
    assert_true(span_is(frame[2], code));
    assert_true(span_is(frame[4], user));
    assert_int_equal(frame[5].size, 0);
}

static void an_allowed_key_is_told_its_fingerprint(void **state)
{
    struct world *world = *state;
    char fingerprint[CERT_FINGERPRINT_SIZE];

    cert_fingerprint((const unsigned char *)key, fingerprint);
    ask(world, FRAMES);
    assert_int_equal(run(world), 0);
    check_answer(world, "200", fingerprint);
    assert_string_equal(world->domain, CURVE_DOMAIN_GATE);
    assert_string_equal(world->fingerprint, fingerprint);
}

static void another_key_is_refused(void **state)
{
    struct world *world = *state;

    world->allow = false;
    ask(world, FRAMES);
    assert_int_equal(run(world), 0);
    check_answer(world, "400", "");
    assert_int_equal(world->asked, 1);
}

/* Asks with one frame changed: nobody is asked about it, and it is refused. */
static void check_odd(struct world *world, int at, struct span frame)
{
    struct span sound = world->frame[at];

    world->frame[at] = frame;
    ask(world, FRAMES);
    assert_int_equal(run(world), 1);
    check_answer(world, "500", "");
    world->frame[at] = sound;
}

static void what_is_no_curve_request_is_refused_without_asking(void **state)
{
    struct world *world = *state;
    static char large[300];

    check_odd(world, VERSION, span_str("2.0"));
    check_odd(world, MECHANISM, span_str("NULL"));
    check_odd(world, MECHANISM, span_str("PLAIN"));
    check_odd(world, KEY, span_of(key, CERT_KEY_SIZE - 1));
    check_odd(world, KEY, span_str(""));
    check_odd(world, ADDRESS, span_of(large, sizeof large));
    for (size_t count = KEY; count <= FRAMES + 1; count += 2) { /* one too few, one too many */
        ask(world, count);
        assert_int_equal(run(world), 1);
        check_answer(world, "500", "");
    }
    assert_int_equal(world->asked, 0);
    ask(world, FRAMES);
    assert_int_equal(run(world), 0);
    assert_int_equal(world->asked, 1);
}

static void one_turn_answers_no_more_than_its_bound(void **state)
{
    struct world *world = *state;

    for (int i = 0; i < ZAP_AT_ONCE + 3; i++)
        ask(world, FRAMES);
    run(world);
    assert_int_equal(world->asked, ZAP_AT_ONCE);
    run(world);
    assert_int_equal(world->asked, ZAP_AT_ONCE + 3);
}

static void there_is_one_handler_in_a_context(void **state)
{
    struct world *world = *state;

    assert_null(zap_new(world->context));
    assert_int_equal(zmq_errno(), EADDRINUSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_allowed_key_is_told_its_fingerprint, setup, teardown),
        cmocka_unit_test_setup_teardown(another_key_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_curve_request_is_refused_without_asking, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_turn_answers_no_more_than_its_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(there_is_one_handler_in_a_context, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
