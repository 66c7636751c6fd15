/* An observer beside a model of a gateway: rows of three kinds, events and marks that are lost,
 * connections that end, gateways and observers that are started anew, replays that break off. What
 * is given in the end is every row that is wanted, once, in the order of ids within a kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "adapters/c/follow.h"
#include "proto/jtext.h"

#define WORLDS 4000
#define STEPS 120
#define ROWS 400
#define QUEUE 12 /* events that wait while something is replayed */

static const char *const conversation_name[] = {"c", "c1", "d%"};
static const char *const conversation_topic[] = {"c", "c1", "d%25"};
static const char *const service_name[] = {"law", "tax"};

struct row {
    int64_t id;
    int kind, conversation, service;
    int given;
};

struct message {
    size_t count;
    char topic[64], seq[24], json[400];
};

static struct world {
    unsigned dice;
    struct row row[ROWS];
    size_t rows;
    /* the gateway */
    size_t published; /* rows */
    int run;
    uint64_t seq;
    int64_t since, id, last[3]; /* id: the last row that was passed */
    int64_t highest;            /* that the file had when the run began */
    struct message queue[QUEUE];
    size_t queued;
    bool listens; /* the subscription has arrived */
    bool absent;  /* there is no observer yet */
    bool is_back; /* the file was put back to an older one */
    int64_t from; /* rows above it are due */
    /* the observer */
    struct follow follow;
    struct follow_setup setup;
    char request[300];
} world;

static unsigned roll(unsigned sides)
{
    world.dice = world.dice * 1103515245u + 12345u;
    return (world.dice >> 16) % sides;
}

static bool is_wanted(const struct row *row)
{
    const struct follow_setup *setup = &world.setup;
    if (!(setup->kinds >> row->kind & 1u))
        return false;
    if (setup->conversation &&
        strcmp(conversation_name[row->conversation], setup->conversation) != 0)
        return false;
    return !setup->service ||
           (row->service < 2 && strcmp(service_name[row->service], setup->service) == 0);
}

static void give(void *context, const struct follow_gift *gift)
{
    (void)context;
    if (gift->kind == TAILGATE_OBSERVED_RESET) {
        assert_true(world.is_back);
        world.from = world.from < world.id ? world.from : world.id;
        for (size_t i = 0; i < world.rows; i++)
            world.row[i].given *= world.row[i].id <= world.id;
    }
    if (gift->kind != TAILGATE_OBSERVED_EVENT)
        return;
    size_t at = 0;
    while (at < world.rows && world.row[at].id != gift->id)
        at++;
    assert_true(at < world.rows && is_wanted(&world.row[at]));
    assert_int_equal(world.row[at].given++, 0);
    for (size_t i = at + 1; i < world.rows; i++)
        assert_false(world.row[i].given && world.row[i].kind == world.row[at].kind);
}

/* --- the gateway --- */

static int row_json(const struct row *row, char *ret_json, size_t room)
{
    const char *service = row->service < 2 ? service_name[row->service] : NULL;
    return snprintf(ret_json, room,
                    "{\"event\":\"%s\",\"id\":%lld,\"conversation_id\":\"%s\",%s%s%s",
                    topic_name((enum topic_kind)row->kind), (long long)row->id,
                    conversation_name[row->conversation], service ? "\"service\":\"" : "",
                    service ? service : "\"service\":null", service ? "\"" : "");
}

static struct message mark(bool welcome)
{
    struct message made = {.count = welcome ? 1 : 3};
    size_t room = sizeof made.json;
    int size = welcome ? snprintf(made.json, room, "gateway/welcome ") : 0;
    snprintf(made.topic, sizeof made.topic, "gateway/mark");
    if (!welcome)
        world.seq++;
    snprintf(made.seq, sizeof made.seq, "%llu", (unsigned long long)world.seq);
    snprintf(made.json + size, room - (size_t)size,
             "{\"event\":\"x\",\"seq\":%llu,\"epoch\":\"run%d\",\"since\":%lld,\"id\":%lld,"
             "\"highest\":%lld,\"last\":{\"query\":%lld,\"response\":%lld,\"message\":%lld}}",
             (unsigned long long)world.seq, world.run, (long long)world.since, (long long)world.id,
             (long long)(world.id > world.highest ? world.id : world.highest),
             (long long)world.last[0], (long long)world.last[1], (long long)world.last[2]);
    return made;
}

