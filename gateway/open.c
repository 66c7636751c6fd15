#include "gateway/open.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/bridge/records.h"
#include "adapters/bridge/session.h"
#include "adapters/host/clock.h"
#include "gateway/await.h"
#include "gateway/log.h"
#include "gateway/lookups.h"
#include "gateway/manager.h"
#include "gateway/problem.h"
#include "gateway/serve_http.h"
#include "gateway/serve_work.h"
#include "proto/stamp.h"

/* One descriptor for each worker's link, and some for the rest: the database, the gates, clients.
 */
#define DESCRIPTORS_WANTED (LIMIT_WORKERS + 200)

/* Recorded without waiting after an unclean end (dispatch.h, D6): one of them may have caused it.
 */
#define RECORD_AT_ONCE 100

/* What an endpoint is, for people. */
#define GATE "gate"
#define EVENTS "events endpoint"

/* Words of tailgate_meta. */
#define NOTE_RUNNING "running" /* there while a gateway runs, or when one was killed */
#define NOTE_MARK "low_water"  /* store_mark()'s */
#define NOTE_SERVES "serves"   /* the rules by which the low-water mark was made */

committer_point_fn *open_committer_point;

/* An ipc socket is as open as the folder of the lock: for the group, or for us only. */
static bool is_for_group(const struct server *server)
{
    struct stat status;

    return stat(server->place.folder, &status) == 0 && (status.st_mode & 070);
}

/* Says why ENDPOINT, a WHAT, could not be bound. */
static int cannot_open(const char *what, const char *endpoint, int error)
{
    if (error == -EADDRINUSE)
        return cli_fail("serve", CLI_FAILED, "cannot open the %s %s: somebody else listens there",
                        what, endpoint);
    if (error == -EEXIST)
        return cli_fail("serve", CLI_FAILED,
                        "cannot open the %s %s: a file is in the way, and it is not a socket", what,
                        endpoint);
    return cli_fail("serve", CLI_FAILED, "cannot open the %s %s: %s", what, endpoint,
                    zmq_strerror(-error));
}

static int bind_gate(struct server *server, const char *word)
{
    struct door_word door;

    door_word_read(word, server->keys != NULL, &door);
    if (door.curve)
        return gate_bind_curve(server->gate, door.endpoint, keys_secret(server->keys));
    return gate_bind(server->gate, door.endpoint, is_for_group(server));
}

static int bind_event(struct server *server, const char *word)
{
    struct door_word door;
    int bound;

    door_word_read(word, server->keys != NULL, &door);
    bound = door.curve ? events_bind_curve(server->events, door.endpoint, keys_secret(server->keys))
                       : events_bind(server->events, door.endpoint, is_for_group(server));
    if (bound >= 0 && (door.batches || word == server->place.batches))
        events_batch(server->events, (size_t)bound);
    return bound;
}

/* We have the lock, so who listens at our own socket is about to end, or runs although its lock
 * file was removed: a standby waits for that end, too. */
static int bind_in_turn(struct server *server, const struct serve_options *options,
                        int (*bind)(struct server *, const char *), const char *what,
                        const char *endpoint)
{
    bool ours = endpoint == server->place.gate || endpoint == server->place.events ||
                endpoint == server->place.batches;
    struct await_turn turn = {0};
    int door, code;

    while ((door = bind(server, endpoint)) == -EADDRINUSE) {
        code = await_endpoint(&turn, endpoint, ours && options->standby, server->signal_fd,
                              &server->vitals);
        if (code == CLI_OK)
            return code;
        if (code > 0)
            break;
    }
    return door < 0 ? cannot_open(what, endpoint, door) : -1;
}

/* Events can be done without: a path that is too long for a socket does not keep a gateway from
 * serving. */
static int bind_events(struct server *server, const struct serve_options *options)
{
    int code = -1;

    server->events = events_new(gate_context(server->gate));
    if (place_endpoint_fits(server->place.events))
        code = bind_in_turn(server, options, bind_event, EVENTS, server->place.events);
    else if (options->events.count == 0)
        log_event(LOG_WARN, "no-events", LOG_STR("path", server->place.events + strlen("ipc://")),
                  LOG_STR("say",
                          "this path is too long for a socket, and nobody can listen: give a "
                          "shorter one with --events ipc:///PATH"));
    if (place_endpoint_fits(server->place.batches) && code < 0)
        code = bind_in_turn(server, options, bind_event, EVENTS, server->place.batches);
    for (size_t i = 0; i < options->events.count && code < 0; i++)
        code = bind_in_turn(server, options, bind_event, EVENTS, options->events.item[i]);
    return code;
}

