#include "proto/topic.h"

const char *topic_name(enum topic_kind kind)
{
    static const char *const name[TOPIC_KINDS] = {
        [TOPIC_QUERY] = "query",     [TOPIC_RESPONSE] = "response",     [TOPIC_MESSAGE] = "message",
        [TOPIC_PARTIAL] = "partial", [TOPIC_RETRY] = "retry",           [TOPIC_DEAD] = "dead",
        [TOPIC_EXPIRED] = "expired", [TOPIC_SUPERSEDED] = "superseded", [TOPIC_DELETED] = "deleted",
        [TOPIC_DROPPED] = "dropped", [TOPIC_WORKER] = "worker",         [TOPIC_GATEWAY] = "gateway",
    };
    return name[kind];
}

/* Writes BYTE as it stands in a topic; returns the number of bytes. */
static size_t put_byte(unsigned char byte, char ret_bytes[3])
{
    static const char digit[] = "0123456789ABCDEF";

    if (byte >= 0x20 && byte != 0x7f && byte != '%') {
        ret_bytes[0] = (char)byte;
        return 1;
    }
    ret_bytes[0] = '%';
    ret_bytes[1] = digit[byte >> 4];
    ret_bytes[2] = digit[byte & 15];
    return 3;
}

size_t topic_make(enum topic_kind kind, struct span conversation_id, char ret_topic[TOPIC_SIZE])
{
    const char *name = topic_name(kind);
    size_t size = strlen(name);
    char bytes[3];

    memcpy(ret_topic, name, size);
    ret_topic[size++] = '/';
    for (size_t i = 0; i < conversation_id.size; i++) {
        size_t length = put_byte((unsigned char)conversation_id.data[i], bytes);
        if (size + length > LIMIT_TOPIC)
            break;
        memcpy(ret_topic + size, bytes, length);
        size += length;
    }
    ret_topic[size] = '\0';
    return size;
}
