/* What a program that another one starts sees to before anything else. */
#ifndef TAILGATE_ADAPTERS_HOST_CHILD_H
#define TAILGATE_ADAPTERS_HOST_CHILD_H

#include <stdbool.h>

/* The environment variable with the id of a parent that its child shall not outlive. */
#define CHILD_PARENT "TAILGATE_PARENT"

/* Has the kernel send us SIGTERM when a parent that has said so ends, however it ends. False: it
 * has ended already, and nobody would tell us. To be called first: it takes the variable out of the
 * environment. */
bool child_end_with_parent(void);
/* Opens what is closed of descriptors 0, 1 and 2: a pipe or socket that landed there would be taken
 * for a standard one. */
void child_hold_standard(void);

#endif
