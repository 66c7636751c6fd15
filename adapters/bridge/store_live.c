/* Which conversations live, as far as this group has seen. Between BEGIN IMMEDIATE and COMMIT
 * nobody else changes them, and the group has one time: what was found once need not be looked up
 * again. */
#include <string.h>

#include "adapters/bridge/store_inside.h"

/* By its end, where names differ most. */
static size_t place_of(struct span name)
{
    uint64_t end = 0;
    size_t size = name.size < sizeof end ? name.size : sizeof end;
    memcpy(&end, name.data + name.size - size, size);
    return (size_t)((end * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % STORE_LIVE;
}

void store_note_live(struct store *self, struct span conversation_id)
{
    if (conversation_id.size == 0 || conversation_id.size > STORE_LIVE_NAME)
        return;
    struct store_live *live = &self->live[place_of(conversation_id)];
    live->group = self->group;
    live->size = conversation_id.size;
    memcpy(live->name, conversation_id.data, conversation_id.size);
}

bool store_lives(const struct store *self, struct span conversation_id)
{
    if (conversation_id.size == 0 || conversation_id.size > STORE_LIVE_NAME)
        return false;
    const struct store_live *live = &self->live[place_of(conversation_id)];
    return live->group == self->group && live->size == conversation_id.size &&
           memcmp(live->name, conversation_id.data, live->size) == 0;
}
