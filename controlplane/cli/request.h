// Requests to the data plane, with whatever goes wrong told on standard error as people need it.
#pragma once

#include <jansson.h>

#include "base/ipc/ipc.h"
#include "controlplane/cli/exit.h"
#include "controlplane/cli/options.h"

#define REQUEST_SOCKET_DEFAULT "/run/weir/dataplane.sock"
#define REQUEST_TIMEOUT_MS     10000

// --socket, else $WEIR_SOCKET, else the default. Borrowed.
const char *request_socket(const struct options *options);

// Connects. Only on CLI_OK `*client` is the caller's to close.
enum cli_exit request_open(const struct options *options, struct ipc_client **client);

// Calls a method. `arguments` is taken; NULL: none. Only on CLI_OK `*result` is the caller's to
// decref and, unless `fd` is NULL, `*fd` the caller's to close; -1: none came.
enum cli_exit request_call(struct ipc_client *client, const char *method, json_t *arguments,
                           json_t **result, int *fd);

// The same, and while an answer has `next`, arguments that ask for its rest, calls again with
// those: the answers' lists are joined, the rest of `*result` is the last one's.
enum cli_exit request_call_whole(struct ipc_client *client, const char *method, json_t *arguments,
                                 json_t **result);

// Connects, calls and hangs up.
enum cli_exit request_once(const struct options *options, const char *method, json_t *arguments,
                           json_t **result);

// Tells that a method's answer has not the shape it should have. Returns CLI_UNREACHABLE.
enum cli_exit request_not_understood(const char *method);

// Tells that memory ran out. Returns CLI_LOCAL.
enum cli_exit request_no_memory(void);

// Prints a result as the data plane gave it, indented.
void request_print_json(const json_t *result, FILE *out);
