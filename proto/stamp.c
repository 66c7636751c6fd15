#include "proto/stamp.h"

#include <assert.h>

#define DAY_US (INT64_C(86400) * 1000000)

/* Days since 1970-01-01 of a proleptic Gregorian date. Years are counted from March so that the
 * leap day is the last of its year. */
static int64_t days_of(int year, int month, int day)
{
    int64_t from_march = month > 2 ? month - 3 : month + 9;
    int64_t march_year = month > 2 ? year : year - 1; /* >= 0: year is >= 1 */
    int64_t leaps = march_year / 4 - march_year / 100 + march_year / 400;
    return march_year * 365 + leaps + (from_march * 153 + 2) / 5 + day - 1 - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Writes the COUNT last decimal digits of NUMBER; returns what stands behind them. */
static char *put_digits(char *to, unsigned number, size_t count)
{
    for (size_t i = count; i > 0; i--, number /= 10)
        to[i - 1] = (char)('0' + number % 10);
    return to + count;
}

/* The date DAYS after 1970-01-01, written. Counted in eras of 400 years that begin in March, as in
 * days_of(). */
static char *put_date(char *to, int64_t days)
{
    int64_t from_era = (days + 719468) % 146097; /* days since the era's first */
    int64_t year = (from_era - from_era / 1460 + from_era / 36524 - from_era / 146096) / 365;
    int64_t of_year = from_era - (year * 365 + year / 4 - year / 100);
    int64_t from_march = (of_year * 5 + 2) / 153;
    unsigned month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);

    year += (days + 719468) / 146097 * 400 + (month <= 2);
    to = put_digits(to, (unsigned)year, 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    return put_digits(to, (unsigned)(of_year - (from_march * 153 + 2) / 5 + 1), 2);
}

void stamp_format(int64_t utc_us, char ret_text[STAMP_SIZE])
{
    assert(utc_us >= 0 && utc_us < (days_of(9999, 12, 31) + 1) * DAY_US);
    int64_t rest = utc_us % DAY_US;
    unsigned micros = (unsigned)(rest % 1000000);
    unsigned seconds = (unsigned)(rest / 1000000);
    char *to = put_date(ret_text, utc_us / DAY_US);

    *to++ = 'T';
    to = put_digits(to, seconds / 3600, 2);
    *to++ = ':';
    to = put_digits(to, seconds / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, seconds % 60, 2);
    if (micros) {
        *to++ = '.';
        to = put_digits(to, micros, 6);
    }
    *to = '\0';
}

/* Reads COUNT decimal digits at AT, moving it. -1 when there are not that many. */
static int digits(struct span text, size_t *at, size_t count)
{
    int value = 0;
    if (text.size - *at < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char digit = text.data[*at + i];
        if (digit < '0' || digit > '9')
            return -1;
        value = value * 10 + (digit - '0');
    }
    *at += count;
    return value;
}

/* True when one of the characters of ANY stands at AT, which then moves behind it. */
static bool mark(struct span text, size_t *at, const char *any)
{
    if (*at >= text.size || text.data[*at] == '\0' || !strchr(any, text.data[*at]))
        return false;
    ++*at;
    return true;
}

/* The fraction after its point: 1 to 6 digits to the end of TEXT, in microseconds; -1 when not. */
static int fraction(struct span text, size_t at)
{
    size_t count = text.size - at;
    if (count < 1 || count > 6)
        return -1;
    int micros = digits(text, &at, count);
    for (; micros > 0 && count < 6; count++)
        micros *= 10;
    return micros;
}

int stamp_parse(struct span text, int64_t *ret_utc_us)
{
    static const struct {
        size_t digits;
        int min, max;
        const char *before; /* what stands in front; NULL: nothing */
    } part[] = {{4, 1, 9999, NULL}, {2, 1, 12, "-"}, {2, 1, 31, "-"},
                {2, 0, 23, "T "},   {2, 0, 59, ":"}, {2, 0, 59, ":"}};
    int value[6];
    size_t at = 0;

    for (size_t i = 0; i < 6; i++) {
        if (part[i].before && !mark(text, &at, part[i].before))
            return -1;
        value[i] = digits(text, &at, part[i].digits);
        if (value[i] < part[i].min || value[i] > part[i].max)
            return -1;
    }
    if (value[2] > days_in_month(value[0], value[1]))
        return -1;
    int micros = 0;
    if (at < text.size) {
        if (!mark(text, &at, "."))
            return -1;
        micros = fraction(text, at);
        if (micros < 0)
            return -1;
    }
    int64_t seconds = (int64_t)value[3] * 3600 + value[4] * 60 + value[5];
    *ret_utc_us = days_of(value[0], value[1], value[2]) * DAY_US + seconds * 1000000 + micros;
    return 0;
}
