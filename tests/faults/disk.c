#include "tests/faults/disk.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROLES 3 /* SHIM_DB, SHIM_WAL, SHIM_JOURNAL */
#define SECTOR 512
#define NOTHING (-1)

enum change_kind { CHANGE_CREATE, CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_SYNC, CHANGE_DELETE };

struct change {
    enum change_kind kind;
    enum shim_file role;
    bool directory;
    size_t offset, size;
    size_t data;          /* WRITE: where its bytes are in disk.bytes */
    struct ledger ledger; /* that holds once it has been made */
};

/* A file, whatever its name says by now. */
struct object {
    struct buffer safe; /* what its last sync left */
    long *pending;      /* changes of its bytes since then */
    size_t count;
};

struct link {
    int role, object; /* the name means this object from now on, or nothing */
};

struct disk {
    pthread_mutex_t mutex; /* guards what is recorded */
    bool lies;
    bool exists[ROLES]; /* while recording */
    const struct site_image *image;
    struct change *changes;
    long count;
    struct buffer bytes;
    struct ledger nothing;
    /* the state after AT changes */
    long at;
    struct object *objects;
    int object_count;
    int now[ROLES], safe[ROLES]; /* which object each name means; as the folder was synced */
    struct link *links;          /* changes of names since then */
    size_t link_count;
};

enum style { STYLE_NONE, STYLE_ALL, STYLE_SOME, STYLE_TORN, STYLE_SECTORS, STYLES };

const char *disk_style_name(unsigned long seed)
{
    static const char *const name[STYLES] = {"all dropped", "all applied", "some writes applied",
                                             "writes torn", "sectors of any age"};
    return name[seed % STYLES];
}

