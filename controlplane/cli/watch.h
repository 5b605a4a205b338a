// `weirctl trace` and `weirctl capture`: the data plane is asked to watch packets, and is read
// again and again until there are enough, the time is over, or Ctrl-C.
#pragma once

#include "controlplane/cli/command.h"

enum cli_exit watch_trace(const struct invocation *invocation);
enum cli_exit watch_capture(const struct invocation *invocation);
