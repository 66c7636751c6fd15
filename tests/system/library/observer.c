/* An observer for test_libtailgate_observer.py: an event loop over stdin and the library's
 * descriptor.
 *
 *   argv     events=ENDPOINT  gate=ENDPOINT  kind=NAME …  conversation=ID  service=NAME  after=N
 *            since=STAMP  loop (one that it makes itself)  hold (does not read before `go`)
 *   stdin    go   hold   position
 *   stdout   one JSON object per line: {"what":"event","id":…,"replayed":…,"topic":…,"json":{…}},
 *            {"what":"repaired","count":…}, lost, up, away (text), reset (id), position (id),
 *            failed (text) */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tailgate.h>

static const char *kind[32];
static bool hold;
static struct tailgate_loop *loop;

static struct tailgate_observer_options read_options(int argc, char **argv)
{
    struct tailgate_observer_options options = {.after = TAILGATE_FROM_NOW, .kinds = kind};
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        size_t size = value ? (size_t)(value - argv[i]) : strlen(argv[i]);
        if (strncmp(argv[i], "events", size) == 0)
            options.endpoint = value + 1;
        else if (strncmp(argv[i], "gate", size) == 0)
            options.gate = value + 1;
        else if (strncmp(argv[i], "kind", size) == 0)
            kind[options.kind_count++] = value + 1;
        else if (strncmp(argv[i], "conversation", size) == 0)
            options.conversation = value + 1;
        else if (strncmp(argv[i], "service", size) == 0)
            options.service = value + 1;
        else if (strncmp(argv[i], "after", size) == 0)
            options.after = atoll(value + 1);
        else if (strncmp(argv[i], "since", size) == 0)
            options.since = value + 1;
        else if (strcmp(argv[i], "loop") == 0)
            tailgate_loop_new(&loop);
        else
            hold = true;
    }
    options.loop = loop;
    return options;
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print(const struct tailgate_observed *observed)
{
    static const char *const word[] = {"", "event", "repaired", "lost", "up", "away", "reset"};
    printf("{\"what\":\"%s\",\"id\":%lld", word[observed->kind], (long long)observed->id);
    if (observed->kind == TAILGATE_OBSERVED_EVENT) {
        printf(",\"replayed\":%s,\"topic\":", observed->replayed ? "true" : "false");
        print_text(observed->topic);
        printf(",\"json\":%s", strlen(observed->json) == observed->size ? observed->json : "0");
    }
    printf(",\"count\":%llu,\"text\":", (unsigned long long)observed->count);
    print_text(observed->text);
    printf("}\n");
}

static void obey(const struct tailgate_observer *observer, const char *line)
{
    if (strcmp(line, "position\n") == 0)
        printf("{\"what\":\"position\",\"id\":%lld}\n",
               (long long)tailgate_observer_position(observer));
    else
        hold = strcmp(line, "hold\n") == 0;
}

int main(int argc, char **argv)
{
    struct tailgate_observer_options options = read_options(argc, argv);
    struct tailgate_observer *observer = NULL;
    struct tailgate_observed observed;
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    int code = tailgate_observer_new(&options, &observer);
    if (code != TAILGATE_OK) {
        printf("{\"what\":\"failed\",\"code\":%d,\"text\":\"%s\"}\n", code,
               tailgate_error_text(code));
        return 1;
    }
    struct pollfd item[] = {{.fd = 0, .events = POLLIN},
                            {.fd = tailgate_observer_fd(observer), .events = POLLIN}};
    while (poll(item, hold ? 1 : 2, -1) > 0) {
        if (item[0].revents != 0 && !fgets(line, sizeof line, stdin))
            break;
        if (item[0].revents != 0)
            obey(observer, line);
        else if (!hold && tailgate_observer_next(observer, 0, &observed) == TAILGATE_OK)
            print(&observed);
    }
    tailgate_observer_destroy(&observer);
    tailgate_loop_destroy(&loop);
    return 0;
}