/* splitmix64 of what a choice is about. */
static uint64_t chance(unsigned long seed, long at, uint64_t what)
{
    uint64_t mix = seed * UINT64_C(0x9e3779b97f4a7c15) +
                   (uint64_t)at * UINT64_C(0xd1342543de82ef95) +
                   what * UINT64_C(0xaf251af3b0f025b5);

    mix = (mix ^ mix >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mix = (mix ^ mix >> 27) * UINT64_C(0x94d049bb133111eb);
    return mix ^ mix >> 31;
}

struct disk *disk_new(const struct site_image *image, bool lies)
{
    struct disk *self = memory_zero(1, sizeof *self);

    pthread_mutex_init(&self->mutex, NULL);
    self->image = image;
    self->lies = lies;
    self->exists[SHIM_DB] = true;
    self->exists[SHIM_WAL] = image->wal.size > 0;
    buffer_init(&self->bytes);
    return self;
}

static void forget_state(struct disk *self)
{
    for (int i = 0; i < self->object_count; i++) {
        buffer_done(&self->objects[i].safe);
        free(self->objects[i].pending);
    }
    free(self->objects);
    free(self->links);
    self->objects = NULL;
    self->links = NULL;
    self->object_count = 0;
    self->link_count = 0;
}

void disk_destroy(struct disk **self)
{
    forget_state(*self);
    pthread_mutex_destroy(&(*self)->mutex);
    buffer_done(&(*self)->bytes);
    free((*self)->changes);
    free(*self);
    *self = NULL;
}

static struct change *add_change(struct disk *self, enum change_kind kind,
                                 const struct shim_call *call)
{
    struct change *change;

    self->changes = memory_grow(self->changes, sizeof *change * (size_t)(self->count + 1));
    change = &self->changes[self->count];
    *change = (struct change){
        .kind = kind,
        .role = call->file,
        .directory = call->directory,
        .offset = (size_t)call->offset,
        .size = (size_t)call->size,
        .ledger = self->count ? self->changes[self->count - 1].ledger : self->nothing,
    };
    self->count++;
    return change;
}

static void keep(struct disk *self, const struct shim_call *call)
{
    switch (call->op) {
    case SHIM_OPEN:
        if (!self->exists[call->file])
            add_change(self, CHANGE_CREATE, call);
        self->exists[call->file] = true;
        return;
    case SHIM_WRITE:
        add_change(self, CHANGE_WRITE, call)->data = self->bytes.size;
        buffer_add(&self->bytes, span_of(call->data, (size_t)call->size));
        return;
    case SHIM_TRUNCATE:
        add_change(self, CHANGE_TRUNCATE, call);
        return;
    case SHIM_SYNC:
        add_change(self, CHANGE_SYNC, call);
        return;
    case SHIM_DELETE:
        add_change(self, CHANGE_DELETE, call);
        self->exists[call->file] = false;
        return;
    default:
        return;
    }
}

/* Called on the thread that writes, while disk_promise() is on the one that was told. */
void disk_record(void *context, const struct shim_call *call)
{
    struct disk *self = context;

    if (call->code != SQLITE_OK || call->file >= ROLES)
        return;
    pthread_mutex_lock(&self->mutex);
    keep(self, call);
    pthread_mutex_unlock(&self->mutex);
}

void disk_promise(struct disk *self, const struct ledger *ledger)
{
    pthread_mutex_lock(&self->mutex);
    if (self->count)
        self->changes[self->count - 1].ledger = *ledger;
    else
        self->nothing = *ledger;
    pthread_mutex_unlock(&self->mutex);
}

long disk_changes(const struct disk *self)
{
    return self->count;
}

static int add_object(struct disk *self, struct span bytes)
{
    struct object *object;

    self->objects = memory_grow(self->objects, sizeof *object * (size_t)(self->object_count + 1));
    object = &self->objects[self->object_count];
    *object = (struct object){.pending = NULL};
    buffer_init(&object->safe);
    buffer_add(&object->safe, bytes);
    return self->object_count++;
}

void disk_rewind(struct disk *self)
{
    forget_state(self);
    self->at = 0;
    for (int role = 0; role < ROLES; role++)
        self->now[role] = NOTHING;
    self->now[SHIM_DB] = add_object(self, buffer_span(&self->image->db));
    if (self->image->wal.size)
        self->now[SHIM_WAL] = add_object(self, buffer_span(&self->image->wal));
    memcpy(self->safe, self->now, sizeof self->safe);
}

/* Makes TO so long that SIZE bytes stand in it, with zeros where nothing was written. */
static void reach(struct buffer *to, size_t size)
{
    static const char zeros[4096];

    while (to->size < size)
        buffer_add(to,
                   span_of(zeros, size - to->size < sizeof zeros ? size - to->size : sizeof zeros));
}

static void cut_to(struct buffer *to, size_t size)
{
    reach(to, size);
    to->size = size;
}

/* Bytes FROM to FROM + SIZE of a write. */
static void put(const struct disk *self, const struct change *write, size_t from, size_t size,
                struct buffer *to)
{
    if (size == 0)
        return;
    reach(to, write->offset + from + size);
    memcpy(to->data + write->offset + from, self->bytes.data + write->data + from, size);
}

static void put_whole(const struct disk *self, const struct change *change, struct buffer *to)
{
    if (change->kind == CHANGE_TRUNCATE)
        cut_to(to, change->size);
    else
        put(self, change, 0, change->size, to);
}

static void make_safe(struct disk *self, int number)
{
    struct object *object = &self->objects[number];

    for (size_t i = 0; i < object->count; i++)
        put_whole(self, &self->changes[object->pending[i]], &object->safe);
    object->count = 0;
}

static void rename_to(struct disk *self, int role, int object)
{
    self->now[role] = object;
    self->links = memory_grow(self->links, sizeof *self->links * (self->link_count + 1));
    self->links[self->link_count++] = (struct link){role, object};
}

static void sync_folder(struct disk *self, const struct change *change)
{
    if (!change->directory || self->lies)
        return;
    memcpy(self->safe, self->now, sizeof self->safe);
    self->link_count = 0;
}

void disk_advance(struct disk *self)
{
    const struct change *change = &self->changes[self->at];
    int role = (int)change->role;
    struct object *object = NULL;

    assert(self->at < self->count);
    if (change->kind == CHANGE_CREATE) {
        rename_to(self, role, add_object(self, span_of(NULL, 0)));
    } else if (change->kind == CHANGE_DELETE) {
        rename_to(self, role, NOTHING);
        sync_folder(self, change);
    } else if (change->kind == CHANGE_SYNC) {
        if (!self->lies)
            make_safe(self, self->now[role]);
        sync_folder(self, change);
    } else {
        object = &self->objects[self->now[role]];
        object->pending =
            memory_grow(object->pending, sizeof *object->pending * (object->count + 1));
        object->pending[object->count++] = self->at;
    }
    self->at++;
}

const struct ledger *disk_ledger(const struct disk *self)
{
    return self->at ? &self->changes[self->at - 1].ledger : &self->nothing;
}

/* Each sector is as it was after some of the changes of it: the first LIMIT of all of them. */
static void put_sectors(const struct disk *self, unsigned long seed, const struct object *object,
                        size_t number, struct buffer *to)
{
    const struct change *change = &self->changes[object->pending[number]];
    size_t from = 0;

    while (from < change->size) {
        size_t sector = (change->offset + from) / SECTOR;
        size_t size = (sector + 1) * SECTOR - (change->offset + from);
        if (size > change->size - from)
            size = change->size - from;
        if (number < chance(seed, self->at, sector * ROLES + change->role) % (object->count + 1))
            put(self, change, from, size, to);
        from += size;
    }
}

/* What is left of one change that was not synced. */
static void put_some(const struct disk *self, unsigned long seed, const struct object *object,
                     size_t number, struct buffer *to)
{
    const struct change *change = &self->changes[object->pending[number]];
    uint64_t luck = chance(seed, self->at, ~(uint64_t)object->pending[number]);
    enum style style = seed % STYLES;

    if (style == STYLE_NONE)
        return;
    if (style == STYLE_SECTORS && change->kind == CHANGE_WRITE)
        put_sectors(self, seed, object, number, to);
    else if (style == STYLE_TORN && change->kind == CHANGE_WRITE && luck % 3 == 0)
        put(self, change, 0, (luck >> 8) % change->size, to);
    else if (style == STYLE_ALL || luck % 2)
        put_whole(self, change, to);
}

void disk_cut(const struct disk *self, unsigned long seed, const char *folder)
{
    static const char *const name[ROLES] = {"bridge.db", "bridge.db-wal", "bridge.db-journal"};
    int means[ROLES];

    memcpy(means, self->safe, sizeof means);
    for (size_t i = 0; i < self->link_count; i++) {
        bool kept = seed % STYLES == STYLE_ALL || chance(seed, self->at, i) % 2;
        if (seed % STYLES != STYLE_NONE && kept)
            means[self->links[i].role] = self->links[i].object;
    }
    for (int role = 0; role < ROLES; role++) {
        const struct object *object;
        struct buffer bytes;
        if (means[role] == NOTHING)
            continue;
        object = &self->objects[means[role]];
        buffer_init(&bytes);
        buffer_add(&bytes, buffer_span(&object->safe));
        for (size_t i = 0; i < object->count; i++)
            put_some(self, seed, object, i, &bytes);
        site_write_file(folder, name[role], buffer_span(&bytes));
        buffer_done(&bytes);
    }
}
