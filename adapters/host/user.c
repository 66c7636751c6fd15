#include "adapters/host/user.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define KNOWN 64 /* users that are remembered; one more takes the place of another */

static struct {
    int64_t uid;
    char name[USER_NAME_MAX + 1]; /* "": nobody yet */
} known[KNOWN];

void user_name(int64_t uid, char ret_name[USER_NAME_MAX + 1])
{
    size_t at = (size_t)uid % KNOWN;

    if (known[at].name[0] == '\0' || known[at].uid != uid) {
        char storage[16384];
        struct passwd entry, *found = NULL;

        if (getpwuid_r((uid_t)uid, &entry, storage, sizeof storage, &found) == 0 && found &&
            found->pw_name[0])
            snprintf(known[at].name, sizeof known[at].name, "%s", found->pw_name);
        else
            snprintf(known[at].name, sizeof known[at].name, "uid-%lld", (long long)uid);
        known[at].uid = uid;
    }
    memcpy(ret_name, known[at].name, sizeof known[at].name);
}
