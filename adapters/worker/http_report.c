/* What a transfer has brought: the reports on it (transfer_take() of http_transfer.h). */
#include <stdio.h>

#include "adapters/worker/excerpt.h"
#include "adapters/worker/http_transfer.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/space.h"
#include "proto/utf8.h"

#define REST_MAX_S INT64_C(86400) /* of Retry-After */

/* Every text leaves through here, without the key. */
static bool leave(const struct transfer *self, enum adapter_report_kind kind, struct span text,
                  struct buffer *storage, struct adapter_report *ret_report)
{
    buffer_reset(storage);
    http_key_mask(&self->terms->key, text, false, storage);
    *ret_report = (struct adapter_report){.kind = kind, .text = buffer_span(storage)};
    return true;
}

static bool fail(const struct transfer *self, struct buffer *why_take, struct buffer *storage,
                 struct adapter_report *ret_report)
{
    leave(self, ADAPTER_FAILED, buffer_span(why_take), storage, ret_report);
    buffer_done(why_take);
    return true;
}

/* ANSWER. What was within the limit when it came can have grown: what is repaired or quoted does.
 */
static void give(const struct transfer *self, struct span answer, struct buffer *storage,
                 struct adapter_report *ret_report)
{
    if (answer.size <= LIMIT_FRAME_SIZE)
        leave(self, ADAPTER_ANSWER, answer, storage, ret_report);
    else
        leave(self, ADAPTER_FAILED, span_str("the server's answer is too large"), storage,
              ret_report);
}

/* FAILED: WORDS, and what the server sent. */
static bool fail_showing(const struct transfer *self, const char *words, struct span sent,
                         struct buffer *storage, struct adapter_report *ret_report)
{
    struct buffer why, masked;
    char shown[EXCERPT_SIZE];
    buffer_init(&why);
    buffer_init(&masked); /* first: an excerpt may end within a key */
    http_key_mask(&self->terms->key, sent, false, &masked);
    excerpt_write(buffer_span(&masked), shown);
    buffer_format(&why, "%s: %s", words, shown);
    buffer_done(&masked);
    return fail(self, &why, storage, ret_report);
}

/* FAILED: the server's own words about an error. */
static bool fail_explained(const struct transfer *self, const char *words, struct span body,
                           struct buffer *storage, struct adapter_report *ret_report)
{
    struct buffer why, masked;
    buffer_init(&why);
    buffer_init(&masked);
    http_key_mask(&self->terms->key, body, false, &masked);
    buffer_format(&why, "%s: ", words);
    http_chat_explain(buffer_span(&masked), &why);
    buffer_done(&masked);
    return fail(self, &why, storage, ret_report);
}

/* --- parts --- */

/* What the last piece added, but for an end that may be a key's beginning. */
static bool take_part(struct transfer *self, struct buffer *storage,
                      struct adapter_report *ret_report)
{
    if (self->told == self->chat.text.size)
        return false;
    struct span text =
        span_of(self->chat.text.data + self->told, self->chat.text.size - self->told);
    buffer_reset(storage);
    self->told += http_key_mask(&self->terms->key, text, true, storage);
    *ret_report = (struct adapter_report){.kind = ADAPTER_PARTIAL, .text = buffer_span(storage)};
    return storage->size > 0;
}

static bool finish_chat(struct transfer *self, struct buffer *storage,
                        struct adapter_report *ret_report)
{
    struct buffer text, answer;
    if (space_only(buffer_span(&self->chat.text)))
        return fail_showing(self, "the model's answer has no text; finish_reason",
                            span_str(self->chat.finish), storage, ret_report);
    buffer_init(&text);
    buffer_init(&answer);
    http_key_mask(&self->terms->key, buffer_span(&self->chat.text), false, &text);
    http_chat_answer(&self->chat, buffer_span(&text), &answer);
    buffer_done(&text);
    give(self, buffer_span(&answer), storage, ret_report);
    buffer_done(&answer);
    return true;
}

static bool take_event(struct transfer *self, struct span data, struct buffer *storage,
                       struct adapter_report *ret_report)
{
    switch (http_chat_piece(&self->chat, data)) {
    case HTTP_CHAT_BAD:
        return fail_showing(self, "the server's stream has a piece that is no completion", data,
                            storage, ret_report);
    case HTTP_CHAT_ERROR:
        return fail_explained(self, "the server's stream ended with an error", data, storage,
                              ret_report);
    case HTTP_CHAT_END:
        return finish_chat(self, storage, ret_report);
    case HTTP_CHAT_MORE:
        break;
    }
    return take_part(self, storage, ret_report);
}

/* One event at a time, so that each is one part. */
static bool take_stream(struct transfer *self, struct buffer *storage,
                        struct adapter_report *ret_report)
{
    struct span rest, data;
    int found = 0;
    if (self->body.size == 0)
        return false;
    rest = span_of(self->body.data + self->seen, self->body.size - self->seen);
    while (rest.size > 0 && (found = sse_next(&self->sse, &rest, &data)) > 0) {
        self->seen = self->body.size - rest.size;
        if (self->chat.text.size > LIMIT_FRAME_SIZE) {
            found = -1;
            break;
        }
        if (take_event(self, data, storage, ret_report))
            return true;
    }
    self->seen = 0;
    buffer_reset(&self->body);
    if (found < 0)
        return fail_showing(self, "the server's stream is too large; its text begins with",
                            buffer_span(&self->chat.text), storage, ret_report);
    return false;
}

/* --- the end --- */

