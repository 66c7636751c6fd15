#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/vectors.h"

#include "proto/frames.h"
#include "proto/limits.h"
#include "proto/mdp.h"

#define FRAMES 8

static size_t frames_of(const json_t *list, struct span *frame)
{
    size_t count = json_array_size(list);
    assert_true(count <= FRAMES);
    for (size_t i = 0; i < count; i++)
        frame[i] = span_of(json_string_value(json_array_get(list, i)),
                           json_string_length(json_array_get(list, i)));
    return count;
}

static void check_opening(const json_t *vector, const struct span *frame, size_t count)
{
    static const char *const kind[] = {"ready", "ask", "query", "other"};
    struct opening opening;
    opening_read(frame, count, &opening);
    vector_same(vector, "opening", span_str(kind[opening.kind]), vector_span(vector, "opening"));
    vector_same(vector, "service", opening.service, vector_span(vector, "service"));
    vector_same(vector, "options", opening.options, vector_span(vector, "options"));
    vector_same(vector, "body", opening.body, vector_span(vector, "first"));
}

/* False when the vector says that its frames are no command. */
static bool is_command(const json_t *vector)
{
    return !json_is_null(json_object_get(vector, "command"));
}

static void check_content(const json_t *vector, const struct span *body, size_t count)
{
    struct span content[FRAMES];
    assert_int_equal(count, frames_of(json_object_get(vector, "content"), content));
    for (size_t i = 0; i < count; i++)
        vector_same(vector, "content", body[i], content[i]);
}

static void check_mdp(const json_t *vector, enum mdp_version version, const struct span *frame,
                      size_t count)
{
    static const int meaning_01[] = {0,         MDP_READY,     MDP_REQUEST,
                                     MDP_FINAL, MDP_HEARTBEAT, MDP_DISCONNECT};
    struct mdp_message message = {.command = MDP_READY};
    json_int_t command = json_integer_value(json_object_get(vector, "command"));
    int result = mdp_read(version, frame, count, &message);
    assert_int_equal(result, is_command(vector) ? 0 : -1);
    if (result < 0)
        return;
    assert_int_equal(message.command, version == MDP_01 ? meaning_01[command] : command);
    vector_same(vector, "service", message.service, vector_span(vector, "service"));
    vector_same(vector, "options", message.options, vector_span(vector, "options"));
    vector_same(vector, "address", message.address, vector_span(vector, "address"));
    check_content(vector, message.body, message.body_count);
}

static void check_client(const json_t *vector, enum mdp_version version, const struct span *frame,
                         size_t count)
{
    struct mdp_client_message message = {.command = MDP_CLIENT_REQUEST};
    const json_t *command = json_object_get(vector, "command");
    int result = mdp_client_read(version, frame, count, &message);
    assert_int_equal(result, is_command(vector) ? 0 : -1);
    if (result < 0)
        return;
    assert_int_equal(message.command,
                     version == MDP_01 ? MDP_CLIENT_REQUEST : json_integer_value(command));
    vector_same(vector, "service", message.service, vector_span(vector, "service"));
    check_content(vector, message.body, message.body_count);
}

static void check_form(const json_t *vector, enum frames_form form, const struct span *frame,
                       size_t count)
{
    switch (form) {
    case FRAMES_BARE:
        check_opening(vector, frame, count);
        break;
    case FRAMES_WORKER_01:
    case FRAMES_WORKER_02:
        check_mdp(vector, form == FRAMES_WORKER_01 ? MDP_01 : MDP_02, frame, count);
        break;
    case FRAMES_CLIENT_01:
    case FRAMES_CLIENT_02:
        check_client(vector, form == FRAMES_CLIENT_01 ? MDP_01 : MDP_02, frame, count);
        break;
    case FRAMES_ZPROTO:
        break;
    }
}

