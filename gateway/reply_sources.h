/* The sources of a reply, for people. */
#ifndef TAILGATE_GATEWAY_REPLY_SOURCES_H
#define TAILGATE_GATEWAY_REPLY_SOURCES_H

#include "proto/reply.h"

/* Appends one line for each source; nothing when there are none. */
void reply_source_lines(const struct reply *self, struct buffer *ret_text);

#endif
