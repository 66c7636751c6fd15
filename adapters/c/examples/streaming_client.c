/* A client that prints the parts of an answer as they come, each with its time, and then the
 * answer.
 *
 *   cc streaming_client.c $(pkg-config --cflags --libs tailgate) -o streaming_client
 *   ./streaming_client ENDPOINT SERVICE QUESTION [SECONDS]
 *
 * The exit status: 0 answered, 1 not answered, 4 the answer is an error. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailgate.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Called in the thread that asks. */
static void print_part(void *context, const struct tailgate_reply *part)
{
    const double *began = context;
    size_t size = 0;
    const char *text = tailgate_reply_text(part, &size);
    printf("%6.3f s  %.*s\n", seconds() - *began, (int)size, text);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: streaming_client ENDPOINT SERVICE QUESTION [SECONDS]\n");
        return 2;
    }
    const struct tailgate_client_options options = {.endpoint = argv[1]};
    const struct tailgate_frame body = {argv[3], strlen(argv[3])};
    struct tailgate_client *client = NULL;
    struct tailgate_reply *reply = NULL;
    double began = seconds();
    int code = tailgate_client_new(&options, &client);
    if (code == TAILGATE_OK)
        code = tailgate_client_ask(client, argv[2], &body, 1, argc > 4 ? atoi(argv[4]) * 1000 : -1,
                                   print_part, &began, &reply);
    int status = 1;
    if (code == TAILGATE_OK) {
        bool bad = tailgate_reply_is_error(reply);
        printf("%6.3f s  %s: %s\n", seconds() - began, bad ? "error" : "answer",
               tailgate_reply_text(reply, NULL));
        status = bad ? 4 : 0;
    } else {
        fprintf(stderr, "%s: %s\n", argv[1], tailgate_error_text(code));
    }
    tailgate_reply_destroy(&reply);
    tailgate_client_destroy(&client);
    return status;
}
