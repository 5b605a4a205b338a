// What requests about traces and captures ask for, read from their arguments. Pure.
#pragma once

#include "base/ipc/ipc.h"
#include "dataplane/worker/plane.h"

#define WATCH_RATE_MAX 1000000

// trace.start: what is left out is as usual. False: `reply` has an error that says what is wrong.
// Texts are the arguments'.
bool watch_request_read(const json_t *arguments, struct plane_watch_request *request,
                        struct ipc_reply *reply);

// trace.read and trace.stop: the number of the watch; 0, which none has, where there is none.
uint64_t watch_request_number(const json_t *arguments);
