/* The hash table of nodes that live in their owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gateway/table.h"
#include "proto/token.h"

#define COUNT 5000

struct owner {
    int key;
    unsigned walked;
    struct table_node node;
};

static struct owner owner[COUNT];

static int setup(void **state)
{
    static struct table table;
    memset(owner, 0, sizeof owner);
    table_init(&table, 42);
    *state = &table;
    return token_init();
}

static int teardown(void **state)
{
    table_done(*state);
    return 0;
}

static uint64_t hash_of(const struct table *table, int key)
{
    return table_hash(table, &key, sizeof key);
}

static struct owner *find(const struct table *table, int key)
{
    struct table_node *node = table_first(table, hash_of(table, key));
    for (; node; node = table_next(node)) {
        struct owner *one = table_owner(node, struct owner, node);
        if (one->key == key)
            return one;
    }
    return NULL;
}

static void add(struct table *table, int count)
{
    for (int key = 0; key < count; key++) {
        owner[key].key = key;
        table_add(table, &owner[key].node, hash_of(table, key));
    }
}

static void nothing_is_found_in_an_empty_table(void **state)
{
    struct table *table = *state;
    assert_null(table_first(table, 0));
    assert_null(table_walk(table, NULL));
    assert_int_equal(table->count, 0);
}

static void every_node_is_found_by_its_key(void **state)
{
    struct table *table = *state;
    add(table, COUNT);
    assert_int_equal(table->count, COUNT);
    for (int key = 0; key < COUNT; key++)
        assert_ptr_equal(find(table, key), &owner[key]);
    assert_null(find(table, COUNT));
    assert_null(find(table, -1));
}

static void a_removed_node_is_gone_and_its_neighbours_stay(void **state)
{
    struct table *table = *state;
    add(table, COUNT);
    for (int key = 0; key < COUNT; key += 3)
        table_remove(table, &owner[key].node);
    for (int key = 0; key < COUNT; key++)
        assert_ptr_equal(find(table, key), key % 3 == 0 ? NULL : &owner[key]);
    assert_int_equal(table->count, COUNT - (COUNT + 2) / 3);
}

static void a_walk_meets_every_node_once(void **state)
{
    struct table *table = *state;
    struct table_node *node = NULL;
    add(table, COUNT);
    while ((node = table_walk(table, node)))
        table_owner(node, struct owner, node)->walked++;
    for (int key = 0; key < COUNT; key++)
        assert_int_equal(owner[key].walked, 1);
}

static void nodes_of_one_hash_are_kept_apart(void **state)
{
    struct table *table = *state;
    size_t met = 0;
    for (int key = 0; key < 40; key++) { /* one bucket, two hashes */
        owner[key].key = key;
        table_add(table, &owner[key].node, key % 2 ? 77 : 77 + (UINT64_C(1) << 40));
    }
    for (struct table_node *node = table_first(table, 77); node; node = table_next(node)) {
        assert_int_equal(table_owner(node, struct owner, node)->key % 2, 1);
        met++;
    }
    assert_int_equal(met, 20);
    for (int key = 0; key < 40; key++)
        table_remove(table, &owner[key].node);
    assert_int_equal(table->count, 0);
}

static void the_hash_depends_on_the_seed(void **state)
{
    struct table other;
    table_init(&other, 43);
    assert_true(table_hash(*state, "conv", 4) == table_hash(*state, "conv", 4));
    assert_true(table_hash(*state, "conv", 4) != table_hash(&other, "conv", 4));
    assert_true(table_hash(*state, "conv", 4) != table_hash(*state, "conv", 3));
    table_hash(*state, NULL, 0);
}

#define table_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        table_test(nothing_is_found_in_an_empty_table),
        table_test(every_node_is_found_by_its_key),
        table_test(a_removed_node_is_gone_and_its_neighbours_stay),
        table_test(a_walk_meets_every_node_once),
        table_test(nodes_of_one_hash_are_kept_apart),
        table_test(the_hash_depends_on_the_seed),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
