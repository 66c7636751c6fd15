#include "tests/instructions/part.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/token.h"

void part_need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "instructions: %s\n", what);
    exit(1);
}

struct span part_query(size_t id, char ret_text[QUERY_SIZE + 1])
{
    int size = snprintf(ret_text, QUERY_SIZE + 1,
                        "{\"type\":\"query\",\"query_id\":\"q_%05zu\",\"question\":\"", id);

    for (; size < QUERY_SIZE - 2; size++)
        ret_text[size] = size % 7 == 0 ? ' ' : (char)('a' + size % 26);
    memcpy(ret_text + size, "\"}", 3);
    return span_of(ret_text, QUERY_SIZE);
}

struct span part_answer(void)
{
    static char text[QUERY_SIZE + 1];

    if (!text[0]) {
        int size = snprintf(text, sizeof text, "{\"answer\":\"");
        memset(text + size, 'x', QUERY_SIZE - 2 - (size_t)size);
        memcpy(text + QUERY_SIZE - 2, "\"}", 3);
    }
    return span_of(text, QUERY_SIZE);
}

const char *part_conversation(size_t id)
{
    static char text[CONVERSATION_ID + 1];

    /* as different as those that the bridge makes at random */
    uint64_t number = (id % CONVERSATIONS + 1) * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(text, sizeof text, "conv_%016" PRIx64, number ^ number >> 29);
    return text;
}

int main(int argc, char **argv)
{
    unsigned long queries = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

    if (queries == 0 || queries > QUERIES_MAX) {
        fprintf(stderr, "usage: %s QUERIES (1 to %d)\n", argv[0], QUERIES_MAX);
        return 2;
    }
    part_need(token_init() == 0, "libsodium does not start");
    part_prepare();
    part_run(queries);
    part_end();
    return 0;
}
