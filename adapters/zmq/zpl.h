/* Whether a text is ZPL (ZeroMQ RFC 4). czmq's parser says what it dislikes on standard output,
 * where nobody expects it, and quotes it, which may be a key: what it would dislike is found
 * before. */
#ifndef TAILGATE_ADAPTERS_ZMQ_ZPL_H
#define TAILGATE_ADAPTERS_ZMQ_ZPL_H

#include <stdbool.h>

#include "proto/span.h"

#define ZPL_LINE_MAX 1000 /* bytes; czmq takes a longer line for two */

/* True when zconfig_str_load() takes TEXT (without a NUL) and says nothing. A little that it would
 * take is refused: tabs before a name, for one. */
bool zpl_is_sound(struct span text);

#endif
