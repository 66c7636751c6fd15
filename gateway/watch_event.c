#include "gateway/watch_event.h"

#include <stdlib.h>

#include "proto/jtext.h"

bool watch_event_read(struct span json, struct watch_event *ret_event)
{
    struct watch_event event = {0};
    const struct jtext_wanted wanted[] = {
        {"event", &event.event},
        {"time", &event.time},
        {"timestamp", &event.timestamp},
        {"id", &event.id},
        {"message_id", &event.message_id},
        {"in_reply_to", &event.in_reply_to},
        {"conversation_id", &event.conversation_id},
        {"service", &event.service},
        {"worker", &event.worker},
        {"form", &event.form},
        {"size", &event.size},
        {"text", &event.text},
        {"truncated", &event.truncated},
        {"seconds", &event.seconds},
        {"dead", &event.dead},
        {"attempt", &event.attempt},
        {"attempts", &event.attempts},
        {"pause", &event.pause},
        {"returned", &event.returned},
        {"verified", &event.verified},
        {"sender", &event.sender},
        {"by", &event.by},
        {"change", &event.change},
        {"protocol", &event.protocol},
        {"workers", &event.workers},
        {"why", &event.why},
    };
    const size_t count = sizeof wanted / sizeof wanted[0];
    if (jtext_check(json) != JTEXT_OBJECT)
        return false;
    jtext_pick(json, wanted, count);
    for (size_t i = 0; i < count; i++) {
        struct span *value = wanted[i].ret_value;
        if (value->size > 0 && jtext_type(*value) == JTEXT_NULL)
            *value = span_of(NULL, 0);
    }
    *ret_event = event;
    return true;
}

void watch_event_text(struct span value, struct buffer *ret_text)
{
    if (value.size > 0 && jtext_type(value) == JTEXT_STRING)
        jtext_decode(ret_text, value);
    else
        buffer_add(ret_text, value);
}

int64_t watch_event_number(struct span value)
{
    int64_t number = 0;
    return value.size > 0 && jtext_integer(value, &number) == 0 ? number : 0;
}

double watch_event_seconds(struct span value)
{
    char text[40];
    if (value.size == 0 || value.size >= sizeof text || jtext_type(value) != JTEXT_NUMBER)
        return -1;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    return strtod(text, NULL);
}

enum topic_kind watch_event_kind(const struct watch_event *event)
{
    char name[TOPIC_SIZE];
    if (event->event.size == 0 || jtext_copy(event->event, name, sizeof name) < 0)
        return TOPIC_KINDS;
    name[strcspn(name, "/")] = '\0';
    for (int kind = 0; kind < TOPIC_KINDS; kind++) {
        if (strcmp(name, topic_name((enum topic_kind)kind)) == 0)
            return (enum topic_kind)kind;
    }
    return TOPIC_KINDS;
}

bool watch_event_is(struct span value, const char *text)
{
    return value.size > 0 && jtext_type(value) == JTEXT_STRING && jtext_is(value, text);
}
