// `weirctl top`: live rates from the data plane's statistics segment, which it maps. Reading costs
// the data plane nothing; only an idle one is asked now and then whether it still lives.
#pragma once

#include "controlplane/cli/command.h"

enum cli_exit top_run(const struct invocation *invocation);
