/* A worker, a client or an observer for test_curve_clients.py, built on the installed library.
 * Words: KIND GATE EVENTS [CERT SERVER_CERT]. What it is told of its connection is a line on
 * stderr. */
#include <stdio.h>
#include <string.h>
#include <tailgate.h>

static void notice(void *context, const struct tailgate_event *event)
{
    (void)context;
    if (event->kind == TAILGATE_EVENT_READY)
        fprintf(stderr, "ready\n");
    else
        fprintf(stderr, "%s\n", event->text);
}

static int work(const char *gate, const char *cert, const char *server_cert)
{
    const struct tailgate_worker_options options = {.endpoint = gate,
                                                    .service = "c",
                                                    .cert = cert,
                                                    .server_cert = server_cert,
                                                    .notice = notice};
    struct tailgate_worker *worker = NULL;
    struct tailgate_query *query = NULL;
    if (tailgate_worker_new(&options, &worker) != TAILGATE_OK)
        return 1;
    while (tailgate_worker_receive(worker, -1, &query) == TAILGATE_OK) {
        (void)tailgate_query_answer_text(query, "yes", 3);
        tailgate_query_destroy(&query);
    }
    return 0;
}

static int ask(const char *gate, const char *cert, const char *server_cert)
{
    const struct tailgate_client_options options = {
        .endpoint = gate, .cert = cert, .server_cert = server_cert, .notice = notice};
    const struct tailgate_frame service = {"x", 1};
    struct tailgate_client *client = NULL;
    struct tailgate_reply *reply = NULL;
    if (tailgate_client_new(&options, &client) != TAILGATE_OK)
        return 1;
    while (tailgate_client_ask(client, "mmi.service", &service, 1, 1000, NULL, NULL, &reply) !=
           TAILGATE_OK)
        continue;
    fprintf(stderr, "served\n");
    tailgate_reply_destroy(&reply);
    tailgate_client_destroy(&client);
    return 0;
}

static int observe(const char *gate, const char *events, const char *cert, const char *server_cert)
{
    const struct tailgate_observer_options options = {.endpoint = events,
                                                      .gate = gate,
                                                      .cert = cert,
                                                      .server_cert = server_cert,
                                                      .after = TAILGATE_FROM_NOW};
    struct tailgate_observed seen = {.kind = TAILGATE_OBSERVED_EVENT};
    struct tailgate_observer *observer = NULL;
    char last[sizeof seen.text] = "";
    if (tailgate_observer_new(&options, &observer) != TAILGATE_OK)
        return 1;
    while (tailgate_observer_next(observer, -1, &seen) == TAILGATE_OK &&
           seen.kind != TAILGATE_OBSERVED_EVENT) {
        if (seen.kind == TAILGATE_OBSERVED_AWAY && strcmp(seen.text, last) != 0)
            fprintf(stderr, "%s\n", seen.text);
        strcpy(last, seen.text);
    }
    tailgate_observer_destroy(&observer);
    return 0;
}

int main(int argc, char **argv)
{
    const char *cert = argc > 5 ? argv[4] : NULL, *server_cert = argc > 5 ? argv[5] : NULL;
    if (argc < 4)
        return 2;
    if (strcmp(argv[1], "worker") == 0)
        return work(argv[2], cert, server_cert);
    if (strcmp(argv[1], "client") == 0)
        return ask(argv[2], cert, server_cert);
    return observe(argv[2], argv[3], cert, server_cert);
}
