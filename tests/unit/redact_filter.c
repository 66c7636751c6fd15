/* Redacts framed texts from stdin to stdout, for comparing with another implementation. A frame is
 * `t` (text) or `j` (valid JSON), its length in bytes as decimal digits, a line feed, and the
 * bytes; what comes out is the number of replacements, a blank, and such a length, line feed and
 * bytes. With an argument: without JIT. */
#include <stdio.h>
#include <stdlib.h>

#include "adapters/text/redact.h"
#include "proto/jtext.h"

static void put(int count, struct span text)
{
    printf("%d %zu\n", count, text.size);
    if (text.size)
        fwrite(text.data, 1, text.size, stdout);
}

int main(int argc, char **argv)
{
    struct redact *redact = redact_new(argc < 2);
    struct buffer result;
    char kind;
    size_t size;

    (void)argv;
    if (!redact)
        return 1;
    buffer_init(&result);
    while (scanf("%c%zu", &kind, &size) == 2 && getchar() == '\n') {
        char *data = memory_new(size);
        if (fread(data, 1, size, stdin) != size)
            return 1;
        struct span text = span_of(data, size);
        if (kind == 'j' && jtext_check(text) == JTEXT_INVALID)
            return 1;
        buffer_reset(&result);
        int count =
            kind == 'j' ? redact_json(redact, text, &result) : redact_text(redact, text, &result);
        put(count, count ? buffer_span(&result) : text);
        free(data);
    }
    buffer_done(&result);
    redact_destroy(&redact);
    return ferror(stdin) || ferror(stdout) ? 1 : 0;
}
