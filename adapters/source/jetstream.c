#include "adapters/source/jetstream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/host/clock.h"
#include "adapters/source/jetstream_inside.h"

#define WAITING_US 5000000 /* for a slot, before it goes to another host */
#define HELD_US 1800000000 /* without a word of its query */
#define GONE_US 600000000  /* past its deadline: whoever has it is not asked for it any more */
#define TICK_US 500000
#define TURN 200

static struct jetstream *own(struct source *source)
{
    return (struct jetstream *)(void *)source;
}

/* --- what is due --- */

static void set_headers(natsMsg *message, const struct job *job)
{
    conn_set(message, HEADER_TOKEN, span_str(job->token));
    if (job->via.size > 0)
        conn_set(message, HEADER_VIA, buffer_span(&job->via));
    if (job->packed)
        conn_set(message, HEADER_FRAMES, span_str("packed"));
}

/* The next server may take less than the one before. */
static void make_fit(struct jetstream *self, struct job *job)
{
    struct span error = span_str("{\"type\":\"error\",\"retry\":false,\"error\":\"the answer is "
                                 "larger than the NATS server takes (max_payload)\"}");
    if ((int64_t)job->body.size + API_HEADERS > conn_max_payload(self->conn))
        jobs_answer(&self->jobs, job, "error", &error, 1, span_of(NULL, 0));
}

static void send_reply(struct jetstream *self, struct job *job, int64_t now_us)
{
    make_fit(self, job);
    conn_expect(self->conn, now_us);
    char subject[NAMES_SIZE], inbox[API_SUBJECT], base[NAMES_BRIDGE + NAMES_TOKEN_MAX + 16],
        id[sizeof base + 12];
    names_reply_subject(self->setup->prefix, job->bridge,
                        span_str(self->service[job->service].name), subject);
    snprintf(inbox, sizeof inbox, "%s.a.%" PRIu64, conn_inbox(self->conn), job->number);
    snprintf(base, sizeof base, "%s-%s-%s", job->bridge, job->token, job->kind);
    api_id(base, job->doubts, id, sizeof id);
    natsMsg *message = conn_message(subject, inbox, buffer_span(&job->body));
    conn_set(message, HEADER_ID, span_str(id));
    conn_set(message, HEADER_KIND, span_str(job->kind));
    set_headers(message, job);
    if (conn_send(self->conn, message))
        job->sent_us = now_us;
}

/* What is to be stored goes out once on each connection, however late: an answer counts while the
 * query is unanswered. */
static bool is_over(const struct job *job, int64_t now_us)
{
    if (job->state == JOB_HELD)
        return now_us - job->since_us > HELD_US;
    if (job->state == JOB_STORING && (job->sent_us == 0 || now_us - job->sent_us < API_RESEND_US))
        return false;
    return job->over_us != INT64_MAX && now_us > job->over_us + GONE_US;
}

/* True when it is gone. */
static bool keep_job(struct jetstream *self, struct job *job, int64_t now_us)
{
    if (is_over(job, now_us)) {
        if (job->state != JOB_HELD)
            api_term(self->conn, job->ack);
        jetstream_drop(self, job);
        return true;
    }
    if (job->state == JOB_WAITING && now_us - job->since_us > WAITING_US) {
        size_t count = self->jobs.count;
        jetstream_pass_on(self, job, span_str("no worker had room for it"), 0);
        return self->jobs.count < count;
    }
    if (job->state == JOB_STORING && (job->sent_us == 0 || now_us - job->sent_us >= API_RESEND_US))
        send_reply(self, job, now_us);
    if (job->state != JOB_HELD && now_us - job->told_us >= self->service[job->service].renew_us) {
        api_progress(self->conn, job->ack);
        job->told_us = now_us;
    }
    return false;
}

