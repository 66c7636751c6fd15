#include "gateway/builtin_name.h"

bool builtin_is_name(struct span name)
{
    static const char *const prefixes[] = {"mmi.", "titanic.", "tailgate."};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t size = strlen(prefixes[i]);
        if (name.size >= size && memcmp(name.data, prefixes[i], size) == 0)
            return true;
    }
    return false;
}
