/* What the settings' file promises: it says what words say, a bad one is refused with its error,
 * what is printed can be read back; and a running gateway knows what it can take over. */
#include "settings_case.h"

#include <sys/stat.h>
#include <unistd.h>

/* The file that a test reads, in the working directory. */
static const char *file_of(const char *text, size_t size)
{
    static char path[100];
    FILE *file;

    snprintf(path, sizeof path, "test_config.%ld.cfg", (long)getpid());
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static int load(const char *text)
{
    const char *path = file_of(text, strlen(text));
    int result = config_load(&config, path, error);

    unlink(path);
    return result;
}

static void load_ok(const char *text)
{
    if (load(text) < 0)
        fail_msg("%s: %s", text, error);
}

/* Files. */

static void file_may_write_keys_in_sections_or_in_one_word(void **state)
{
    struct rulebook book;

    (void)state;
    load_ok("# a comment\n"
            "lease = 3m # another\n"
            "    persist_after = 1s\n"
            "commit\n"
            "    duty = 40\n"
            "serve.session = \"c d\"\n"
            "service\n"
            "    render\n"
            "        attempts = 2\n"
            "    a.b\n"
            "        backoff.max = 9s\n"
            "service.law.order = fifo\n");
    assert_int_equal(config.lease_us, 180 * SECOND);
    assert_int_equal(config.record_after_us, SECOND);
    assert_int_equal(config.commit_duty, 40);
    assert_string_equal(config.serve_session, "c d");
    config_rulebook(&config, &book);
    assert_int_equal(rules_for(&book, "render")->attempts, 2);
    assert_int_equal(rules_for(&book, "a.b")->backoff_max_us, 9 * SECOND);
    assert_int_equal(rules_for(&book, "law")->order, ORDER_FIFO);
    rulebook_done(&book);
}

static void key_that_is_repeated_has_all_its_values(void **state)
{
    struct config other;

    (void)state;
    load_ok("gate = tcp://127.0.0.1:1\n"
            "work = \"-- python3 'a b.py'\"\n"
            "gate = tcp://127.0.0.1:2\n"
            "events = ipc:///a\n"
            "    bodies = off\n"
            "log\n"
            "    format = json\n");
    put("gate=ipc:///b");
    assert_int_equal(config.gates.count, 3);
    assert_string_equal(config.gates.item[1], "tcp://127.0.0.1:2");
    assert_string_equal(config.gates.item[2], "ipc:///b");
    assert_string_equal(config.works.item[0], "-- python3 'a b.py'");
    assert_int_equal(config.events.count, 1);
    assert_int_equal(config.bodies, BODIES_OFF);
    assert_string_equal(config.log_format, "json");
    config_init(&other);
    config_swap_options(&config, &other);
    assert_int_equal(config.gates.count, 0);
    assert_int_equal(config.bodies, BODIES_OFF); /* no option */
    assert_string_equal(config.log_format, "auto");
    config_unset(&other, "gate");
    assert_int_equal(other.gates.count, 0);
    for (int i = 0; i < CONFIG_LIST; i++)
        put("gate=ipc:///b");
    refuse("gate=ipc:///b", "more than 64 times");
    refuse("log.format=xml", "human|json|journal|auto");
    config_done(&other);
}

static void file_with_an_error_is_refused_with_it(void **state)
{
    static const struct {
        const char *text, *hint;
    } bad[] = {
        {"attempts = many\n", "attempts is a number"},
        {"attempts =\n", "attempts is a number"},
        {"attempts\n", "attempts is a number"},
        {"atempts = 3\n", "did you mean attempts"},
        {"comit\n", "no key"},
        {"commit\n    duti = 3\n", "no key"},
        {"service\n    render\n        claim = reply\n", "no key"},
        {"no equals sign\n", "not a ZPL file"},
        {"   attempts = 3\n", "not a ZPL file"},
        {"attempts = \"3\n", "not a ZPL file"},
        {"\x01\x02\x03\n", "not a ZPL file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (load(bad[i].text) == 0)
            fail_msg("%s was taken", bad[i].text);
        if (!strstr(error, bad[i].hint))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].text, error, bad[i].hint);
    }
}