static void frames_are_read_as_the_vectors_say(void **state)
{
    (void)state;
    static const char *const form[] = {"MDPW02", "MDPW01", "MDPC02", "MDPC01", "zproto", "bare"};
    json_t *vectors = vectors_load("frames.json"), *vector;
    size_t i;
    json_array_foreach(vectors, i, vector)
    {
        struct span frame[FRAMES];
        struct frames frames = {.body = 42};
        size_t count = frames_of(json_object_get(vector, "frames"), frame);
        int result = frames_read(frame, count, &frames);
        if (json_is_null(json_object_get(vector, "form"))) {
            assert_int_equal(result, -1);
            assert_int_equal(frames.body, 42);
            continue;
        }
        assert_int_equal(result, 0);
        vector_same(vector, "form", span_str(form[frames.form]), vector_span(vector, "form"));
        assert_int_equal(frames.envelope, json_integer_value(json_object_get(vector, "envelope")));
        assert_int_equal(frames.body, json_integer_value(json_object_get(vector, "body")));
        check_form(vector, frames.form, frame + frames.body, count - frames.body);
    }
    json_decref(vectors);
}

static void no_frames_at_all_are_refused(void **state)
{
    (void)state;
    struct frames frames;
    assert_int_equal(frames_read(NULL, 0, &frames), -1);
}

static void envelope_beyond_its_limit_is_refused(void **state)
{
    (void)state;
    static const char large[LIMIT_ENVELOPE_SIZE + 1];
    struct span frame[] = {span_of(large, LIMIT_ENVELOPE_SIZE), span_of("", 0), span_str("READY")};
    struct frames frames;
    assert_int_equal(frames_read(frame, 3, &frames), 0);
    assert_int_equal(frames.envelope, 2);
    frame[0].size++;
    assert_int_equal(frames_read(frame, 3, &frames), -1);
}

static void one_frame_names_a_service_up_to_its_limit(void **state)
{
    (void)state;
    char text[6 + LIMIT_SERVICE + 2] = "READY ";
    struct opening opening;
    memset(text + 6, 's', LIMIT_SERVICE + 2);
    struct span frame = span_of(text, 6 + LIMIT_SERVICE);
    opening_read(&frame, 1, &opening);
    assert_int_equal(opening.kind, OPENING_READY);
    assert_int_equal(opening.service.size, LIMIT_SERVICE);
    frame.size += 2;
    opening_read(&frame, 1, &opening);
    assert_int_equal(opening.kind, OPENING_OTHER);
}

/* A worker's READY and a client's REQUEST as the codec of libmajordomo packs them. */
static void framing_of_zproto_is_told_apart(void **state)
{
    (void)state;
    static const char ready[] = "\xaa\xa5\x01\x06MDPW02\x01\x04"
                                "echo";
    static const char request[] = "\xaa\xa4\x01\x06MDPC02\x01\x04"
                                  "echo";
    struct span frame[] = {span_of(ready, sizeof ready - 1), span_of("", 0)};
    struct frames frames;
    assert_int_equal(frames_read(frame, 1, &frames), 0);
    assert_int_equal(frames.form, FRAMES_ZPROTO);
    assert_int_equal(frames.envelope, 0);
    assert_int_equal(frames.body, 0);
    frame[0] = span_of(request, sizeof request - 1);
    assert_int_equal(frames_read(frame, 2, &frames), 0); /* an empty body is no envelope's end */
    assert_int_equal(frames.form, FRAMES_ZPROTO);
    assert_int_equal(frames.envelope, 0);
}

static void what_only_begins_like_zproto_is_bare(void **state)
{
    (void)state;
    static const char *const other[] = {"\xaa\xa5", "\xaa\xa5\x01\x06MDP", "\xaa\xb5\x01\x06MDPW02",
                                        "\xab\xa5\x01\x06MDPW02", "\xaa\xa5\x01\x05MDPW2"};
    struct frames frames;
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        struct span frame = span_str(other[i]);
        assert_int_equal(frames_read(&frame, 1, &frames), 0);
        assert_int_equal(frames.form, FRAMES_BARE);
    }
    /* What REQ_CORRELATE puts first may be any four bytes. */
    struct span correlate[] = {span_str("\xaa\xa5\x01\x06"), span_of("", 0), span_str("READY")};
    assert_int_equal(frames_read(correlate, 3, &frames), 0);
    assert_int_equal(frames.form, FRAMES_BARE);
    assert_int_equal(frames.envelope, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_as_the_vectors_say),
        cmocka_unit_test(no_frames_at_all_are_refused),
        cmocka_unit_test(envelope_beyond_its_limit_is_refused),
        cmocka_unit_test(one_frame_names_a_service_up_to_its_limit),
        cmocka_unit_test(framing_of_zproto_is_told_apart),
        cmocka_unit_test(what_only_begins_like_zproto_is_bare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
