// What weirctl says about itself, from the tables of commands and options.
#pragma once

#include <stdio.h>

#include "controlplane/cli/command.h"

// All commands, the options of every command, and the exit codes.
void help_print_overview(FILE *out);

// The commands that begin with these words: one in full, several as a list. False: there is none.
bool help_print_commands(const char *const *words, size_t count, FILE *out);

enum cli_exit help_run(const struct invocation *invocation);
