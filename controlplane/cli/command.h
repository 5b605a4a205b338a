// The one table of weirctl's commands: dispatch, help, usage errors and completion all read it.
#pragma once

#include "controlplane/cli/exit.h"
#include "controlplane/cli/options.h"

#define COMMAND_WORDS_MAX     2
#define COMMAND_ARGUMENTS_MAX 2

// What may stand at an argument's place; completion asks the data plane for the live ones.
enum argument_kind {
    ARGUMENT_NONE,
    ARGUMENT_POOL,
    ARGUMENT_MEMBER,       // of the pool before it
    ARGUMENT_COMMAND_WORD, // may be left out
    ARGUMENT_FILTER,       // all words that follow; there may be none
};

// A command line that was understood.
struct invocation {
    const struct options *options;
    const char *arguments[COMMAND_ARGUMENTS_MAX]; // NULL where there is none; borrowed
};

struct command {
    const char *words[COMMAND_WORDS_MAX]; // "show", "ports"; the second may be NULL
    enum argument_kind arguments[COMMAND_ARGUMENTS_MAX];
    const char *usage; // its arguments as help writes them, or ""
    const char *help;  // one line
    const char *example;
    uint32_t options; // bits of enum option_id, without the global ones
    enum cli_exit (*run)(const struct invocation *invocation);
};

extern const struct command commands[];
extern const size_t command_count;

// Whether a command's words begin with these. `count` may be less or more than the command has:
// what both have is compared.
bool command_matches(const struct command *command, const char *const *words, size_t count);

size_t command_word_count(const struct command *command);

// The command that all its words name, or NULL: then `why` (OPTIONS_WHY_SIZE bytes) says what is
// wrong with the words and what was probably meant.
const struct command *command_find(const char *const *words, size_t count, char *why);

// weirctl without its name.
enum cli_exit command_main(int count, const char *const *arguments);