static void empty_file_changes_nothing(void **state)
{
    (void)state;
    load_ok("");
    load_ok("\n");
    load_ok("# nothing\n");
    assert_int_equal(config.attempts, 5);
}

static void file_that_is_none_is_refused(void **state)
{
    static const char nul[] = "attempts = 3\n\0attempts = 4\n";
    static char large[CONFIG_FILE_MAX + 10000];
    char path[100];

    (void)state;
    assert_int_equal(config_load(&config, "/nonexistent/file", error), -1);
    assert_non_null(strstr(error, "No such file"));
    assert_int_equal(config_load(&config, ".", error), -1);
    assert_int_equal(config_load(&config, "/dev/zero", error), -1);
    assert_non_null(strstr(error, "not a file"));
    snprintf(path, sizeof path, "test_config.%ld.pipe", (long)getpid());
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(config_load(&config, path, error), -1);
    unlink(path);
    assert_int_equal(config_load(&config, file_of(nul, sizeof nul - 1), error), -1);
    memset(large, '\n', sizeof large);
    memcpy(large, "attempts = 3", 12);
    assert_int_equal(config_load(&config, file_of(large, sizeof large), error), -1);
    assert_non_null(strstr(error, "too large"));
    unlink(file_of("", 0));
    assert_int_equal(config.attempts, 5);
}

