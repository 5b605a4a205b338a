// The bytes of a local peer: its first frame is found, read as a request and as a reply, and what
// was understood must come out the same when it is written and read again.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/ipc/ipc_priv.h"

// Numbers may be spelled longer than they came: 1e15.
#define WRITTEN_BYTES_MAX (IPC_REQUEST_BYTES_MAX * 16)

static json_t *written_and_read(const json_t *message)
{
    uint8_t *frame;
    size_t size;
    size_t want;
    CHECK(ipc_frame_encode(message, WRITTEN_BYTES_MAX, &frame, &size) == ERROR_NONE);
    CHECK(ipc_frame_want(span_of(frame, size), WRITTEN_BYTES_MAX, &want) == ERROR_NONE);
    CHECK(ipc_frame_is_whole(span_of(frame, size), want));
    struct span body = ipc_frame_body(span_of(frame, size));
    json_t *again = json_loadb((const char *)body.data, body.size, 0, NULL);
    free(frame);
    return again;
}

static void read_request(struct span body)
{
    char why[64];
    struct ipc_request request;
    if (ipc_request_parse(body, &request, why, sizeof(why)) != ERROR_NONE) {
        CHECK(why[0] != '\0');
        return;
    }
    CHECK(request.method && json_is_object(request.arguments));
    json_t *again = written_and_read(request.message);
    CHECK(json_equal(again, request.message));
    json_decref(again);
    ipc_request_fini(&request);
}

static void read_reply(struct span body)
{
    json_t *message;
    if (ipc_reply_parse(body, &message) != ERROR_NONE)
        return;
    json_t *again = written_and_read(message);
    CHECK(json_equal(again, message));
    json_decref(again);
    json_decref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t want;
    if (ipc_frame_want(span_of(data, size), IPC_REQUEST_BYTES_MAX, &want) != ERROR_NONE)
        return 0;
    CHECK(want >= IPC_LENGTH_BYTES && want <= IPC_LENGTH_BYTES + IPC_REQUEST_BYTES_MAX);
    CHECK((want == IPC_LENGTH_BYTES) == (size < IPC_LENGTH_BYTES));
    if (size < want)
        return 0;
    CHECK(ipc_frame_is_whole(span_of(data, want), want));
    struct span body = ipc_frame_body(span_of(data, want));
    read_request(body);
    read_reply(body);
    return 0;
}
