/* An observer that prints a line for each event: every row of the bridge once, from row AFTER on or
 * from now on, and what else happens.
 *
 *   cc observer.c $(pkg-config --cflags --libs tailgate) -o observer
 *   ./observer EVENTS GATE [AFTER] */
#include <stdio.h>
#include <stdlib.h>
#include <tailgate.h>

static void print(const struct tailgate_observed *observed)
{
    switch (observed->kind) {
    case TAILGATE_OBSERVED_EVENT:
        printf("%s  %s\n", observed->topic, observed->json);
        break;
    case TAILGATE_OBSERVED_REPAIRED:
        printf("-- %llu rows had been missed\n", (unsigned long long)observed->count);
        break;
    case TAILGATE_OBSERVED_LOST:
        printf("-- %llu events are lost\n", (unsigned long long)observed->count);
        break;
    case TAILGATE_OBSERVED_UP:
        printf("-- connected  %s\n", observed->text);
        break;
    case TAILGATE_OBSERVED_AWAY:
        printf("-- %s\n", observed->text);
        break;
    case TAILGATE_OBSERVED_RESET:
        printf("-- the file ends with row %lld now\n", (long long)observed->id);
        break;
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: observer EVENTS GATE [AFTER]\n");
        return 2;
    }
    const struct tailgate_observer_options options = {
        .endpoint = argv[1],
        .gate = argv[2],
        .after = argc > 3 ? strtoll(argv[3], NULL, 10) : TAILGATE_FROM_NOW,
    };
    struct tailgate_observer *observer = NULL;
    struct tailgate_observed observed;
    int code = tailgate_observer_new(&options, &observer);
    if (code != TAILGATE_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], tailgate_error_text(code));
        return 1;
    }
    while (tailgate_observer_next(observer, -1, &observed) == TAILGATE_OK)
        print(&observed);
    tailgate_observer_destroy(&observer);
    return 1;
}
