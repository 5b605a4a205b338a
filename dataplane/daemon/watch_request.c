#include "dataplane/daemon/watch_request.h"

#define SNAP_DEFAULT 128
#define RATE_DEFAULT 1000

// A number of `arguments`, or what it is when it is missing. False: it is none, or out of bounds.
static bool read_number(const json_t *arguments, const char *key, json_int_t least, json_int_t most,
                        json_int_t *value)
{
    const json_t *given = json_object_get(arguments, key);
    if (!given)
        return true;
    *value = json_integer_value(given);
    return json_is_integer(given) && *value >= least && *value <= most;
}

bool watch_request_read(const json_t *arguments, struct plane_watch_request *request,
                        struct ipc_reply *reply)
{
    json_int_t snap = SNAP_DEFAULT, rate = RATE_DEFAULT;
    if (!read_number(arguments, "snap", 1, PLANE_WATCH_SNAP_MAX, &snap) ||
        !read_number(arguments, "rate", 1, WATCH_RATE_MAX, &rate)) {
        ipc_reply_error(reply, "invalid-arguments", "leave them out for what is usual",
                        "`snap` must lie between 1 and %d, `rate` between 1 and %d",
                        PLANE_WATCH_SNAP_MAX, WATCH_RATE_MAX);
        return false;
    }
    const json_t *said = json_object_get(arguments, "filter");
    if (said && !json_is_string(said)) {
        ipc_reply_error(reply, "invalid-arguments", "leave it out to watch every packet",
                        "`filter` must be text");
        return false;
    }
    *request = (struct plane_watch_request){
        .filter = said ? json_string_value(said) : "",
        .snap = (uint32_t)snap,
        .rate = (uint32_t)rate,
    };
    return true;
}

uint64_t watch_request_number(const json_t *arguments)
{
    json_int_t number = json_integer_value(json_object_get(arguments, "id"));
    return number > 0 ? (uint64_t)number : 0;
}
