#include "adapters/bridge/addressee.h"

#include <stdlib.h>

#include "adapters/bridge/sql.h"

#define KNOWN_SIZE                                                                                 \
    1024 /* bytes of the texts of one; where there are more, it is asked for again                 \
          */

enum column { COLUMN_EXPIRES, COLUMN_ROLE, COLUMN_AGENT };

const char *addressees_sql(void)
{
    return "SELECT c.expires_at,"
           " CASE WHEN ?2 = 'b' THEN c.session_b_role ELSE c.session_a_role END,"
           " (SELECT s.last_heartbeat FROM session_status s WHERE s.conversation_id = c.id"
           "  AND s.session_id = ?2 AND s.status <> 'tailgate')"
           " FROM conversations c WHERE c.id = ?1";
}

int addressees_init(struct addressees *self, sqlite3 *db)
{
    self->read = ++self->reads;
    return db_prepare(db, addressees_sql(), &self->find);
}

void addressees_done(struct addressees *self)
{
    sqlite3_finalize(self->find);
    for (size_t i = 0; self->known && i < ADDRESSEES; i++)
        buffer_done(&self->known[i].text);
    free(self->known);
    buffer_done(&self->odd.text);
}

void addressees_forget(struct addressees *self)
{
    self->read = ++self->reads;
}

void addressees_recall(struct addressees *self, int version)
{
    if (!self->recalled || version != self->version)
        self->recalled = ++self->reads;
    self->version = version;
    self->read = self->recalled;
}

static struct span part(const struct known *known, size_t from, size_t to)
{
    return span_of(known->text.data + from, to - from);
}

static bool is_known(const struct addressees *self, const struct known *known,
                     struct span conversation, struct span to)
{
    return known->read == self->read &&
           span_equal(part(known, 0, known->conversation), conversation) &&
           span_equal(part(known, known->conversation, known->to), to);
}

/* Where that addressee is remembered: by the end of the conversation's id, where ids differ most.
 */
static struct known *place_of(struct addressees *self, struct span conversation, struct span to)
{
    uint64_t end = 0;

    if (!self->known)
        self->known = memory_zero(ADDRESSEES, sizeof *self->known);
    size_t size = conversation.size < sizeof end ? conversation.size : sizeof end;

    if (size)
        memcpy(&end, conversation.data + conversation.size - size, size);
    end ^= to.size ? (unsigned char)to.data[0] : 0;
    return &self->known[end * UINT64_C(0x9e3779b97f4a7c15) >> (64 - ADDRESSEES_BITS)];
}

static size_t add(struct known *known, struct span text)
{
    buffer_add(&known->text, text);
    return known->text.size;
}

/* What the statement has found, in PLACE or, if that is much, among the odd ones. */
static struct known *learn(struct addressees *self, struct known *place, bool found,
                           struct span conversation, struct span to)
{
    const struct span nothing = span_of(NULL, 0);
    struct span role = found ? sql_column(self->find, COLUMN_ROLE) : nothing;
    struct span expires_at = found ? sql_column(self->find, COLUMN_EXPIRES) : nothing;
    struct span agent_at = found ? sql_column(self->find, COLUMN_AGENT) : nothing;

    if (conversation.size + to.size + role.size + expires_at.size + agent_at.size > KNOWN_SIZE)
        place = &self->odd;
    buffer_reset(&place->text);
    place->found = found;
    place->conversation = add(place, conversation);
    place->to = add(place, to);
    place->role = add(place, role);
    place->expires_at = add(place, expires_at);
    place->agent_at = add(place, agent_at);
    place->read = self->read;
    return place;
}

/* Asks the database; *PLACE is where to remember it, and then where it is. */
static int look_up(struct addressees *self, sqlite3_value *conversation, sqlite3_value *to,
                   struct known **place)
{
    bool found = false;
    int error;
    /* of the type that they have there: a BLOB is no text of the same bytes */
    int code = sqlite3_bind_value(self->find, 1, conversation);

    if (code == SQLITE_OK)
        code = sqlite3_bind_value(self->find, 2, to);
    error = code == SQLITE_OK ? sql_step(self->find, &found) : db_error(code);
    if (error == BRIDGE_OK)
        *place = learn(self, *place, found, sql_span(conversation), sql_span(to));
    sql_reset(self->find);
    return error;
}

int addressees_find(struct addressees *self, sqlite3_value *conversation, sqlite3_value *to,
                    struct addressee *ret_addressee)
{
    bool texts =
        sqlite3_value_type(conversation) == SQLITE_TEXT && sqlite3_value_type(to) == SQLITE_TEXT;
    struct span id = sql_span(conversation), session = sql_span(to);
    struct known *known = texts ? place_of(self, id, session) : &self->odd;

    if (!texts || !is_known(self, known, id, session)) {
        int error = look_up(self, conversation, to, &known);
        if (error != BRIDGE_OK)
            return error;
    }
    ret_addressee->found = known->found;
    ret_addressee->role = part(known, known->to, known->role);
    ret_addressee->expires_at = part(known, known->role, known->expires_at);
    ret_addressee->agent_at = part(known, known->expires_at, known->agent_at);
    return BRIDGE_OK;
}
