/* The allow-list, with real files: who is in it, with what, and what is told of each change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/zmq/allow.h"

struct world {
    char dir[32];
    struct allow *allow;
    int told[ALLOW_SKIPPED + 1]; /* by what */
    char last[CERT_WHY_SIZE];    /* why something was skipped */
    int64_t utc_us;              /* of a look */
    bool starve;                 /* after that, there are no descriptors to be had */
};

static void path_of(const struct world *world, const char *name, char ret_path[200])
{
    snprintf(ret_path, 200, "%s/%s", world->dir, name);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char path[200];

    if (!world)
        return -1;
    strcpy(world->dir, "/tmp/tgallowXXXXXX");
    if (!mkdtemp(world->dir))
        return -1;
    for (unsigned i = 0; i < ALLOW_ROLES; i++) {
        path_of(world, allow_role_name(i), path);
        if (mkdir(path, 0700) < 0)
            return -1;
    }
    world->allow = allow_new(world->dir);
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

    allow_destroy(&world->allow);
    allow_destroy(&world->allow);
    free(world);
    return failed;
}

/* LESS: no descriptor more than there are; else, as many as may be. */
static void limit_descriptors(bool less)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = less ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void tell(void *context, enum allow_news news, const struct allow_entry *entry,
                 const char *why)
{
    struct world *world = context;

    world->told[news]++;
    assert_true((entry == NULL) == (news == ALLOW_SKIPPED));
    if (why)
        snprintf(world->last, sizeof world->last, "%s", why);
    if (world->starve)
        limit_descriptors(true);
}

/* Looks once; true when the list has changed. */
static bool look(struct world *world)
{
    memset(world->told, 0, sizeof world->told);
    world->last[0] = '\0';
    return allow_look(world->allow, world->utc_us, tell, world);
}

static void write_text(const struct world *world, const char *name, const char *text)
{
    char path[200];
    FILE *file;

    path_of(world, name, path);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void take_out(const struct world *world, const char *name)
{
    char path[200];

    path_of(world, name, path);
    assert_int_equal(unlink(path), 0);
}

static struct cert new_cert(const char *name, const char *service)
{
    struct cert cert = {.role = "client"}; /* which counts for nothing: the folder does */

    snprintf(cert.name, sizeof cert.name, "%s", name);
    if (service)
        snprintf(cert.service[cert.services++], sizeof cert.service[0], "%s", service);
    assert_int_equal(cert_make(&cert), 0);
    return cert;
}

static void put(const struct world *world, const char *name, const struct cert *cert)
{
    char path[200], why[CERT_WHY_SIZE];

    path_of(world, name, path);
    assert_int_equal(cert_save_public(cert, path, why), 0);
}

static void a_key_has_the_role_of_its_folder(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("w1", NULL), other = new_cert("w2", NULL);
    const struct allow_entry *entry;

    assert_null(allow_find(world->allow, cert.fingerprint));
    put(world, "worker/w1", &cert);
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_ADDED], 1);
    entry = allow_find(world->allow, cert.fingerprint);
    assert_non_null(entry);
    assert_string_equal(entry->name, "w1");
    assert_int_equal(entry->roles, ALLOW_WORKER);
    assert_true(allow_serves(entry, "anything"));
    assert_null(allow_find(world->allow, other.fingerprint));
    assert_null(allow_find(world->allow, ""));
    assert_int_equal(allow_count(world->allow), 1);
}

static void several_folders_give_several_roles_and_their_services(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("both", "law");
    const struct allow_entry *entry;

    put(world, "worker/both", &cert);
    assert_true(look(world));
    strcpy(cert.service[0], "medicine");
    put(world, "client/both", &cert);
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_CHANGED], 1);
    entry = allow_find(world->allow, cert.fingerprint);
    assert_int_equal(entry->roles, ALLOW_WORKER | ALLOW_CLIENT);
    assert_true(allow_serves(entry, "law") && allow_serves(entry, "medicine"));
    assert_false(allow_serves(entry, "la"));
    assert_false(allow_serves(entry, ""));
}

static void one_that_is_taken_out_is_revoked(void **state)
{
    struct world *world = *state;
    struct cert one = new_cert("one", NULL), two = new_cert("two", NULL);

    put(world, "operator/one", &one);
    put(world, "operator/two", &two);
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_ADDED], 2);
    take_out(world, "operator/one");
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_REVOKED], 1);
    assert_int_equal(world->told[ALLOW_ADDED] + world->told[ALLOW_CHANGED], 0);
    assert_null(allow_find(world->allow, one.fingerprint));
    assert_non_null(allow_find(world->allow, two.fingerprint));
}

static void nothing_new_is_told_nothing(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("w1", NULL);

    put(world, "worker/w1", &cert);
    assert_true(look(world));
    assert_false(look(world));
    assert_int_equal(world->told[ALLOW_ADDED], 0);
}

