/* `tailgate ask --db`: writes a question as any bridge writer does, and waits for the reply's
 * commit. It works on the file alone: with no gateway running yet, the question waits in the
 * database. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/ask.h"
#include "gateway/ask_wait.h"
#include "gateway/cli.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"

#define BUSY_MS 10000 /* as the bridge's own programs wait */
#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define TTL_US (3 * HOUR_US) /* of a conversation made here, as the bridge has it */

/* A question to be written into a bridge. Released by done(). */
struct errand {
    struct question *question;
    const struct ask_words *words;
    struct place place;
    sqlite3 *db;
    struct ask_wait *wait;
    struct buffer metadata; /* of the row; empty: NULL */
    char conversation[LIMIT_CONVERSATION_ID + 1];
    int64_t message_id;
};

static void done(struct errand *self)
{
    ask_wait_destroy(&self->wait);
    db_close(&self->db);
    buffer_done(&self->metadata);
}

static void compose_metadata(struct errand *self)
{
    const struct ask_words *words = self->words;
    struct buffer *metadata = &self->metadata;
    if (!words->text && !words->service)
        return;
    buffer_byte(metadata, '{');
    if (words->text)
        jtext_member(metadata, "action_type", span_str("question"));
    if (words->text && words->context)
        jtext_member(metadata, "context_file", span_str(words->context));
    if (words->service)
        jtext_member(metadata, "service", span_str(words->service));
    buffer_byte(metadata, '}');
}

/* Opens the bridge and gets ready to wait. Returns -1 to go on. */
static int open_bridge(struct errand *self)
{
    struct place_identity identity;
    enum schema_state state = SCHEMA_EMPTY;
    int error = place_find(self->words->db, &self->place);
    if (error)
        return problem_place("ask", self->words->db, error);
    error = place_identify(&self->place, &identity);
    if (error == -ENOENT) /* a DB_MAKER would make it */
        return problem_bridge("ask", &self->place, BRIDGE_ABSENT, NULL);
    error =
        db_open(&self->place, self->words->conversation ? DB_WRITER : DB_MAKER, BUSY_MS, &self->db);
    if (!error)
        error = schema_look(self->db, &state);
    if (!error && state == SCHEMA_FOREIGN)
        error = BRIDGE_FOREIGN;
    if (!error && state == SCHEMA_EMPTY)
        return cli_fail("ask", CLI_NOT_A_BRIDGE,
                        "%s has no bridge tables yet; make them with: tailgate "
                        "init",
                        self->place.db);
    if (!error)
        error = ask_wait_new(&self->place, &self->wait);
    return error ? problem_bridge("ask", &self->place, error, self->db) : -1;
}

static int64_t ttl_of_new_conversation(const struct errand *self)
{
    if (self->words->timeout_us == 0)
        return 30 * 24 * HOUR_US;
    return self->words->timeout_us + HOUR_US > TTL_US ? self->words->timeout_us + HOUR_US : TTL_US;
}

/* Finds or makes the conversation. Returns -1 to go on. */
static int enter_conversation(struct errand *self)
{
    struct conversation made;
    enum conversation_state state;
    int64_t now = clock_utc_us();
    if (!self->words->conversation) {
        const char *responder = self->words->service ? self->words->service : "default";
        int error = conversation_make_ours(self->db, "ask", responder,
                                           ttl_of_new_conversation(self) / SECOND_US, now, &made);
        if (error)
            return problem_bridge("ask", &self->place, error, self->db);
        strcpy(self->conversation, made.id);
        return -1;
    }
    strcpy(self->conversation, self->words->conversation); /* its length was checked */
    int error = conversation_look(self->db, span_str(self->conversation), now, &state);
    if (error)
        return problem_bridge("ask", &self->place, error, self->db);
    if (state == CONVERSATION_EXPIRED)
        return cli_fail("ask", CLI_FAILED, "conversation %s has expired; nobody would answer in it",
                        self->conversation);
    if (state == CONVERSATION_ABSENT)
        return cli_fail("ask", CLI_FAILED, "there is no conversation %s in %s", self->conversation,
                        self->place.db);
    return -1;
}

static int send_question(struct errand *self)
{
    int error = conversation_send(self->db, span_str(self->conversation), "a", "b",
                                  buffer_span(&self->question->body), buffer_span(&self->metadata),
                                  clock_utc_us(), &self->message_id);
    if (error)
        return problem_bridge("ask", &self->place, error, self->db);
    if (self->words->text) /* what the gateway calls a question without an id */
        snprintf(self->question->query_id, sizeof self->question->query_id, "m%" PRId64,
                 self->message_id);
    return -1;
}

/* Says whether anybody is there to answer. */
static void tell(void *context, int64_t waited_us)
{
    const struct errand *self = context;
    struct place_holder holder;
    bool served = place_holder(&self->place, &holder) != -ESRCH;
    ask_show_waiting(waited_us, served ? "" : " (no gateway runs: tailgate serve --db ...)");
}

static int await(struct errand *self)
{
    const struct reply_key key = {self->message_id, self->question->query_id};
    bool person = terminal_is(STDERR_FILENO);
    int error = 0;
    if (ask_wait_is_blind(self->wait))
        cli_fail("ask", 0, "commits cannot be watched here (inotify); looking twice a second");
    enum ask_result result =
        ask_wait_reply(self->wait, span_str(self->conversation), "b", &key, self->words->timeout_us,
                       person ? tell : NULL, self, &self->question->reply, &error);
    if (person)
        ask_show_no_waiting();
    if (result == ASK_TIMED_OUT)
        return cli_fail("ask", CLI_TIMED_OUT,
                        "no answer yet; the question stays in %s as message %" PRId64,
                        self->conversation, self->message_id);
    if (result == ASK_REPLACED)
        return cli_fail("ask", CLI_REPLACED, "%s was replaced or removed while waiting",
                        self->place.db);
    if (result == ASK_BROKEN)
        return problem_bridge("ask", &self->place, error, NULL);
    error = conversation_fetch(self->db, self->question->reply.id, clock_utc_us());
    if (error) /* the answer is here all the same */
        cli_fail("ask", 0, "the reply could not be marked as read: %s", db_error_text(error));
    return ask_show_reply(self->question);
}

int ask_db(struct question *question)
{
    struct errand self = {.question = question, .words = question->words};
    buffer_init(&self.metadata);
    compose_metadata(&self);
    int code = open_bridge(&self);
    if (code < 0)
        code = enter_conversation(&self);
    if (code < 0)
        code = send_question(&self);
    if (code < 0)
        code = await(&self);
    done(&self);
    return code;
}
