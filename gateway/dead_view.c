/* `tailgate dead list` and `show`. Everything is read before anything is printed: a reader that is
 * kept waiting by a slow pipe would pin the WAL. */
#include <inttypes.h>
#include <stdio.h>

#include "adapters/bridge/dead.h"
#include "gateway/cli.h"
#include "gateway/columns.h"
#include "gateway/dead_command.h"
#include "gateway/problem.h"
#include "gateway/terminal.h"
#include "proto/escape.h"
#include "proto/jtext.h"
#include "proto/limits.h"
#include "proto/stamp.h"

#define ANSWERS_MAX 100 /* kept for one query: there are as many as late answers */

static void put_stamp(struct buffer *text, int64_t utc_us)
{
    char stamp[STAMP_SIZE] = "-";
    if (utc_us > 0)
        stamp_format(utc_us, stamp);
    buffer_text(text, stamp);
}

static void member_stamp(struct buffer *json, const char *name, int64_t utc_us)
{
    char stamp[STAMP_SIZE];
    if (utc_us > 0) {
        stamp_format(utc_us, stamp);
        jtext_member(json, name, span_str(stamp));
    } else {
        jtext_member_raw(json, name, span_str("null"));
    }
}

/* TEXT as the JSON it is (TYPE), or as a string where somebody has made something else of it. */
static void member_json(struct buffer *json, const char *name, struct span text,
                        enum jtext_type type)
{
    if (jtext_check_depth(text, LIMIT_JSON_DEPTH - 4) == type)
        jtext_member_raw(json, name, text);
    else if (text.size > 0)
        jtext_member(json, name, text);
    else
        jtext_member_raw(json, name, span_str("null"));
}

static void member_redriven(struct buffer *json, int64_t message_id)
{
    if (message_id)
        jtext_member_integer(json, "redriven_as", message_id);
    else
        jtext_member_raw(json, "redriven_as", span_str("null"));
}

/* list */

struct list {
    bool json, table;
    struct columns columns;
    struct buffer text;
};

static void list_json(struct list *list, const struct delivery_record *record)
{
    struct buffer *json = &list->text;
    buffer_byte(json, '{');
    jtext_member_integer(json, "message_id", record->message_id);
    jtext_member(json, "service", record->service);
    jtext_member(json, "conversation_id", record->conversation_id);
    jtext_member_integer(json, "attempts", record->attempt);
    jtext_member_integer(json, "failed", record->failed);
    member_stamp(json, "died_at", record->updated_at_us);
    jtext_member(json, "reason", record->reason);
    member_redriven(json, record->redriven);
    jtext_member_raw(json, "live", span_str(record->live ? "true" : "false"));
    buffer_text(json, "}\n");
}

static void list_row(struct list *list, const struct delivery_record *record)
{
    struct buffer died;
    buffer_init(&died);
    put_stamp(&died, record->updated_at_us);
    columns_number(&list->columns, record->message_id);
    columns_text(&list->columns, record->service);
    columns_text(&list->columns, record->conversation_id);
    columns_number(&list->columns, record->attempt);
    columns_text(&list->columns, escape_cut(buffer_span(&died), 19)); /* whole seconds */
    columns_text(&list->columns, record->reason);
    buffer_done(&died);
}

static void list_line(struct list *list, const struct delivery_record *record)
{
    struct buffer *text = &list->text;
    buffer_format(text, "%" PRId64 "\t", record->message_id);
    escape_text(text, record->service, ESCAPE_CELL);
    buffer_byte(text, '\t');
    escape_text(text, record->conversation_id, ESCAPE_CELL);
    buffer_format(text, "\t%u\t", record->attempt);
    put_stamp(text, record->updated_at_us);
    buffer_byte(text, '\t');
    escape_text(text, record->reason, ESCAPE_CELL);
    buffer_byte(text, '\n');
}

static void list_one(void *context, const struct delivery_record *record)
{
    struct list *list = context;
    if (list->json)
        list_json(list, record);
    else if (list->table)
        list_row(list, record);
    else
        list_line(list, record);
}

/* A person reads the number below the table, a program has it beside its lines. */
static void tell_count(const struct list *list, size_t shown, int64_t count)
{
    FILE *out = list->table && !list->json ? stdout : stderr;
    if (list->table && !list->json && shown > 0)
        putchar('\n');
    if (count == 0)
        fprintf(out, "No query is dead.\n");
    else if ((int64_t)shown < count)
        fprintf(out, "%zu of %" PRId64 " dead queries; see more with --limit\n", shown, count);
    else
        fprintf(out, "%" PRId64 " dead %s\n", count, count == 1 ? "query" : "queries");
}

