#include "gateway/rights.h"

/* Which roles have a right, and what is said to the others. */
static const struct {
    unsigned roles;
    const char *otherwise;
} rights[] = {
    [RIGHT_WORK] = {ALLOW_WORKER, "this key may not work here: it is not in the folder worker"},
    [RIGHT_ASK] = {ALLOW_CLIENT, "this key may not ask here: it is not in the folder client"},
    [RIGHT_STATUS] = {ALLOW_CLIENT | ALLOW_OBSERVER | ALLOW_OPERATOR,
                      "this key may not see the status: it is not in the folder observer"},
    [RIGHT_REPLAY] = {ALLOW_OBSERVER | ALLOW_OPERATOR,
                      "this key may not have rows told again: it is not in the folder observer"},
    [RIGHT_CONTROL] = {ALLOW_OPERATOR,
                       "this key may not control the gateway: it is not in the folder operator"},
    [RIGHT_LOOK] = {ALLOW_WORKER | ALLOW_CLIENT | ALLOW_OBSERVER | ALLOW_OPERATOR, ""},
};

static bool serves(const struct allow_entry *entry, struct span service)
{
    for (size_t i = 0; i < entry->services; i++)
        if (span_is(service, entry->service[i]))
            return true;
    return entry->services == 0 || service.size == 0;
}

const char *rights_object(const struct allow_entry *entry, enum right right, struct span service)
{
    if (!entry)
        return "this key is not allowed here, or not any more";
    if (!(entry->roles & rights[right].roles))
        return rights[right].otherwise;
    if ((right == RIGHT_WORK || right == RIGHT_ASK) && !serves(entry, service))
        return "this key's certificate does not name that service";
    return NULL;
}