static void pull(struct jetstream *self, size_t i, int64_t now_us)
{
    struct service *service = &self->service[i];
    /* A pull that ended without a word: with the server that had it. */
    if (now_us - service->pulled_us > API_PULL_LOST_US)
        service->pending = 0;
    int64_t share =
        self->any > 0 ? (self->any + (int64_t)self->count - 1) / (int64_t)self->count : 0;
    int64_t here =
        (int64_t)(jobs_in(&self->jobs, JOB_OUT, i, false) + jobs_in(&self->jobs, JOB_OUT, i, true) +
                  jobs_in(&self->jobs, JOB_WAITING, i, false));
    int64_t all_out = (int64_t)jobs_in(&self->jobs, JOB_OUT, SIZE_MAX, true);
    int64_t more = (int64_t)service->offered + share - here - service->pending;
    if (more <= 0 && service->pending == 0 && all_out < self->any &&
        jobs_in(&self->jobs, JOB_WAITING, i, false) == 0)
        more = 1; /* the others leave their share unused */
    if (more <= 0 || now_us < service->rest_us || self->jobs.bytes > JETSTREAM_KEEP_BYTES / 2)
        return;
    self->pulls += JETSTREAM_SERVICES;
    uint32_t number = self->pulls - self->pulls % JETSTREAM_SERVICES + (uint32_t)i;
    if (api_pull(self->conn, service->stream, NAMES_CONSUMER, number, (uint32_t)more)) {
        service->pending += more;
        service->pulled_us = now_us;
        conn_expect(self->conn, now_us);
    }
}

/* At each connection, as soon as there is a stream: setup may have changed it. */
static void ask_ack_wait(struct jetstream *self, size_t i, int64_t now_us)
{
    struct service *service = &self->service[i];
    if (service->asked_us == INT64_MAX ||
        (service->asked_us > 0 && now_us - service->asked_us < JETSTREAM_REST_US))
        return;
    api_ask_ack_wait(self->conn, service->stream, (uint32_t)i);
    service->asked_us = now_us;
}

static void keep_up(struct jetstream *self, int64_t now_us)
{
    if (!conn_is_up(self->conn))
        return;
    for (size_t i = 0; i < self->jobs.count;)
        i += !keep_job(self, self->jobs.job[i], now_us);
    for (size_t i = 0; i < self->count; i++) {
        ask_ack_wait(self, i, now_us);
        pull(self, i, now_us);
    }
}

/* --- news --- */

/* A query that waits and has a slot now. */
static struct job *find_slot(struct jetstream *self)
{
    for (size_t i = 0; i < self->jobs.count; i++) {
        struct job *job = self->jobs.job[i];
        if (job->state != JOB_WAITING)
            continue;
        job->shared = jobs_in(&self->jobs, JOB_OUT, job->service, false) >=
                      self->service[job->service].offered;
        if (!job->shared || jobs_in(&self->jobs, JOB_OUT, SIZE_MAX, true) < self->any)
            return job;
    }
    return NULL;
}

static struct source_news tell_query(struct jetstream *self, struct job *job, int64_t now_us)
{
    job->state = JOB_OUT;
    job->since_us = now_us;
    buffer_done(&self->told);
    self->told = job->json;
    buffer_init(&job->json);
    memcpy(self->token, job->token, sizeof self->token);
    return (struct source_news){.kind = SOURCE_QUERY,
                                .service =
                                    span_str(job->shared ? "*" : self->service[job->service].name),
                                .token = span_str(self->token),
                                .json = buffer_span(&self->told)};
}

static size_t kept(const struct source *source)
{
    const struct jetstream *self = (const struct jetstream *)(const void *)source;
    return jobs_in(&self->jobs, JOB_STORING, SIZE_MAX, false);
}

/* What was asked for on the connection before is not any more; what was sent may be lost. */
static void start_again(struct jetstream *self)
{
    for (size_t i = 0; i < self->count; i++) {
        self->service[i].pending = self->service[i].rest_us = 0;
        self->service[i].asked_us = 0;
    }
    for (size_t i = 0; i < self->jobs.count; i++)
        self->jobs.job[i]->sent_us = self->jobs.job[i]->told_us = 0;
}

