#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/rights.h"

#define ANY (ALLOW_WORKER | ALLOW_CLIENT | ALLOW_OBSERVER | ALLOW_OPERATOR)

/* The table of WIRE.md, written once more. */
static const unsigned needs[RIGHT_LOOK + 1] = {
    [RIGHT_WORK] = ALLOW_WORKER,
    [RIGHT_ASK] = ALLOW_CLIENT,
    [RIGHT_LOOK] = ANY,
    [RIGHT_STATUS] = ALLOW_CLIENT | ALLOW_OBSERVER | ALLOW_OPERATOR,
    [RIGHT_REPLAY] = ALLOW_OBSERVER | ALLOW_OPERATOR,
    [RIGHT_CONTROL] = ALLOW_OPERATOR,
};

static bool may(const struct allow_entry *entry, enum right right, const char *service)
{
    return rights_object(entry, right, span_str(service)) == NULL;
}

static void every_set_of_roles_has_the_rights_of_its_roles_and_no_others(void **state)
{
    (void)state;
    for (unsigned roles = 0; roles <= ANY; roles++) {
        struct allow_entry entry = {.roles = roles};
        for (int right = 0; right <= RIGHT_LOOK; right++)
            assert_int_equal(may(&entry, (enum right)right, "law"), (roles & needs[right]) != 0);
    }
}

static void a_key_that_is_not_in_the_list_has_no_right(void **state)
{
    (void)state;
    for (int right = 0; right <= RIGHT_LOOK; right++)
        assert_false(may(NULL, (enum right)right, "law"));
}

static void services_bound_what_is_registered_and_asked_and_nothing_else(void **state)
{
    (void)state;
    struct allow_entry entry = {.roles = ANY, .services = 1};
    char longest[LIMIT_SERVICE + 2];
    strcpy(entry.service[0], "law");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (int right = 0; right <= RIGHT_LOOK; right++) {
        bool bound = right == RIGHT_WORK || right == RIGHT_ASK;
        assert_true(may(&entry, (enum right)right, "law"));
        assert_true(may(&entry, (enum right)right, ""));
        assert_int_equal(may(&entry, (enum right)right, "*"), !bound);
        assert_int_equal(may(&entry, (enum right)right, "lawyer"), !bound);
        assert_int_equal(may(&entry, (enum right)right, longest), !bound);
    }
}

static void a_refusal_names_a_role_that_would_do_and_none_that_would_not(void **state)
{
    (void)state;
    static const char *const role[] = {"worker", "client", "observer", "operator"};
    const struct allow_entry nobody = {.roles = 0};
    for (int right = 0; right <= RIGHT_LOOK; right++) {
        const char *why = rights_object(&nobody, (enum right)right, span_str(""));
        size_t named = 0;
        for (size_t i = 0; i < 4; i++) {
            bool names = strstr(strchr(why, ':') ? strchr(why, ':') : "", role[i]) != NULL;
            named += names;
            assert_true(!names || (needs[right] & 1u << i));
        }
        assert_int_equal(named, right != RIGHT_LOOK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_roles_has_the_rights_of_its_roles_and_no_others),
        cmocka_unit_test(a_key_that_is_not_in_the_list_has_no_right),
        cmocka_unit_test(services_bound_what_is_registered_and_asked_and_nothing_else),
        cmocka_unit_test(a_refusal_names_a_role_that_would_do_and_none_that_would_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