int dead_view_list(const struct dead_run *run)
{
    static const char *const title[] = {"ID",        "SERVICE", "CONVERSATION",
                                        ">ATTEMPTS", "DIED",    "REASON"};
    const struct records_filter filter = dead_filter(run, run->words->all);
    struct list list = {.json = run->words->json, .table = terminal_is(1)};
    size_t shown = 0;
    int64_t count = 0;
    columns_init(&list.columns, title, 6);
    buffer_init(&list.text);
    int error = records_dead(run->db, &filter, run->now_us, (size_t)run->words->limit, list_one,
                             &list, &shown);
    if (!error)
        error = dead_count(run->db, &filter, &count);
    if (!error) {
        if (list.columns.cells > 0)
            columns_print(&list.columns);
        if (list.text.size > 0) {
            list.text.size--; /* terminal_put() ends the line */
            terminal_put(buffer_span(&list.text));
        }
        tell_count(&list, shown, count);
    }
    columns_done(&list.columns);
    buffer_done(&list.text);
    return error ? problem_bridge(run->words->command, run->place, error, run->db) : CLI_OK;
}

/* show */

struct show {
    const struct dead_run *run;
    bool json;
    bool dead;
    bool recorded;                /* it has a row in any state */
    size_t answers;               /* kept for it */
    struct buffer head, question; /* what is shown of the row; its question */
    struct buffer kept;           /* what is shown of the answers */
    struct buffer conversation;   /* of the newest answer */
};

/* A paragraph of its own, which no line of TEXT can leave. */
static void put_indented(struct buffer *text, struct span inside)
{
    struct buffer shown;
    buffer_init(&shown);
    escape_text(&shown, inside, ESCAPE_PROSE);
    buffer_text(text, "    ");
    for (size_t i = 0; i < shown.size; i++) {
        buffer_byte(text, shown.data[i]);
        if (shown.data[i] == '\n')
            buffer_text(text, "    ");
    }
    buffer_byte(text, '\n');
    buffer_done(&shown);
}

static void put_line(struct buffer *text, const char *label, struct span value)
{
    buffer_format(text, "%-14s", label);
    escape_text(text, value.size ? value : span_str("-"), ESCAPE_CELL);
    buffer_byte(text, '\n');
}

/* The member NAME of OBJECT as one line, a string without its quotes. */
static void put_member(struct buffer *text, struct span object, const char *name)
{
    struct span value = span_str("-");
    struct buffer decoded;
    buffer_init(&decoded);
    if (jtext_type(object) == JTEXT_OBJECT && jtext_find(object, name, &value) &&
        jtext_type(value) == JTEXT_STRING) {
        jtext_decode(&decoded, value);
        value = buffer_span(&decoded);
    }
    escape_text(text, value, ESCAPE_CELL);
    buffer_done(&decoded);
}

static void put_history(struct buffer *text, struct span history)
{
    struct span rest = history, item;
    if (jtext_check(history) != JTEXT_ARRAY) {
        put_indented(text, history);
        return;
    }
    while (jtext_item(&rest, &item)) {
        buffer_text(text, "    attempt ");
        put_member(text, item, "attempt");
        buffer_text(text, ", ");
        put_member(text, item, "at");
        buffer_text(text, ", worker ");
        put_member(text, item, "worker");
        buffer_text(text, ": ");
        put_member(text, item, "reason");
        buffer_byte(text, '\n');
    }
}

static const char *state_name(enum delivery_state state)
{
    static const char *const name[] = {"leased", "waiting", "dead"};
    return name[state];
}

static void show_row_text(struct show *show, const struct delivery_record *record)
{
    struct buffer *text = &show->head;
    buffer_format(text, "%-14s%" PRId64 "\n", "Message", record->message_id);
    put_line(text, "Conversation", record->conversation_id);
    buffer_format(text, "%-14s%s since ", "State", state_name(record->state));
    put_stamp(text, record->updated_at_us);
    buffer_text(text, " UTC\n");
    if (record->redriven)
        buffer_format(text, "%-14sas message %" PRId64 "\n", "Asked again", record->redriven);
    else if (show->dead && !record->live)
        buffer_format(text, "%-14simpossible: its message or conversation is gone, or expired\n",
                      "Asked again");
    put_line(text, "Service", record->service);
    buffer_format(text, "%-14s%u begun, %u failed\n", "Attempts", record->attempt, record->failed);
    put_line(text, "Last worker", record->worker);
    put_line(text, "Reason", record->reason);
    buffer_text(text, "\nHistory\n");
    put_history(text, record->history);
}

