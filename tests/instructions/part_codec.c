/* The codec: a worker's FINAL is read and its token verified; the next REQUEST is written with a
 * token of its own. */
#include "proto/frames.h"
#include "proto/mdp.h"
#include "proto/token.h"
#include "tests/instructions/part.h"

static struct token_key key;
static size_t bytes; /* written: the work is not to be left out by the compiler */

void part_prepare(void)
{
    memset(key.bytes, 0x5a, sizeof key.bytes);
}

/* A REQUEST for query ID; its token is in ADDRESS. */
static struct span write_request(size_t id, struct span text, char address[TOKEN_SIZE],
                                 struct token_digest *ret_digest)
{
    struct mdp_message message = {.command = MDP_REQUEST, .body = &text, .body_count = 1};
    struct span frame[MDP_FRAMES_MAX];

    token_digest(span_str(part_conversation(id)), text, ret_digest);
    message.address = span_of(address, token_make(&key, (int64_t)id, 1, ret_digest, address));
    for (size_t i = mdp_write(MDP_02, &message, frame); i > 0; i--)
        bytes += frame[i - 1].size;
    return message.address;
}

static void read_final(struct span address, const struct token_digest *digest)
{
    const struct span frame[] = {span_str(MDP_WORKER_02), span_of("\x04", 1), address,
                                 span_of("", 0), part_answer()};
    const size_t count = sizeof frame / sizeof frame[0];
    struct mdp_message message;
    struct token_address read;
    struct frames frames;

    part_need(frames_read(frame, count, &frames) == 0 && frames.form == FRAMES_WORKER_02 &&
                  mdp_read(MDP_02, frame + frames.body, count - frames.body, &message) == 0 &&
                  message.command == MDP_FINAL,
              "a FINAL is not read as one");
    part_need(token_read_address(message.address, &read) == 0 &&
                  token_verify(&key, &read.token, digest),
              "a token is not accepted");
}

void part_run(size_t queries)
{
    char text[QUERY_SIZE + 1], address[TOKEN_SIZE];
    struct token_digest digest;

    for (size_t id = 1; id <= queries; id++) {
        struct span token = write_request(id, part_query(id, text), address, &digest);
        read_final(token, &digest);
    }
}

void part_end(void)
{
    part_need(bytes > 0, "nothing was written");
}
