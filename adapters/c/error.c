#include "adapters/c/tailgate.h"

const char *tailgate_version(void)
{
    return TAILGATE_VERSION;
}

const char *tailgate_error_text(int code)
{
    switch (code) {
    case TAILGATE_OK:
        return "no error";
    case TAILGATE_TIMED_OUT:
        return "nothing came in time";
    case TAILGATE_INVALID:
        return "an argument is not valid";
    case TAILGATE_CLOSED:
        return "the worker was stopped, or the query has ended";
    case TAILGATE_FULL:
        return "too much waits already";
    case TAILGATE_NO_RESOURCES:
        return "no thread, descriptor or socket is to be had";
    case TAILGATE_UNREACHABLE:
        return "nobody listens at the endpoint";
    case TAILGATE_REFUSED:
        return "what listens there is no gateway, or lets us not in";
    default:
        return code > 0 ? "no error" : "an unknown error";
    }
}
