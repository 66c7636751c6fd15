#include "gateway/http_limits.h"

#include <stdlib.h>

#define RATE_MAX 1000000

int http_limits_read(const char *text, struct http_limits *ret_limits)
{
    unsigned limit[3];

    for (int i = 0; i < 3; i++) {
        char *end;
        unsigned long number = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || number > RATE_MAX || *end != (i < 2 ? '/' : '\0'))
            return -1;
        limit[i] = (unsigned)number;
        text = end + 1;
    }
    ret_limits->per_minute = limit[0];
    ret_limits->per_hour = limit[1];
    ret_limits->per_day = limit[2];
    return 0;
}
