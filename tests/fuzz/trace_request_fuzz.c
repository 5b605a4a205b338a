// The arguments of requests about traces, as JSON. What is accepted lies within the bounds that the
// data plane allocates by, and its filter is parsed as far as any; what is refused says why.
#include <string.h>

#include "base/check.h"
#include "dataplane/daemon/watch_request.h"
#include "dataplane/packet/trace/filter.h"
#include "tests/fuzz/fuzz.h"

static void check_accepted(const struct plane_watch_request *request)
{
    CHECK(request->snap >= 1 && request->snap <= PLANE_WATCH_SNAP_MAX);
    CHECK(request->rate >= 1 && request->rate <= WATCH_RATE_MAX);
    static const struct filter_context nothing;
    struct filter filter;
    struct filter_fault fault = {.length = 0};
    if (filter_parse(request->filter, &nothing, &filter, &fault) == ERROR_NONE)
        return;
    size_t length = strlen(request->filter);
    CHECK(fault.at <= length && fault.length <= length - fault.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *arguments = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    struct plane_watch_request request;
    struct ipc_reply reply = {.result = NULL};
    if (watch_request_read(arguments, &request, &reply))
        check_accepted(&request);
    else
        CHECK(reply.message[0] != '\0' && reply.remedy[0] != '\0');
    CHECK(watch_request_number(arguments) <= INT64_MAX);
    json_decref(arguments);
    return 0;
}
