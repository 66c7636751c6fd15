/* `tailgate jetstream setup`: the streams that publish and serve work with. Idempotent: what is as
 * it should be is left alone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/jetstream/api.h"
#include "gateway/jetstream_commands.h"
#include "gateway/jetstream_options.h"
#include "proto/buffer.h"
#include "proto/jtext.h"
#include "proto/limits.h"

#define COMMAND "jetstream setup"
#define SECOND_NS INT64_C(1000000000)
#define HEADERS_SIZE 65536 /* room for headers in max_msg_size */
#define MESSAGE_MAX (int32_t)(LIMIT_FRAME_SIZE + HEADERS_SIZE)
#define DUPLICATES_NS (600 * SECOND_NS)
#define HOUR_US (3600 * INT64_C(1000000))

struct setup {
    struct nats_options nats;
    struct cli_list services;
    int64_t replicas, max_bytes, max_age_us, ack_wait_us;
    bool json;
    jsCtx *js;
    struct buffer done; /* JSON array of what was done */
};

static const struct cli_command page = {
    .name = COMMAND,
    .usage = "jetstream setup --nats URL... --service S... [options]",
    .about = "make the streams, or bring them up to date",
    .details =
        "For each service a work-queue stream PREFIX-q-SERVICE with the subject PREFIX.q.SERVICE "
        "and one pull consumer, `workers`; for the answers the stream PREFIX-r with the subjects "
        "PREFIX.r.*. A service whose name is not 1 to 64 of A-Z, a-z, 0-9, _ and - is called = and "
        "the BLAKE2b-128 of its name in hexadecimal there.\n"
        "A second run changes nothing. What differs from the options is changed where the server "
        "can do that, and said.\n"
        "What is stored may have 16 MiB. The server's own max_payload is 1 MiB unless its "
        "configuration says otherwise; a warning says so.\n"
        "\n"
        "  tailgate jetstream setup --nats nats://10.0.0.1:4222 --service legal --replicas 3\n",
};

/* --- what was done, for people or machines --- */

/* WHAT: made, changed, unchanged; DIFFERS: what was changed, empty when nothing was. */
static void tell(struct setup *self, const char *kind, const char *name, const char *what,
                 const struct buffer *differs)
{
    struct span more = buffer_span(differs);
    if (!self->json) {
        printf("%-8s %-40s %s%s%.*s\n", kind, name, what, more.size > 0 ? ": " : "", (int)more.size,
               more.size > 0 ? more.data : "");
        return;
    }
    buffer_text(&self->done, self->done.size > 1 ? ",{" : "{");
    jtext_member(&self->done, kind, span_str(name));
    jtext_member(&self->done, "done", span_str(what));
    if (more.size > 0)
        jtext_member(&self->done, "differs", more);
    buffer_byte(&self->done, '}');
}

/* "NAME is → shall be UNIT" when the two differ. */
static void compare(struct buffer *ret_differs, const char *name, const char *unit, int64_t is,
                    int64_t wanted)
{
    char text[128];
    if (is == wanted)
        return;
    snprintf(text, sizeof text, "%s%s %" PRId64 " -> %" PRId64 "%s",
             ret_differs->size > 0 ? ", " : "", name, is, wanted, unit);
    buffer_text(ret_differs, text);
}

static int fail(const char *name, const struct buffer *differs, natsStatus status, jsErrCode code)
{
    char why[CONN_TEXT];
    struct span more = buffer_span(differs);
    conn_explain(status, why);
    if (code == JSNotEnabledErr || code == JSNotEnabledForAccountErr ||
        status == NATS_NO_RESPONDERS)
        return cli_fail(COMMAND, CLI_FAILED, "JetStream is not enabled at that server");
    if (more.size > 0)
        return cli_fail(COMMAND, CLI_FAILED, "%s: %s (to change: %.*s)", name, why, (int)more.size,
                        more.data);
    return cli_fail(COMMAND, CLI_FAILED, "%s: %s", name, why);
}

/* --- streams --- */

static void configure_stream(const struct setup *self, jsStreamConfig *ret_config)
{
    jsStreamConfig_Init(ret_config);
    ret_config->Retention = js_WorkQueuePolicy;
    ret_config->Discard = js_DiscardNew;
    ret_config->Storage = js_FileStorage;
    ret_config->Replicas = self->replicas;
    ret_config->MaxBytes = self->max_bytes;
    ret_config->MaxAge = self->max_age_us * 1000;
    ret_config->MaxMsgSize = MESSAGE_MAX;
    ret_config->Duplicates =
        DUPLICATES_NS < ret_config->MaxAge ? DUPLICATES_NS : ret_config->MaxAge;
}