/* What the observer's subscriptions let through. */
static bool passes(const struct message *message, int kind)
{
    char topic[64];
    if (world.setup.everything || kind < 0)
        return true;
    if (!(world.setup.kinds >> kind & 1u))
        return false;
    int size = snprintf(topic, sizeof topic, "%s/", topic_name((enum topic_kind)kind));
    for (int i = 0; i < 3; i++) {
        if (world.setup.conversation && strcmp(world.setup.conversation, conversation_name[i]) == 0)
            size = snprintf(topic, sizeof topic, "%s/%s", topic_name((enum topic_kind)kind),
                            conversation_topic[i]);
    }
    return strncmp(message->topic, topic, (size_t)size) == 0;
}

static void hear(const struct message *message)
{
    struct span frame[] = {span_str(message->topic), span_str(message->seq),
                           span_str(message->json)};
    if (message->count == 1)
        frame[0] = span_str(message->json);
    follow_hear(&world.follow, frame, message->count);
}

static void deliver(const struct message *message)
{
    if (world.absent)
        return;
    if (!follow_is_busy(&world.follow) && world.queued == 0)
        hear(message);
    else if (world.queued < QUEUE)
        world.queue[world.queued++] = *message;
}

static void drain(void)
{
    while (world.queued > 0 && !follow_is_busy(&world.follow)) {
        struct message first = world.queue[0];
        memmove(world.queue, world.queue + 1, --world.queued * sizeof *world.queue);
        hear(&first);
    }
}

/* One more row is told, or passed when nobody wants rows. */
static void publish(unsigned loss)
{
    struct message made = {.count = 3};
    if (world.published == world.rows)
        return;
    const struct row *row = &world.row[world.published++];
    world.id = row->id;
    if (!world.listens && roll(2)) {
        world.last[0] = world.last[1] = world.last[2] = row->id;
        return;
    }
    int64_t prev = world.last[row->kind];
    world.last[row->kind] = row->id;
    snprintf(made.topic, sizeof made.topic, "%s/%s", topic_name((enum topic_kind)row->kind),
             conversation_topic[row->conversation]);
    snprintf(made.seq, sizeof made.seq, "%llu", (unsigned long long)++world.seq);
    int size = row_json(row, made.json, sizeof made.json);
    snprintf(made.json + size, sizeof made.json - (size_t)size, ",\"prev\":%lld}", (long long)prev);
    if (world.listens && roll(100) >= loss && passes(&made, row->kind))
        deliver(&made);
}

static void write_row(void)
{
    if (world.rows == ROWS)
        return;
    int64_t before = world.rows > 0 ? world.row[world.rows - 1].id : 0;
    world.row[world.rows++] = (struct row){.id = before + 1 + (roll(5) == 0 ? roll(3) : 0),
                                           .kind = (int)roll(3),
                                           .conversation = (int)roll(3),
                                           .service = (int)roll(3)};
}

static void connect(void)
{
    struct message welcome = mark(true);
    deliver(&welcome);
    while (roll(3) == 0)
        publish(0); /* between the welcome and the subscription */
    world.listens = true;
}

/* Some rows are not settled: they are told again. */
static void restart(void)
{
    size_t open = roll(4);
    world.run++;
    world.seq = 0;
    world.published -= open < world.published ? open : world.published;
    world.highest = world.rows > 0 ? world.row[world.rows - 1].id : 0;
    world.since = world.published > 0 ? world.row[world.published - 1].id : 0;
    world.id = world.last[0] = world.last[1] = world.last[2] = world.since;
    world.listens = false;
    if (roll(2))
        publish(0);
    connect();
}

