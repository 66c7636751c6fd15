/* A worker for test_libtailgate.py, built on the installed library alone. What it does with a query
 * is what the question says. Words on its command line: ENDPOINT SERVICE SLOTS INTERVAL_MS THREADS
 * STOP_MS. Every event is a line on stdout. SIGTERM stops it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailgate.h>
#include <time.h>
#include <unistd.h>

static void say(const char *word, const char *text)
{
    printf("%s %s\n", word, text);
    fflush(stdout);
}

static void notice(void *context, const struct tailgate_event *event)
{
    static const struct {
        enum tailgate_event_kind kind;
        const char *word;
    } table[] = {
        {TAILGATE_EVENT_READY, "ready"},         {TAILGATE_EVENT_LOST, "lost"},
        {TAILGATE_EVENT_DISMISSED, "dismissed"}, {TAILGATE_EVENT_ABSENT, "absent"},
        {TAILGATE_EVENT_REFUSED, "refused"},     {TAILGATE_EVENT_ODD, "odd"},
        {TAILGATE_EVENT_GIVEN_UP, "given-up"},   {TAILGATE_EVENT_WAITING, "waiting"},
        {TAILGATE_EVENT_RETURNED, "returned"},   {TAILGATE_EVENT_FAILED, "failed"},
        {TAILGATE_EVENT_DROPPED, "dropped"},     {TAILGATE_EVENT_SENT, "sent"},
    };
    (void)context;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].kind == event->kind)
            say(table[i].word, event->text);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void spin(double span)
{
    volatile unsigned long number = 0;
    for (double end = seconds() + span; seconds() < end;)
        number = number * 3 + 1;
}

/* Until the file "go" is there, or the query was given up. */
static void wait_for_go(const struct tailgate_query *query)
{
    while (access("go", F_OK) != 0 && !tailgate_query_given_up(query))
        usleep(10000);
}

static void send_parts(struct tailgate_query *query, const char *words)
{
    for (const char *at = words; *at != '\0'; at++)
        (void)tailgate_query_partial(query, at, 1);
    (void)tailgate_query_answer_text(query, words, strlen(words));
}

static void tell_facts(struct tailgate_query *query)
{
    char text[1000];
    int size = snprintf(text, sizeof text,
                        "{\"answer\":[%lld,\"%s\",\"%s\",%u,%lld,\"%s\",\"%s\",\"%s\"]}",
                        (long long)tailgate_query_message_id(query), tailgate_query_service(query),
                        tailgate_query_conversation(query), tailgate_query_attempt(query),
                        (long long)tailgate_query_deadline(query), tailgate_query_token(query),
                        tailgate_query_sender(query), tailgate_query_sender_name(query));
    (void)tailgate_query_answer(query, text, (size_t)size);
}

static void work(struct tailgate_query *query)
{
    const char *question = tailgate_query_question(query, NULL);
    const char *rest = strchr(question, ' ') ? strchr(question, ' ') + 1 : "";
    say("query", question);
    if (strncmp(question, "spin ", 5) == 0)
        spin(atof(rest));
    else if (strncmp(question, "sleep ", 6) == 0)
        usleep((useconds_t)(atof(rest) * 1e6));
    else if (strcmp(question, "wait") == 0)
        wait_for_go(query);

    if (strncmp(question, "say ", 4) == 0)
        (void)tailgate_query_answer(query, rest, strlen(rest));
    else if (strncmp(question, "error ", 6) == 0)
        (void)tailgate_query_error(query, rest, false);
    else if (strncmp(question, "return ", 7) == 0)
        (void)tailgate_query_return(query, rest);
    else if (strncmp(question, "parts ", 6) == 0)
        send_parts(query, rest);
    else if (strcmp(question, "facts") == 0)
        tell_facts(query);
    else if (strcmp(question, "drop") != 0)
        (void)tailgate_query_answer_text(query, question, strlen(question));
    if (strcmp(question, "drop") != 0 &&
        tailgate_query_answer(query, "twice", 5) != TAILGATE_CLOSED)
        say("broken", "a query was answered twice");
}

static void *serve(void *argument)
{
    struct tailgate_worker *worker = argument;
    struct tailgate_query *query = NULL;
    while (tailgate_worker_receive(worker, -1, &query) == TAILGATE_OK) {
        work(query);
        tailgate_query_destroy(&query);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    sigset_t ends;
    int number;
    if (argc != 7)
        return 2;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    const struct tailgate_worker_options options = {.endpoint = argv[1],
                                                    .service = argv[2],
                                                    .name = "probe",
                                                    .slots = (unsigned)atoi(argv[3]),
                                                    .interval_ms = (unsigned)atoi(argv[4]),
                                                    .notice = notice};
    struct tailgate_worker *worker = NULL;
    int code = tailgate_worker_new(&options, &worker);
    if (code != TAILGATE_OK) {
        say("failed", tailgate_error_text(code));
        return 1;
    }
    pthread_t thread[64];
    int threads = atoi(argv[5]);
    for (int i = 0; i < threads; i++)
        pthread_create(&thread[i], NULL, serve, worker);
    sigwait(&ends, &number);
    printf("unsent %d\n", tailgate_worker_stop(worker, atoi(argv[6])));
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    tailgate_worker_destroy(&worker);
    return 0;
}