static void compare_streams(const jsStreamConfig *is, const jsStreamConfig *wanted,
                            struct buffer *ret_differs)
{
    compare(ret_differs, "replicas", "", is->Replicas, wanted->Replicas);
    compare(ret_differs, "max-bytes", "", is->MaxBytes, wanted->MaxBytes);
    compare(ret_differs, "max-age", " s", is->MaxAge / SECOND_NS, wanted->MaxAge / SECOND_NS);
    compare(ret_differs, "message size", "", is->MaxMsgSize, wanted->MaxMsgSize);
    compare(ret_differs, "duplicate window", " s", is->Duplicates / SECOND_NS,
            wanted->Duplicates / SECOND_NS);
    if (is->Discard != wanted->Discard)
        buffer_text(ret_differs, ret_differs->size > 0 ? ", discard new" : "discard new");
    if (is->SubjectsLen != 1 || strcmp(is->Subjects[0], wanted->Subjects[0]) != 0)
        buffer_text(ret_differs, ret_differs->size > 0 ? ", subjects" : "subjects");
}

/* Why an update cannot, or would only seem to, make it as WANTED; else NULL. */
static const char *refuse(const jsStreamInfo *info, const jsStreamConfig *wanted)
{
    if (info->Config->Retention != wanted->Retention)
        return "there is a stream of that name that is no work queue; see --prefix";
    if (info->Config->Storage != wanted->Storage)
        return "there is a stream of that name that is not kept in files; see --prefix";
    return wanted->Replicas > 1 && !info->Cluster ? "--replicas: that server is in no cluster"
                                                  : NULL;
}

static int make_stream(struct setup *self, const char *name, const char *subject)
{
    const char *subjects[] = {subject}, *done = "unchanged", *refused = NULL;
    jsStreamConfig config;
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    struct buffer differs;
    int result = -1;
    buffer_init(&differs);
    configure_stream(self, &config);
    config.Name = name;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    natsStatus status = js_GetStreamInfo(&info, self->js, name, NULL, &code);
    if (status == NATS_OK) {
        refused = refuse(info, &config);
        compare_streams(info->Config, &config, &differs);
    }
    if (status == NATS_NOT_FOUND) {
        status = js_AddStream(NULL, self->js, &config, NULL, &code);
        done = "made";
    } else if (!refused && differs.size > 0) {
        status = js_UpdateStream(NULL, self->js, &config, NULL, &code);
        done = "changed";
    }
    if (refused)
        result = cli_fail(COMMAND, CLI_FAILED, "%s: %s", name, refused);
    else if (status != NATS_OK)
        result = fail(name, &differs, status, code);
    else
        tell(self, "stream", name, done, &differs);
    jsStreamInfo_Destroy(info);
    buffer_done(&differs);
    return result;
}

static void compare_consumers(const jsConsumerConfig *is, const jsConsumerConfig *wanted,
                              struct buffer *ret_differs)
{
    compare(ret_differs, "ack-wait", " s", is->AckWait / SECOND_NS, wanted->AckWait / SECOND_NS);
    compare(ret_differs, "deliveries", "", is->MaxDeliver, wanted->MaxDeliver);
    compare(ret_differs, "unacknowledged", "", is->MaxAckPending, wanted->MaxAckPending);
}

static int make_consumer(struct setup *self, const char *stream)
{
    jsConsumerConfig config;
    jsConsumerInfo *info = NULL;
    jsErrCode code = 0;
    const char *done = "unchanged";
    struct buffer differs;
    buffer_init(&differs);
    jsConsumerConfig_Init(&config);
    config.Durable = NAMES_CONSUMER;
    config.AckPolicy = js_AckExplicit;
    config.AckWait = self->ack_wait_us * 1000;
    config.MaxDeliver = API_MAX_DELIVER;
    config.MaxAckPending = API_MAX_PENDING;
    natsStatus status = js_GetConsumerInfo(&info, self->js, stream, NAMES_CONSUMER, NULL, &code);
    if (status == NATS_OK)
        compare_consumers(info->Config, &config, &differs);
    if (status == NATS_NOT_FOUND || (status == NATS_OK && differs.size > 0)) {
        done = status == NATS_OK ? "changed" : "made";
        status = js_AddConsumer(NULL, self->js, stream, &config, NULL, &code);
    }
    jsConsumerInfo_Destroy(info);
    if (status == NATS_OK)
        tell(self, "consumer", stream, done, &differs);
    int result = status == NATS_OK ? -1 : fail(stream, &differs, status, code);
    buffer_done(&differs);
    return result;
}

