/* `tailgate doctor`: a table of checks (doctor_checks.c), each of which looks at one thing and says
 * in a line what it has found and in another what to do.
 *
 *   cmd_doctor.c ─▶ doctor_checks_run() ─▶ doctor_check_*.c ─▶ doctor_say() … ─▶ doctor_report.c
 *
 *  D1. Nothing is changed without --fix, --add-index or --rescan, and no row of the bridge ever.
 *
 *  D2. A look costs what is new, and bounded numbers of what is old; all rows are read only where
 *      the file is small, or with --rescan or --check.
 *
 *  D3. What stands in rows, certificates and files of settings is shown as ids, counts and names
 *      of services. A finding that repeats a file's words is marked (doctor_quotes()) and stays out
 *      of the bundle. */
#ifndef TAILGATE_GATEWAY_DOCTOR_H
#define TAILGATE_GATEWAY_DOCTOR_H

#include <jansson.h>
#include <stdint.h>
#include <sys/stat.h>

#include "adapters/bridge/db.h"
#include "adapters/bridge/locks.h"
#include "proto/buffer.h"

#define DOCTOR_BUSY_MS 10000 /* as the bridge's own programs wait */
#define DOCTOR_IDS 20        /* ids that are shown */
#define DOCTOR_ROWS 100000   /* of messages that are looked at unless all are */
#define DOCTOR_INDEX "tailgate_unread"

/* SQLite's bug that TRUNCATE, RESTART and a reset by another process can meet:
 * sqlite.org/wal.html. */
#define DOCTOR_BUG_FIRST 3007000
#define DOCTOR_BUG_FIXED 3051003

struct doctor_options {
    const char *db, *session, *config, *curve, *bundle;
    bool rescan, check, fix, add_index, json;
};

enum doctor_result { DOCTOR_OK, DOCTOR_NOTE, DOCTOR_WARNING, DOCTOR_PROBLEM, DOCTOR_RESULTS };

enum doctor_fix {
    DOCTOR_FIX_NONE, /* only a person can */
    DOCTOR_FIX_CAN,  /* --fix would */
    DOCTOR_FIX_DONE  /* --fix did */
};

struct doctor_finding {
    const struct doctor_check *check;
    enum doctor_result result;
    enum doctor_fix fix;
    bool quotes;
    struct buffer what; /* a sentence without full stop: what is so */
    struct buffer todo; /* the same: what to do; size 0: nothing */
    struct buffer more; /* JSON members, or size 0 */
};

/* Of unread rows, those that have one reason not to be answered. */
struct doctor_group {
    int reason;     /* enum doctor_reason, doctor_scan.h */
    char word[101]; /* which service, kind or session */
    int64_t count;
    int64_t id[DOCTOR_IDS]; /* the first ones */
};

struct doctor {
    const struct doctor_options *options;
    struct place place;
    char home[PATH_MAX]; /* the folder that the database is in */
    sqlite3 *db;         /* NULL: it cannot be read */
    int64_t utc_us;
    char curve[PATH_MAX];             /* the folder of the certificates; "": none */
    const struct doctor_check *check; /* that runs */
    struct doctor_finding *finding;
    size_t count;
    /* The gateway: */
    long gateway;          /* pid; 0: none runs */
    json_t *status;        /* what it says of itself; NULL: nothing */
    struct buffer said;    /* the same as it came */
    struct buffer silence; /* why there is none */
    /* The file: */
    struct lock lock[LOCKS_MAX]; /* who held locks at first, */
    size_t locks;
    int64_t held_us[LOCKS_MAX]; /* and for how long that was watched; 0: it has let go */
    char journal[16];
    char session[256];      /* that is served */
    int64_t schema_version; /* of our tables; 0: they are not there */
    int64_t mark;           /* low-water mark; 0: none */
    int64_t parked, dead, kept, wal_bytes;
    bool checked, sound;
    struct buffer complaints; /* of integrity_check, a line each */
    /* Its rows (doctor_scan.c): */
    bool scanned, all; /* ALL: every row was looked at */
    int64_t unread;    /* queries to the session in live conversations */
    struct doctor_group *group;
    size_t groups;
    int64_t *unknown; /* ids of those at or below the low-water mark that are not parked */
    size_t unknown_count, unknown_room;
    /* --rescan: */
    bool rescanned, told;
    size_t found; /* of UNKNOWN, the first FOUND are parked now */
};

