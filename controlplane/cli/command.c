#include "controlplane/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "controlplane/cli/act.h"
#include "controlplane/cli/completion.h"
#include "controlplane/cli/help.h"
#include "controlplane/cli/show.h"
#include "controlplane/cli/top.h"
#include "controlplane/cli/watch.h"

#define SHOW_OPTIONS (OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_WATCH))
#define FLOW_OPTIONS                                                               \
    (OPTION_BIT(OPTION_LIMIT) | OPTION_BIT(OPTION_VIP) | OPTION_BIT(OPTION_POOL) | \
     OPTION_BIT(OPTION_MEMBER) | OPTION_BIT(OPTION_CLIENT))

const struct command commands[] = {
    {
        .words = {"show", "status"},
        .usage = "",
        .help = "the data plane: version, uptime, revision of its configuration",
        .example = "weirctl show status",
        .options = SHOW_OPTIONS,
        .run = show_status,
    },
    {
        .words = {"show", "config"},
        .usage = "",
        .help = "the configuration that runs, with all defaults, as a file that could be read",
        .example = "weirctl show config > running.yaml",
        .options = SHOW_OPTIONS,
        .run = show_config,
    },
    {
        .words = {"show", "ports"},
        .usage = "",
        .help = "ports: link, counters, device, addresses",
        .example = "weirctl show ports --watch",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_OFFLOADS),
        .run = show_ports,
    },
    {
        .words = {"show", "vips"},
        .usage = "",
        .help = "virtual addresses and their traffic",
        .example = "weirctl show vips --json",
        .options = SHOW_OPTIONS,
        .run = show_vips,
    },
    {
        .words = {"show", "pools"},
        .usage = "",
        .help = "pools with their members: state, next hop, flows, traffic",
        .example = "weirctl show pools",
        .options = SHOW_OPTIONS,
        .run = show_pools,
    },
    {
        .words = {"show", "flows"},
        .usage = "",
        .help = "flows that are known now: who talks to which member",
        .example = "weirctl show flows --pool web --client 192.0.2.10 --limit 20",
        .options = SHOW_OPTIONS | FLOW_OPTIONS,
        .run = show_flows,
    },
    {
        .words = {"show", "drops"},
        .usage = "",
        .help = "dropped packets by reason",
        .example = "weirctl show drops --vip web",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_ALL) | OPTION_BIT(OPTION_BY_VIP) |
                   OPTION_BIT(OPTION_VIP),
        .run = show_drops,
    },
    {
        .words = {"show", "balance"},
        .usage = "",
        .help = "each member's share of new flows, and what would move if it were drained",
        .example = "weirctl show balance --pool web",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_POOL),
        .run = show_balance,
    },
    {
        .words = {"show", "access"},
        .usage = "",
        .help = "access rules and the packets each decided on",
        .example = "weirctl show access --watch=1s",
        .options = SHOW_OPTIONS,
        .run = show_access,
    },
    {
        .words = {"show", "locals"},
        .usage = "",
        .help = "local addresses of FullNAT, and how many of their ports are in use",
        .example = "weirctl show locals --watch=1s",
        .options = SHOW_OPTIONS,
        .run = show_locals,
    },
    {
        .words = {"show", "workers"},
        .usage = "",
        .help = "packet workers: core, load, flows",
        .example = "weirctl show workers --watch=5s",
        .options = SHOW_OPTIONS,
        .run = show_workers,
    },
    {
        .words = {"show", "counters"},
        .usage = "",
        .help = "what workers count besides: errors sent, evictions, fragments, hand-offs, ...",
        .example = "weirctl show counters --all",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_ALL),
        .run = show_counters,
    },
    {
        .words = {"show", "stages"},
        .usage = "",
        .help = "where cycles go: each stage's calls, packets a call, cycles a packet",
        .example = "weirctl show stages --watch=1s",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_WORKER) | OPTION_BIT(OPTION_ALL),
        .run = show_stages,
    },
    {
        .words = {"show", "talkers"},
        .usage = "",
        .help = "the heaviest clients of late",
        .example = "weirctl show talkers --limit 5",
        .options = SHOW_OPTIONS | OPTION_BIT(OPTION_LIMIT),
        .run = show_talkers,
    },
    {
        .words = {"show", "handshakes"},
        .usage = "",
        .help = "how long each member's TCP handshakes take",
        .example = "weirctl show handshakes",
        .options = SHOW_OPTIONS,
        .run = show_handshakes,
    },
    {
        .words = {"show", "neighbours"},
        .usage = "",
        .help = "next hops: MAC address and state (ARP, neighbour discovery)",
        .example = "weirctl show neighbours",
        .options = SHOW_OPTIONS,
        .run = show_neighbours,
    },
    {
        .words = {"reload"},
        .usage = "",
        .help = "read the configuration file again and take over what changed",
        .example = "weirctl reload",
        .options = OPTION_BIT(OPTION_JSON),
        .run = act_reload,
    },
    {
        .words = {"drain"},
        .arguments = {ARGUMENT_POOL, ARGUMENT_MEMBER},
        .usage = "POOL MEMBER",
        .help = "give a member no new flows; its established ones go on",
        .example = "weirctl drain web s1",
        .options = OPTION_BIT(OPTION_JSON),
        .run = act_drain,
    },
    {
        .words = {"undrain"},
        .arguments = {ARGUMENT_POOL, ARGUMENT_MEMBER},
        .usage = "POOL MEMBER",
        .help = "give a drained member new flows again",
        .example = "weirctl undrain web s1",
        .options = OPTION_BIT(OPTION_JSON),
        .run = act_undrain,
    },
    {
        .words = {"trace"},
        .arguments = {ARGUMENT_FILTER},
        .usage = "[FILTER]",
        .help = "follow packets through the stages, and what each decides",
        .example = "weirctl trace host 192.0.2.10 and vip web --count 10",
        .options = OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_COUNT) | OPTION_BIT(OPTION_SECONDS) |
                   OPTION_BIT(OPTION_RATE),
        .run = watch_trace,
    },
    {
        .words = {"capture"},
        .arguments = {ARGUMENT_FILTER},
        .usage = "[FILTER]",
        .help = "write packets into a file, with what became of each",
        .example = "weirctl capture dropped --write drops.pcapng --seconds 60",
        .options = OPTION_BIT(OPTION_WRITE) | OPTION_BIT(OPTION_COUNT) |
                   OPTION_BIT(OPTION_SECONDS) | OPTION_BIT(OPTION_RATE) | OPTION_BIT(OPTION_SNAP) |
                   OPTION_BIT(OPTION_SIZE),
        .run = watch_capture,
    },
    {
        .words = {"top"},
        .usage = "",
        .help = "live rates, read from shared memory: one line an interval",
        .example = "weirctl top --count 10 --interval 500ms",
        .options = OPTION_BIT(OPTION_JSON) | OPTION_BIT(OPTION_COUNT) | OPTION_BIT(OPTION_INTERVAL),
        .run = top_run,
    },
    {
        .words = {"completion", "bash"},
        .usage = "",
        .help = "print the completion script for bash",
        .example = "source <(weirctl completion bash)",
        .run = completion_bash,
    },
    {
        .words = {"help"},
        .arguments = {ARGUMENT_COMMAND_WORD, ARGUMENT_COMMAND_WORD},
        .usage = "[COMMAND]",
        .help = "all commands, or all about one",
        .example = "weirctl help show flows",
        .run = help_run,
    },
    {
        .words = {"version"},
        .usage = "",
        .help = "print weirctl's own version",
        .example = "weirctl version",
        .run = act_version,
    },
};
const size_t command_count = sizeof(commands) / sizeof(commands[0]);
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

