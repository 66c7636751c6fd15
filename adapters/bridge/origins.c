#include "adapters/bridge/origins.h"

#include <stdlib.h>

#include "adapters/bridge/bridge_id.h"
#include "proto/buffer.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/token.h"

#define ROOM_FIRST 64

struct origins_entry {
    struct origin origin;
    int64_t row; /* 0: a free place */
    int64_t at;
};

void origins_init(struct origins *self)
{
    *self = (struct origins){NULL, 0, 0};
}

void origins_done(struct origins *self)
{
    free(self->entry);
    origins_init(self);
}

/* Ids are random bits, and rows are numbered one after the other: both are spread by a product. */
static size_t first_place(const struct origins *self, struct origin origin)
{
    uint64_t hash = (origin.place ^ (uint64_t)origin.message_id) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 20) & (self->room - 1);
}

/* The entry of ORIGIN, or the free place for it. There is one: the table is never full. */
static struct origins_entry *place_of(const struct origins *self, struct origin origin)
{
    size_t at = first_place(self, origin);
    for (;; at = (at + 1) & (self->room - 1)) {
        struct origins_entry *entry = &self->entry[at];
        if (entry->row == 0 ||
            (entry->origin.place == origin.place && entry->origin.message_id == origin.message_id))
            return entry;
    }
}

/* Makes room by forgetting, and by growing where that is not enough. */
static void make_room(struct origins *self, int64_t forget)
{
    struct origins old = *self;
    size_t kept = 0;
    for (size_t i = 0; i < old.room; i++)
        kept += old.entry[i].row != 0 && old.entry[i].at >= forget;
    self->room = ROOM_FIRST;
    while (self->room < 4 * (kept + 1))
        self->room *= 2;
    self->entry = memory_zero(self->room, sizeof *self->entry);
    self->count = kept;
    for (size_t i = 0; i < old.room; i++) {
        if (old.entry[i].row != 0 && old.entry[i].at >= forget)
            *place_of(self, old.entry[i].origin) = old.entry[i];
    }
    free(old.entry);
}

void origins_note(struct origins *self, struct origin origin, int64_t row, int64_t at,
                  int64_t forget)
{
    if (2 * (self->count + 1) > self->room)
        make_room(self, forget);
    struct origins_entry *entry = place_of(self, origin);
    self->count += entry->row == 0;
    *entry = (struct origins_entry){origin, row, at};
}

int64_t origins_find(const struct origins *self, struct origin origin)
{
    return self->count > 0 ? place_of(self, origin)->row : 0;
}

struct origin origins_message(struct span bridge, int64_t message_id)
{
    char digits[BRIDGE_ID_SIZE] = "";
    memcpy(digits, bridge.data, BRIDGE_ID_SIZE - 1);
    return (struct origin){strtoull(digits, NULL, 16), message_id};
}

struct origin origins_conversation(struct span bridge, struct span conversation)
{
    struct token_digest digest;
    struct origin origin = {0, 0};
    token_digest(bridge, conversation, &digest);
    memcpy(&origin.place, digest.bytes, sizeof origin.place);
    return origin;
}

bool origins_read(struct span metadata, struct origin ret_origin[2])
{
    struct span bridged, id = {NULL, 0}, number = {NULL, 0}, where = {NULL, 0};
    char bridge[BRIDGE_ID_SIZE], conversation[LIMIT_CONVERSATION_ID + 1];
    const struct jtext_wanted wanted[] = {
        {"bridge", &id}, {"message_id", &number}, {"conversation_id", &where}};
    int64_t message_id;
    if (metadata.size == 0 || !memmem(metadata.data, metadata.size, "\"bridged\"", 9))
        return false; /* most rows, without a walk */
    if (jtext_check(metadata) != JTEXT_OBJECT || !jtext_find(metadata, "bridged", &bridged) ||
        jtext_type(bridged) != JTEXT_OBJECT)
        return false;
    jtext_pick(bridged, wanted, sizeof wanted / sizeof wanted[0]);
    if (id.size == 0 || jtext_copy(id, bridge, sizeof bridge) < 0 ||
        !bridge_id_ok(span_str(bridge)))
        return false;
    if (number.size == 0 || jtext_integer(number, &message_id) != 0 || message_id <= 0)
        return false;
    if (where.size == 0 || jtext_copy(where, conversation, sizeof conversation) < 0)
        return false;
    ret_origin[0] = origins_message(span_str(bridge), message_id);
    ret_origin[1] = origins_conversation(span_str(bridge), span_str(conversation));
    return true;
}
