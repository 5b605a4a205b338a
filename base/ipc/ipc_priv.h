// The inside of base/ipc: the pure frame and message parser, and what server and client share.
// Nothing here does input or output.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#include "base/ipc/ipc.h"
#include "base/span.h"

#define IPC_LENGTH_BYTES 4

// How many bytes the frame at the start of `received` takes as far as can be known: with less than
// its length field that field's own size, then the whole frame. ERROR_INVALID for an empty body,
// ERROR_TOO_LARGE for one beyond `body_bytes_max`.
enum error ipc_frame_want(struct span received, size_t body_bytes_max, size_t *bytes);

// Whether `received`, no longer than the frame it starts, is that frame, whole.
static inline bool ipc_frame_is_whole(struct span received, size_t want)
{
    return received.size > IPC_LENGTH_BYTES && received.size == want;
}

// The body of a whole frame.
struct span ipc_frame_body(struct span frame);

// A frame of its own (the caller's to free) for a message. ERROR_TOO_LARGE, ERROR_NO_MEMORY;
// ERROR_INVALID for a message that JSON has no text for.
enum error ipc_frame_encode(const json_t *message, size_t body_bytes_max, uint8_t **frame,
                            size_t *size);

struct ipc_request {
    json_t *message;         // owned
    const char *method;      // borrowed from `message`
    const json_t *arguments; // borrowed from `message`; an object
};

// Reads a request. On ERROR_INVALID `why` gets what is wrong with it.
enum error ipc_request_parse(struct span body, struct ipc_request *request, char *why,
                             size_t why_size);
void ipc_request_fini(struct ipc_request *request);

// Reads a reply: an object with a result, or with an error that has a code and a message.
enum error ipc_reply_parse(struct span body, json_t **message);

// Takes what was set in `reply` and makes it a message. NULL: out of memory.
json_t *ipc_reply_message(struct ipc_reply *reply);

// The socket's address; `why` gets a sentence for a path that is empty or too long.
enum error ipc_address_of(const char *path, struct sockaddr_un *address, char *why,
                          size_t why_size);
