/* What callers do with a reply. */
#include <stdlib.h>

#include "adapters/c/client_inside.h"
#include "proto/buffer.h"
#include "proto/jtext.h"
#include "proto/utf8.h"

size_t tailgate_reply_frames(const struct tailgate_reply *self)
{
    return self->body.count;
}

const void *tailgate_reply_frame(const struct tailgate_reply *self, size_t index, size_t *ret_size)
{
    bool there = index < self->body.count;
    if (ret_size)
        *ret_size = there ? self->body.frame[index].size : 0;
    return there ? self->body.frame[index].data : NULL;
}

/* Finds member NAME of the JSON object that the reply is; false when it is not one that has it. */
static bool find(const struct tailgate_reply *self, const char *name, struct span *ret_value)
{
    return self->body.count == 1 && jtext_check(self->body.frame[0]) == JTEXT_OBJECT &&
           jtext_find(self->body.frame[0], name, ret_value);
}

static bool has_type(const struct tailgate_reply *self, const char *type)
{
    struct span value;
    return find(self, "type", &value) && jtext_type(value) == JTEXT_STRING && jtext_is(value, type);
}

bool tailgate_reply_is_error(const struct tailgate_reply *self)
{
    return has_type(self, "error");
}

static char *make_text(const struct tailgate_reply *self, size_t *ret_size)
{
    struct span value = {NULL, 0};
    struct buffer text;
    bool picked = (tailgate_reply_is_error(self) && find(self, "error", &value)) ||
                  (has_type(self, "response") && find(self, "answer", &value));
    buffer_init(&text);
    if (!picked)
        utf8_repair(&text, self->body.frame[0]);
    else if (jtext_type(value) == JTEXT_STRING)
        jtext_decode(&text, value);
    else
        buffer_add(&text, value);
    buffer_add(&text, span_of("", 0)); /* so that there is a NUL at least */
    *ret_size = text.size;
    return text.data;
}

const char *tailgate_reply_text(const struct tailgate_reply *self, size_t *ret_size)
{
    struct tailgate_reply *reply = (struct tailgate_reply *)self; /* what is made is kept */
    if (!reply->text)
        reply->text = make_text(self, &reply->text_size);
    if (ret_size)
        *ret_size = reply->text_size;
    return reply->text;
}

void tailgate_reply_destroy(struct tailgate_reply **self)
{
    if (*self) {
        parcel_done(&(*self)->body);
        free((*self)->text);
    }
    free(*self);
    *self = NULL;
}
