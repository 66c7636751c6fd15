/* Makes and destroys workers and clients, alone and on one loop, with nobody at the endpoint: after
 * that there are as many descriptors and threads as before. Words: ENDPOINT TIMES. Prints the
 * numbers before and after. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <tailgate.h>

static int count(const char *path)
{
    int entries = 0;
    DIR *folder = opendir(path);
    while (readdir(folder))
        entries++;
    closedir(folder);
    return entries;
}

static void tell(const char *when)
{
    printf("%s %d %d\n", when, count("/proc/self/fd"), count("/proc/self/task"));
}

static void turn(const char *endpoint, struct tailgate_loop *loop)
{
    const struct tailgate_worker_options one = {.endpoint = endpoint, .loop = loop};
    const struct tailgate_client_options two = {.endpoint = endpoint, .loop = loop};
    const struct tailgate_frame body = {"?", 1};
    struct tailgate_worker *worker = NULL;
    struct tailgate_client *client = NULL;
    struct tailgate_request *request = NULL;
    if (tailgate_worker_new(&one, &worker) != TAILGATE_OK ||
        tailgate_client_new(&two, &client) != TAILGATE_OK ||
        tailgate_client_send(client, "law", &body, 1, -1, &request) != TAILGATE_OK)
        exit(1);
    tailgate_request_destroy(&request);
    tailgate_client_destroy(&client);
    tailgate_worker_destroy(&worker);
}

int main(int argc, char **argv)
{
    int times = argc > 2 ? atoi(argv[2]) : 0;
    struct tailgate_loop *loop = NULL;
    turn(argv[1], NULL); /* what the system's libraries, and a sanitizer, make once */
    tell("before");
    for (int i = 0; i < times / 2; i++)
        turn(argv[1], NULL);
    if (tailgate_loop_new(&loop) != TAILGATE_OK)
        return 1;
    for (int i = 0; i < times / 2; i++)
        turn(argv[1], loop);
    tailgate_loop_destroy(&loop);
    tell("after");
    return 0;
}
