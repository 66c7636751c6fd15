/* What a shell offers while a command line is typed: `tailgate --complete WORDS…`, where the last
 * word is the one that is being typed, prints the words that can stand there, a line each, with a
 * tab and an explanation. Everything comes from the tables that parsing and --help use. A line
 * that begins with ':' says what the shell has to find itself: :files, :folders or :program. */
#include "gateway/cli_complete.h"

#include <stdio.h>
#include <string.h>

/* What the names of values stand for, where they do not say it themselves as "human|json" does. */
static const struct {
    const char *value, *means;
} values[] = {
    {"FILE", ":files"},
    {"DB", ":files"},
    {"DIR", ":folders"},
    {"LEVEL", "error|warn|info|debug"},
    {"KIND", "query|response|message|partial|retry|dead|expired|superseded|deleted|dropped|worker|"
             "gateway"},
};

bool cli_completes_name(int argc, char **argv)
{
    char *word;

    if (!cli_is_completing(argc, argv))
        return false;
    if (argc <= 3)
        return true;
    word = argv[2];
    argv[2] = argv[1];
    argv[1] = word;
    return false;
}

bool cli_is_completing(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "--complete") == 0;
}

void cli_offer(const char *word, const char *about)
{
    printf("%s\t%s\n", word, about);
}

/* Bytes of the first clause of TEXT. */
static size_t clause(const char *text)
{
    size_t size = 0;

    while (text[size] && text[size] != '\n' && !(strchr(";.", text[size]) && text[size + 1] == ' '))
        size++;
    return size;
}

static void offer_options(const struct cli_option *table)
{
    for (const struct cli_option *option = table; option->name; option++)
        printf("--%s\t%.*s\n", option->name, (int)clause(option->help), option->help);
    cli_offer("--help", "print its page and exit");
}

/* What can stand for VALUE; BEFORE is printed before each word. */
static void offer_values(const char *value, const char *before, size_t before_size)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(values[i].value, value) == 0)
            value = values[i].means;
    if (*value == ':' && before_size == 0)
        puts(value);
    if (!strchr(value, '|'))
        return;
    while (*value) {
        size_t size = strcspn(value, "|");
        if (strcspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") >= size) /* else it is a name, too */
            printf("%.*s%.*s\t\n", (int)before_size, before, (int)size, value);
        value += size + (value[size] == '|');
    }
}

/* True when the SIZE bytes of WORD, "--name" or "-n", are OPTION. */
static bool names(const struct cli_option *option, const char *word, size_t size)
{
    if (strncmp(word, "--", 2) != 0)
        return size == 2 && option->letter == word[1];
    return strlen(option->name) == size - 2 && strncmp(option->name, word + 2, size - 2) == 0;
}

static const struct cli_option *find(const struct cli_option *table, const char *word, size_t size)
{
    for (const struct cli_option *option = table; option->name; option++)
        if (names(option, word, size))
            return option;
    return NULL;
}

/* True when the words beside the options name a file: a DB or FILE in USAGE that no option has. */
static bool takes_file(const char *usage)
{
    bool after_option = false;

    while (*usage) {
        size_t size = strcspn(usage, " ");
        bool is_file = (size == 2 && strncmp(usage, "DB", 2) == 0) ||
                       (size == 4 && strncmp(usage, "FILE", 4) == 0);
        if (is_file && !after_option)
            return true;
        after_option = memmem(usage, size, "--", 2) != NULL;
        usage += size + (usage[size] == ' ');
    }
    return false;
}

/* Where a command line is when its last word begins. */
struct spot {
    const struct cli_option *option; /* whose value comes; NULL: none's */
    int ended;                       /* the index of a word "--"; 0: none yet */
};

static struct spot walk(const struct cli_option *table, int argc, char **argv)
{
    struct spot spot = {NULL, 0};

    for (int i = 2; i < argc - 1 && !spot.ended; i++) {
        const struct cli_option *option = NULL;
        if (spot.option) {
            spot.option = NULL;
            continue;
        }
        if (strcmp(argv[i], "--") == 0)
            spot.ended = i;
        else if (argv[i][0] == '-')
            option = find(table, argv[i], strlen(argv[i]));
        if (option && option->kind != CLI_FLAG)
            spot.option = option;
    }
    return spot;
}

int cli_complete(const struct cli_command *command, const struct cli_option *table, int argc,
                 char **argv)
{
    struct spot spot = walk(table, argc, argv);
    const char *word = argc > 2 ? argv[argc - 1] : "";
    size_t name = strcspn(word, "=");
    const struct cli_option *option = word[name] ? find(table, word, name) : NULL;

    if (spot.ended)
        puts(spot.ended == argc - 2 ? ":program" : ":files");
    else if (spot.option)
        offer_values(spot.option->value, "", 0);
    else if (option && option->value)
        offer_values(option->value, word, name + 1);
    else if (*word != '-' && takes_file(command->usage))
        puts(":files");
    else if (*word == '-' || !*word)
        offer_options(table);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}
