#include "gateway/watch_since.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/cli.h"

#define SECOND_US INT64_C(1000000)

static int set_time(int64_t utc_us, struct watch_since *since)
{
    since->kind = WATCH_SINCE_TIME;
    stamp_format(utc_us > 0 ? utc_us : 0, since->stamp);
    return 0;
}

static int read_id(const char *word, struct watch_since *since)
{
    errno = 0;
    long long id = strtoll(word, NULL, 10);
    if (errno)
        return -1;
    since->kind = WATCH_SINCE_ID;
    since->after = id > 0 ? id - 1 : 0;
    return 0;
}

/* HH:MM or HH:MM:SS of the local clock. */
static int read_clock(const char *word, int64_t now_us, struct watch_since *since)
{
    const time_t now = (time_t)(now_us / SECOND_US);
    unsigned hour, minute, second = 0;
    int end = 0;
    struct tm local;
    if (sscanf(word, "%2u:%2u%n", &hour, &minute, &end) < 2 || end == 0)
        return -1;
    const char *rest = word + end;
    if (*rest && (sscanf(rest, ":%2u%n", &second, &end) < 1 || rest[end]))
        return -1;
    if (hour > 23 || minute > 59 || second > 59 || !localtime_r(&now, &local))
        return -1;
    local.tm_hour = (int)hour;
    local.tm_min = (int)minute;
    local.tm_sec = (int)second;
    local.tm_isdst = -1;
    struct tm before = local;
    time_t then = mktime(&local);
    if (then > now) {
        before.tm_mday--;
        then = mktime(&before);
    }
    return set_time((int64_t)then * SECOND_US, since);
}

/* A stamp, of which parts may be left out behind. */
static int read_stamp(const char *word, struct watch_since *since)
{
    static const char *const rest[] = {"", ":00", "T00:00:00"};
    char text[64];
    size_t size = strlen(word);
    int64_t utc_us;
    if (size > 0 && (word[size - 1] == 'Z' || word[size - 1] == 'z'))
        size--;
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        int length = snprintf(text, sizeof text, "%.*s%s", (int)size, word, rest[i]);
        if (length > 0 && (size_t)length < sizeof text &&
            stamp_parse(span_of(text, (size_t)length), &utc_us) == 0)
            return set_time(utc_us, since);
    }
    return -1;
}

int watch_since_read(const char *word, int64_t now_us, struct watch_since *ret_since)
{
    struct watch_since since = {0};
    int64_t age_us;
    size_t digits = strspn(word, "0123456789");
    int error;
    if (digits == 0)
        error = -1;
    else if (!word[digits])
        error = read_id(word, &since);
    else if (cli_duration(word, &age_us) == 0 && word[strlen(word) - 1] >= 'a')
        error = set_time((now_us - age_us) / SECOND_US * SECOND_US, &since);
    else if (word[digits] == ':')
        error = read_clock(word, now_us, &since);
    else
        error = read_stamp(word, &since);
    if (error == 0)
        *ret_since = since;
    return error;
}
