/* A dial and the sockets that it dials: what the tests of dial.h are written in. Its time is the
 * test's; its endpoint is a unix socket in a folder of the test. */
#ifndef TAILGATE_TESTS_UNIT_DIAL_WORLD_H
#define TAILGATE_TESTS_UNIT_DIAL_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "adapters/zmq/dial.h"

#define HANG_MS 60000 /* only a hang misses it */
#define TOKEN "17.1.AAAAAAAAAAAAAAAAAAAAAA"

/* A dial, and the sockets that it dials, in contexts of their own. */
struct world {
    void *context, *others;
    struct dial *dial;
    struct frameset set;
    void *socket[8]; /* the others' */
    size_t count;
    int64_t now_us;
    char directory[64];
    char path[128];
    char endpoint[160];
};

/* cmocka fixtures. */
int dial_world_begin(void **state);
int dial_world_end(void **state);
#define dial_test(function)                                                                        \
    cmocka_unit_test_setup_teardown(function, dial_world_begin, dial_world_end)
/* Closes one of the others; what it has not sent is dropped. */
void close_other(void **socket);
/* A socket of TYPE that is bound where the dial looks. The caller closes it, or the teardown. */
void **given_bound(struct world *world, int type);
void given_dial(struct world *world);
bool has_item(const struct world *world);
void expect_next(struct world *world, enum dial_news news);
/* A dial that is up, with the REP socket that it is connected to. */
void **given_up(struct world *world);
void ask(struct world *world, const char *token, const char *query);
void rep_expects(void *rep, const char *query);
void rep_says(void *rep, const char *answer);
void expect_message(struct world *world, const char *token, const char *answer);
/* It waits for a pause between half of SPAN_US and all of it, and dials then and not before. */
void expect_pause(struct world *world, int64_t span_us);

#endif