/* --- replays --- */

static int64_t member(const char *name, int64_t otherwise)
{
    struct span value;
    int64_t number = otherwise;
    if (jtext_find(span_str(world.request), name, &value))
        assert_int_equal(jtext_integer(value, &number), 0);
    return number;
}

static bool is_asked_for(const struct row *row)
{
    struct span kinds, item, value;
    struct span json = span_str(world.request);
    bool asked = !jtext_find(json, "kinds", &kinds);
    while (!asked && jtext_item(&kinds, &item))
        asked = jtext_is(item, topic_name((enum topic_kind)row->kind));
    if (jtext_find(json, "conversation", &value) &&
        !jtext_is(value, conversation_name[row->conversation]))
        return false;
    if (jtext_find(json, "service", &value) &&
        !(row->service < 2 && jtext_is(value, service_name[row->service])))
        return false;
    return asked;
}

/* Answers what was asked, or breaks off. Since: "2000-01-01T00:00:<id>". */
static void replay(unsigned trouble)
{
    struct buffer json;
    struct span value;
    char text[400];
    buffer_init(&json);
    follow_request(&world.follow, &json);
    snprintf(world.request, sizeof world.request, "%s", json.data);
    buffer_done(&json);
    assert_int_equal(jtext_check(span_str(world.request)), JTEXT_OBJECT);
    int64_t last = world.rows > 0 ? world.row[world.rows - 1].id : 0;
    int64_t after = member("after", 0), upto = member("upto", INT64_MAX);
    if (jtext_find(span_str(world.request), "since", &value)) {
        assert_true(value.size > 20);
        after = (value.data[18] - '0') * 10 + value.data[19] - '0' - 1;
    }
    int64_t reach = upto < last ? upto : last;
    size_t told = 0, limit = 1 + roll(10);
    bool more = false;
    for (size_t i = 0; i < world.rows && !more; i++) {
        if (world.row[i].id <= after || world.row[i].id > reach || !is_asked_for(&world.row[i]))
            continue;
        if (told == limit) {
            more = true;
            reach = world.row[i - 1].id;
            break;
        }
        if (roll(100) < trouble)
            return; /* and is asked again */
        int size = row_json(&world.row[i], text, sizeof text);
        text[size++] = '}';
        follow_part(&world.follow, span_of(text, (size_t)size));
        told++;
    }
    snprintf(text, sizeof text,
             "{\"type\":\"replayed\",\"after\":%lld,\"upto\":%lld,\"last\":%lld,\"events\":%zu,"
             "\"more\":%s}",
             (long long)after, (long long)reach, (long long)last, told, more ? "true" : "false");
    assert_int_equal(follow_end(&world.follow, span_str(text)), 0);
}

/* --- the observer --- */

/* The file is put back to an older one, and the gateway started on it; and nothing is written until
 * the observer has seen that. */
static void put_back(void)
{
    if (world.rows < 10 || world.queued > 0 || follow_is_busy(&world.follow))
        return;
    world.rows -= 1 + roll(5);
    if (world.published > world.rows)
        world.published = world.rows;
    world.is_back = true;
    restart();
    while (follow_is_busy(&world.follow) || world.queued > 0) {
        if (follow_is_busy(&world.follow))
            replay(5);
        drain();
    }
    world.is_back = false;
}

/* Another observer goes on where this one stood. */
static void change_observer(void)
{
    int64_t position = follow_position(&world.follow);
    if (position == FOLLOW_UNKNOWN)
        return;
    for (size_t i = 0; i < world.rows; i++) {
        struct row *row = &world.row[i];
        assert_true(row->id > position || row->given || !is_wanted(row) ||
                    row->id <= world.setup.after);
        if (row->id > position)
            row->given = 0;
    }
    int64_t began = world.setup.after;
    follow_done(&world.follow);
    world.setup.after = position;
    world.setup.since = NULL;
    world.queued = 0;
    world.listens = false;
    follow_init(&world.follow, &world.setup);
    world.setup.after = began;
    connect();
}

