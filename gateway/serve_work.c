#include "gateway/serve_work.h"

#include <stdlib.h>

#include "gateway/helper_path.h"
#include "gateway/helpers.h"
#include "gateway/words.h"

_Static_assert(CLI_LIST_MAX + 1 <= HELPERS_MAX, "each --work has a place, and --http");

#define OWN_ARGUMENTS 7 /* in front of WORDS: name, --db FILE, --log-format F, --log-level L */

static bool is_option(const char *word, const char *name, char letter)
{
    size_t size = strlen(name);

    if (word[0] != '-')
        return false;
    if (word[1] != '-')
        return word[1] == letter;
    return strncmp(word + 2, name, size) == 0 && (word[2 + size] == '\0' || word[2 + size] == '=');
}

/* Whom they work for is not theirs to say. */
static int check_words(const char *text, char *const *words)
{
    if (!words[0])
        return cli_fail("serve", CLI_USAGE,
                        "--work '%s': say which worker, for example --work '-- CMD ARG...'", text);
    for (; *words && strcmp(*words, "--") != 0; words++)
        if (is_option(*words, "db", 'd') || is_option(*words, "gate", 'g'))
            return cli_fail("serve", CLI_USAGE,
                            "--work '%s': leave out %s: it works for this gateway", text, *words);
    return -1;
}

static int check(const char *text)
{
    const char *why = NULL;
    size_t count;
    char **words = words_split(text, &count, &why);
    int code;

    if (!words)
        return cli_fail("serve", CLI_USAGE, "--work %s: %s", text, why);
    code = check_words(text, words);
    free(words);
    return code;
}

int serve_work_check(const struct serve_options *options)
{
    char path[HELPER_PATH_SIZE];
    int code = -1;

    for (size_t i = 0; i < options->works.count && code < 0; i++)
        code = check(options->works.item[i]);
    if (code < 0 && options->works.count > 0 && helper_path(HELPER_WORK, path) != 0)
        code = helper_is_missing("serve", HELPER_WORK);
    return code;
}

/* Appends an option that has a value. */
static size_t add_option(const char **arguments, size_t count, const char *name, const char *value)
{
    if (!value)
        return count;
    arguments[count++] = name;
    arguments[count++] = value;
    return count;
}

/* How our own log looks holds for theirs, unless WORDS say otherwise. */
static void add(struct server *server, const struct serve_options *options, const char *path,
                const char *text)
{
    const char *why;
    size_t words, count = 0;
    char **word = words_split(text, &words, &why); /* which serve_work_check() has seen */
    const char **arguments = memory_zero(OWN_ARGUMENTS + words + 1, sizeof *arguments);

    arguments[count++] = HELPER_WORK;
    count = add_option(arguments, count, "--db", server->place.db);
    count = add_option(arguments, count, "--log-format", options->log_format);
    count = add_option(arguments, count, "--log-level", options->log_level);
    for (size_t i = 0; i < words; i++)
        arguments[count++] = word[i];
    helpers_add(server->helpers, "work", text, path, arguments);
    free(arguments);
    free(word);
}

int serve_work_open(struct server *server, const struct serve_options *options)
{
    char path[HELPER_PATH_SIZE];
    int code;

    if (options->works.count == 0)
        return -1;
    if (helper_path(HELPER_WORK, path) != 0)
        return helper_is_missing("serve", HELPER_WORK);
    code = helpers_new(&server->helpers);
    if (code < 0)
        return cli_fail("serve", CLI_FAILED, "--work: %s", strerror(-code));
    for (size_t i = 0; i < options->works.count; i++)
        add(server, options, path, options->works.item[i]);
    return -1;
}
