/* `tailgate ask`: writes a question as any bridge writer does, and waits for the reply's commit. It
 * works on the file alone: with no gateway running yet, the question waits in the database. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "adapters/bridge/conversation.h"
#include "adapters/bridge/schema.h"
#include "adapters/host/clock.h"
#include "gateway/ask_wait.h"
#include "gateway/command.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define BUSY_MS 10000 /* as the bridge's own programs wait */
#define QUESTION_MAX (4u << 20)
#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)
#define TTL_US (3 * HOUR_US) /* of a conversation made here, as the bridge has it */

static struct {
    const char *db;
    const char *conversation;
    const char *service;
    const char *context;
    int64_t timeout_us;
    bool text;
    bool json;
} option;

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "the bridge database", 0, 0},
    {"conversation", 0, CLI_TEXT, &option.conversation, "ID",
     "ask in this conversation, as its session a (a new one is made when none is named)", 0, 0},
    {"service", 's', CLI_TEXT, &option.service, "NAME",
     "the service that is to answer (default: the role of the session that is asked)", 0, 0},
    {"context", 0, CLI_TEXT, &option.context, "FILE",
     "name a file that the question is about; whoever answers decides whether to read it", 0, 0},
    {"timeout", 't', CLI_SECONDS, &option.timeout_us, "D",
     "how long to wait for the answer, for example 30s, 5m; 0 for ever (10m)", 0, 0},
    {"text", 0, CLI_FLAG, &option.text, NULL, "write plain text, not a JSON query", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print the response object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

/* One question on its way. Everything in it is released by done(). */
struct question {
    struct place place;
    sqlite3 *db;
    struct ask_wait *wait;
    struct buffer words;    /* what is asked */
    struct buffer text;     /* the row's text and metadata */
    struct buffer metadata; /* empty: NULL */
    char conversation[LIMIT_CONVERSATION_ID + 1];
    char query_id[32];
    int64_t message_id;
    struct reply reply;
};

static void init(struct question *self)
{
    memset(self, 0, sizeof *self);
    buffer_init(&self->words);
    buffer_init(&self->text);
    buffer_init(&self->metadata);
    reply_init(&self->reply);
}

static void done(struct question *self)
{
    ask_wait_destroy(&self->wait);
    db_close(&self->db);
    buffer_done(&self->words);
    buffer_done(&self->text);
    buffer_done(&self->metadata);
    reply_done(&self->reply);
}

static int read_stdin(struct buffer *words)
{
    char chunk[65536];
    for (;;) {
        ssize_t size = read(STDIN_FILENO, chunk, sizeof chunk);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return cli_fail("ask", CLI_FAILED, "stdin: %s", strerror(errno));
        if (size == 0)
            return -1;
        buffer_add(words, span_of(chunk, (size_t)size));
        if (words->size > QUESTION_MAX)
            return cli_fail("ask", CLI_USAGE, "the question is longer than %u MB",
                            QUESTION_MAX >> 20);
    }
}

/* Reads the question and checks all words that go into the row. Returns -1 to go on. */
static int take_words(struct question *self, const char *word)
{
    if (strcmp(word, "-") != 0) {
        buffer_text(&self->words, word);
    } else {
        int code = read_stdin(&self->words);
        if (code >= 0)
            return code;
        while (self->words.size > 0 && strchr("\r\n", self->words.data[self->words.size - 1]))
            self->words.data[--self->words.size] = '\0';
    }
    struct span words = buffer_span(&self->words);
    if (words.size == 0)
        return cli_fail("ask", CLI_USAGE, "the question is empty");
    if (memchr(words.data, 0, words.size))
        return cli_fail("ask", CLI_USAGE, "the question holds a NUL byte");
    const char *const given[] = {self->words.data, option.service, option.context};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i] && !utf8_valid(span_str(given[i])))
            return cli_fail("ask", CLI_USAGE, "%s is not UTF-8",
                            i == 0   ? "the question"
                            : i == 1 ? "--service"
                                     : "--context");
    }
    if (option.service && (!*option.service || strlen(option.service) > LIMIT_SERVICE))
        return cli_fail("ask", CLI_USAGE, "--service: give 1 to %d bytes", LIMIT_SERVICE);
    if (option.conversation && strlen(option.conversation) > LIMIT_CONVERSATION_ID)
        return cli_fail("ask", CLI_USAGE, "--conversation: longer than %d bytes",
                        LIMIT_CONVERSATION_ID);
    return -1;
}

