/* A worker that streams its answer, word by word.
 *
 *   cc streaming_worker.c $(pkg-config --cflags --libs tailgate) -o streaming_worker
 *   ./streaming_worker ENDPOINT [SERVICE [MILLISECONDS]]
 *
 * Each word of the question is one part, MILLISECONDS after the one before (100); the answer is all
 * of them. Heartbeats, reconnecting and what is still held after a restart of the gateway are the
 * library's business. SIGTERM and SIGINT: finishes what it has, up to 10 s, and leaves. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <tailgate.h>
#include <time.h>
#include <unistd.h>

/* What happens to the connection. Called in the library's thread. */
static void tell(void *context, const struct tailgate_event *event)
{
    (void)context;
    if (event->kind == TAILGATE_EVENT_READY)
        fprintf(stderr, "ready\n");
    else if (event->text[0] != '\0')
        fprintf(stderr, "%s\n", event->text);
}

static void answer(struct tailgate_query *query, long pause_ms)
{
    const struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    size_t size = 0;
    const char *question = tailgate_query_question(query, &size);
    const char *from = question;
    while (*from != '\0' && !tailgate_query_given_up(query)) {
        size_t word = strcspn(from, " ");
        word += strspn(from + word, " ");
        (void)tailgate_query_partial(query, from,
                                     word); /* when it is full, the answer has it all */
        nanosleep(&pause, NULL);            /* a model at work */
        from += word;
    }
    (void)tailgate_query_answer_text(query, question, size);
}

/* One query after the other, until a signal comes. */
static void serve(struct tailgate_worker *worker, int signals, long pause_ms)
{
    struct pollfd item[] = {{.fd = signals, .events = POLLIN},
                            {.fd = tailgate_worker_fd(worker), .events = POLLIN}};
    while (poll(item, 2, -1) >= 0 && item[0].revents == 0) {
        struct tailgate_query *query = NULL;
        if (tailgate_worker_receive(worker, 0, &query) == TAILGATE_OK)
            answer(query, pause_ms);
        tailgate_query_destroy(&query);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: streaming_worker ENDPOINT [SERVICE [MILLISECONDS]]\n");
        return 2;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);

    const struct tailgate_worker_options options = {.endpoint = argv[1],
                                                    .service = argc > 2 ? argv[2] : NULL,
                                                    .name = "streamer",
                                                    .notice = tell};
    struct tailgate_worker *worker = NULL;
    int code = tailgate_worker_new(&options, &worker);
    if (code != TAILGATE_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], tailgate_error_text(code));
        return 1;
    }
    serve(worker, signals, argc > 3 ? atol(argv[3]) : 100);
    int unsent = tailgate_worker_stop(worker, 10000);
    tailgate_worker_destroy(&worker);
    close(signals);
    return unsent == 0 ? 0 : 1;
}
