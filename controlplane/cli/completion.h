// Completion on the command line: a small bash script that asks weirctl itself, which knows the
// commands from its table and the names of pools, members and vips from the data plane.
#pragma once

#include <stdio.h>

#include "controlplane/cli/command.h"

// Prints the script.
enum cli_exit completion_bash(const struct invocation *invocation);

// Prints what the last of the words (after the program's name, split as bash does: "=" is a word of
// its own) may become, one a line. Never an error: where nothing can be said, nothing is printed.
void completion_complete(int count, const char *const *words, FILE *out);
