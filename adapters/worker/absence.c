#include "adapters/worker/absence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "adapters/bridge/place.h"

void absence_explain(const char *db, char *ret_text, size_t room)
{
    struct place place;
    struct place_identity identity;
    struct place_holder holder;
    int code = place_find(db, &place);
    bool there = code == 0 && place_identify(&place, &identity) == 0;
    if (code == 0)
        code = place_holder(&place, &holder);
    if (code == 0 && there)
        snprintf(
            ret_text, room,
            "the gateway of %s, pid %ld, has not opened its gate; connecting as soon as it has", db,
            holder.pid);
    else if (code == 0)
        snprintf(ret_text, room, "%s is not there yet; the gateway with pid %ld waits for it, too",
                 db, holder.pid);
    else if (code == -ESRCH)
        snprintf(ret_text, room, "%s %s; connecting as soon as a gateway serves it", db,
                 there ? "has no gateway: nobody holds its lock" : "is not there yet");
    else
        snprintf(ret_text, room, "%s: cannot see whether it has a gateway: %s", db,
                 strerror(-code));
}