/* When a check can run. */
enum doctor_stage {
    DOCTOR_PLACE, /* always */
    DOCTOR_DB     /* where the database can be read */
};

struct doctor_check {
    const char *name;
    enum doctor_stage stage;
    void (*run)(struct doctor *self);
    const char *fixes; /* what --fix may do; NULL: nothing */
};

/* Runs all checks of the table, in their order. */
void doctor_checks_run(struct doctor *self, enum doctor_stage stage);
void doctor_done(struct doctor *self);

/* Adds a finding of the check that runs. The next six are about the one added last. */
void doctor_say(struct doctor *self, enum doctor_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What to do. */
void doctor_advise(struct doctor *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* It repeats words that may be a secret. */
void doctor_quotes(struct doctor *self);
/* It repeats the name of the session that is served: anybody's word, where it is not a or b. */
void doctor_quotes_session(struct doctor *self);
void doctor_fix(struct doctor *self, enum doctor_fix fix);
/* Where JSON members (proto/jtext.h) are added for machines. */
struct buffer *doctor_more(struct doctor *self);
/* For a bridge_error where a check cannot look. */
void doctor_cannot(struct doctor *self, int error);
/* The worst result so far. */
enum doctor_result doctor_worst(const struct doctor *self);
const char *doctor_result_name(enum doctor_result result);

/* Appends the process PID as a person knows it: "process 12 (python3 /opt/poll.py)". */
void doctor_process(struct buffer *ret_text, long pid);
/* Runs SQL and appends its first column, a line for each row. */
int doctor_lines(sqlite3 *db, const char *sql, struct buffer *ret_lines);
/* Runs SQL, which has at most one ?1, NUMBER, and sets the first column of its first row; 0 when it
 * has none. */
int doctor_number(sqlite3 *db, const char *sql, int64_t number, int64_t *ret_number);
/* Changes the mode of the file at PATH by its name, if it is the one of STATUS and no link: 0 or
 * -errno. */
int doctor_chmod(const char *path, const struct stat *status, unsigned mode);
/* Opens the database and requires that it is a bridge of a version that we know. */
int doctor_open(const struct place *place, enum db_role role, int busy_ms, sqlite3 **ret_db);

/* Opens what doctor_checks_run(DOCTOR_DB) needs: BRIDGE_OK, or an error that no finding can stand
 * for; what one can stand for is said, and DB stays NULL. */
int doctor_begin(struct doctor *self);
/* Parks what the scan has found and tells a running gateway. Returns -1, or an exit code after a
 * line on stderr. */
int doctor_rescan(struct doctor *self);

/* Appends it as a JSON object; BUNDLE: without what may be a secret. Or as text for a person, or on
 * a terminal with COLOURS. */
void doctor_report_json(const struct doctor *self, bool bundle, struct buffer *ret_json);
void doctor_report_text(const struct doctor *self, bool colours, struct buffer *ret_text);
/* Writes --bundle's archive. Returns -1, or an exit code after a line on stderr. */
int doctor_bundle(const struct doctor *self);

/* The checks. */
void doctor_check_medium(struct doctor *self);
void doctor_check_disk(struct doctor *self);
void doctor_check_permissions(struct doctor *self);
void doctor_check_leftovers(struct doctor *self);
void doctor_check_gateway(struct doctor *self);
void doctor_check_helpers(struct doctor *self);
void doctor_check_limits(struct doctor *self);
void doctor_check_writers(struct doctor *self);
void doctor_check_wal(struct doctor *self);
void doctor_check_config(struct doctor *self);
void doctor_check_certificates(struct doctor *self);
void doctor_check_sqlite(struct doctor *self);
void doctor_check_schema(struct doctor *self);
void doctor_check_triggers(struct doctor *self);
void doctor_check_indexes(struct doctor *self);
void doctor_check_journal(struct doctor *self);
void doctor_check_integrity(struct doctor *self);
void doctor_check_unread(struct doctor *self);
void doctor_check_superseded(struct doctor *self);
void doctor_check_clock(struct doctor *self);

#endif
