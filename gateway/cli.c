#include "gateway/cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli_complete.h"
#include "proto/escape.h"

#define PAGE_COLUMNS 80 /* width of a help page */
#define HELP_COLUMN 26  /* where the explanations start */

static const struct cli_option help_option = {
    "help", 'h', CLI_FLAG, NULL, NULL, "print this page and exit", 0, 0};

static struct buffer *kept; /* NULL: what cli_fail() says goes to stderr */

void cli_keep_words(struct buffer *ret_words)
{
    kept = ret_words;
}

int cli_fail(const char *command, int code, const char *format, ...)
{
    va_list arguments;
    char *message = NULL;
    va_start(arguments, format);
    int length = vasprintf(&message, format, arguments);
    va_end(arguments);
    if (length < 0)
        return code;
    if (kept) {
        buffer_text(kept, message);
        free(message);
        return code;
    }
    /* File names and SQLite's words are not ours: they do not get to write escape sequences. */
    struct buffer line;
    buffer_init(&line);
    buffer_format(&line, command && *command ? "tailgate %s: " : "tailgate: ", command);
    escape_text(&line, span_str(message), ESCAPE_CELL);
    fprintf(stderr, "%s\n", line.data);
    buffer_done(&line);
    free(message);
    return code;
}

/* --- durations --- */

static const struct {
    const char *name;
    int64_t us;
} units[] = {{"ms", 1000},          {"s", 1000000},          {"", 1000000},
             {"m", 60 * 1000000ll}, {"h", 3600 * 1000000ll}, {"d", 86400 * 1000000ll}};

int cli_duration(const char *text, int64_t *ret_us)
{
    const int64_t whole_max = 1000000000; /* keeps every product below inside int64_t */
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        whole = whole * 10 + (*at - '0');
        if (whole > whole_max)
            return -1;
    }
    if (at == text)
        return -1;
    if (*at == '.') {
        const char *digits = ++at;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (scale >= 1000000)
                continue; /* below a microsecond */
            fraction = fraction * 10 + (*at - '0');
            scale *= 10;
        }
        if (at == digits)
            return -1;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        int64_t us;
        if (strcmp(at, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(whole, units[i].us, &us))
            return -1;
        /* fraction < 10^6 and a day is 8.64 * 10^10 us: the product fits. */
        if (__builtin_add_overflow(us, fraction * units[i].us / scale, &us))
            return -1;
        *ret_us = us;
        return 0;
    }
    return -1;
}

/* --- nearest name --- */

#define WORD_MAX 40 /* longer words are nobody's misspelling of ours */

