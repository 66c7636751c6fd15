/* The command line in one place: a table of options drives parsing, --help and the errors. */
#ifndef TAILGATE_GATEWAY_CLI_H
#define TAILGATE_GATEWAY_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

/* Exit codes of every command (tailgate(1), EXIT STATUS). */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,         /* it could not be done; one line on stderr says why */
    CLI_USAGE = 2,          /* the words on the command line are wrong */
    CLI_TIMED_OUT = 3,      /* ask: no answer within --timeout */
    CLI_ANSWERED_ERROR = 4, /* ask: the answer is an error */
    CLI_LOCKED = 5,         /* serve: another gateway serves this database */
    CLI_NOT_A_BRIDGE = 6,   /* the file is not a bridge, not SQLite, or of a newer Tailgate */
    CLI_REPLACED = 7,       /* serve: the database file was replaced under us */
    CLI_MISSED = 8          /* bench: a target was missed */
};

enum cli_kind {
    CLI_FLAG,    /* no value: *(bool *) is set to true */
    CLI_TEXT,    /* *(const char **) borrows from argv */
    CLI_LIST,    /* *(struct cli_list *): may be given several times */
    CLI_WORDS,   /* the same, and a value may begin with -- */
    CLI_INTEGER, /* *(int64_t *), MIN to MAX */
    CLI_SECONDS /* *(int64_t *) microseconds; the user writes 10, 1.5, 500ms, 10s, 5m, 3h or 2d; MIN
                 * and MAX are microseconds */
};

#define CLI_LIST_MAX 64
struct cli_list {
    const char *item[CLI_LIST_MAX];
    size_t count;
};

struct cli_option {
    const char *name; /* long name without dashes; the table ends with NULL */
    char letter;      /* short form, or 0 */
    enum cli_kind kind;
    void *target;
    const char *value; /* what the value is called in --help: "FILE"; NULL for flags */
    const char *help;  /* one line, may hold line breaks */
    int64_t min, max;  /* CLI_INTEGER, CLI_SECONDS; both 0: any value >= 0 */
};

struct cli_command {
    const char *name;    /* "serve" */
    const char *usage;   /* "serve --db FILE [options]" */
    const char *about;   /* one line for `tailgate --help`: small initial, no full stop */
    const char *details; /* for `tailgate serve --help`: a line for each paragraph (it is
                          * wrapped); lines that begin with a blank stay as they are */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns an exit code */
};

/* Parses argv[1..] against TABLE; positional words may stand between options; `--` ends the
 * options.
 * --help prints COMMAND's page on stdout. Returns -1 to go on (then *ret_first is the index of the
 * first positional word, which stand together at the end of argv), or the exit code to leave with:
 * CLI_OK after
 * --help, CLI_USAGE after one line on stderr that says what is wrong and what to do. */
int cli_parse(const struct cli_command *command, const struct cli_option *table, int argc,
              char **argv, int *ret_first);
/* One line on stderr: "tailgate COMMAND: message"; returns CODE. */
int cli_fail(const char *command, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* From now on cli_fail() appends its message, as it is, to RET_WORDS instead; NULL: no more. */
void cli_keep_words(struct buffer *ret_words);
/* Reads a duration as CLI_SECONDS does; 0, or -1. */
int cli_duration(const char *text, int64_t *ret_us);
/* The same as a person would have typed it: "10m". */
void cli_show_duration(int64_t us, char *ret_text, size_t room);
/* How many letters must be changed, added, left out or swapped with their neighbour to make TO of
 * FROM; SIZE_MAX for very long words. */
size_t cli_distance(const char *from, const char *to);
/* True when WORD is likely a misspelling or the beginning of NAME. */
bool cli_is_near(const char *word, const char *name);

#endif