static void show_row_json(struct show *show, const struct delivery_record *record)
{
    struct buffer *json = &show->head;
    jtext_member_integer(json, "message_id", record->message_id);
    jtext_member(json, "conversation_id", record->conversation_id);
    jtext_member(json, "state", span_str(state_name(record->state)));
    member_stamp(json, "since", record->updated_at_us);
    jtext_member(json, "service", record->service);
    jtext_member_integer(json, "attempts", record->attempt);
    jtext_member_integer(json, "failed", record->failed);
    jtext_member(json, "worker", record->worker);
    jtext_member(json, "reason", record->reason);
    member_json(json, "history", record->history, JTEXT_ARRAY);
    member_redriven(json, record->redriven);
    jtext_member_raw(json, "live", span_str(record->live ? "true" : "false"));
}

static void show_row(void *context, const struct delivery_record *record)
{
    struct show *show = context;
    show->recorded = true;
    show->dead = record->state == DELIVERY_DEAD;
    buffer_add(&show->question, record->question);
    if (show->json)
        show_row_json(show, record);
    else
        show_row_text(show, record);
}

static void show_answer_text(struct buffer *text, const struct answer_record *record)
{
    buffer_text(text, "\nAnswer that was kept (");
    escape_text(text, record->why, ESCAPE_CELL);
    buffer_format(text, "): attempt %u, ", record->attempt);
    put_stamp(text, record->kept_at_us);
    buffer_text(text, ", worker ");
    escape_text(text, record->worker, ESCAPE_CELL);
    buffer_byte(text, '\n');
    put_indented(text, record->answer);
}

static void show_answer(void *context, const struct answer_record *record)
{
    struct show *show = context;
    struct buffer *out = &show->kept;
    if (show->answers++ == 0)
        buffer_add(&show->conversation, record->conversation_id);
    if (!show->json) {
        show_answer_text(out, record);
        return;
    }
    buffer_text(out, out->size ? ",{" : "{");
    jtext_member(out, "why", record->why);
    jtext_member(out, "worker", record->worker);
    jtext_member_integer(out, "attempt", record->attempt);
    member_stamp(out, "kept_at", record->kept_at_us);
    jtext_member(out, "answer", record->answer);
    member_json(out, "metadata", record->metadata, JTEXT_OBJECT);
    buffer_byte(out, '}');
}

/* A query that has no row of ours any more: what is known of it is in its kept answers. */
static int show_bare(struct show *show, int64_t id)
{
    struct span conversation = buffer_span(&show->conversation);
    if (show->json) {
        jtext_member_integer(&show->head, "message_id", id);
        jtext_member(&show->head, "conversation_id", conversation);
        jtext_member_raw(&show->head, "state", span_str("null"));
    } else {
        buffer_format(&show->head, "%-14s%" PRId64 "\n", "Message", id);
        put_line(&show->head, "Conversation", conversation);
        put_line(&show->head, "State", span_str("not dead"));
    }
    int error = dead_question(show->run->db, id, conversation, &show->question);
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

static void print_show(struct show *show)
{
    struct buffer *out = &show->head;
    if (show->json) {
        if (show->question.size)
            jtext_member(out, "question", buffer_span(&show->question));
        else
            jtext_member_raw(out, "question", span_str("null"));
        buffer_text(out, ",\"answers\":[");
        buffer_add(out, buffer_span(&show->kept));
        buffer_text(out, "]}");
        terminal_put(buffer_span(out));
        return;
    }
    buffer_text(out, "\nQuestion\n");
    put_indented(out, show->question.size ? buffer_span(&show->question)
                                          : span_str("(its message is gone)"));
    buffer_add(out, buffer_span(&show->kept));
    fwrite(out->data, 1, out->size, stdout);
}

static int read_show(struct show *show, int64_t id)
{
    const struct dead_run *run = show->run;
    size_t count = 0;
    int error = records_one(run->db, id, run->now_us, show_row, show);
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT)
        error = records_answers(run->db, id, ANSWERS_MAX, show_answer, show, &count);
    if (!error && !show->recorded && show->answers > 0)
        error = show_bare(show, id);
    return error;
}

static int fail_absent(const struct show *show, int64_t id)
{
    const char *command = show->run->words->command;
    if (show->recorded)
        return cli_fail(command, CLI_FAILED,
                        "message %" PRId64 " is not dead: it is being answered, or waits to be",
                        id);
    return cli_fail(command, CLI_FAILED,
                    "message %" PRId64 " is not dead, and no answer was kept for it", id);
}

int dead_view_show(const struct dead_run *run)
{
    struct show show = {.run = run, .json = run->words->json};
    int64_t id = run->words->id[0];
    struct buffer *const texts[] = {&show.head, &show.question, &show.kept, &show.conversation};
    int code = CLI_OK;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        buffer_init(texts[i]);
    if (show.json)
        buffer_byte(&show.head, '{');
    int error = read_show(&show, id);
    if (error)
        code = problem_bridge(run->words->command, run->place, error, run->db);
    else if (!show.dead && show.answers == 0)
        code = fail_absent(&show, id);
    else
        print_show(&show);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        buffer_done(texts[i]);
    return code;
}
