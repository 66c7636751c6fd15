/* What a peer sends: any byte string, cut into frames (one byte of length before each; 255 means
 * "all that is left"), through everything that reads frames. What is read must lie inside what was
 * sent. */
#include <stdint.h>
#include <stdlib.h>

#include "proto/frames.h"
#include "proto/jtext.h"
#include "proto/mdp.h"
#include "proto/options.h"
#include "proto/token.h"
#include "proto/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static size_t cut(const uint8_t *data, size_t size, struct span *frame)
{
    size_t count = 0;
    while (size > 0 && count < LIMIT_FRAMES) {
        size_t length = *data++;
        size--;
        if (length > size || length == 255)
            length = size;
        frame[count++] = span_of(data, length);
        data += length;
        size -= length;
    }
    return count;
}

static bool is_inside(struct span part, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;
    return part.size == 0 || (part.data >= start && part.data + part.size <= start + size);
}

static void check_options(struct span json)
{
    struct worker_options options, again;
    struct buffer text;

    if (options_read(json, &options) < 0)
        return;
    check(options.slots >= 1 && options.slots <= LIMIT_SLOTS);
    check(utf8_valid(span_str(options.name)) && !utf8_has_control(span_str(options.name)));
    buffer_init(&text);
    options_write(&options, &text);
    check(jtext_check(buffer_span(&text)) == JTEXT_OBJECT);
    check(options_read(buffer_span(&text), &again) == 0);
    check(strcmp(options.name, again.name) == 0 && options.interval_ms == again.interval_ms);
    buffer_done(&text);
}

static void check_token(struct span text)
{
    static const struct token_key key;
    static const struct token_digest digest;
    struct token_address read, again;
    char made[TOKEN_SIZE], address[TOKEN_SIZE];

    if (token_read_address(text, &read) < 0)
        return;
    struct token token = read.token;
    if (read.via) {
        text.size -= strlen(TOKEN_VIA);
        check(token_via_address(text, address) == text.size + strlen(TOKEN_VIA));
        check(token_read_address(span_str(address), &again) == 0 && again.via);
    }
    if (read.raw) {
        text.size -= strlen(TOKEN_RAW);
        check(token_raw_address(text, address) == text.size + strlen(TOKEN_RAW));
        check(token_read_address(span_str(address), &again) == 0 && again.raw && !again.via);
    }
    check(token.message_id > 0 && token.attempt > 0 && text.size < TOKEN_SIZE);
    size_t made_size = token_make(&key, token.message_id, token.attempt, &digest, made);
    /* Its numbers have one spelling; so the MAC is the only thing that may differ. */
    check(made_size == text.size && memcmp(made, text.data, text.size - 22) == 0);
}

/* What is taken out of a batch makes the same batch again. */
static void check_batch(struct span body, const uint8_t *data, size_t size)
{
    struct span frame[MDP_FRAMES_MAX], rest = body;
    struct mdp_message message;
    struct buffer again;

    buffer_init(&again);
    while (mdp_batch_take(&rest, frame, &message) == 1) {
        check(is_inside(message.address, data, size) && is_inside(message.body[0], data, size));
        check_token(message.address);
        mdp_batch_add(&message, &again);
        check(again.size == body.size - rest.size &&
              memcmp(again.data, body.data, again.size) == 0);
    }
    buffer_done(&again);
}

static void check_worker(enum mdp_version version, const struct span *part, size_t parts,
                         const uint8_t *data, size_t size)
{
    struct span frame[MDP_FRAMES_MAX];
    struct mdp_message message, again;

    if (mdp_read(version, part, parts, &message) < 0)
        return;
    check(is_inside(message.service, data, size) && is_inside(message.address, data, size));
    check(is_inside(message.options, data, size) && message.body_count <= MDP_BODY);
    check_options(message.options);
    check_token(message.address);
    if (message.command == MDP_BATCH)
        check_batch(message.body[0], data, size);
    size_t count = mdp_write(version, &message, frame);
    check(count <= MDP_FRAMES_MAX && count - 1 <= parts);
    check(mdp_read(version, frame + 1, count - 1, &again) == 0);
    check(again.command == message.command && again.body_count == message.body_count);
}

static void check_client(enum mdp_version version, const struct span *part, size_t parts,
                         const uint8_t *data, size_t size)
{
    struct span frame[MDP_FRAMES_MAX];
    struct mdp_client_message message, again;

    if (mdp_client_read(version, part, parts, &message) < 0)
        return;
    check(is_inside(message.service, data, size) && message.service.size > 0);
    check(message.body_count >= 1 && message.body_count <= MDP_CLIENT_BODY);
    size_t count = mdp_client_write(version, &message, frame);
    check(count == parts + 1);
    check(mdp_client_read(version, frame + 1, count - 1, &again) == 0);
    check(again.command == message.command && again.body_count == message.body_count);
    for (size_t i = 1; i < count; i++)
        check(span_equal(frame[i], part[i - 1]));
}

static void check_opening(const struct span *part, size_t parts, const uint8_t *data, size_t size)
{
    struct opening opening;

    check(parts > 0);
    opening_read(part, parts, &opening);
    check(is_inside(opening.service, data, size) && is_inside(opening.options, data, size) &&
          is_inside(opening.body, data, size));
    check_options(opening.options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span frame[LIMIT_FRAMES];
    struct frames frames;
    size_t count = cut(data, size, frame);

    if (frames_read(frame, count, &frames) < 0)
        return 0;
    check(frames.envelope <= 2 && frames.body <= count);
    const struct span *part = frame + frames.body;
    size_t parts = count - frames.body;
    switch (frames.form) {
    case FRAMES_WORKER_01:
    case FRAMES_WORKER_02:
        check_worker(frames.form == FRAMES_WORKER_01 ? MDP_01 : MDP_02, part, parts, data, size);
        break;
    case FRAMES_CLIENT_01:
    case FRAMES_CLIENT_02:
        check_client(frames.form == FRAMES_CLIENT_01 ? MDP_01 : MDP_02, part, parts, data, size);
        break;
    case FRAMES_ZPROTO:
    case FRAMES_BARE:
        check_opening(part, parts, data, size);
        break;
    }
    return 0;
}
