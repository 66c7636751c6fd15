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

static void check_mdp(const json_t *vector, const struct span *frame, size_t count)
{
    struct mdp_message message = {.command = MDP_READY};
    const json_t *command = json_object_get(vector, "command");
    int result = mdp_read(frame, count, &message);
    assert_int_equal(result, json_is_null(command) ? -1 : 0);
    if (result < 0)
        return;
    struct span content[FRAMES];
    assert_int_equal(message.command, json_integer_value(command));
    vector_same(vector, "service", message.service, vector_span(vector, "service"));
    vector_same(vector, "options", message.options, vector_span(vector, "options"));
    vector_same(vector, "address", message.address, vector_span(vector, "address"));
    assert_int_equal(message.body_count, frames_of(json_object_get(vector, "content"), content));
    for (size_t i = 0; i < message.body_count; i++)
        vector_same(vector, "content", message.body[i], content[i]);
}

static void frames_are_read_as_the_vectors_say(void **state)
{
    (void)state;
    static const char *const form[] = {"MDPW02", "MDPW01", "MDPC02", "MDPC01", "bare"};
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
        if (frames.form == FRAMES_BARE)
            check_opening(vector, frame + frames.body, count - frames.body);
        if (frames.form == FRAMES_WORKER_02)
            check_mdp(vector, frame + frames.body, count - frames.body);
    }
    json_decref(vectors);
}

static void no_frames_at_all_are_refused(void **state)
{
    (void)state;
    struct frames frames;
    struct mdp_message message;
    assert_int_equal(frames_read(NULL, 0, &frames), -1);
    assert_int_equal(mdp_read(NULL, 0, &message), -1);
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

static void mdp_that_is_written_is_read(void **state)
{
    (void)state;
    const struct span body = span_str("body");
    const struct mdp_message known[] = {
        {.command = MDP_READY, .service = span_str("*")},
        {.command = MDP_READY, .service = span_str("law"), .options = span_str("{}")},
        {.command = MDP_REQUEST, .address = span_str("t"), .body = &body, .body_count = 1},
        {.command = MDP_PARTIAL, .address = span_str("t"), .body = &body, .body_count = 1},
        {.command = MDP_FINAL, .address = span_str("t"), .body = &body, .body_count = 1},
        {.command = MDP_HEARTBEAT},
        {.command = MDP_DISCONNECT},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct span frame[MDP_FRAMES_MAX];
        struct frames frames;
        struct mdp_message message;
        size_t count = mdp_write(&known[i], frame);
        assert_true(count <= MDP_FRAMES_MAX);
        assert_int_equal(frames_read(frame, count, &frames), 0);
        assert_int_equal(frames.form, FRAMES_WORKER_02);
        assert_int_equal(mdp_read(frame + frames.body, count - frames.body, &message), 0);
        assert_int_equal(message.command, known[i].command);
        assert_true(span_equal(message.service, known[i].service));
        assert_true(span_equal(message.options, known[i].options));
        assert_true(span_equal(message.address, known[i].address));
        assert_int_equal(message.body_count, known[i].body_count);
        if (message.body_count)
            assert_true(span_equal(message.body[0], body));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_as_the_vectors_say),
        cmocka_unit_test(no_frames_at_all_are_refused),
        cmocka_unit_test(envelope_beyond_its_limit_is_refused),
        cmocka_unit_test(one_frame_names_a_service_up_to_its_limit),
        cmocka_unit_test(mdp_that_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