static void choose_setup(void)
{
    world.setup = (struct follow_setup){.can_replay = true, .after = 0, .give = give};
    world.setup.kinds = roll(2) ? (1u << (TOPIC_KINDS + 1)) - 1 : 1 + roll(7);
    if (roll(3) == 0)
        world.setup.conversation = conversation_name[roll(3)];
    if (roll(4) == 0)
        world.setup.service = service_name[roll(2)];
    world.setup.everything = world.setup.kinds > 7 && !world.setup.conversation;
}

static void step(void)
{
    struct message made;
    switch (roll(12)) {
    case 0:
        if (roll(4) == 0)
            restart();
        else if (roll(10) == 0)
            put_back();
        break;
    case 1:
        if (roll(4) == 0)
            change_observer();
        break;
    case 2:
        if (roll(3) == 0)
            world.listens = false;
        break;
    case 3:
        if (!world.listens)
            connect();
        break;
    case 4:
    case 5:
        made = mark(false);
        if (world.listens && roll(3))
            deliver(&made);
        break;
    case 6:
    case 7:
        if (follow_is_busy(&world.follow))
            replay(5);
        break;
    default:
        write_row();
        publish(world.dice >> 8 & 1 ? 30 : 0);
        break;
    }
    drain();
}

static void settle(void)
{
    struct message made;
    if (!world.listens)
        connect();
    for (int round = 0; round < 3; round++) {
        while (world.published < world.rows)
            publish(50);
        made = mark(false);
        world.queued = world.queued < QUEUE ? world.queued : QUEUE - 1;
        deliver(&made);
        for (int i = 0; i < 10000 && (follow_is_busy(&world.follow) || world.queued > 0); i++) {
            if (follow_is_busy(&world.follow))
                replay(1);
            drain();
        }
        assert_false(follow_is_busy(&world.follow));
    }
}

static void play(unsigned number)
{
    memset(&world, 0, sizeof world);
    world.dice = number * 2654435761u + 1;
    choose_setup();
    static char since[40];
    int begin = (int)roll(4);
    for (unsigned i = roll(30); i > 0; i--)
        write_row();
    if (begin == 1)
        world.setup.after = world.rows > 0 ? roll((unsigned)world.row[world.rows - 1].id + 1) : 0;
    if (begin == 2)
        world.setup.after = FOLLOW_UNKNOWN;
    if (begin == 3) {
        snprintf(since, sizeof since, "2000-01-01T00:00:%02u",
                 1 + (world.rows > 0 ? roll((unsigned)world.row[world.rows - 1].id) : 0));
        world.setup.since = since;
    }
    world.absent = true;
    world.published = world.rows;
    restart();
    world.absent = false;
    world.from = world.setup.after;
    if (begin == 2)
        world.from = world.id;
    if (begin == 3)
        world.from = atoi(since + 17) - 1;
    world.listens = false;
    follow_init(&world.follow, &world.setup);
    world.setup.after = world.from;
    connect();
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    for (size_t i = 0; i < world.rows; i++) {
        const struct row *row = &world.row[i];
        bool due = is_wanted(row) && row->id > world.from;
        if (row->given != due)
            fail_msg("world %u: row %lld was given %d times", number, (long long)row->id,
                     row->given);
    }
    assert_int_equal(follow_position(&world.follow), world.id > world.from ? world.id : world.from);
    follow_done(&world.follow);
}

static void every_row_is_given_once_and_in_order(void **state)
{
    (void)state;
    for (unsigned number = 0; number < WORLDS; number++)
        play(number);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_is_given_once_and_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
