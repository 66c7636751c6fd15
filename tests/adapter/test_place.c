/* adapters/bridge/place: one file is one gateway, however it is called. */
#include "adapters/bridge/place.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/adapter/support.h"

static char folder[PATH_MAX];

static int set_up(void **state)
{
    (void)state;
    char made[PATH_MAX];
    support_mkdir(made);
    assert_non_null(realpath(made, folder));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_rmdir(folder);
    return 0;
}

static void path_of(const char *name, char ret_path[PATH_MAX])
{
    assert_true(snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
}

static void touch(const char *name)
{
    char path[PATH_MAX];
    path_of(name, path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
}

static void two_names_of_one_file_are_one_place(void **state)
{
    (void)state;
    char path[PATH_MAX], link[PATH_MAX], sub[PATH_MAX];
    touch("bridge.db");
    path_of("bridge.db", path);
    path_of("link.db", link);
    path_of("sub", sub);
    assert_int_equal(symlink("bridge.db", link), 0);
    assert_int_equal(mkdir(sub, 0700), 0);

    struct place plain = support_place(folder, "bridge.db");
    assert_string_equal(plain.db, path);
    assert_string_equal(support_place(folder, "link.db").db, path);
    assert_string_equal(support_place(folder, "sub/../bridge.db").db, path);
    assert_string_equal(support_place(folder, "./bridge.db").db, path);

    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    struct place relative;
    assert_int_equal(place_find("bridge.db", &relative), 0);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(relative.db, path);
    assert_string_equal(relative.gate, plain.gate);
    assert_string_equal(relative.events, plain.events);
    assert_string_equal(relative.lock, plain.lock);
}

static void a_file_that_is_not_there_yet_has_the_place_it_will_have(void **state)
{
    (void)state;
    char link[PATH_MAX], loop[PATH_MAX];
    path_of("link.db", link);
    path_of("loop.db", loop);
    assert_int_equal(symlink("./later.db", link), 0); /* leads to where SQLite will create it */
    assert_int_equal(symlink("loop.db", loop), 0);
    struct place through = support_place(folder, "link.db");
    struct place plain = support_place(folder, "later.db");
    assert_string_equal(through.db, plain.db);
    touch("later.db");
    assert_string_equal(support_place(folder, "link.db").db, plain.db);
    struct place place;
    assert_int_equal(place_find(loop, &place), -ELOOP);
}

static void names_with_blanks_and_letters_beyond_ascii_are_kept(void **state)
{
    (void)state;
    const char *name = "Brücke zum 東 'x' \".db";
    char path[PATH_MAX], gate[PATH_MAX + 32], events[PATH_MAX + 32];
    path_of(name, path);
    struct place place = support_place(folder, name);
    assert_string_equal(place.db, path);
    snprintf(gate, sizeof gate, "ipc://%s-gate/gate", path);
    assert_string_equal(place.gate, gate);
    snprintf(events, sizeof events, "ipc://%s-gate/events", path);
    assert_string_equal(place.events, events);
    struct place_holder holder;
    int descriptor = place_lock(&place, &holder);
    assert_true(descriptor >= 0);
    close(descriptor);
}

static void what_cannot_be_a_database_is_refused(void **state)
{
    (void)state;
    struct place place;
    char path[PATH_MAX], second[PATH_MAX];
    assert_int_equal(place_find(folder, &place), -EISDIR);
    path_of("nowhere/bridge.db", path);
    assert_int_equal(place_find(path, &place), -ENOENT);
    assert_int_equal(place_find("", &place), -ENOENT);
    path_of("not-there/", path);
    assert_int_equal(place_find(path, &place), -EISDIR);
    path_of("pipe", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(place_find(path, &place), -EINVAL);
    touch("bridge.db");
    path_of("bridge.db", path);
    path_of("second.db", second);
    assert_int_equal(link(path, second), 0); /* each name would get a -wal of its own */
    assert_int_equal(place_find(path, &place), -EMLINK);
    assert_int_equal(place_find(second, &place), -EMLINK);
    char *long_name = malloc(PATH_MAX + 10);
    memset(long_name, 'x', PATH_MAX + 9);
    long_name[PATH_MAX + 9] = '\0';
    assert_int_equal(place_find(long_name, &place), -ENAMETOOLONG);
    free(long_name);
}

static void an_ipc_path_beyond_107_bytes_does_not_fit(void **state)
{
    (void)state;
    char endpoint[6 + PLACE_SOCKET_MAX + 2] = "ipc://";
    memset(endpoint + 6, 'x', PLACE_SOCKET_MAX);
    assert_true(place_endpoint_fits(endpoint));
    endpoint[6 + PLACE_SOCKET_MAX] = 'x';
    assert_false(place_endpoint_fits(endpoint));
    memcpy(endpoint, "tcp://", 6);
    assert_true(place_endpoint_fits(endpoint));
}

static void a_replaced_file_has_another_identity(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct place_identity first, second;
    assert_int_equal(place_identify(&place, &first), -ENOENT);
    touch("bridge.db");
    assert_int_equal(place_identify(&place, &first), 0);
    peer_run("replace", place.db, NULL);
    assert_int_equal(place_identify(&place, &second), 0);
    assert_true(first.device != second.device || first.inode != second.inode);
}

static struct place_holder announcement(const struct place *place)
{
    struct place_holder self = {.pid = getpid(), .since = "2026-11-21T01:00:00"};
    snprintf(self.gate, sizeof self.gate, "%s", place->gate);
    snprintf(self.events, sizeof self.events, "%s", place->events);
    return self;
}

static void a_second_gateway_is_told_who_holds_the_lock(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct place_holder holder = {0};
    assert_int_equal(place_holder(&place, &holder), -ESRCH);
    int first = place_lock(&place, &holder);
    assert_true(first >= 0);
    assert_int_equal(place_holder(&place, &holder), 0);
    assert_int_equal(holder.pid, getpid()); /* before it says more: who, at least */
    assert_string_equal(holder.gate, "");
    assert_string_equal(holder.events, "");

    struct place_holder self = announcement(&place);
    assert_int_equal(place_announce(first, &self), 0);
    memset(&holder, 0, sizeof holder);
    assert_int_equal(place_lock(&place, &holder), -EWOULDBLOCK);
    assert_int_equal(holder.pid, getpid());
    assert_string_equal(holder.since, "2026-11-21T01:00:00");
    assert_string_equal(holder.gate, place.gate);
    assert_string_equal(holder.events, place.events);
    memset(&holder, 0, sizeof holder);
    assert_int_equal(place_holder(&place, &holder), 0);
    assert_string_equal(holder.gate, place.gate);
    assert_string_equal(holder.events, place.events);

    close(first);
    assert_int_equal(place_holder(&place, &holder), -ESRCH);
    int second = place_lock(&place, &holder);
    assert_true(second >= 0);
    assert_int_equal(place_holder(&place, &holder), 0);
    assert_string_equal(holder.gate, ""); /* the last one's announcement is not ours */
    close(second);
}

static void asking_never_takes_the_lock_from_a_gateway_that_starts(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct place_holder holder;
    int made = place_lock(&place, &holder);
    close(made);
    pid_t asker = fork();
    if (asker == 0) {
        for (;;)
            (void)place_holder(&place, &holder);
    }
    assert_true(asker > 0);
    for (int i = 0; i < 2000; i++) {
        int descriptor = place_lock(&place, &holder);
        assert_true(descriptor >= 0);
        close(descriptor);
    }
    kill(asker, SIGKILL);
    assert_int_equal(waitpid(asker, NULL, 0), asker);
}

static void the_lock_ends_with_its_process_however_that_dies(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct place_holder holder = {0};
    int ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        int descriptor = place_lock(&place, &holder);
        struct place_holder self = announcement(&place);
        char ok = descriptor >= 0 && place_announce(descriptor, &self) == 0;
        if (write(ready[1], &ok, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_true(child > 0);
    char ok = 0;
    assert_int_equal(read(ready[0], &ok, 1), 1);
    assert_int_equal(ok, 1);
    assert_int_equal(place_lock(&place, &holder), -EWOULDBLOCK);
    assert_int_equal(holder.pid, child);
    assert_string_equal(holder.since, "2026-11-21T01:00:00");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    int descriptor = place_lock(&place, &holder);
    assert_true(descriptor >= 0);
    close(descriptor);
    close(ready[0]);
    close(ready[1]);
}

static void the_folder_opens_no_wider_than_the_database(void **state)
{
    (void)state;
    struct place_holder holder;
    struct stat status;
    touch("private.db");
    touch("shared.db");
    struct place private = support_place(folder, "private.db");
    struct place shared = support_place(folder, "shared.db");
    assert_int_equal(chmod(private.db, 0600), 0);
    assert_int_equal(chmod(shared.db, 0640), 0);
    mode_t before = umask(0077); /* must not matter */
    int first = place_lock(&private, &holder), second = place_lock(&shared, &holder);
    umask(before);
    assert_true(first >= 0 && second >= 0);
    assert_int_equal(stat(private.folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(shared.folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 02750);
    close(first);
    close(second);
}

/* Who may see the folder may ask who holds it, however the holder came by it. */
static void whoever_made_the_lock_file_made_it_the_same(void **state)
{
    (void)state;
    static const struct {
        mode_t db, lock;
    } table[] = {{0600, 0600}, {0640, 0640}};
    struct place_holder holder;
    struct stat status;
    touch("bridge.db");
    struct place place = support_place(folder, "bridge.db");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(chmod(place.db, table[i].db), 0);
        for (int waits = 0; waits < 2; waits++) {
            mode_t before = umask(0022);
            int lock = waits ? place_lock_wait(&place) : place_lock(&place, &holder);
            umask(before);
            assert_true(lock >= 0);
            assert_int_equal(stat(place.lock, &status), 0);
            assert_int_equal(status.st_mode & 07777, table[i].lock);
            close(lock);
            assert_int_equal(unlink(place.lock), 0);
        }
        assert_int_equal(rmdir(place.folder), 0);
    }
}

static void a_folder_that_everybody_may_write_is_refused(void **state)
{
    (void)state;
    struct place place = support_place(folder, "bridge.db");
    struct place_holder holder;
    char elsewhere[PATH_MAX];
    assert_int_equal(mkdir(place.folder, 0700), 0);
    assert_int_equal(chmod(place.folder, 0777), 0);
    assert_int_equal(place_lock(&place, &holder), -EPERM);
    assert_int_equal(rmdir(place.folder), 0);
    path_of("elsewhere", elsewhere);
    assert_int_equal(mkdir(elsewhere, 0700), 0);
    assert_int_equal(symlink(elsewhere, place.folder), 0);
    assert_true(place_lock(&place, &holder) < 0);
}

static unsigned type_to_be; /* what statfs() says */

static int statfs_says(const char *path, struct statfs *ret_status)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return -1;
    memset(ret_status, 0, sizeof *ret_status);
    ret_status->f_type = (__typeof__(ret_status->f_type))type_to_be;
    return 0;
}

static void a_database_on_a_network_is_refused_and_one_on_a_disk_is_not(void **state)
{
    (void)state;
    static const struct {
        unsigned type;
        int error;
        enum medium medium;
    } table[] = {
        {0xEF53, 0, MEDIUM_LOCAL},     /* ext4 */
        {0x58465342, 0, MEDIUM_LOCAL}, /* xfs */
        {0x9123683E, 0, MEDIUM_LOCAL}, /* btrfs */
        {0x01021994, 0, MEDIUM_LOCAL}, /* tmpfs */
        {0x794C7630, 0, MEDIUM_LOCAL}, /* overlay */
        {0x65735546, 0, MEDIUM_DOUBTFUL},
        {0x01021997, 0, MEDIUM_DOUBTFUL},
        {0x6969, -EREMOTE, MEDIUM_NETWORK},
        {0x517B, -EREMOTE, MEDIUM_NETWORK},
        {0xFF534D42, -EREMOTE, MEDIUM_NETWORK},
        {0xFE534D42, -EREMOTE, MEDIUM_NETWORK},
        {0x5346414F, -EREMOTE, MEDIUM_NETWORK},
        {0x00C36400, -EREMOTE, MEDIUM_NETWORK},
        {0x01161970, -EREMOTE, MEDIUM_NETWORK},
        {0x7461636F, -EREMOTE, MEDIUM_NETWORK},
    };
    char path[PATH_MAX];
    path_of("bridge.db", path);
    medium_statfs = statfs_says;
    for (size_t i = 0; i < 2 * sizeof table / sizeof table[0]; i++) {
        struct place place;
        type_to_be = table[i / 2].type;
        if (i % 2) /* whether it is there already or not */
            touch("bridge.db");
        else
            unlink(path);
        int error = place_find(path, &place);
        assert_int_equal(error, table[i / 2].error);
        if (error == 0)
            assert_int_equal(place.medium, table[i / 2].medium);
    }
    medium_statfs = statfs;
}

static void a_name_that_means_another_file_does_not_verify(void **state)
{
    (void)state;
    touch("bridge.db");
    touch("other.db");
    struct place place = support_place(folder, "bridge.db");
    struct place_identity identity;
    char other[PATH_MAX];
    path_of("other.db", other);
    assert_int_equal(place_identify(&place, &identity), 0);
    assert_int_equal(place_verify(&place, &identity), 0);
    assert_int_equal(rename(other, place.db), 0);
    assert_int_equal(place_verify(&place, &identity), -ESTALE);
    assert_int_equal(unlink(place.db), 0);
    assert_int_equal(place_verify(&place, &identity), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_names_of_one_file_are_one_place),
        TEST(a_file_that_is_not_there_yet_has_the_place_it_will_have),
        TEST(names_with_blanks_and_letters_beyond_ascii_are_kept),
        TEST(what_cannot_be_a_database_is_refused),
        TEST(an_ipc_path_beyond_107_bytes_does_not_fit),
        TEST(a_replaced_file_has_another_identity),
        TEST(a_second_gateway_is_told_who_holds_the_lock),
        TEST(asking_never_takes_the_lock_from_a_gateway_that_starts),
        TEST(the_lock_ends_with_its_process_however_that_dies),
        TEST(the_folder_opens_no_wider_than_the_database),
        TEST(whoever_made_the_lock_file_made_it_the_same),
        TEST(a_folder_that_everybody_may_write_is_refused),
        TEST(a_database_on_a_network_is_refused_and_one_on_a_disk_is_not),
        TEST(a_name_that_means_another_file_does_not_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
