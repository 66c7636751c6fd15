#include "adapters/worker/http_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/worker/context.h"
#include "proto/utf8.h"

#define SYSTEM_MAX (1u << 20) /* bytes of a system prompt */

void http_terms_init(struct http_terms *self)
{
    memset(self, 0, sizeof *self);
    buffer_init(&self->system);
    self->contexts = -1;
}

static int read_system(const char *name, struct buffer *ret_text, char ret_why[ADAPTER_WHY])
{
    char *bytes = memory_new(SYSTEM_MAX + 1);
    const char *wrong = NULL;
    size_t size = 0;
    ssize_t got = -1;
    int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    while (file >= 0 && size <= SYSTEM_MAX &&
           (got = read(file, bytes + size, SYSTEM_MAX + 1 - size)) > 0)
        size += (size_t)got;
    if (got < 0)
        wrong = strerror(errno);
    else if (size > SYSTEM_MAX)
        wrong = "it has more than 1 MiB";
    else if (!utf8_valid(span_of(bytes, size)))
        wrong = "it is not UTF-8";
    else
        buffer_add(ret_text, span_of(bytes, size));
    if (file >= 0)
        close(file);
    free(bytes);
    if (wrong)
        snprintf(ret_why, ADAPTER_WHY, "--system %s: %s", name, wrong);
    return wrong ? -1 : 0;
}

static int open_contexts(struct http_terms *self, const char *folder, char ret_why[ADAPTER_WHY])
{
    self->contexts = context_open(folder);
    if (self->contexts >= 0)
        return 0;
    snprintf(ret_why, ADAPTER_WHY, "--contexts %s: %s", folder, strerror(-self->contexts));
    self->contexts = -1;
    return -1;
}

static bool add_head(struct http_terms *self, const char *line)
{
    struct curl_slist *more = curl_slist_append(self->head, line);
    if (more)
        self->head = more;
    return more != NULL;
}

/* "Expect:" alone: the request's body is sent without asking first whether it may be. */
static int make_head(struct http_terms *self, char ret_why[ADAPTER_WHY])
{
    char bearer[HTTP_KEY_MAX + 32];
    bool good = add_head(self, "Content-Type: application/json") && add_head(self, "Expect:") &&
                add_head(self, self->model ? "Accept: application/json, text/event-stream"
                                           : "Accept: application/json, text/plain");
    if (good && self->key.size > 0) {
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s", self->key.text);
        good = add_head(self, bearer);
        explicit_bzero(bearer, sizeof bearer);
    }
    if (!good)
        snprintf(ret_why, ADAPTER_WHY, "no memory");
    return good ? 0 : -1;
}

static int open_all(struct http_terms *self, const struct adapter_setup *setup,
                    char ret_why[ADAPTER_WHY])
{
    self->model = setup->model;
    self->stream = !setup->whole;
    if (http_url_read(setup->target, self->model != NULL, &self->url, ret_why) != 0 ||
        http_key_read(setup, &self->key, ret_why) != 0)
        return -1;
    if (self->key.size > 0 && !self->url.tls && !self->url.loopback && !setup->send_key_in_clear) {
        snprintf(ret_why, ADAPTER_WHY,
                 "--http: the key would cross the network in the clear: use https://, or say "
                 "--send-key-in-clear");
        return -1;
    }
    if (setup->system && read_system(setup->system, &self->system, ret_why) != 0)
        return -1;
    if (setup->contexts && open_contexts(self, setup->contexts, ret_why) != 0)
        return -1;
    return make_head(self, ret_why);
}

int http_terms_open(struct http_terms *self, const struct adapter_setup *setup,
                    char ret_why[ADAPTER_WHY])
{
    http_terms_init(self);
    int code = open_all(self, setup, ret_why);
    if (code != 0)
        http_terms_close(self);
    return code;
}

void http_terms_close(struct http_terms *self)
{
    for (struct curl_slist *line = self->head; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(self->head);
    http_key_clear(&self->key);
    http_url_done(&self->url);
    buffer_done(&self->system);
    if (self->contexts >= 0)
        close(self->contexts);
    http_terms_init(self);
}

int http_check(const struct adapter_setup *setup, char ret_why[ADAPTER_WHY])
{
    struct http_terms terms;
    const char *alone = setup->system     ? "--system"
                        : setup->contexts ? "--contexts"
                        : setup->whole    ? "--whole"
                                          : NULL;
    if (alone && !setup->model) {
        snprintf(ret_why, ADAPTER_WHY, "%s goes with --model only", alone);
        return -1;
    }
    if (setup->model && setup->model[0] == '\0') {
        snprintf(ret_why, ADAPTER_WHY, "--model: give the name of a model");
        return -1;
    }
    if (http_terms_open(&terms, setup, ret_why) != 0)
        return -1;
    http_terms_close(&terms);
    return 0;
}
