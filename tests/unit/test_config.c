/* What the settings promise: every key has a default and a range, a service may have its own, and
 * nothing that a word says is taken for something else. */
#include "settings_case.h"

/* Keys. */

static void every_key_has_a_default_that_it_takes(void **state)
{
    char word[300];
    struct config fresh;

    (void)state;
    config_init(&fresh);
    for (size_t i = 0; i < config_key_count; i++) {
        if (config_keys[i].type == LIST)
            continue; /* none, which cannot be said */
        snprintf(word, sizeof word, "%s=%s", config_keys[i].name, config_keys[i].initial);
        put(word);
    }
    assert_memory_equal(&fresh, &config, sizeof config);
    config_done(&fresh);
}

static void values_are_what_was_said(void **state)
{
    (void)state;
    put("commit.duty=1");
    put("lease=2m");
    put("lease.persist_after=0");
    put("attempts=1000");
    put("order=conversation");
    put("claim=dispatch");
    put("presence=off");
    put("serve.agents=serve");
    put("serve.session=someone");
    put("retention.audit=1d");
    assert_int_equal(config.commit_duty, 1);
    assert_int_equal(config.lease_us, 120 * SECOND);
    assert_int_equal(config.record_after_us, 0);
    assert_int_equal(config.attempts, 1000);
    assert_int_equal(config.order, ORDER_CONVERSATION);
    assert_int_equal(config.claim, CLAIM_DISPATCH);
    assert_int_equal(config.presence, PRESENCE_OFF);
    assert_int_equal(config.agents, AGENTS_SERVE);
    assert_string_equal(config.serve_session, "someone");
    assert_int_equal(config.audit_us, 86400 * SECOND);
}

static void later_word_wins(void **state)
{
    (void)state;
    put("attempts=2");
    put("serve.session=longer");
    put("attempts=3");
    put("serve.session=c");
    assert_int_equal(config.attempts, 3);
    assert_string_equal(config.serve_session, "c");
    for (size_t i = 1; i < sizeof config.serve_session; i++) /* compared as a whole */
        assert_int_equal(config.serve_session[i], 0);
}

static void values_outside_of_their_range_are_refused_with_it(void **state)
{
    static const char *const word[] = {
        "commit.duty=0",
        "commit.duty=101",
        "commit.duty=",
        "commit.duty=50%",
        "commit.duty=-1",
        "commit.duty=9223372036854775808",
        "commit.duty=0x10",
        "commit.duty=1e1",
        "attempts=0",
        "attempts=1001",
        "attempts=-5",
        "lease=99ms",
        "lease=2d",
        "lease=1 parsec",
        "lease=-1s",
        "lease=999999999999d",
        "lease=",
        "lease.persist_after=61s",
        "backlog.window=0",
        "order=",
        "order=fai",
        "order=fairness",
        "order=fair|fifo",
        "order=FIFO",
        "order=|",
        "order=fair ",
        "claim=both",
        "serve.session=",
        "presence=yes",
        "backoff.max=25h",
        "serve.session=123456789012345678901234567890123",
    };

    (void)state;
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++)
        refuse(word[i], " is ");
    refuse("order=random", "fair|fifo|conversation");
    refuse("attempts=many", "a number from 1 to 1000");
    refuse("lease=long", "a duration from 100ms to 1d");
}

static void unknown_keys_are_refused_with_the_nearest(void **state)
{
    char word[1000];

    (void)state;
    refuse("atempts=3", "did you mean attempts?");
    refuse("comit.dutty=3", "did you mean commit.duty?");
    refuse("service.render.atempts=3", "did you mean service.render.attempts?");
    refuse("service.a.b.backof.first=2s", "did you mean service.a.b.backoff.first?");
    refuse("service.render.commit.duty=3", "commit.duty is the same for all services");
    refuse("quite.something.else=3", "no key");
    refuse("=3", "no key");
    refuse("attempts", "KEY=VALUE");
    refuse("", "KEY=VALUE");
    refuse("Attempts =3", "no key");
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    refuse(word, "KEY=VALUE");
    word[500] = '=';
    refuse(word, "KEY=VALUE");
    word[500] = 'a';
    word[150] = '=';
    refuse(word, "no key");
    memcpy(word, "attempts=", 9);
    word[150] = 'a';
    refuse(word, "a number");
}

/* A service's own. */

