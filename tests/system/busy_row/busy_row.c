/* The message whose id is the name of a file in the folder TAILGATE_BUSY cannot be read just now,
 * as if somebody had the whole database locked at that instant and not a row earlier. Everything
 * else is the product's own, linked as it is. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/bridge/tail.h"

int __real_tail_load_known(struct tail *self, int64_t id, struct tail_row *ret_row);
int __wrap_tail_load_known(struct tail *self, int64_t id, struct tail_row *ret_row);

int __wrap_tail_load_known(struct tail *self, int64_t id, struct tail_row *ret_row)
{
    const char *folder = getenv("TAILGATE_BUSY");
    char name[4096];

    snprintf(name, sizeof name, "%s/%lld", folder ? folder : "", (long long)id);
    if (access(name, F_OK) == 0) {
        tail_let_go(self); /* as it does itself then */
        return BRIDGE_BUSY;
    }
    return __real_tail_load_known(self, id, ret_row);
}
