#include "adapters/worker/adapter.h"

/* Adding an adapter is adding a file and a row. */
const struct adapter *const adapter_table[] = {
    &adapter_exec,
    &adapter_bridge,
    &adapter_echo,
    NULL,
};

const struct adapter *adapter_find(const char *name)
{
    for (const struct adapter *const *row = adapter_table; *row; row++) {
        if (strcmp((*row)->name, name) == 0)
            return *row;
    }
    return NULL;
}