size_t command_word_count(const struct command *command)
{
    return command->words[1] ? 2 : 1;
}

bool command_matches(const struct command *command, const char *const *words, size_t count)
{
    size_t compared = command_word_count(command);
    if (count < compared)
        compared = count;
    for (size_t i = 0; i < compared; i++) {
        if (strcmp(command->words[i], words[i]) != 0)
            return false;
    }
    return true;
}

// words[at] is what no command has there, although some have all before it; or it is missing.
static void explain_words(const char *const *words, size_t count, size_t at, char *why)
{
    const char *known[COMMAND_COUNT];
    size_t known_count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (at < command_word_count(&commands[i]) && command_matches(&commands[i], words, at))
            known[known_count++] = commands[i].words[at];
    }
    const char *before = at > 0 ? words[0] : "";
    const char *gap = at > 0 ? " " : "";
    if (at == count) {
        int used = snprintf(why, OPTIONS_WHY_SIZE, "%s what?", before);
        for (size_t i = 0; i < known_count && used > 0 && used < OPTIONS_WHY_SIZE; i++)
            used += snprintf(why + used, OPTIONS_WHY_SIZE - (size_t)used, "%s %s",
                             i > 0 ? "," : " one of", known[i]);
        return;
    }
    const char *nearest = nearest_word(words[at], known, known_count);
    if (nearest)
        snprintf(why, OPTIONS_WHY_SIZE,
                 "there is no command `%s%s%s`; did you mean `weirctl %s%s%s`?", before, gap,
                 words[at], before, gap, nearest);
    else
        snprintf(why, OPTIONS_WHY_SIZE, "there is no command `%s%s%s`; `weirctl help` lists all",
                 before, gap, words[at]);
}