static int bind_gates(struct server *server, const struct serve_options *options)
{
    char why[CERT_WHY_SIZE];
    int code = -1;

    server->gate = gate_new();
    if (!server->gate)
        return cli_fail("serve", CLI_FAILED, "cannot start ZeroMQ: %s", strerror(errno));
    if (options->reps.count > 0)
        gate_will_dial(server->gate);
    if (options->curve) { /* before any door: without a handler nobody gets in */
        server->keys = keys_new(options->curve, gate_context(server->gate), why);
        if (!server->keys)
            return cli_fail("serve", CLI_FAILED, "--curve %s: %s", options->curve, why);
        server->allow = keys_allow(server->keys);
    }
    if (place_endpoint_fits(server->place.gate))
        code = bind_in_turn(server, options, bind_gate, GATE, server->place.gate);
    else if (options->gates.count == 0)
        return cli_fail(
            "serve", CLI_FAILED,
            "the path of the gate's socket, %s, is longer than the %d bytes that a socket "
            "may have: give a shorter one with --gate ipc:///PATH",
            server->place.gate + strlen("ipc://"), PLACE_SOCKET_MAX);
    for (size_t i = 0; i < options->gates.count && code < 0; i++)
        code = bind_in_turn(server, options, bind_gate, GATE, options->gates.item[i]);
    return code;
}

/* Dials what --rep names; settings_check() has looked at the words. */
static int dial_reps(struct server *server, const struct serve_options *options)
{
    struct rep_word word;
    uint64_t seed;
    int error;

    server->reps = reps_new(gate_context(server->gate));
    for (size_t i = 0; i < options->reps.count; i++) {
        randombytes_buf(&seed, sizeof seed);
        error = rep_word_read(options->reps.item[i], &word) < 0
                    ? -EINVAL
                    : reps_add(server->reps, &word, seed);
        if (error)
            return cli_fail("serve", CLI_FAILED, "cannot dial --rep %s: %s", options->reps.item[i],
                            zmq_strerror(-error));
    }
    return -1;
}

/* Opens the store and finds out what --backlog needs. A lock in the way is waited for here and not
 * inside SQLite: the committer has a policy of its own (committer.h, C3). */
static int open_store(struct server *server, bool skip)
{
    struct await_turn lock = {0};
    int64_t last_id = 0;
    int error, code;

    for (;;) {
        error =
            server->store ? BRIDGE_OK : store_open(&server->place, 0, &server->store, &server->key);
        if (!error)
            error = store_bridge_id(server->store, server->bridge);
        if (!error)
            error = tail_know_senders(server->tail);
        if (!error)
            error = session_ready(tail_connection(server->tail));
        if (!error && skip)
            error = tail_last_id(server->tail, &last_id);
        if (error != BRIDGE_BUSY)
            break;
        if ((code = await_unlocked(&lock, &server->place, server->signal_fd, &server->vitals)) >= 0)
            return code;
    }
    if (error)
        return problem_bridge("serve", &server->place, error, NULL);
    server->skip_to = last_id;
    return -1;
}

static struct dispatch *new_dispatch(const struct server *server, bool unclean)
{
    const struct config *config = &server->config;
    struct dispatch_config core = {
        .key = server->key,
        .rulebook = &server->rulebook,
        .beat_us = config->heartbeat_interval_us,
        .grace_us = config->grace_us,
        .record_after_us = config->record_after_us,
        .record_at_once = unclean ? RECORD_AT_ONCE : 0,
        .claim = config->claim == CLAIM_DISPATCH,
        .queue = (size_t)config->commit_queue,
    };

    randombytes_buf(&core.seed, sizeof core.seed);
    return dispatch_new(&core);
}

/* What tailgate_meta says of the runs before. */
struct past {
    bool unclean; /* the last one did not end as it should */
    int64_t mark; /* the low-water mark; 0: every row is to be read */
    bool other;   /* it was made by other rules of what is served */
};

