/* Times: those in the newest rows, those of the files, and the wall clock. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/doctor.h"
#include "proto/jtext.h"
#include "proto/stamp.h"

#define AHEAD_US INT64_C(60000000) /* what clocks of one host never differ by */

/* Where stamps stand, of the newest rows. FUTURE: one that is ahead of the clock is a finding. */
static const struct column {
    const char *what, *sql, *after; /* AFTER: what comes of one in the future */
    bool future;
} columns[] = {
    {"messages.timestamp", "SELECT timestamp, id FROM messages ORDER BY id DESC LIMIT 1000",
     "they sort behind what comes later", true},
    {"session_status.last_heartbeat",
     "SELECT last_heartbeat, conversation_id FROM session_status ORDER BY rowid DESC LIMIT 1000",
     "their agents count as living until then", true},
    {"conversations.expires_at",
     "SELECT expires_at, id FROM conversations ORDER BY rowid DESC LIMIT 1000", "", false},
    {"conversations.created_at",
     "SELECT created_at, id FROM conversations ORDER BY rowid DESC LIMIT 1000",
     "their clock is "
     "ahead",
     true},
};

struct tally {
    int64_t odd, future;
    struct buffer odd_ids, future_ids;
};

static void note(int64_t *count, struct buffer *ids, sqlite3_stmt *row)
{
    const char *id = (const char *)sqlite3_column_text(row, 1);
    if (*count < DOCTOR_IDS)
        buffer_format(ids, "%s%.40s", *count ? ", " : "", id ? id : "");
    ++*count;
}

static int count_stamps(struct doctor *self, const struct column *column, struct tally *tally)
{
    sqlite3_stmt *row = NULL;
    int64_t at_us;
    int code, error = db_prepare(self->db, column->sql, &row);
    if (error)
        return error;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) {
        const void *text = sqlite3_column_blob(row, 0);
        struct span stamp = span_of(text, text ? (size_t)sqlite3_column_bytes(row, 0) : 0);
        if (sqlite3_column_type(row, 0) != SQLITE_TEXT || stamp_parse(stamp, &at_us) != 0)
            note(&tally->odd, &tally->odd_ids, row);
        else if (column->future && at_us > self->utc_us + AHEAD_US)
            note(&tally->future, &tally->future_ids, row);
    }
    sqlite3_finalize(row);
    return code == SQLITE_DONE ? BRIDGE_OK : db_error(code);
}

static void check_column(struct doctor *self, const struct column *column)
{
    struct tally tally = {.odd = 0};
    buffer_init(&tally.odd_ids);
    buffer_init(&tally.future_ids);
    int error = count_stamps(self, column, &tally);
    if (error)
        doctor_cannot(self, error);
    if (tally.odd) {
        doctor_say(self, DOCTOR_WARNING,
                   "%s: %" PRId64 " of the newest rows have no time of the bridge (naive UTC as "
                   "YYYY-MM-DDTHH:MM:SS.ffffff, no Z and no offset) and sort or parse wrongly "
                   "(ids %s)",
                   column->what, tally.odd, tally.odd_ids.data);
        doctor_advise(self, "correct the program that writes them");
        jtext_member_integer(doctor_more(self), "count", tally.odd);
    }
    if (tally.future) {
        doctor_say(self, DOCTOR_WARNING,
                   "%s: %" PRId64 " of the newest rows are in the future: %s (ids %s)",
                   column->what, tally.future, column->after, tally.future_ids.data);
        doctor_advise(self, "set the clock right, or have the writer write UTC, not local time");
        jtext_member_integer(doctor_more(self), "count", tally.future);
    }
    buffer_done(&tally.odd_ids);
    buffer_done(&tally.future_ids);
}

/* A file that was written later than now: the clock was set back. */
static void check_files(struct doctor *self)
{
    static const char *const suffix[] = {"", "-wal"};
    char path[PATH_MAX + 8];
    struct stat status;
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", self->place.db, suffix[i]);
        if (stat(path, &status) != 0 ||
            (int64_t)status.st_mtim.tv_sec * 1000000 <= self->utc_us + AHEAD_US)
            continue;
        doctor_say(self, DOCTOR_WARNING, "%s was written %.0f s from now: the clock was set back",
                   path, (double)status.st_mtim.tv_sec - (double)self->utc_us / 1e6);
        doctor_advise(self, "set the clock right (timedatectl): conversations live longer than "
                            "they should until it is");
    }
}

void doctor_check_clock(struct doctor *self)
{
    size_t before = self->count;
    check_files(self);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        check_column(self, &columns[i]);
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "no time is odd, and none ahead");
}
