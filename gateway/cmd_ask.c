/* `tailgate ask`: the command line, and the question that is made of it. */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "adapters/zmq/endpoint.h"
#include "gateway/ask.h"
#include "gateway/command.h"
#include "gateway/problem.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

#define QUESTION_MAX (4u << 20)

static struct ask_words option = {.timeout_us = 600 * INT64_C(1000000)};

static const struct cli_option options[] = {
    {"db", 'd', CLI_TEXT, &option.db, "FILE", "write the question into this bridge database", 0, 0},
    {"gate", 0, CLI_TEXT, &option.gate, "ENDPOINT",
     "ask through a gateway: ipc://PATH or tcp://HOST:PORT", 0, 0},
    {"cert", 0, CLI_TEXT, &option.cert, "FILE",
     "our certificate (FILE_secret beside it), where the gateway wants a key", 0, 0},
    {"server-cert", 0, CLI_TEXT, &option.server_cert, "FILE",
     "with --cert: the gateway's public certificate", 0, 0},
    {"conversation", 0, CLI_TEXT, &option.conversation, "ID",
     "ask in this conversation, as its session a (a new one is made when none is named)", 0, 0},
    {"token", 0, CLI_TEXT, &option.token, "TOKEN",
     "with --gate: the session token of that conversation", 0, 0},
    {"service", 's', CLI_TEXT, &option.service, "NAME",
     "the service that is to answer (default: the role of the session that is asked)", 0, 0},
    {"context", 0, CLI_TEXT, &option.context, "FILE",
     "name a file that the question is about; whoever answers decides whether to read it", 0, 0},
    {"timeout", 't', CLI_SECONDS, &option.timeout_us, "D",
     "how long to wait for the answer, for example 30s, 5m; 0 for ever (10m)", 0, 0},
    {"text", 0, CLI_FLAG, &option.text, NULL, "ask in plain text, not with a JSON query", 0, 0},
    {"json", 0, CLI_FLAG, &option.json, NULL, "print the response object", 0, 0},
    {NULL, 0, CLI_FLAG, NULL, NULL, NULL, 0, 0}};

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
        buffer_text(&self->asked, word);
    } else {
        int code = read_stdin(&self->asked);
        if (code >= 0)
            return code;
        while (self->asked.size > 0 && strchr("\r\n", self->asked.data[self->asked.size - 1]))
            self->asked.data[--self->asked.size] = '\0';
    }
    struct span words = buffer_span(&self->asked);
    if (words.size == 0)
        return cli_fail("ask", CLI_USAGE, "the question is empty");
    if (memchr(words.data, 0, words.size))
        return cli_fail("ask", CLI_USAGE, "the question holds a NUL byte");
    const char *const given[] = {self->asked.data, option.service, option.context,
                                 option.conversation, option.token};
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i] && !utf8_valid(span_str(given[i])))
            return cli_fail("ask", CLI_USAGE, "%s is not UTF-8",
                            i == 0   ? "the question"
                            : i == 1 ? "--service"
                            : i == 2 ? "--context"
                            : i == 3 ? "--conversation"
                                     : "--token");
    }
    if (option.service && (!*option.service || strlen(option.service) > LIMIT_SERVICE))
        return cli_fail("ask", CLI_USAGE, "--service: give 1 to %d bytes", LIMIT_SERVICE);
    if (option.conversation && strlen(option.conversation) > LIMIT_CONVERSATION_ID)
        return cli_fail("ask", CLI_USAGE, "--conversation: longer than %d bytes",
                        LIMIT_CONVERSATION_ID);
    return -1;
}

/* Makes what is sent. */
static void compose(struct question *self)
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memset(random, 0,
               sizeof random); /* cannot happen for 8 bytes; the row's id decides anyway */
    strcpy(self->query_id, "q_");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(self->query_id + 2 + 2 * i, 3, "%02x", random[i]);

    struct buffer *body = &self->body;
    if (option.text) {
        buffer_add(body, buffer_span(&self->asked));
        return;
    }
    buffer_byte(body, '{');
    jtext_member(body, "type", span_str("query"));
    jtext_member(body, "query_id", span_str(self->query_id));
    jtext_member(body, "question", buffer_span(&self->asked));
    if (option.context)
        jtext_member(body, "context_file", span_str(option.context));
    if (option.service)
        jtext_member(body, "service", span_str(option.service));
    if (option.gate && option.conversation)
        jtext_member(body, "conversation_id", span_str(option.conversation));
    if (option.token)
        jtext_member(body, "session_token", span_str(option.token));
    buffer_byte(body, '}');
}

/* What does not go together. Returns -1 to go on. */
static int check(void)
{
    if ((option.db != NULL) == (option.gate != NULL))
        return cli_fail("ask", CLI_USAGE,
                        "name the bridge database or a gateway: --db FILE or --gate ENDPOINT");
    if (option.gate && endpoint_read(option.gate) == ENDPOINT_BAD)
        return cli_fail("ask", CLI_USAGE, "--gate %s: use ipc://PATH or tcp://HOST:PORT",
                        option.gate);
    if (option.token && (!option.gate || !option.conversation))
        return cli_fail("ask", CLI_USAGE, "--token goes with --gate and --conversation");
    if (option.gate && option.text && (option.conversation || option.context))
        return cli_fail("ask", CLI_USAGE,
                        "--text through a gate is the question alone: leave out --conversation and "
                        "--context");
    if (option.db && (option.cert || option.server_cert))
        return cli_fail("ask", CLI_USAGE, "--cert and --server-cert go with --gate");
    return problem_certs("ask", option.cert, option.server_cert);
}

static int run_ask(int argc, char **argv)
{
    int first, code = cli_parse(&cmd_ask, options, argc, argv, &first);
    if (code < 0)
        code = check();
    if (code >= 0)
        return code;
    if (argc - first != 1)
        return cli_fail("ask", CLI_USAGE,
                        "give one question, in quotes, or - to read it from stdin");
    struct question question = {.words = &option};
    buffer_init(&question.asked);
    buffer_init(&question.body);
    reply_init(&question.reply);
    code = take_words(&question, argv[first]);
    if (code < 0) {
        compose(&question);
        code = option.gate ? ask_gate(&question) : ask_db(&question);
    }
    buffer_done(&question.asked);
    buffer_done(&question.body);
    reply_done(&question.reply);
    return code;
}

const struct cli_command cmd_ask = {
    .name = "ask",
    .usage = "ask (--db FILE | --gate ENDPOINT) [options] QUESTION",
    .about = "ask a question and wait for its answer",
    .details =
        "With --db: writes the question into the bridge and waits until somebody commits the "
        "reply. The gateway may be started later. With --gate: asks a running gateway, which "
        "writes it into its bridge; on a terminal the answer is shown as it comes. Prints the "
        "answer and its sources.\n"
        "\n"
        "Exit status: 0 answered, 1 the bridge or the gateway cannot be reached, 3 no answer in "
        "time, 4 the answer is an error.\n"
        "\n"
        "Examples:\n"
        "  tailgate ask --db bridge.db \"What does the lease protect?\"\n"
        "  tailgate ask --db bridge.db --service docs --timeout 30s --json - < question.txt\n"
        "  tailgate ask --gate ipc://bridge.db-gate/gate --service docs \"And what does it "
        "not?\"\n",
    .run = run_ask,
};
