/* Names of users. */
#ifndef TAILGATE_ADAPTERS_HOST_USER_H
#define TAILGATE_ADAPTERS_HOST_USER_H

#include <stddef.h>
#include <stdint.h>

#define USER_NAME_MAX 64

/* Writes the login name of user UID, or "uid-<n>" where there is none, cut to fit. The name service
 * is asked once for each user (it may take its time then); one thread only. */
void user_name(int64_t uid, char ret_name[USER_NAME_MAX + 1]);

#endif