/* Makes the row's text and metadata. */
static void compose(struct question *self)
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memset(random, 0,
               sizeof random); /* cannot happen for 8 bytes; the row's id decides anyway */
    strcpy(self->query_id, "q_");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(self->query_id + 2 + 2 * i, 3, "%02x", random[i]);

    struct buffer *text = &self->text, *metadata = &self->metadata;
    if (option.text) {
        buffer_add(text, buffer_span(&self->words));
    } else {
        buffer_byte(text, '{');
        jtext_member(text, "type", span_str("query"));
        jtext_member(text, "query_id", span_str(self->query_id));
        jtext_member(text, "question", buffer_span(&self->words));
        if (option.context)
            jtext_member(text, "context_file", span_str(option.context));
        if (option.service)
            jtext_member(text, "service", span_str(option.service));
        buffer_byte(text, '}');
    }
    if (!option.text && !option.service)
        return;
    buffer_byte(metadata, '{');
    if (option.text)
        jtext_member(metadata, "action_type", span_str("question"));
    if (option.text && option.context)
        jtext_member(metadata, "context_file", span_str(option.context));
    if (option.service)
        jtext_member(metadata, "service", span_str(option.service));
    buffer_byte(metadata, '}');
}

/* Opens the bridge and gets ready to wait. Returns -1 to go on. */
static int open_bridge(struct question *self)
{
    struct place_identity identity;
    enum schema_state state = SCHEMA_EMPTY;
    int error = place_find(option.db, &self->place);
    if (error)
        return problem_place("ask", option.db, error);
    error = place_identify(&self->place, &identity);
    if (error == -ENOENT) /* a DB_MAKER would make it */
        return problem_bridge("ask", &self->place, BRIDGE_ABSENT, NULL);
    error = db_open(&self->place, option.conversation ? DB_WRITER : DB_MAKER, BUSY_MS, &self->db);
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

static int64_t ttl_of_new_conversation(void)
{
    if (option.timeout_us == 0)
        return 30 * 24 * HOUR_US;
    return option.timeout_us + HOUR_US > TTL_US ? option.timeout_us + HOUR_US : TTL_US;
}

/* Finds or makes the conversation. Returns -1 to go on. */
static int enter_conversation(struct question *self)
{
    struct conversation made;
    enum conversation_state state;
    int64_t now = clock_utc_us();
    if (!option.conversation) {
        const char *responder = option.service ? option.service : "default";
        int error = conversation_make_ours(self->db, "ask", responder,
                                           ttl_of_new_conversation() / SECOND_US, now, &made);
        if (error)
            return problem_bridge("ask", &self->place, error, self->db);
        strcpy(self->conversation, made.id);
        return -1;
    }
    strcpy(self->conversation, option.conversation); /* its length was checked */
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

static int send_question(struct question *self)
{
    int error = conversation_send(self->db, span_str(self->conversation), "a", "b",
                                  buffer_span(&self->text), buffer_span(&self->metadata),
                                  clock_utc_us(), &self->message_id);
    if (error)
        return problem_bridge("ask", &self->place, error, self->db);
    if (option.text) /* what the gateway calls a question without an id */
        snprintf(self->query_id, sizeof self->query_id, "m%" PRId64, self->message_id);
    return -1;
}

/* Shows on the terminal that and how long we wait, and whether anybody is there to answer. */
static void tell(void *context, int64_t waited_us)
{
    const struct question *self = context;
    struct place_holder holder;
    bool served = place_holder(&self->place, &holder) != -ESRCH;
    fprintf(stderr, "\r\033[Kwaiting for the answer, %" PRId64 " s%s", waited_us / SECOND_US,
            served ? "" : " (no gateway runs: tailgate serve --db ...)");
    fflush(stderr);
}

static int print_reply(const struct question *self)
{
    const struct reply *reply = &self->reply;
    struct buffer words, sources;
    buffer_init(&words);
    buffer_init(&sources);
    if (option.json) {
        reply_json(reply, self->query_id, &words);
        terminal_put(buffer_span(&words));
    } else if (reply->is_error) {
        reply_words(reply, &words);
        cli_fail("ask", CLI_ANSWERED_ERROR, "the answer is an error: %s",
                 words.data ? words.data : "");
    } else {
        reply_words(reply, &words);
        terminal_put(buffer_span(&words));
        reply_source_lines(reply, &sources);
        if (sources.size > 0) {
            sources.size--; /* terminal_put() ends the line */
            printf("\nSources:\n");
            terminal_put(buffer_span(&sources));
        }
    }
    buffer_done(&words);
    buffer_done(&sources);
    if (fflush(stdout))
        return cli_fail("ask", CLI_FAILED, "stdout: %s", strerror(errno));
    return reply->is_error ? CLI_ANSWERED_ERROR : CLI_OK;
}

static int await(struct question *self)
{
    const struct reply_key key = {self->message_id, self->query_id};
    bool person = terminal_is(STDERR_FILENO);
    int error = 0;
    if (ask_wait_is_blind(self->wait))
        cli_fail("ask", 0, "commits cannot be watched here (inotify); looking twice a second");
    enum ask_result result =
        ask_wait_reply(self->wait, span_str(self->conversation), "b", &key, option.timeout_us,
                       person ? tell : NULL, self, &self->reply, &error);
    if (person)
        fprintf(stderr, "\r\033[K");
    if (result == ASK_TIMED_OUT)
        return cli_fail("ask", CLI_TIMED_OUT,
                        "no answer yet; the question stays in %s as message %" PRId64,
                        self->conversation, self->message_id);
    if (result == ASK_REPLACED)
        return cli_fail("ask", CLI_REPLACED, "%s was replaced or removed while waiting",
                        self->place.db);
    if (result == ASK_BROKEN)
        return problem_bridge("ask", &self->place, error, NULL);
    error = conversation_fetch(self->db, self->reply.id, clock_utc_us());
    if (error) /* the answer is here all the same */
        cli_fail("ask", 0, "the reply could not be marked as read: %s", db_error_text(error));
    return print_reply(self);
}

static int run_ask(int argc, char **argv)
{
    option.timeout_us = 600 * SECOND_US;
    int first, code = cli_parse(&cmd_ask, options, argc, argv, &first);
    if (code >= 0)
        return code;
    if (!option.db)
        return cli_fail("ask", CLI_USAGE, "name the bridge database: --db FILE");
    if (argc - first != 1)
        return cli_fail("ask", CLI_USAGE,
                        "give one question, in quotes, or - to read it from stdin");
    struct question question;
    init(&question);
    code = take_words(&question, argv[first]);
    if (code < 0) {
        compose(&question);
        code = open_bridge(&question);
    }
    if (code < 0)
        code = enter_conversation(&question);
    if (code < 0)
        code = send_question(&question);
    if (code < 0)
        code = await(&question);
    done(&question);
    return code;
}

const struct cli_command cmd_ask = {
    .name = "ask",
    .usage = "ask --db FILE [options] QUESTION",
    .about = "ask a question and wait for its answer",
    .details =
        "Writes the question into the bridge and waits until somebody commits the reply. Prints "
        "the answer and its sources. The gateway may be started later.\n"
        "\n"
        "Exit status: 0 answered, 3 no answer in time, 4 the answer is an error.\n"
        "\n"
        "Examples:\n"
        "  tailgate ask --db bridge.db \"What does the lease protect?\"\n"
        "  tailgate ask --db bridge.db --service docs --timeout 30s --json - < question.txt\n",
    .run = run_ask,
};
