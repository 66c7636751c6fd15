#include <stdio.h>

#include "adapters/host/clock.h"
#include "adapters/jetstream/incoming.h"
#include "adapters/source/jetstream_inside.h"

static void adopt(struct job *job, const struct incoming_query *query, const char *ack,
                  size_t service, int64_t now_us)
{
    snprintf(job->ack, sizeof job->ack, "%s", ack);
    snprintf(job->bridge, sizeof job->bridge, "%.*s", (int)query->bridge.size, query->bridge.data);
    job->delivered = api_delivered(ack);
    job->service = service;
    job->told_us = now_us;
    job->over_us = query->deadline_us == INT64_MAX ? INT64_MAX
                                                   : now_us + (query->deadline_us - clock_utc_us());
}

/* A query that is here already, or that a worker has, came (again). */
static void take_again(struct jetstream *self, struct job *job, int64_t now_us)
{
    api_progress(self->conn, job->ack);
    if (job->state != JOB_HELD)
        return;
    job->state = job->kind[0] ? JOB_STORING : JOB_OUT;
    job->number = ++self->jobs.number;
    job->since_us = now_us;
}

static void take_query(struct jetstream *self, natsMsg *message, size_t service, int64_t now_us)
{
    const char *ack = natsMsg_GetReply(message);
    struct incoming_query query;
    struct job *job;
    if (self->service[service].pending > 0)
        self->service[service].pending--;
    if (api_delivered(ack) == 0 || strlen(ack) >= JOB_SUBJECT)
        return; /* not from a consumer */
    if (!incoming_read_query(message, &query) || query.deadline_us <= clock_utc_us()) {
        api_term(self->conn, ack);
    } else if (jobs_was_done(&self->jobs, query.token)) {
        api_ack(self->conn, ack);
    } else if ((job = jobs_find(&self->jobs, query.token))) {
        adopt(job, &query, ack, service, now_us);
        take_again(self, job, now_us);
    } else if ((job = jobs_add(&self->jobs, query.token, JOB_WAITING, now_us))) {
        adopt(job, &query, ack, service, now_us);
        buffer_add(&job->json, query.json);
    } else {
        api_nak(self->conn, ack, JETSTREAM_NAK_US);
    }
}

static void take_stored(struct jetstream *self, natsMsg *message, uint64_t number, int64_t now_us)
{
    struct job *job = jobs_number(&self->jobs, number);
    struct api_stored stored;
    if (!job || job->state != JOB_STORING)
        return;
    api_read_stored(message, &stored);
    if (stored.staged) {
        job->doubts++; /* it is sent again when that is due */
        return;
    }
    if (!stored.done) {
        if (self->text[0] == '\0' && !self->refusing)
            snprintf(self->text, sizeof self->text, "the stream of replies: %.400s", stored.why);
        job->sent_us = now_us - API_RESEND_US + JETSTREAM_REST_US; /* then it is sent again */
        return;
    }
    self->better = self->better || self->refusing;
    self->refusing = false;
    api_ack(self->conn, job->ack);
    jobs_remove(&self->jobs, job, true);
}

static void take_status(struct jetstream *self, natsMsg *message, uint64_t number, int64_t now_us)
{
    int64_t left;
    int status = api_status(message, &left);
    struct service *service = &self->service[number % JETSTREAM_SERVICES];
    if (status == 0)
        return;
    service->pending = left < 0 || left > service->pending ? 0 : service->pending - left;
    if (status != 408 && status != 404)
        service->rest_us = now_us + JETSTREAM_REST_US;
    if (status == 503 && !self->refusing)
        snprintf(self->text, sizeof self->text,
                 "there is no stream %s, or JetStream is not enabled there; see tailgate jetstream "
                 "setup",
                 service->stream);
}

void jetstream_take(struct jetstream *self, natsMsg *message, int64_t now_us)
{
    const char *subject = natsMsg_GetSubject(message);
    uint64_t number;
    if (api_inbox(self->conn, subject, 'a', &number)) {
        take_stored(self, message, number, now_us);
        return;
    }
    if (api_inbox(self->conn, subject, 'p', &number)) {
        take_status(self, message, number, now_us);
        return;
    }
    if (api_inbox(self->conn, subject, 'i', &number) && number < self->count) {
        int64_t wait_us = api_read_ack_wait(message);
        if (wait_us > 0)
            self->service[number].renew_us = wait_us / 3;
        if (wait_us > 0)
            self->service[number].asked_us = INT64_MAX;
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(subject, self->service[i].subject) == 0) {
            take_query(self, message, i, now_us);
            return;
        }
    }
}
