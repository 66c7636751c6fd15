/* What JetStream's streams, consumers, subjects and headers are called (proto/WIRE.md, JetStream).
 *
 *   stream  <prefix>-q-<service>   subject  <prefix>.q.<service>   consumer  workers
 *   stream  <prefix>-r   subjects <prefix>.r.<bridge>.<service>   consumers <bridge>-<service>
 *                        subjects <prefix>.p.<bridge>.<service>   (parts of answers; not stored)
 */
#ifndef TAILGATE_ADAPTERS_JETSTREAM_NAMES_H
#define TAILGATE_ADAPTERS_JETSTREAM_NAMES_H

#include <stdbool.h>

#include "proto/span.h"
#include "proto/token.h"

#define NAMES_PREFIX "tailgate"
#define NAMES_PREFIX_MAX 32
#define NAMES_SERVICE_MAX 64 /* bytes of a service that stands in a name as it is */
#define NAMES_SIZE 128       /* any name here, its NUL included */
#define NAMES_BRIDGE 16      /* hexadecimal digits */
#define NAMES_TOKEN_MAX (TOKEN_SIZE - 1)
#define NAMES_CONSUMER "workers"

#define HEADER_ID "Nats-Msg-Id" /* JetStream stores one message of an id only */
#define HEADER_TOKEN "Tailgate-Token"
#define HEADER_BRIDGE "Tailgate-Bridge"
#define HEADER_DEADLINE "Tailgate-Deadline"
#define HEADER_KIND "Tailgate-Kind"     /* of a reply: final, error, return */
#define HEADER_VIA "Tailgate-Via"       /* JSON: who worked, as in proto/via.h */
#define HEADER_FRAMES "Tailgate-Frames" /* the body is several frames, as in proto/pack.h */

/* True for 1 to NAMES_PREFIX_MAX of A-Z, a-z, 0-9, _ and -. */
bool names_prefix_ok(const char *prefix);
/* True for what a bridge is called in a query's delivery. */
bool names_bridge_ok(struct span bridge);
/* True for what has the form of a token (proto/token.h): it stands in headers, and a gateway cuts
 * off whoever sends it anything else. */
bool names_token_ok(struct span token);
/* The service as it stands in names: itself when it is 1 to NAMES_SERVICE_MAX of A-Z, a-z, 0-9, _
 * and -; else `=` and the BLAKE2b-128 of it, as 32 hexadecimal digits. */
void names_service(struct span service, char ret_text[NAMES_SIZE]);
void names_query_stream(const char *prefix, struct span service, char ret_name[NAMES_SIZE]);
void names_query_subject(const char *prefix, struct span service, char ret_subject[NAMES_SIZE]);
void names_reply_stream(const char *prefix, char ret_name[NAMES_SIZE]);
/* Of all replies. */
void names_reply_subjects(const char *prefix, char ret_subject[NAMES_SIZE]);
void names_reply_subject(const char *prefix, const char *bridge, struct span service,
                         char ret_subject[NAMES_SIZE]);
void names_reply_consumer(const char *bridge, struct span service, char ret_name[NAMES_SIZE]);
void names_part_subject(const char *prefix, const char *bridge, struct span service,
                        char ret_subject[NAMES_SIZE]);

#endif