static bool take_plain(struct transfer *self, struct buffer *storage,
                       struct adapter_report *ret_report)
{
    struct buffer body;
    bool json = transfer_has_type(self, "application/json") || transfer_has_type(self, "+json");
    bool good;
    buffer_init(&body);
    utf8_repair(&body, space_trim(buffer_span(&self->body)));
    if (json)
        good = jtext_check(buffer_span(&body)) == JTEXT_OBJECT;
    else
        good = transfer_has_type(self, "text/plain") && body.size > 0;
    if (good)
        give(self, buffer_span(&body), storage, ret_report);
    else
        fail_showing(self,
                     json ? "the server's answer is no JSON object"
                          : "the server's answer is neither application/json nor text/plain",
                     buffer_span(&self->body), storage, ret_report);
    buffer_done(&body);
    return true;
}

static bool take_whole(struct transfer *self, struct buffer *storage,
                       struct adapter_report *ret_report)
{
    struct buffer body;
    buffer_init(&body);
    utf8_repair(&body, buffer_span(&self->body));
    enum http_chat_found found = http_chat_whole(&self->chat, buffer_span(&body));
    if (found == HTTP_CHAT_END)
        finish_chat(self, storage, ret_report);
    else if (found == HTTP_CHAT_ERROR)
        fail_explained(self, "the server answered with an error", buffer_span(&body), storage,
                       ret_report);
    else
        fail_showing(self, "the server's answer is no completion", buffer_span(&body), storage,
                     ret_report);
    buffer_done(&body);
    return true;
}

/* Redirects are not followed: a query, and a key, is for who was named. */
static bool take_redirect(struct transfer *self, long status, struct buffer *storage,
                          struct adapter_report *ret_report)
{
    const char *url = NULL;
    char host[HTTP_URL_PLACE], words[80];
    curl_easy_getinfo(self->easy, CURLINFO_REDIRECT_URL, &url);
    http_url_host(url, host, sizeof host);
    snprintf(words, sizeof words, "the server answered %ld, which is not followed, to", status);
    fail_showing(self, words, span_str(host), storage, ret_report);
    ret_report->final = true;
    return true;
}

static int64_t rest_after(const struct transfer *self, long status, int64_t now_us)
{
    curl_off_t seconds = 0;
    if (status != 429 && status != 503)
        return 0;
    curl_easy_getinfo(self->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0)
        return 0;
    return now_us + (seconds < REST_MAX_S ? seconds : REST_MAX_S) * 1000000;
}

/* 408 and 425 say of themselves that the request may be sent again. */
static bool is_passing(long status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static bool take_status(struct transfer *self, long status, int64_t now_us, struct buffer *storage,
                        struct adapter_report *ret_report)
{
    char words[40];
    if (status >= 300 && status < 400)
        return take_redirect(self, status, storage, ret_report);
    snprintf(words, sizeof words, "the server answered %ld", status);
    fail_explained(self, words, buffer_span(&self->body), storage, ret_report);
    ret_report->final = !is_passing(status);
    ret_report->rest_us = rest_after(self, status, now_us);
    return true;
}

/* The server was not reached, so that nothing of the query is known to anybody. */
static bool was_not_begun(const struct transfer *self)
{
    curl_off_t begun_us = 0;
    if (self->easy)
        curl_easy_getinfo(self->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
    return begun_us == 0;
}

static bool take_failure(struct transfer *self, struct buffer *storage,
                         struct adapter_report *ret_report)
{
    const char *words = self->error[0] != '\0' ? self->error : curl_easy_strerror(self->result);
    struct buffer why;
    buffer_init(&why);
    if (self->large) {
        buffer_format(&why, "the server's answer is too large: more than %u bytes, or %u of header",
                      LIMIT_FRAME_SIZE, TRANSFER_HEAD_MAX);
        return fail(self, &why, storage, ret_report);
    }
    bool reached = !was_not_begun(self);
    buffer_format(&why, "%s %s: %s", reached ? "the connection failed to" : "cannot reach",
                  self->terms->url.place, words);
    fail(self, &why, storage, ret_report);
    ret_report->kind = reached ? ADAPTER_FAILED : ADAPTER_RETURNED;
    return true;
}

static bool take_end(struct transfer *self, int64_t now_us, struct buffer *storage,
                     struct adapter_report *ret_report)
{
    long status = self->easy ? transfer_status(self) : 0;
    if (status >= 300) /* its body may be cut short */
        return take_status(self, status, now_us, storage, ret_report);
    if (self->stream && self->chat.finish[0] != '\0') /* [DONE] would say nothing more */
        return finish_chat(self, storage, ret_report);
    if (self->result != CURLE_OK)
        return take_failure(self, storage, ret_report);
    if (self->stream)
        return fail_showing(self, "the server's stream was cut short after",
                            buffer_span(&self->chat.text), storage, ret_report);
    return self->terms->model ? take_whole(self, storage, ret_report)
                              : take_plain(self, storage, ret_report);
}

static bool take_refusal(struct transfer *self, struct buffer *storage,
                         struct adapter_report *ret_report)
{
    leave(self, ADAPTER_FAILED, buffer_span(&self->refusal), storage, ret_report);
    ret_report->final = true;
    return true;
}

bool transfer_take(struct transfer *self, int64_t now_us, struct buffer *storage,
                   struct adapter_report *ret_report)
{
    if (self->refusal.size > 0)
        return take_refusal(self, storage, ret_report);
    if (self->stream && take_stream(self, storage, ret_report))
        return true;
    return self->ended && take_end(self, now_us, storage, ret_report);
}
