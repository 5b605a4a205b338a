// Requests between the programs of one machine: one JSON object there, one back, over a Unix stream
// socket, each preceded by its length (4 bytes, big-endian). A reply may carry one file descriptor
// (the statistics segment). Sizes, connections and waiting are bounded; a peer that breaks a bound
// is disconnected and counted.
//
//   request  {"method": "show.ports", "arguments": {...}}
//   reply    {"result": ...}
//       or   {"error": {"code": "not-found", "message": "...", "remedy": "...", "details": {...}}}
//
// `remedy` and `details` may be missing; what is in `details` is the method's own to say.
//
// Codes of the server itself: malformed-request and too-many-clients (it closes after them),
// unknown-method, reply-too-large. The server belongs to one thread, its caller's.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

#define IPC_REQUEST_BYTES_MAX (1u << 20)
#define IPC_REPLY_BYTES_MAX   (64u << 20)
#define IPC_CLIENTS_MAX       32
#define IPC_FLOWS_MAX         100000 // what one `show.flows` may ask for

// What a handler fills. Everything set here is taken by the server.
struct ipc_reply {
    json_t *result;    // taken
    int fd;            // -1: none; borrowed, duplicated by the kernel in passing
    const char *code;  // set: an error; static storage
    char message[512]; // what is wrong
    char remedy[256];  // what to do; may be empty
    json_t *details;   // taken; goes with an error alone; NULL: none
};

// Makes `reply` an error.
__attribute__((format(printf, 4, 5))) void ipc_reply_error(struct ipc_reply *reply,
                                                           const char *code, const char *remedy,
                                                           const char *message, ...);

// A JSON string of a text from anywhere: what is not UTF-8, which JSON has no string for, becomes
// '?'. NULL: out of memory.
json_t *ipc_text(const char *text);

// `arguments` is an object, empty where the request had none; borrowed.
struct ipc_method {
    const char *name;
    void (*handle)(void *context, const json_t *arguments, struct ipc_reply *reply);
};

struct ipc_server;

// Listens at `path` (mode 0660; a stale socket of a dead process is replaced, a live one is
// ERROR_EXISTS). `methods` ends with a NULL name and is borrowed. `why` gets a sentence on errors.
// Closing removes the socket, unless another process has put its own there.
enum error ipc_server_open(const char *path, const struct ipc_method *methods, void *context,
                           struct ipc_server **server, char *why, size_t why_size);
void ipc_server_close(struct ipc_server *server);

// One epoll fd that is readable when ipc_server_turn() has work: nest it in the caller's loop.
int ipc_server_fd(const struct ipc_server *server);

// Does what is ready without blocking: accepts, reads, calls handlers, writes; closes clients whose
// request is not whole, or whose reply not taken, within 10 s. A client that comes when all places
// are taken gets that of the one who has asked nothing for longest, and for 5 s at least; where
// there is no such one, it is refused. `now_ns` is monotonic; nothing becomes readable when such a
// time is over, so call this every second or so, too.
void ipc_server_turn(struct ipc_server *server, uint64_t now_ns);

// What became of those who connected.
struct ipc_server_counts {
    uint64_t accepted;
    uint64_t refused;   // too many clients, all of them active
    uint64_t malformed; // closed for a request that is none
    uint64_t stalled;   // closed for being slow, or for asking nothing when others came
};
struct ipc_server_counts ipc_server_counts(const struct ipc_server *server);

struct ipc_client;

// Connects. `why` gets a sentence that names the path and the remedy.
enum error ipc_client_open(const char *path, struct ipc_client **client, char *why,
                           size_t why_size);
void ipc_client_close(struct ipc_client *client);

// Sends one request and waits for its reply, at most `timeout_ms`. `arguments` is borrowed, NULL
// for none. On ERROR_NONE `*reply` is the reply object (the caller's to decref), an error reply
// included, and `*fd` the descriptor that came with it or -1 (`fd` may be NULL: such a descriptor
// is closed). ERROR_TIMEOUT, ERROR_CLOSED, ERROR_INVALID (no reply of ours), ERROR_TOO_LARGE,
// ERROR_NO_MEMORY. Once a request was sent, a failure leaves the connection out of step: every
// later call is ERROR_CLOSED.
enum error ipc_client_call(struct ipc_client *client, const char *method, json_t *arguments,
                           int timeout_ms, json_t **reply, int *fd);