const struct command *command_find(const char *const *words, size_t count, char *why)
{
    size_t deepest = 0; // words that some command has, too
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        size_t length = command_word_count(command);
        if (count >= length && command_matches(command, words, count))
            return command;
        if (deepest == 0 && length > 1 && count > 0 && command_matches(command, words, 1))
            deepest = 1;
    }
    explain_words(words, count, deepest, why);
    return NULL;
}

// Every option that was given must be one the command takes.
static bool check_options(const struct command *command, const struct options *options)
{
    uint32_t foreign = options->given & ~(command->options | OPTIONS_GLOBAL);
    for (int id = 0; id < OPTION_IDS; id++) {
        if (!(foreign & OPTION_BIT(id)))
            continue;
        bool two = command->words[1] != NULL;
        fprintf(stderr, "weirctl: `%s%s%s` takes no %s\n", command->words[0], two ? " " : "",
                two ? command->words[1] : "", option_rules[id].name);
        return false;
    }
    return true;
}

static bool take_arguments(const struct command *command, const struct options *options,
                           struct invocation *invocation)
{
    size_t at = command_word_count(command);
    for (size_t i = 0; i < COMMAND_ARGUMENTS_MAX; i++) {
        enum argument_kind kind = command->arguments[i];
        if (kind == ARGUMENT_NONE)
            break;
        if (kind == ARGUMENT_FILTER)
            return true;
        if (at < options->word_count)
            invocation->arguments[i] = options->words[at++];
        else if (kind != ARGUMENT_COMMAND_WORD) {
            fprintf(stderr, "weirctl: `%s` wants %s\n  as in: %s\n", command->words[0],
                    command->usage, command->example);
            return false;
        }
    }
    if (at < options->word_count) {
        fprintf(stderr, "weirctl: what is `%s`?\n  as in: %s\n", options->words[at],
                command->example);
        return false;
    }
    return true;
}

static enum cli_exit run(const struct options *options)
{
    bool help = options_given(options, OPTION_HELP);
    if (options->word_count == 0 && !help && options->given == OPTION_BIT(OPTION_VERSION))
        return act_version(NULL);
    if (options->word_count == 0) {
        help_print_overview(help ? stdout : stderr);
        return help ? CLI_OK : CLI_USAGE;
    }
    char why[OPTIONS_WHY_SIZE];
    const struct command *command = command_find(options->words, options->word_count, why);
    if (help) {
        size_t count = command ? command_word_count(command) : options->word_count;
        if (help_print_commands(options->words, count, stdout))
            return CLI_OK;
    }
    if (!command) {
        fprintf(stderr, "weirctl: %s\n", why);
        return CLI_USAGE;
    }
    struct invocation invocation = {.options = options};
    if (!check_options(command, options) || !take_arguments(command, options, &invocation))
        return CLI_USAGE;
    return command->run(&invocation);
}

enum cli_exit command_main(int count, const char *const *arguments)
{
    // Asked by the script of `completion bash`, not by people.
    if (count > 0 && strcmp(arguments[0], "__complete") == 0) {
        completion_complete(count - 1, arguments + 1, stdout);
        return CLI_OK;
    }
    struct options options;
    char why[OPTIONS_WHY_SIZE];
    if (options_parse(count, arguments, &options, why) != ERROR_NONE) {
        fprintf(stderr, "weirctl: %s\n", why);
        return CLI_USAGE;
    }
    return run(&options);
}
