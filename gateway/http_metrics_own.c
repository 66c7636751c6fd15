/* What the HTTP helper tells of itself. */
#include <stdio.h>

#include "gateway/http_metrics.h"
#include "gateway/prometheus.h"

/* One sample of a family whose samples differ in one label. */
struct sample {
    const char *label;
    uint64_t value;
};

static void add_family(const char *name, const char *help, const char *label,
                       const struct sample *sample, size_t count, struct buffer *ret_text)
{
    struct buffer labels;

    buffer_init(&labels);
    prometheus_family(ret_text, name, PROMETHEUS_COUNTER, help);
    for (size_t i = 0; i < count; i++) {
        buffer_reset(&labels);
        prometheus_label(&labels, label, span_str(sample[i].label));
        prometheus_sample(ret_text, name, buffer_span(&labels), (double)sample[i].value);
    }
    buffer_done(&labels);
}

static void add_requests(const struct http_own *own, struct buffer *ret_text)
{
    const struct sample code[] = {{"2xx", own->by_class[2]},
                                  {"3xx", own->by_class[3]},
                                  {"4xx", own->by_class[4]},
                                  {"5xx", own->by_class[5]}};
    const struct sample refused[] = {{"unauthorized", own->unauthorized},
                                     {"misdirected", own->misdirected},
                                     {"limited", own->limited},
                                     {"busy", own->busy}};
    const struct sample cut[] = {{"slow", own->cut_slow}, {"stream", own->cut_streams}};

    add_family("tailgate_http_requests_total", "Requests answered, by the class of the status.",
               "code", code, 4, ret_text);
    add_family("tailgate_http_refused_total",
               "Requests refused before anything was done, by the reason for that.", "reason",
               refused, 4, ret_text);
    add_family("tailgate_http_cut_total",
               "Connections cut because the client did not send or take in time.", "reason", cut, 2,
               ret_text);
}

void http_metrics_own(const struct http_own *own, struct buffer *ret_text)
{
    const struct {
        const char *name;
        enum prometheus_type type;
        const char *help;
        uint64_t value;
    } single[] = {
        {"tailgate_http_asks_total", PROMETHEUS_COUNTER, "Questions to the gateway's gate.",
         own->asks},
        {"tailgate_http_asks_failed_total", PROMETHEUS_COUNTER,
         "Questions to the gateway's gate that got no answer.", own->asks_failed},
        {"tailgate_http_events_total", PROMETHEUS_COUNTER, "Events heard from the gateway.",
         own->events},
        {"tailgate_http_connections", PROMETHEUS_GAUGE, "Connections that are open.",
         own->connections},
        {"tailgate_http_requests_waiting", PROMETHEUS_GAUGE, "Requests that are not answered yet.",
         own->waiting},
        {"tailgate_http_streams", PROMETHEUS_GAUGE, "Streams of events that are open.",
         own->streams},
    };

    add_requests(own, ret_text);
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        prometheus_single(ret_text, single[i].name, single[i].type, single[i].help,
                          (double)single[i].value);
}
