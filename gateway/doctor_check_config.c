/* The configuration file of `serve -c`: read as the gateway reads it, and what it says that fits
 * badly together. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/config.h"
#include "gateway/doctor.h"
#include "gateway/settings.h"

#define SYSTEMD_STOP_US 90000000 /* DefaultTimeoutStopSec= */
#define GUESTS_WAIT_DUTY 80      /* percent; beyond, a writer of the bridge waits for seconds */

/* Of all services, or of one of that name. */
static void check_rules(struct doctor *self, const struct config *config, const struct rules *rules,
                        const char *service)
{
    const struct {
        int64_t less, more;
        const char *what, *todo;
    } pair[] = {
        {config->heartbeat_interval_us, rules->lease_us,
         "lease is shorter than heartbeat.interval: workers without heartbeats lose their queries "
         "before they have had time",
         "make lease as long as the longest answer takes"},
        {rules->lease_us, rules->attempt_max_us, "lease is longer than attempt.max, which ends it",
         "make attempt.max longer, or lease shorter"},
        {rules->attempt_max_us, rules->attempt_hard_max_us,
         "attempt.max is longer than attempt.hard_max, which ends it",
         "make attempt.hard_max longer, or attempt.max shorter"},
        {rules->backoff_first_us, rules->backoff_max_us, "backoff.first is longer than backoff.max",
         "make backoff.max longer"},
    };
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        if (pair[i].less <= pair[i].more)
            continue;
        doctor_say(self, DOCTOR_WARNING, "%s%s%s%s", *service ? "for service " : "", service,
                   *service ? ", " : "", pair[i].what);
        doctor_advise(self, "%s", pair[i].todo);
    }
}

static void check_whole(struct doctor *self, const struct config *config)
{
    if (config->drain_timeout_us >= SYSTEMD_STOP_US) {
        doctor_say(self, DOCTOR_WARNING,
                   "drain.timeout is %" PRId64 " s, and systemd kills after 90 s unless told "
                   "otherwise",
                   config->drain_timeout_us / 1000000);
        doctor_advise(self, "make it shorter, or set TimeoutStopSec= beyond it");
    }
    if (config->commit_duty > GUESTS_WAIT_DUTY) {
        doctor_say(self, DOCTOR_WARNING,
                   "commit.duty is %" PRId64 ": under load the bridge's own writers wait for "
                   "seconds",
                   config->commit_duty);
        doctor_advise(self, "use 50, or at most %d", GUESTS_WAIT_DUTY);
    }
    if (config->park_after_us < config->heartbeat_interval_us) {
        doctor_say(self, DOCTOR_NOTE,
                   "park.after is shorter than heartbeat.interval: most "
                   "queries are listed although they are about to be answered");
        doctor_advise(self, "use 60s");
    }
}

/* What stands for options of serve, looked at as serve does at its start; the certificates, where
 * it names them, by the check that comes after this one. */
static void check_options(struct doctor *self, const struct config *config, const char *path)
{
    struct serve_options options = {.db = self->place.db};
    struct buffer why;
    buffer_init(&why);
    settings_merge(&options, config);
    if (self->options->curve)
        options.curve = self->options->curve;
    snprintf(self->curve, sizeof self->curve, "%s", options.curve ? options.curve : "");
    options.log_level = "error"; /* it warns of what it takes all the same */
    options.log_format = NULL;
    cli_keep_words(&why);
    int code = settings_check(&options);
    cli_keep_words(NULL);
    if (code >= 0) {
        doctor_say(self, code == CLI_USAGE ? DOCTOR_PROBLEM : DOCTOR_WARNING,
                   "with %s and nothing else said, serve does not start from here: %s", path,
                   why.data ? why.data : "");
        doctor_quotes(self);
        doctor_advise(self, "correct it, unless the command line of serve has what is missing");
    }
    buffer_done(&why);
}

static void check_mode(struct doctor *self, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !(status.st_mode & S_IWOTH))
        return;
    doctor_say(self, DOCTOR_PROBLEM, "%s can be written by every user", path);
    doctor_advise(self, "chmod o-w %s", path);
}

void doctor_check_config(struct doctor *self)
{
    const char *path = self->options->config;
    size_t before = self->count;
    char why[CONFIG_ERROR_SIZE];
    struct rulebook book;
    struct config config;
    if (!path)
        return;
    config_init(&config);
    if (config_load(&config, path, why) < 0) {
        doctor_say(self, DOCTOR_PROBLEM, "%s is not usable: %s", path, why);
        doctor_quotes(self);
        doctor_advise(self, "correct it; tailgate serve --print-config lists all keys");
        config_done(&config);
        return;
    }
    config_rulebook(&config, &book);
    check_mode(self, path);
    check_options(self, &config, path);
    check_whole(self, &config);
    check_rules(self, &config, &book.general, "");
    for (size_t i = 0; i < book.count; i++)
        check_rules(self, &config, &book.entry[i].rules, book.entry[i].service);
    if (self->count == before)
        doctor_say(self, DOCTOR_OK, "%s is read, and fits together", path);
    rulebook_done(&book);
    config_done(&config);
}
