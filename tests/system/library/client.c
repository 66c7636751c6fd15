/* A client for test_libtailgate_client.py: an event loop over stdin and the library's descriptor.
 *
 *   stdin    send NAME SERVICE TIMEOUT_MS HEX…   cancel NAME   ask SERVICE TIMEOUT_MS HEX…
 *   stdout   part NAME HEX…   reply NAME HEX…   expired NAME   ready  lost  absent  refused  odd
 *            asked CODE HEX…   problem TEXT
 *
 * A NAME is a letter; HEX is a frame ("-" is an empty one). */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailgate.h>

#define FRAMES 64

static struct tailgate_request *request['z' + 1];

/* Reads the frames at the end of a line; returns how many. */
static size_t read_frames(struct tailgate_frame *frame)
{
    size_t count = 0;
    for (char *word; count < FRAMES && (word = strtok(NULL, " \n"));) {
        size_t size = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
        unsigned char *bytes = malloc(size + 1);
        for (size_t i = 0; i < size; i++) {
            unsigned byte = 0;
            sscanf(word + 2 * i, "%2x", &byte);
            bytes[i] = (unsigned char)byte;
        }
        frame[count++] = (struct tailgate_frame){bytes, size};
    }
    return count;
}

static void free_frames(struct tailgate_frame *frame, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(size_t)frame[i].data);
}

static void print_reply(const struct tailgate_reply *reply)
{
    for (size_t i = 0; i < tailgate_reply_frames(reply); i++) {
        size_t size = 0;
        const unsigned char *bytes = tailgate_reply_frame(reply, i, &size);
        printf(size > 0 ? " " : " -");
        for (size_t at = 0; at < size; at++)
            printf("%02x", bytes[at]);
    }
}

static char name_of(const struct tailgate_request *some)
{
    for (char name = 'a'; name <= 'z'; name++) {
        if (request[(int)name] == some)
            return name;
    }
    return '?';
}

static void print_part(void *context, const struct tailgate_reply *part)
{
    printf("%s", (const char *)context);
    print_reply(part);
    printf("\n");
}

static void obey(struct tailgate_client *client, char *line)
{
    static char call_part[] = "part call";
    struct tailgate_frame frame[FRAMES];
    const char *verb = strtok(line, " \n");
    if (verb && strcmp(verb, "cancel") == 0) {
        tailgate_request_destroy(&request[(int)*strtok(NULL, " \n")]);
        return;
    }
    int name = verb && strcmp(verb, "send") == 0 ? *strtok(NULL, " \n") : 0;
    const char *service = strtok(NULL, " \n");
    int timeout_ms = atoi(strtok(NULL, " \n"));
    size_t count = read_frames(frame);
    if (name) {
        int code = tailgate_client_send(client, service, frame, count, timeout_ms, &request[name]);
        if (code != TAILGATE_OK)
            printf("refusal %d\n", code);
    } else {
        struct tailgate_reply *reply = NULL;
        int code = tailgate_client_ask(client, service, frame, count, timeout_ms, print_part,
                                       call_part, &reply);
        printf("asked %d", code);
        if (reply)
            print_reply(reply);
        printf("\n");
        tailgate_reply_destroy(&reply);
    }
    free_frames(frame, count);
}

static void tell(struct tailgate_client *client)
{
    static const char *const word[] = {"ready", "lost", "dismissed", "absent", "refused", "odd"};
    struct tailgate_event event;
    if (tailgate_client_next(client, 0, &event) != TAILGATE_OK)
        return;
    if (event.kind >= TAILGATE_EVENT_READY && event.kind <= TAILGATE_EVENT_ODD) {
        char problem[300];
        size_t size = tailgate_client_problem(client, problem, sizeof problem);
        printf("%s %s%s\n", word[event.kind - TAILGATE_EVENT_READY], event.text,
               size == strlen(problem) ? "" : " (cut)");
        return;
    }
    printf("%s %c",
           event.kind == TAILGATE_EVENT_PARTIAL ? "part"
           : event.kind == TAILGATE_EVENT_REPLY ? "reply"
                                                : "expired",
           name_of(event.request));
    if (event.reply)
        print_reply(event.reply);
    printf("\n");
    if (event.kind != TAILGATE_EVENT_PARTIAL)
        tailgate_request_destroy(&request[(int)name_of(event.request)]);
    tailgate_reply_destroy(&event.reply);
}

int main(int argc, char **argv)
{
    struct tailgate_client_options options = {.endpoint = argc > 1 ? argv[1] : NULL};
    struct tailgate_client *client = NULL;
    static char line[1 << 20];
    int code = tailgate_client_new(&options, &client);
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    if (code != TAILGATE_OK) {
        printf("failed %s\n", tailgate_error_text(code));
        return 1;
    }
    struct pollfd item[] = {{.fd = 0, .events = POLLIN},
                            {.fd = tailgate_client_fd(client), .events = POLLIN}};
    while (poll(item, 2, -1) > 0) {
        if (item[1].revents != 0)
            tell(client);
        if (item[0].revents != 0 && !fgets(line, sizeof line, stdin))
            break;
        if (item[0].revents != 0)
            obey(client, line);
    }
    for (int name = 'a'; name <= 'z'; name++)
        tailgate_request_destroy(&request[name]);
    tailgate_client_destroy(&client);
    return 0;
}
