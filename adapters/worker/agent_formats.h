/* The agent CLIs that --agent can keep: how each is started, how a user's message is written to it
 * and what its events mean. All of it is data: another CLI is another row of the table. */
#ifndef TAILGATE_ADAPTERS_WORKER_AGENT_FORMATS_H
#define TAILGATE_ADAPTERS_WORKER_AGENT_FORMATS_H

#include "proto/buffer.h"

#define AGENT_WORDS 8     /* of argv in one part of a row, its NULL included */
#define AGENT_TESTS 3     /* members that one rule looks at */
#define AGENT_PATHS 3     /* members that are tried in turn, or added up */
#define AGENT_SESSION 200 /* bytes of a session's name at most */

enum agent_event_kind {
    AGENT_IGNORED, /* says nothing to us */
    AGENT_BEGUN,   /* the session is there: SESSION, and MODEL perhaps */
    AGENT_PART,    /* TEXT is a part of the answer */
    AGENT_MESSAGE, /* TEXT is a message; the last one is the answer of a RESULT without a text */
    AGENT_RESULT,  /* the query is done; TEXT is the answer */
    AGENT_ERROR    /* the query is done without an answer; TEXT says why */
};

/* A path names a member inside members: "event.delta.text". A number is a place in an array. */
struct agent_test {
    const char *path;
    const char *value; /* a string's content, else as JSON writes it; "null" for none */
};

/* What an event means. The first rule that fits counts. */
struct agent_rule {
    const char *type; /* the event's member "type" */
    struct agent_test test[AGENT_TESTS];
    enum agent_event_kind kind;
    const char *text[AGENT_PATHS]; /* the first one that is a string and not blank */
};

/* Lists end with NULL. */
struct agent_format {
    const char *name; /* also the program, looked up in PATH */
    /* What stands behind the program: START, the user's own words, RESUME to continue a session,
     * whose name is glued to its last word, and END. */
    const char *start[AGENT_WORDS], *resume[AGENT_WORDS], *end[AGENT_WORDS];
    bool once; /* a process serves one query, and begins with it when its stdin ends */
    /* Around the question, a JSON string, in a message; NULL: the bare text is the message. */
    const char *before, *after;
    const char *session, *model; /* in AGENT_BEGUN; model NULL: it is not told */
    /* In a result. The numbers of a list are added up. */
    const char *prompt_tokens[AGENT_PATHS], *completion_tokens[AGENT_PATHS];
    const char *cost;               /* US dollars, of the whole session so far; NULL: not told */
    const struct agent_rule *rules; /* the last one has no type */
};

/* The row called NAME, or NULL. */
const struct agent_format *agent_format_find(const char *name);
/* Appends the names of all, "claude, codex". */
void agent_format_names(struct buffer *ret_text);
/* The argv for a process that continues SESSION (NULL: a new one). COMMAND, which may be empty, is
 * the program and further arguments. Freed with agent_command_free(). */
char **agent_command_new(const struct agent_format *format, char *const *command,
                         const char *session);
void agent_command_free(char ***self);
/* Appends QUESTION, UTF-8, as a user's message. */
void agent_message(const struct agent_format *format, struct span question,
                   struct buffer *ret_input);

#endif