static void nesting_without_end_is_refused(void **state)
{
    char text[50000];
    size_t size = 0;

    (void)state;
    for (int level = 0; level < 150; level++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%*ss\n", level * 4, "");
    assert_int_equal(load(text), -1);
}

/* What is printed can be read back. */
static void printed_settings_are_a_file_that_says_the_same(void **state)
{
    struct config again;
    char path[100];
    int kept = dup(STDOUT_FILENO);

    (void)state;
    put("attempts=9");
    put("lease=1500ms");
    put("order=fifo");
    put("serve.session=a # b\"");
    put("service.a.b.attempts=3");
    put("service.render.order=conversation");
    put("service.two words.attempts=4"); /* a file has no way to say that */
    snprintf(path, sizeof path, "test_config.%ld.print", (long)getpid());
    assert_non_null(freopen(path, "w", stdout));
    config_print(&config);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    config_init(&again);
    if (config_load(&again, path, error) < 0)
        fail_msg("%s", error);
    unlink(path);
    assert_int_equal(again.attempts, 9);
    assert_int_equal(again.lease_us, 1500000);
    assert_string_equal(again.serve_session, "a # b\"");
    assert_int_equal(again.own_count, 2);
    config_done(&again);
}

/* Changing. */

static struct {
    size_t live, restart, service;
    char last[200];
} seen;

static void see(void *context, const struct config_change *change)
{
    (void)context;
    seen.live += change->live;
    seen.restart += !change->live;
    seen.service +=
        strncmp(change->key, "service.r", 9) == 0 || strncmp(change->key, "service.l", 9) == 0;
    snprintf(seen.last, sizeof seen.last, "%s %s %s", change->key, change->was, change->now);
}

static void compare(const struct config *now)
{
    memset(&seen, 0, sizeof seen);
    config_compare(&config, now, see, NULL);
}

/* Sets every key of NOW to another value than its default. */
static void change_all(struct config *now)
{
    char word[300];

    for (size_t i = 0; i < config_key_count; i++) {
        const struct key *key = &config_keys[i];
        const char *value = key->type == CHOICE     ? strrchr(key->words, '|') + 1
                            : key->type == NUMBER   ? "17"
                            : key->type == DURATION ? "1100ms"
                            : key->words            ? strrchr(key->words, '|') + 1
                                                    : "other";
        if (key->words && strcmp(value, key->initial) == 0) /* it comes last */
            value = key->type == CHOICE ? "off" : "human";
        snprintf(word, sizeof word, "%s=%s", key->name, value);
        if (config_set_word(now, word, error) < 0)
            fail_msg("%s: %s", word, error);
    }
}

static void comparing_names_what_has_changed(void **state)
{
    struct config now;
    size_t live = 0;

    (void)state;
    for (size_t i = 0; i < config_key_count; i++)
        live += config_keys[i].change == LIVE || config_keys[i].change == RULE;
    config_init(&now);
    compare(&now);
    assert_int_equal(seen.live + seen.restart, 0);
    change_all(&now);
    compare(&now);
    assert_int_equal(seen.live, live);
    assert_int_equal(seen.restart, config_key_count - live);
    assert_int_equal(seen.service, 0);
    config_done(&now);
}

static void comparing_sees_the_services_own(void **state)
{
    struct config now;

    (void)state;
    config_init(&now);
    put("service.render.attempts=2");
    compare(&now);
    assert_string_equal(seen.last, "service.render.attempts 2 5"); /* gone: as all services */
    assert_int_equal(config_set_word(&now, "service.render.attempts=3", error), 0);
    compare(&now);
    assert_string_equal(seen.last, "service.render.attempts 2 3");
    assert_int_equal(seen.service, 1);
    put("service.render.attempts=3");
    compare(&now);
    assert_int_equal(seen.service, 0);
    assert_int_equal(config_set_word(&now, "service.law.lease=90m", error), 0);
    compare(&now);
    assert_string_equal(seen.last, "service.law.lease 10m 90m"); /* new */
    put("service.render.order=fifo");
    compare(&now);
    assert_int_equal(seen.service, 2);
    config_done(&now);
}

static void comparing_says_what_was_and_what_is(void **state)
{
    struct config now;

    (void)state;
    config_init(&now);
    assert_int_equal(config_set_word(&now, "commit.duty=20", error), 0);
    compare(&now);
    assert_string_equal(seen.last, "commit.duty 50 20");
    put("commit.duty=20");
    assert_int_equal(config_set_word(&now, "drain.timeout=90s", error), 0);
    compare(&now);
    assert_string_equal(seen.last, "drain.timeout 30s 90s");
    put("drain.timeout=90s");
    put("claim=dispatch");
    compare(&now);
    assert_string_equal(seen.last, "claim dispatch reply");
    put("claim=reply");
    put("serve.session=a");
    compare(&now);
    assert_string_equal(seen.last, "serve.session a b");
    config_done(&now);
}

static void taking_over_leaves_what_needs_a_restart(void **state)
{
    struct config now;

    (void)state;
    config_init(&now);
    change_all(&now);
    assert_int_equal(config_set_word(&now, "service.render.attempts=2", error), 0);
    put("service.law.attempts=4");
    put("service.law.order=fifo");
    config_take_live(&config, &now);
    compare(&now);
    assert_int_equal(seen.live, 0);
    assert_true(seen.restart > 0);
    assert_int_equal(config.commit_duty, 50);
    assert_string_equal(config.serve_session, "b");
    assert_int_equal(config.attempts, 17);
    assert_int_equal(config.drain_timeout_us, 1100000);
    assert_int_equal(config.own_count, 1);
    config_done(&now); /* it has its own copy */
    put("service.render.attempts=3");
    assert_int_equal(config.own_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(file_may_write_keys_in_sections_or_in_one_word),
        TEST(key_that_is_repeated_has_all_its_values),
        TEST(file_with_an_error_is_refused_with_it),
        TEST(empty_file_changes_nothing),
        TEST(file_that_is_none_is_refused),
        TEST(nesting_without_end_is_refused),
        TEST(printed_settings_are_a_file_that_says_the_same),
        TEST(comparing_names_what_has_changed),
        TEST(comparing_sees_the_services_own),
        TEST(comparing_says_what_was_and_what_is),
        TEST(taking_over_leaves_what_needs_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