static struct source_news translate(struct jetstream *self, const struct conn_news *news)
{
    static const enum source_news_kind kind[] = {[CONN_UP] = SOURCE_UP,
                                                 [CONN_LOST] = SOURCE_LOST,
                                                 [CONN_WAITING] = SOURCE_WAITING,
                                                 [CONN_REFUSED] = SOURCE_REFUSED,
                                                 [CONN_TROUBLE] = SOURCE_REFUSED};
    snprintf(self->text, sizeof self->text, "%s", news->text);
    struct source_news told = {.kind = kind[news->kind], .text = span_str(self->text)};
    self->refusing = news->kind == CONN_TROUBLE;
    if (news->kind == CONN_UP) {
        self->better = false;
        told.count = kept(&self->source);
        start_again(self);
    }
    return told;
}

static struct source_news next(struct source *source, int64_t now_us)
{
    struct jetstream *self = own(source);
    struct source_news some = {.kind = SOURCE_DROPPED, .count = self->dropped};
    struct job *job;
    self->dropped = 0;
    self->again = false;
    if (some.count > 0)
        return some;
    self->text[0] = '\0';
    for (int i = 0; i < TURN; i++) {
        struct conn_news news = conn_next(self->conn);
        if (news.kind == CONN_NOTHING)
            break;
        if (news.kind != CONN_MESSAGE)
            return translate(self, &news);
        jetstream_take(self, news.message, now_us);
        natsMsg_Destroy(news.message);
    }
    if (self->better) {
        self->better = false;
        return (struct source_news){
            .kind = SOURCE_UP, .text = span_str("the streams are there"), .count = kept(source)};
    }
    if (self->text[0]) {
        self->refusing = true;
        return (struct source_news){.kind = SOURCE_REFUSED, .text = span_str(self->text)};
    }
    if ((job = find_slot(self)))
        return tell_query(self, job, now_us);
    keep_up(self, now_us);
    return (struct source_news){.kind = SOURCE_NOTHING};
}

static size_t items(const struct source *source, zmq_pollitem_t ret_item[SOURCE_ITEMS])
{
    const struct jetstream *self = (const struct jetstream *)(const void *)source;
    ret_item[0] = (zmq_pollitem_t){.fd = conn_fd(self->conn), .events = ZMQ_POLLIN};
    return 1;
}

/* Often enough for all that is due while something is here, or asked for. */
static int64_t due(const struct source *source)
{
    const struct jetstream *self = (const struct jetstream *)(const void *)source;
    return self->again ? 0 : conn_is_up(self->conn) ? clock_mono_us() + TICK_US : INT64_MAX;
}

static void destroy(struct source **source)
{
    struct jetstream *self = own(*source);
    *source = NULL;
    if (!self)
        return;
    /* What nobody here has goes to another host at once. */
    for (size_t i = 0; i < self->jobs.count; i++) {
        if (self->jobs.job[i]->state == JOB_WAITING)
            api_nak(self->conn, self->jobs.job[i]->ack, 0);
    }
    conn_destroy(&self->conn);
    jobs_done(&self->jobs);
    buffer_done(&self->told);
    free(self);
}

struct source *jetstream_new(const struct jetstream_setup *setup, char ret_why[CONN_TEXT])
{
    static const struct source_class class = {.offer = jetstream_offer,
                                              .hold = jetstream_hold,
                                              .final = jetstream_final,
                                              .partial = jetstream_partial,
                                              .fail = jetstream_fail,
                                              .give_back = jetstream_give_back,
                                              .items = items,
                                              .due = due,
                                              .next = next,
                                              .kept = kept,
                                              .destroy = destroy};
    struct conn *conn = conn_new(setup->nats, ret_why);
    if (!conn)
        return NULL;
    struct jetstream *self = memory_zero(1, sizeof *self);
    self->source.class = &class;
    buffer_init(&self->told);
    self->setup = setup;
    self->conn = conn;
    for (size_t i = 0; i < setup->service_count && i < JETSTREAM_SERVICES; i++) {
        struct service *service = &self->service[self->count++];
        service->name = setup->services[i];
        service->renew_us = API_ACK_WAIT_S * INT64_C(1000000) / 3;
        names_query_stream(setup->prefix, span_str(service->name), service->stream);
        names_query_subject(setup->prefix, span_str(service->name), service->subject);
    }
    return &self->source;
}