static void service_has_its_own_rules_and_the_general_ones_otherwise(void **state)
{
    struct rulebook book;

    (void)state;
    put("attempts=7");
    put("service.render.attempts=2");
    put("service.render.order=fifo");
    put("service.law.lease=1s");
    put("service.law.backlog.window=12");
    put("service.law.attempt.hard_max=3s");
    put("lease=5m"); /* said later, and yet the general one */
    config_rulebook(&config, &book);
    assert_int_equal(book.count, 2);
    assert_int_equal(rules_for(&book, "render")->attempts, 2);
    assert_int_equal(rules_for(&book, "render")->order, ORDER_FIFO);
    assert_int_equal(rules_for(&book, "render")->lease_us, 300 * SECOND);
    assert_int_equal(rules_for(&book, "law")->attempts, 7);
    assert_int_equal(rules_for(&book, "law")->lease_us, SECOND);
    assert_int_equal(rules_for(&book, "law")->window, 12);
    assert_int_equal(rules_for(&book, "law")->attempt_hard_max_us, 3 * SECOND);
    assert_ptr_equal(rules_for(&book, "rende"), &book.general);
    assert_ptr_equal(rules_for(&book, "renderer"), &book.general);
    assert_int_equal(book.general.attempts, 7);
    rulebook_done(&book);
    rulebook_done(&book);
}

static void service_names_may_have_dots_and_be_words_of_keys(void **state)
{
    static const char *const name[] = {"a.b.c",     "attempts", "v1.attempts", "lease",
                                       ".",         "..",       "service",     "attempt.max",
                                       "two words", "*",        "\xc3\xa9"};
    char word[200];
    struct rulebook book;

    (void)state;
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        snprintf(word, sizeof word, "service.%s.attempts=%zu", name[i], i + 10);
        put(word);
        snprintf(word, sizeof word, "service.%s.backoff.max=%zus", name[i], i + 10);
        put(word);
    }
    config_rulebook(&config, &book);
    assert_int_equal(book.count, sizeof name / sizeof name[0]);
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        assert_int_equal(rules_for(&book, name[i])->attempts, i + 10);
        assert_int_equal(rules_for(&book, name[i])->backoff_max_us, (int64_t)(i + 10) * SECOND);
    }
    rulebook_done(&book);
}

static void longest_name_of_a_service_is_taken_and_a_longer_one_is_not(void **state)
{
    char word[300], name[LIMIT_SERVICE + 2];
    struct rulebook book;

    (void)state;
    memset(name, 'x', sizeof name);
    name[LIMIT_SERVICE] = '\0';
    snprintf(word, sizeof word, "service.%s.attempt.hard_max=7s", name);
    put(word);
    config_rulebook(&config, &book);
    assert_int_equal(rules_for(&book, name)->attempt_hard_max_us, 7 * SECOND);
    rulebook_done(&book);
    name[LIMIT_SERVICE] = 'x';
    name[LIMIT_SERVICE + 1] = '\0';
    snprintf(word, sizeof word, "service.%s.attempts=7", name);
    refuse(word, "no key");
}

static void what_no_service_can_have_is_refused(void **state)
{
    static const char *const word[] = {
        "service.render.commit.duty=3",
        "service.render.claim=reply",
        "service.render.serve.session=c",
        "service.render.drain.timeout=3s",
        "service.render.lease.persist_after=1s",
        "service.attempts=3",
        "service..attempts=3",
        "service.render=3",
        "service.render.=3",
        "service.=3",
        "service=3",
        "service.a\nb.attempts=3",
        "service.\xff.attempts=3",
        "service.\xef\xbf\xbd.attempts=3",
        "service.renderattempts=3",
    };

    (void)state;
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++)
        refuse(word[i], "no key");
    refuse("service.render.attempts=0", "a number from 1 to 1000");
    refuse("service.render.order=random", "fair|fifo|conversation");
}

static void settings_of_services_are_bounded(void **state)
{
    struct rulebook book;
    char word[100];

    (void)state;
    for (int i = 0; i < CONFIG_OWN; i++) {
        snprintf(word, sizeof word, "service.s%d.attempts=%d", i, i % 1000 + 1);
        put(word);
    }
    refuse("service.another.attempts=3", "more than 1000");
    put("service.s7.attempts=55"); /* said again, it is not another one */
    config_rulebook(&config, &book);
    assert_int_equal(book.count, CONFIG_OWN);
    assert_int_equal(rules_for(&book, "s7")->attempts, 55);
    assert_int_equal(rules_for(&book, "s999")->attempts, 1000);
    rulebook_done(&book);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_key_has_a_default_that_it_takes),
        TEST(values_are_what_was_said),
        TEST(later_word_wins),
        TEST(values_outside_of_their_range_are_refused_with_it),
        TEST(unknown_keys_are_refused_with_the_nearest),
        TEST(service_has_its_own_rules_and_the_general_ones_otherwise),
        TEST(service_names_may_have_dots_and_be_words_of_keys),
        TEST(longest_name_of_a_service_is_taken_and_a_longer_one_is_not),
        TEST(what_no_service_can_have_is_refused),
        TEST(settings_of_services_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
