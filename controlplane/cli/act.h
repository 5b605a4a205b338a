// Commands that change the data plane, and `weirctl version`.
#pragma once

#include "controlplane/cli/command.h"

enum cli_exit act_reload(const struct invocation *invocation);
enum cli_exit act_drain(const struct invocation *invocation);
enum cli_exit act_undrain(const struct invocation *invocation);
enum cli_exit act_version(const struct invocation *invocation);