static int recall(struct server *server, struct past *ret_past)
{
    sqlite3 *db = tail_connection(server->tail);
    struct past past = {.mark = 0};
    char word[100];
    int error = records_note(db, NOTE_RUNNING, word, sizeof word);

    past.unclean = error == BRIDGE_OK;
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT)
        error = records_note(db, NOTE_SERVES, word, sizeof word);
    past.other = error != BRIDGE_OK || strcmp(word, server->config.serve_session) != 0;
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT)
        error = records_note(db, NOTE_MARK, word, sizeof word);
    if (error == BRIDGE_OK && !past.other)
        past.mark = strtoll(word, NULL, 10);
    if (error == BRIDGE_OK || error == BRIDGE_ABSENT)
        *ret_past = past;
    return error == BRIDGE_ABSENT ? BRIDGE_OK : error;
}

/* Has a word of tailgate_meta written; "" removes it. */
static void note(struct server *server, const char *key, const char *word)
{
    struct span nothing = span_str("");
    struct job *job = job_new(JOB_NOTE, 0, nothing, nothing, nothing);

    job->key = key;
    buffer_text(&job->text, word);
    committer_submit(server->committer, job);
}

/* Takes up what the last run left: before the first row is read, and before the first peer is
 * heard.
 */
static int restore(struct server *server)
{
    struct await_turn lock = {0};
    int64_t last = 0;
    struct past past = {.mark = 0};
    int error, code;

    for (;;) {
        error = recall(server, &past);
        if (!error)
            error = records_highest(tail_connection(server->tail), &last);
        if (!error && !server->dispatch)
            server->dispatch = new_dispatch(server, past.unclean);
        if (!error)
            error = restore_deliveries(server, clock_mono_us());
        if (error != BRIDGE_BUSY)
            break;
        if ((code = await_unlocked(&lock, &server->place, server->signal_fd, &server->vitals)) >= 0)
            return code;
    }
    if (error)
        return problem_bridge("serve", &server->place, error, NULL);
    if (past.mark > last) /* a copy from before: rows that are to come would be taken for old */
        past.mark = 0;
    server->upkeep.mark = server->upkeep.passed = past.mark;
    server->upkeep.history = past.mark ? 0 : last;
    tail_start_at(server->tail, past.mark);
    publish_start(&server->publish, past.mark, last);
    upkeep_init(server, clock_mono_us());
    if (past.unclean)
        log_event(LOG_WARN, "unclean",
                  LOG_STR("say", "the last run did not end as it should: the "
                                 "first queries are recorded at once"));
    if (past.other) { /* in this order: no mark of other rules ever stands beside ours */
        note(server, NOTE_MARK, "");
        note(server, NOTE_SERVES, server->config.serve_session);
    }
    note(server, NOTE_RUNNING, "1");
    return -1;
}

void open_clean_end(struct server *server)
{
    note(server, NOTE_RUNNING, "");
}

/* One for each thread. */
static int open_redact(struct server *server)
{
    server->redact = redact_new(true);
    server->reply_redact = redact_new(true);
    if (!server->redact || !server->reply_redact)
        return cli_fail("serve", CLI_FAILED, "cannot start PCRE2: it was built without Unicode");
    server->redactor = redact_rewriter(server->redact);
    return -1;
}

static int start_committer(struct server *server)
{
    const struct committer_config config = {
        .duty = (unsigned)server->config.commit_duty,
        .group = (size_t)server->config.commit_group,
        .redact = server->reply_redact,
        .point = open_committer_point,
    };

    server->committer = committer_new(server->store, &config);
    if (!server->committer)
        return cli_fail("serve", CLI_FAILED, "cannot start the committer: %s", strerror(errno));
    return -1;
}

/* Says what will not hold here although nothing is wrong yet. */
static void warn(const struct server *server)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED)
        log_event(LOG_WARN, "few-descriptors", LOG_INT("limit", limit.rlim_cur),
                  LOG_INT("wanted", DESCRIPTORS_WANTED),
                  LOG_STR("say", "fewer workers than allowed can connect at once: raise "
                                 "LimitNOFILE= or ulimit -Hn"));
    if (server->place.medium == MEDIUM_DOUBTFUL)
        log_event(LOG_WARN, "file-system", LOG_STR("db", server->place.db),
                  LOG_STR("say", "the database is on FUSE, 9p or a shared folder: safe only "
                                 "while every program that opens it runs on this host"));
}

