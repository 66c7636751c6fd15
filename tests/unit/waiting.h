/* Steps that the tests of pending share. Include it after cmocka.h. */
#ifndef TAILGATE_TESTS_WAITING_H
#define TAILGATE_TESTS_WAITING_H

#include "gateway/pending.h"
#include "proto/token.h"

/* The rules that every test begins with. */
static struct rulebook book;

static inline void rules_general(enum order order, size_t window)
{
    book = (struct rulebook){.general = {.order = order, .window = window}};
}

/* setup() for cmocka: *state is a pending with ORDER_FAIR and a wide window. */
static inline int setup(void **state)
{
    rules_general(ORDER_FAIR, 1000000);
    *state = pending_new(42, &book);
    return token_init();
}

static inline int teardown(void **state)
{
    struct pending *pending = *state;
    pending_destroy(&pending);
    return 0;
}

static inline void change_rules(struct pending *pending, enum order order, size_t window)
{
    rules_general(order, window);
    pending_rules(pending, &book);
}

/* The service of that NAME, held once more. */
static inline struct service *service_called(struct pending *pending, const char *name)
{
    return pending_hold(pending, span_str(name));
}

static inline struct waiting query_of(struct pending *pending, int64_t id, const char *conversation)
{
    return (struct waiting){.id = id,
                            .seen_us = id * 10,
                            .conversation = pending_conversation(pending, span_str(conversation))};
}

static inline enum pending_seen append(struct pending *pending, struct service *service, int64_t id,
                                       const char *conversation)
{
    const struct waiting query = query_of(pending, id, conversation);
    return pending_append(pending, service, &query);
}

static inline void bring_back(struct pending *pending, struct service *service, int64_t id,
                              const char *conversation)
{
    const struct waiting query = query_of(pending, id, conversation);
    pending_return(pending, service, &query);
}

static inline void end(struct pending *pending, struct service *service, const char *conversation)
{
    pending_free(pending, service, pending_conversation(pending, span_str(conversation)));
}

/* Takes COUNT queries, which must be those of EXPECTED. */
static inline void take(struct pending *pending, struct service *service, const int64_t *expected,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct waiting query;
        assert_true(pending_take(pending, service, &query));
        assert_int_equal(query.id, expected[i]);
        assert_int_equal(query.seen_us, expected[i] * 10);
    }
}

#define take_in_order(pending, service, ...)                                                       \
    take(pending, service, (const int64_t[]){__VA_ARGS__},                                         \
         sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

#endif
