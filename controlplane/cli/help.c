#include "controlplane/cli/help.h"

#include <string.h>

#define SYNOPSIS_SIZE 64

static const char *synopsis(const struct command *command, char *out)
{
    const char *const *words = command->words;
    snprintf(out, SYNOPSIS_SIZE, "%s%s%s%s%s", words[0], words[1] ? " " : "",
             words[1] ? words[1] : "", *command->usage ? " " : "", command->usage);
    return out;
}

static void print_line(const struct command *command, FILE *out)
{
    char text[SYNOPSIS_SIZE];
    fprintf(out, "  %-24s %s\n", synopsis(command, text), command->help);
}

static void print_options(uint32_t options, FILE *out)
{
    for (int id = 0; id < OPTION_IDS; id++) {
        const struct option_rule *rule = &option_rules[id];
        if (!(options & OPTION_BIT(id)))
            continue;
        char text[SYNOPSIS_SIZE];
        bool maybe = rule->kind == OPTION_DURATION_MAYBE;
        snprintf(text, sizeof(text), "%s%s%s%s", rule->name,
                 maybe         ? "[="
                 : rule->value ? " "
                               : "",
                 rule->value ? rule->value : "", maybe ? "]" : "");
        fprintf(out, "  %-24s %s\n", text, rule->help);
    }
}

static void print_command(const struct command *command, FILE *out)
{
    char text[SYNOPSIS_SIZE];
    fprintf(out, "weirctl %s [OPTIONS]\n  %s\n\nOptions:\n", synopsis(command, text),
            command->help);
    print_options(command->options | OPTIONS_GLOBAL, out);
    fprintf(out, "\nExample:\n  %s\n", command->example);
}

void help_print_overview(FILE *out)
{
    fputs("weirctl shows and steers a running Weir data plane.\n\n"
          "Usage: weirctl COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n",
          out);
    for (size_t i = 0; i < command_count; i++)
        print_line(&commands[i], out);
    fputs("\nOptions, anywhere on the line:\n", out);
    print_options(OPTIONS_GLOBAL | OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_WATCH), out);
    fputs("\nOn its own:\n", out);
    print_options(OPTION_BIT(OPTION_VERSION), out);
    fputs("\nExit codes:\n"
          "  0  done\n"
          "  1  the data plane refused\n"
          "  2  the command line is wrong\n"
          "  3  no data plane answers\n"
          "  4  this side failed: output not written, no memory\n"
          "\n`weirctl help COMMAND` tells all about one.\n",
          out);
}

bool help_print_commands(const char *const *words, size_t count, FILE *out)
{
    const struct command *only = NULL;
    size_t matching = 0;
    for (size_t i = 0; i < command_count; i++) {
        if (count <= command_word_count(&commands[i]) &&
            command_matches(&commands[i], words, count)) {
            only = &commands[i];
            matching++;
        }
    }
    if (matching == 1)
        print_command(only, out);
    for (size_t i = 0; matching > 1 && i < command_count; i++) {
        if (command_matches(&commands[i], words, count))
            print_line(&commands[i], out);
    }
    return matching > 0;
}

enum cli_exit help_run(const struct invocation *invocation)
{
    const char *const *words = invocation->arguments;
    size_t count = 0;
    while (count < COMMAND_ARGUMENTS_MAX && words[count])
        count++;
    if (count == 0) {
        help_print_overview(stdout);
        return CLI_OK;
    }
    if (help_print_commands(words, count, stdout))
        return CLI_OK;
    char why[OPTIONS_WHY_SIZE];
    command_find(words, count, why);
    fprintf(stderr, "weirctl: %s\n", why);
    return CLI_USAGE;
}