static int make_all(struct setup *self)
{
    char stream[NAMES_SIZE], subject[NAMES_SIZE];
    int code = -1;
    for (size_t i = 0; i < self->services.count && code < 0; i++) {
        struct span service = span_str(self->services.item[i]);
        names_query_stream(self->nats.prefix, service, stream);
        names_query_subject(self->nats.prefix, service, subject);
        code = make_stream(self, stream, subject);
        if (code < 0)
            code = make_consumer(self, stream);
    }
    if (code >= 0)
        return code;
    names_reply_stream(self->nats.prefix, stream);
    names_reply_subjects(self->nats.prefix, subject);
    return make_stream(self, stream, subject);
}

/* --- the connection --- */

static void finish(struct setup *self, natsConnection *link)
{
    int64_t payload = natsConnection_GetMaxPayload(link);
    if (self->json)
        printf("{\"done\":[%.*s],\"max_payload\":%" PRId64 "}\n", (int)self->done.size,
               self->done.data ? self->done.data : "", payload);
    if (payload < MESSAGE_MAX)
        fprintf(stderr,
                "tailgate %s: the server takes messages of up to %" PRId64
                " bytes (max_payload): larger queries and answers are refused\n",
                COMMAND, payload);
}

static int setup_at(struct setup *self, natsConnection *link)
{
    jsOptions js_options;
    int code = -1;
    jsOptions_Init(&js_options);
    js_options.Wait = 5000;
    natsStatus status = natsConnection_JetStream(&self->js, link, &js_options);
    if (status != NATS_OK)
        code = fail("JetStream", &self->done, status, 0);
    if (code < 0)
        code = make_all(self);
    if (code < 0)
        finish(self, link);
    jsCtx_Destroy(self->js);
    return code < 0 ? CLI_OK : code;
}

/* At the first server that lets us in. */
static int setup_anywhere(struct setup *self, const struct conn_setup *nats)
{
    char why[CONN_TEXT] = "", url[CONN_TEXT] = "";
    for (size_t i = 0; nats->url[i]; i++) {
        natsConnection *link = NULL;
        natsOptions *options = conn_options(nats, i, why);
        conn_mask(nats->url[i], url);
        if (!options)
            break;
        natsStatus status = natsConnection_Connect(&link, options);
        natsOptions_Destroy(options);
        if (status == NATS_OK) {
            int code = setup_at(self, link);
            natsConnection_Destroy(link);
            return code;
        }
        conn_explain(status, why);
    }
    return cli_fail(COMMAND, CLI_FAILED, "%s: %s", url, why);
}

int run_setup(int argc, char **argv)
{
    struct setup self = {.replicas = 1,
                         .max_bytes = INT64_C(1) << 30,
                         .max_age_us = 24 * HOUR_US,
                         .ack_wait_us = API_ACK_WAIT_S * INT64_C(1000000)};
    struct conn_setup setup;
    struct cli_option table[OPTIONS_CONNECTION + 7];
    int first = argc;
    const struct cli_option own[] = {
        {"service", 's', CLI_LIST, &self.services, "NAME", "a service; may be given several times",
         0, 0},
        {"replicas", 0, CLI_INTEGER, &self.replicas, "N",
         "servers of the cluster that have each message (default 1)", 1, 5},
        {"max-age", 0, CLI_SECONDS, &self.max_age_us, "TIME",
         "a message is dropped after that (default 24h)", 180 * INT64_C(1000000), 8760 * HOUR_US},
        {"max-bytes", 0, CLI_INTEGER, &self.max_bytes, "N",
         "of one stream; when it is full, nothing more is taken (default 1 GiB)", 1 << 20,
         INT64_C(1) << 50},
        {"ack-wait", 0, CLI_SECONDS, &self.ack_wait_us, "TIME",
         "a host without a sign of life for so long loses its queries to others (default 30s)",
         2000000, 3600000000},
        {"json", 0, CLI_FLAG, &self.json, NULL, "for machines", 0, 0},
        {.name = NULL}};
    options_connection(&self.nats, table);
    memcpy(table + OPTIONS_CONNECTION, own, sizeof own);
    int code = cli_parse(&page, table, argc, argv, &first);
    if (code < 0 && first < argc)
        code = cli_fail(COMMAND, CLI_USAGE, "unexpected word: %s", argv[first]);
    if (code < 0)
        code = options_check_nats(COMMAND, &self.nats, &setup);
    for (size_t i = 0; i < self.services.count && code < 0; i++)
        code = options_check_service(COMMAND, self.services.item[i]);
    if (code < 0 && self.services.count == 0)
        code = cli_fail(COMMAND, CLI_USAGE, "give --service NAME");
    if (code >= 0)
        return code;
    buffer_init(&self.done);
    code = setup_anywhere(&self, &setup);
    buffer_done(&self.done);
    nats_CloseAndWait(2000);
    return code;
}
