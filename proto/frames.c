#include "proto/frames.h"

#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/mdp.h"
#include "proto/space.h"

/* True for what the codec mdp_worker_msg or mdp_client_msg of libmajordomo makes: the signature
 * 0xAAA0 + n, one byte of message id, and the header as a string with its length before it. */
static bool is_zproto(struct span first)
{
    static const char name[] = {6, 'M', 'D', 'P'};
    if (first.size < 3 + sizeof name + 3)
        return false;
    return (unsigned char)first.data[0] == 0xaa && ((unsigned char)first.data[1] & 0xf0) == 0xa0 &&
           memcmp(first.data + 3, name, sizeof name) == 0;
}

/* The form that a first frame announces. */
static enum frames_form form_of(struct span first)
{
    static const struct {
        const char *header;
        enum frames_form form;
    } known[] = {{MDP_WORKER_02, FRAMES_WORKER_02},
                 {MDP_WORKER_01, FRAMES_WORKER_01},
                 {MDP_CLIENT_02, FRAMES_CLIENT_02},
                 {MDP_CLIENT_01, FRAMES_CLIENT_01}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (span_is(first, known[i].header))
            return known[i].form;
    return is_zproto(first) ? FRAMES_ZPROTO : FRAMES_BARE;
}

/* Leading frames that are an envelope: 0, 1 or 2. */
static size_t envelope_of(const struct span *frame, size_t count)
{
    if (frame[0].size == 0)
        return 1;
    if (count > 1 && frame[1].size == 0)
        return 2;
    return 0;
}

int frames_read(const struct span *frame, size_t count, struct frames *ret_frames)
{
    if (count == 0)
        return -1;
    struct frames frames = {.form = form_of(frame[0]), .envelope = 0, .body = 0};
    if (frames.form == FRAMES_BARE) {
        frames.envelope = envelope_of(frame, count);
        if (frames.envelope == count)
            return -1;
        if (frames.envelope > 0 && frame[0].size > LIMIT_ENVELOPE_SIZE)
            return -1;
        frames.form = form_of(frame[frames.envelope]);
    }
    bool header = frames.form != FRAMES_BARE && frames.form != FRAMES_ZPROTO;
    frames.body = frames.envelope + (header ? 1 : 0);
    *ret_frames = frames;
    return 0;
}

/* Reads "WORD service" in one frame: exactly one word may follow, so that a sentence which happens
 * to begin with READY or ASK is not taken for an opening. */
static bool one_frame(struct span text, const char *word, struct span *ret_service)
{
    size_t size = strlen(word);
    if (text.size < size || memcmp(text.data, word, size) != 0)
        return false;
    if (text.size > size && !space_in_text(text.data[size]))
        return false;
    if (text.size > size + LIMIT_SERVICE + 2)
        return false;
    struct span service = space_trim(span_of(text.data + size, text.size - size));
    for (size_t i = 0; i < service.size; i++)
        if (space_in_text(service.data[i]))
            return false;
    *ret_service = service;
    return true;
}

/* True for a JSON object that has "question" and no "answer". */
static bool is_query(struct span text)
{
    struct span ignored;
    struct span inside = space_trim(text);
    if (inside.size == 0 || inside.data[0] != '{' || jtext_check(text) != JTEXT_OBJECT)
        return false;
    return jtext_find(text, "question", &ignored) && !jtext_find(text, "answer", &ignored);
}

/* Reads an opening of one frame. */
static void read_single(struct span text, struct opening *opening)
{
    if (one_frame(text, "READY", &opening->service)) {
        opening->kind = OPENING_READY;
    } else if (one_frame(text, "ASK", &opening->service)) {
        opening->kind = OPENING_ASK;
    } else {
        opening->kind = is_query(text) ? OPENING_QUERY : OPENING_OTHER;
        opening->body = text;
    }
}

void opening_read(const struct span *frame, size_t count, struct opening *ret_opening)
{
    struct opening opening = {.kind = OPENING_OTHER};
    if (count == 1) {
        read_single(frame[0], &opening);
    } else if (count <= 3 && span_is(frame[0], "READY")) {
        opening.kind = OPENING_READY;
        /* The service may be left out; no service's name begins like an object. */
        bool named =
            count == 3 || space_trim(frame[1]).size == 0 || space_trim(frame[1]).data[0] != '{';
        if (named)
            opening.service = frame[1];
        opening.options = count == 3 ? frame[2] : named ? opening.options : frame[1];
    } else if (count <= 3 && span_is(frame[0], "ASK")) {
        opening.kind = OPENING_ASK;
        opening.service = frame[1];
        if (count == 3)
            opening.body = frame[2];
    } else {
        opening.body = frame[0];
    }
    *ret_opening = opening;
}
