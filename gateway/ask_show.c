#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "gateway/ask.h"
#include "gateway/cli.h"
#include "gateway/reply_sources.h"
#include "gateway/terminal.h"
#include "proto/escape.h"

void ask_show_waiting(int64_t waited_us, const char *note)
{
    fprintf(stderr, "\r\033[Kwaiting for the answer, %" PRId64 " s%s", waited_us / 1000000, note);
    fflush(stderr);
}

void ask_show_no_waiting(void)
{
    fprintf(stderr, "\r\033[K");
    fflush(stderr);
}

void ask_show_part(struct span part)
{
    struct buffer shown;
    buffer_init(&shown);
    escape_text(&shown, part, ESCAPE_PROSE);
    fwrite(shown.data, 1, shown.size, stdout);
    fflush(stdout);
    buffer_done(&shown);
}

static void print_answer(const struct question *question)
{
    struct buffer words, sources;
    buffer_init(&words);
    buffer_init(&sources);
    reply_words(&question->reply, &words);
    size_t shown = question->shown < words.size ? question->shown : words.size;
    terminal_put(span_of(words.data ? words.data + shown : "", words.size - shown));
    reply_source_lines(&question->reply, &sources);
    if (sources.size > 0) {
        sources.size--; /* terminal_put() ends the line */
        printf("\nSources:\n");
        terminal_put(buffer_span(&sources));
    }
    buffer_done(&words);
    buffer_done(&sources);
}

int ask_show_reply(const struct question *question)
{
    const struct reply *reply = &question->reply;
    struct buffer words;
    buffer_init(&words);
    if (question->words->json) {
        reply_json(reply, question->query_id, &words);
        terminal_put(buffer_span(&words));
    } else if (reply->is_error) {
        reply_words(reply, &words);
        cli_fail("ask", CLI_ANSWERED_ERROR, "the answer is an error: %s",
                 words.data ? words.data : "");
    } else {
        print_answer(question);
    }
    buffer_done(&words);
    if (fflush(stdout))
        return cli_fail("ask", CLI_FAILED, "stdout: %s", strerror(errno));
    return reply->is_error ? CLI_ANSWERED_ERROR : CLI_OK;
}