static void content_counts_and_not_time_or_size(void **state)
{
    struct world *world = *state;
    struct cert one = new_cert("w1", NULL), two = new_cert("w1", NULL);
    struct timespec times[2];
    struct stat status;
    char path[200];

    put(world, "worker/w1", &one);
    path_of(world, "worker/w1", path);
    assert_true(look(world));
    assert_int_equal(stat(path, &status), 0);
    take_out(world, "worker/w1");
    put(world, "worker/w1", &two);
    times[0] = status.st_atim;
    times[1] = status.st_mtim;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_true(look(world));
    assert_null(allow_find(world->allow, one.fingerprint));
    assert_non_null(allow_find(world->allow, two.fingerprint));
}

static void what_is_no_certificate_is_skipped_and_told(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("w1", NULL);
    char path[200], why[CERT_WHY_SIZE];

    write_text(world, "worker/garbage", "\x01\xff{");
    write_text(world, "worker/short", "curve\n    public-key = \"abc\"\n");
    path_of(world, "worker/pipe", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    path_of(world, "worker/w1", path);
    assert_int_equal(cert_save(&cert, path, why), 0); /* with w1_secret beside it */
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_SKIPPED], 4);
    assert_int_equal(world->told[ALLOW_ADDED], 1);
    assert_non_null(strstr(world->last, "w1_secret"));
    assert_non_null(strstr(world->last, "secret key"));
}

static void a_key_that_has_expired_is_not_let_in(void **state)
{
    struct world *world = *state;
    struct cert ever = new_cert("w1", NULL), brief = new_cert("w2", NULL);

    brief.expires_us = INT64_C(1900000000000000);
    put(world, "worker/w1", &ever);
    put(world, "worker/w2", &brief);
    world->utc_us = brief.expires_us - 1;
    assert_true(look(world));
    assert_non_null(allow_find(world->allow, brief.fingerprint));
    assert_false(look(world));
    world->utc_us++; /* no file has changed */
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_REVOKED], 1);
    assert_int_equal(world->told[ALLOW_SKIPPED], 1);
    assert_non_null(strstr(world->last, "worker/w2 has expired"));
    assert_null(allow_find(world->allow, brief.fingerprint));
    assert_non_null(allow_find(world->allow, ever.fingerprint));
    assert_false(look(world));
}

static void a_time_of_expiry_that_is_none_lets_nobody_in(void **state)
{
    struct world *world = *state;

    write_text(world, "worker/w1",
               "metadata\n    expires = \"soon\"\ncurve\n"
               "    public-key = \"Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\"\n");
    assert_false(look(world));
    assert_non_null(strstr(world->last, "expires"));
}

static void half_written_and_set_aside_files_are_passed_over(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("w1", NULL);

    put(world, "worker/.w1", &cert);
    put(world, "worker/w1~", &cert);
    assert_false(look(world));
    assert_int_equal(world->told[ALLOW_SKIPPED], 0);
    assert_int_equal(allow_count(world->allow), 0);
}

static void a_folder_that_is_gone_has_nobody_in_it(void **state)
{
    struct world *world = *state;
    struct cert cert = new_cert("w1", NULL);
    char from[200], to[200];

    put(world, "worker/w1", &cert);
    assert_true(look(world));
    path_of(world, "worker", from);
    path_of(world, "away", to);
    assert_int_equal(rename(from, to), 0);
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_REVOKED], 1);
}

static void who_is_allowed_stays_so_when_descriptors_run_out_during_a_look(void **state)
{
    struct world *world = *state;
    struct cert first = new_cert("w1", NULL), second = new_cert("w2", NULL);

    write_text(world, "worker/a", "no certificate"); /* the look gets as far as this one */
    put(world, "worker/w1", &first);
    put(world, "worker/w2", &second);
    assert_true(look(world));
    take_out(world, "worker/w2");
    world->starve = true;
    assert_false(look(world));
    world->starve = false;
    assert_int_equal(world->told[ALLOW_SKIPPED], 1);
    assert_false(look(world)); /* now before it gets anywhere */
    limit_descriptors(false);
    assert_int_equal(allow_files(world->allow), 0);
    assert_non_null(allow_find(world->allow, first.fingerprint));
    assert_non_null(allow_find(world->allow, second.fingerprint));
    assert_true(look(world));
    assert_int_equal(world->told[ALLOW_REVOKED], 1);
    assert_non_null(allow_find(world->allow, first.fingerprint));
    assert_null(allow_find(world->allow, second.fingerprint));
}

static void files_of_a_role_are_bounded(void **state)
{
    struct world *world = *state;
    char name[32];

    for (int i = 0; i <= ALLOW_FILES; i++) {
        snprintf(name, sizeof name, "client/%d", i);
        write_text(world, name, "");
    }
    assert_false(look(world));
    assert_int_equal(world->told[ALLOW_SKIPPED], ALLOW_FILES + 1);
    assert_non_null(strstr(world->last, "more than"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_has_the_role_of_its_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(several_folders_give_several_roles_and_their_services,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_is_taken_out_is_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_new_is_told_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(content_counts_and_not_time_or_size, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_certificate_is_skipped_and_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_that_has_expired_is_not_let_in, setup, teardown),
        cmocka_unit_test_setup_teardown(a_time_of_expiry_that_is_none_lets_nobody_in, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_written_and_set_aside_files_are_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_gone_has_nobody_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            who_is_allowed_stays_so_when_descriptors_run_out_during_a_look, setup, teardown),
        cmocka_unit_test_setup_teardown(files_of_a_role_are_bounded, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