/* Writes who we are into the lock file, and says that we serve. */
static void announce(struct server *server, int lock_fd)
{
    struct place_holder holder = {.pid = getpid()};
    const char *gate = gate_endpoint(server->gate, 0);

    server->since_utc_us = clock_utc_us();
    stamp_format(server->since_utc_us, holder.since);
    snprintf(holder.gate, sizeof holder.gate, "%s", gate);
    for (size_t i = events_doors(server->events); i-- > 0;) /* the first of each */
        if (events_is_batch(server->events, i))
            snprintf(holder.batches, sizeof holder.batches, "%s",
                     events_endpoint(server->events, i));
        else
            snprintf(holder.events, sizeof holder.events, "%s", events_endpoint(server->events, i));
    if (place_announce(lock_fd, &holder) < 0)
        log_event(LOG_WARN, "lock", LOG_STR("say", "cannot write into the lock file"));
    warn(server);
    log_event(LOG_INFO, "serving", LOG_STR("db", server->place.db), LOG_STR("gate", gate),
              LOG_INT("gates", gate_doors(server->gate)), LOG_INT("pid", getpid()));
    manager_ready(&server->vitals, "serving");
}

/* Everything was opened by name: it must have been one file. */
static int check_identity(const struct server *server)
{
    int error = place_verify(&server->place, &server->identity);

    if (error == -ENOENT)
        return cli_fail("serve", CLI_REPLACED, "%s has gone", server->place.db);
    if (error)
        return cli_fail("serve", CLI_REPLACED,
                        "%s was replaced while the gateway started: start it again",
                        server->place.db);
    return -1;
}

int open_all(struct server *server, const struct serve_options *options, int lock_fd)
{
    bool skip = options->backlog && strcmp(options->backlog, "skip") == 0;
    uint64_t seed;
    int code = watch_new(&server->place, &server->watch);

    if (code < 0)
        return cli_fail("serve", CLI_FAILED, "cannot watch the database's folder: %s",
                        strerror(-code));
    code = await_bridge(&server->place, server->watch, server->signal_fd, !options->no_wait,
                        &server->vitals, &server->tail, &server->identity);
    if (code)
        return code < 0 ? CLI_OK : code;
    if ((code = open_store(server, skip)) >= 0 || (code = bind_gates(server, options)) >= 0 ||
        (code = bind_events(server, options)) >= 0 || (code = dial_reps(server, options)) >= 0 ||
        (code = serve_work_open(server, options)) >= 0 ||
        (code = serve_http_open(server, options)) >= 0 || (code = open_redact(server)) >= 0 ||
        (code = start_committer(server)) >= 0 || (code = check_identity(server)) >= 0)
        return code;
    config_rulebook(&server->config, &server->rulebook);
    frameset_init(&server->set);
    randombytes_buf(&seed, sizeof seed);
    table_init(&server->ending, seed);
    publish_init(&server->publish, server->events, server->redact, &server->stats, seed,
                 clock_mono_us());
    server->publish.bodies = server->config.bodies == BODIES_ON;
    server->replays = replays_new();
    server->lookups = lookups_new();
    server->outcomes = outcomes_new();
    wake_init(&server->wake, clock_mono_us());
    requests_init(server, seed, clock_mono_us());
    if ((code = restore(server)) >= 0)
        return code;
    publish_run(&server->publish, clock_mono_us(), clock_utc_us()); /* the first welcome */
    announce(server, lock_fd);
    helpers_start(server->helpers, clock_mono_us());
    return -1;
}

void open_close(struct server *server)
{
    frameset_done(&server->set);
    committer_destroy(&server->committer, false);
    reps_destroy(&server->reps);
    replays_destroy(&server->replays);
    lookups_destroy(&server->lookups);
    outcomes_destroy(&server->outcomes);
    publish_done(&server->publish);
    handed_done(&server->handed);
    events_destroy(&server->events, 0);
    keys_destroy(&server->keys);
    gate_destroy(&server->gate, 0);
    dispatch_destroy(&server->dispatch);
    clients_destroy(&server->clients);
    helpers_destroy(&server->helpers);
    redact_destroy(&server->redact);
    redact_destroy(&server->reply_redact);
    tail_close(&server->tail);
    store_close(&server->store);
    watch_destroy(&server->watch);
    job_list_clear(&server->done);
    job_list_clear(&server->unread);
    buffer_done(&server->status);
    free(server->closed);
    free(server->waiting);
    free(server->deliveries.action);
    batches_done(&server->batches);
    submit_done(server);
    upkeep_done(server);
    rulebook_done(&server->rulebook);
    config_done(&server->config);
}