size_t cli_distance(const char *from, const char *to)
{
    size_t before_last[WORD_MAX + 1] = {0}, last[WORD_MAX + 1], row[WORD_MAX + 1];
    size_t rows = strlen(from), columns = strlen(to);
    if (rows > WORD_MAX || columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= columns; j++)
        last[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t best = last[j - 1] + (from[i - 1] != to[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
            if (swapped && before_last[j - 2] + 1 < best)
                best = before_last[j - 2] + 1;
            row[j] = best;
        }
        memcpy(before_last, last, sizeof last);
        memcpy(last, row, sizeof row);
    }
    return last[columns];
}

bool cli_is_near(const char *word, const char *name)
{
    size_t distance = cli_distance(word, name);
    size_t length = strlen(name);
    if (strlen(word) >= 3 && strncmp(word, name, strlen(word)) == 0)
        return true; /* the start of it */
    return distance <= (length < 4 ? 1 : length < 8 ? 2 : 3) && distance < length;
}

static const char *nearest_option(const struct cli_option *table, const char *word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    for (const struct cli_option *option = table; option->name; option++) {
        size_t distance = cli_distance(word, option->name);
        if (cli_is_near(word, option->name) && (!nearest || distance < least)) {
            nearest = option->name;
            least = distance;
        }
    }
    if (!nearest && cli_is_near(word, help_option.name))
        nearest = help_option.name;
    return nearest;
}

/* --- help page --- */

/* Columns that SIZE bytes of our own help text take: one for each character. */
static size_t columns_of(const char *text, size_t size)
{
    size_t columns = 0;
    for (size_t i = 0; i < size; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

/* Prints one line of help text, which starts at COLUMN, broken at blanks; further lines are
 * indented by INDENT. */
static void print_line(const char *text, size_t size, size_t column, size_t indent)
{
    size_t at = 0;
    bool first = true;
    while (at < size) {
        const char *blank = memchr(text + at, ' ', size - at);
        size_t length = blank ? (size_t)(blank - (text + at)) : size - at;
        size_t width = columns_of(text + at, length);
        if (!first && column + 1 + width > PAGE_COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)length, text + at);
        column += width;
        at += length + 1;
        first = false;
    }
    putchar('\n');
}

/* Prints TEXT line by line. Lines that begin with a blank are examples: they stay as they are. */
static void print_text(const char *text, size_t column, size_t indent)
{
    while (*text) {
        size_t size = strcspn(text, "\n");
        if (text[0] == ' ')
            printf("%.*s\n", (int)size, text);
        else
            print_line(text, size, column, indent);
        text += size + (text[size] == '\n');
        if (*text && indent)
            printf("%*s", (int)indent, "");
        column = indent;
    }
}

static void print_option(const struct cli_option *option)
{
    int column = option->letter ? printf("  -%c, ", option->letter) : printf("      ");
    column += printf("--%s", option->name);
    if (option->value)
        column += printf(" %s", option->value);
    if (column + 2 > HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - column, "");
    print_text(option->help, HELP_COLUMN, HELP_COLUMN);
}

static int print_help(const struct cli_command *command, const struct cli_option *table)
{
    printf("Usage: tailgate %s\n\n%c%s.\n", command->usage,
           toupper((unsigned char)command->about[0]), command->about + 1);
    printf("\nOptions:\n");
    for (const struct cli_option *option = table; option->name; option++)
        print_option(option);
    print_option(&help_option);
    if (command->details && *command->details) {
        putchar('\n');
        print_text(command->details, 0, 0);
    }
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

/* --- parsing --- */

static const char unit_help[] = "a number with ms, s, m, h or d (500ms, 10s, 1.5h)";

void cli_show_duration(int64_t us, char *ret_text, size_t room)
{
    size_t best = us == 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (us != 0 && us % units[i].us == 0 && units[i].us > units[best].us)
            best = i;
    }
    snprintf(ret_text, room, "%" PRId64 "%s", us / units[best].us, units[best].name);
}

static int set_number(const struct cli_command *command, const struct cli_option *option,
                      const char *value)
{
    int64_t number = 0;
    char *end = NULL;
    char low[32], high[32];
    bool any = option->min == 0 && option->max == 0;
    if (option->kind == CLI_SECONDS) {
        if (cli_duration(value, &number))
            return cli_fail(command->name, CLI_USAGE, "--%s: %s is not a duration; give %s",
                            option->name, value, unit_help);
        cli_show_duration(option->min, low, sizeof low);
        cli_show_duration(option->max, high, sizeof high);
    } else {
        errno = 0;
        number = strtoll(value, &end, 10);
        bool digit = value[0] == '-' ? value[1] >= '0' && value[1] <= '9'
                                     : value[0] >= '0' && value[0] <= '9';
        if (errno || *end || !digit)
            return cli_fail(command->name, CLI_USAGE, "--%s: %s is not a whole number",
                            option->name, value);
        snprintf(low, sizeof low, "%" PRId64, option->min);
        snprintf(high, sizeof high, "%" PRId64, option->max);
    }
    if (any && number < 0)
        return cli_fail(command->name, CLI_USAGE, "--%s: %s is below 0", option->name, value);
    if (!any && (number < option->min || number > option->max))
        return cli_fail(command->name, CLI_USAGE, "--%s: %s is out of range; give %s to %s",
                        option->name, value, low, high);
    *(int64_t *)option->target = number;
    return -1;
}

/* Stores VALUE. Returns -1 to go on, or an exit code after a line on stderr. */
static int set_value(const struct cli_command *command, const struct cli_option *option,
                     const char *value)
{
    if (option->kind == CLI_TEXT) {
        *(const char **)option->target = value;
        return -1;
    }
    if (option->kind == CLI_LIST || option->kind == CLI_WORDS) {
        struct cli_list *list = option->target;
        if (list->count == CLI_LIST_MAX)
            return cli_fail(command->name, CLI_USAGE, "--%s is given more than %d times",
                            option->name, CLI_LIST_MAX);
        list->item[list->count++] = value;
        return -1;
    }
    return set_number(command, option, value);
}

static const struct cli_option *find_long(const struct cli_option *table, const char *name,
                                          size_t size)
{
    for (const struct cli_option *option = table; option->name; option++) {
        if (strlen(option->name) == size && memcmp(option->name, name, size) == 0)
            return option;
    }
    bool help = size == strlen(help_option.name) && memcmp(help_option.name, name, size) == 0;
    return help ? &help_option : NULL;
}

static const struct cli_option *find_short(const struct cli_option *table, char letter)
{
    for (const struct cli_option *option = table; option->name; option++) {
        if (option->letter == letter)
            return option;
    }
    return letter == help_option.letter ? &help_option : NULL;
}

static int fail_unknown(const struct cli_command *command, const struct cli_option *table,
                        const char *word, size_t size)
{
    char name[WORD_MAX + 1] = "";
    if (word[1] == '-' && size - 2 <= WORD_MAX)
        memcpy(name, word + 2, size - 2);
    const char *nearest = *name ? nearest_option(table, name) : NULL;
    if (nearest)
        return cli_fail(command->name, CLI_USAGE, "unknown option %.*s; did you mean --%s?",
                        (int)size, word, nearest);
    return cli_fail(command->name, CLI_USAGE, "unknown option %.*s; see: tailgate %s --help",
                    (int)size, word, command->name);
}

/* Handles the option at argv[at]; sets *ret_words to how many words it took. -1: go on. */
static int take_option(const struct cli_command *command, const struct cli_option *table, int argc,
                       char **argv, int at, int *ret_words)
{
    const char *word = argv[at], *value = NULL;
    const struct cli_option *option;
    size_t size = strlen(word);
    if (word[1] == '-') {
        size = strcspn(word, "=");
        value = word[size] ? word + size + 1 : NULL;
        option = find_long(table, word + 2, size - 2);
    } else {
        value = word[2] ? word + 2 : NULL;
        option = find_short(table, word[1]);
    }
    if (!option)
        return fail_unknown(command, table, word, size);
    if (option->kind == CLI_FLAG && value)
        return cli_fail(command->name, CLI_USAGE, "--%s takes no value", option->name);
    if (option == &help_option)
        return print_help(command, table);
    *ret_words = 1;
    if (option->kind == CLI_FLAG) {
        *(bool *)option->target = true;
        return -1;
    }
    if (!value) {
        /* "--db --json" is a forgotten value far more often than a file called --json. */
        if (at + 1 >= argc || (option->kind != CLI_WORDS && strncmp(argv[at + 1], "--", 2) == 0))
            return cli_fail(command->name, CLI_USAGE, "--%s needs a value: --%s %s", option->name,
                            option->name, option->value);
        value = argv[at + 1];
        *ret_words = 2;
    }
    return set_value(command, option, value);
}

/* Moves the COUNT words at argv[from] in front of the positional words that start at argv[to]. */
static void move_front(char **argv, int to, int from, int count)
{
    for (int i = 0; i < count; i++) {
        char *word = argv[from + i];
        memmove(&argv[to + i + 1], &argv[to + i], (size_t)(from - to) * sizeof argv[0]);
        argv[to + i] = word;
    }
}

int cli_parse(const struct cli_command *command, const struct cli_option *table, int argc,
              char **argv, int *ret_first)
{
    int first = 1; /* where the positional words that were passed over begin */
    int at = 1;
    if (cli_is_completing(argc, argv))
        return cli_complete(command, table, argc, argv);
    while (at < argc) {
        const char *word = argv[at];
        int words = 1;
        if (word[0] != '-' || word[1] == '\0') {
            at++;
            continue;
        }
        bool end = strcmp(word, "--") == 0;
        int code = end ? -1 : take_option(command, table, argc, argv, at, &words);
        if (code != -1)
            return code;
        move_front(argv, first, at, words);
        first += words;
        at += words;
        if (end)
            break;
    }
    *ret_first = first;
    return -1;
}
