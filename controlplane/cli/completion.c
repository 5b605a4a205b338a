#include "controlplane/cli/completion.h"

#include <stdlib.h>
#include <string.h>

#include "controlplane/cli/request.h"

// A person is waiting with a finger on the key.
#define COMPLETION_TIMEOUT_MS 500

// Names of files are readline's own affair: it knows of "~", of blanks and of folders.
static const char bash_begin[] =
    "# bash completion for weirctl: source <(weirctl completion bash)\n"
    "_weirctl() {\n"
    "    local previous=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    if [[ $previous == '=' ]]; then\n"
    "        previous=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    COMPREPLY=()\n"
    "    case $previous in\n"
    "    ";
static const char bash_end[] =
    ")\n"
    "        compopt -o default\n"
    "        return\n"
    "        ;;\n"
    "    esac\n"
    "    mapfile -t COMPREPLY < <(\n"
    "        \"${COMP_WORDS[0]}\" __complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _weirctl weirctl\n";

enum cli_exit completion_bash(const struct invocation *invocation)
{
    fputs(bash_begin, stdout);
    const char *gap = "";
    for (int id = 0; id < OPTION_IDS; id++) {
        if (option_rules[id].kind != OPTION_PATH)
            continue;
        printf("%s%s", gap, option_rules[id].name);
        gap = " | ";
    }
    fputs(bash_end, stdout);
    return CLI_OK;
}

struct completion {
    const char *socket;
    const char *current; // the word to complete, without what is before its "="
    FILE *out;
};

static void offer(const struct completion *completion, const char *word)
{
    size_t length = strlen(completion->current);
    if (strncmp(word, completion->current, length) == 0)
        fprintf(completion->out, "%s\n", word);
}

// What a method answers, or NULL. Silent.
static json_t *ask(const struct completion *completion, const char *method)
{
    struct ipc_client *client;
    char why[256];
    if (ipc_client_open(completion->socket, &client, why, sizeof(why)) != ERROR_NONE)
        return NULL;
    json_t *reply = NULL;
    json_t *result = NULL;
    if (ipc_client_call(client, method, NULL, COMPLETION_TIMEOUT_MS, &reply, NULL) == ERROR_NONE) {
        result = json_incref(json_object_get(reply, "result"));
        json_decref(reply);
    }
    ipc_client_close(client);
    return result;
}

static void offer_names(const struct completion *completion, const json_t *items)
{
    size_t index;
    const json_t *item;
    json_array_foreach(items, index, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name)
            offer(completion, name);
    }
}

static void offer_live(const struct completion *completion, const char *method, const char *rows)
{
    json_t *result = ask(completion, method);
    offer_names(completion, json_object_get(result, rows));
    json_decref(result);
}

// Members of a pool, or of all pools where `pool` is NULL.
static void offer_members(const struct completion *completion, const char *pool)
{
    json_t *result = ask(completion, "show.pools");
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(result, "pools"), index, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!pool || (name && strcmp(name, pool) == 0))
            offer_names(completion, json_object_get(item, "members"));
    }
    json_decref(result);
}

static void offer_reasons(const struct completion *completion)
{
    json_t *result = ask(completion, "show.drops");
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(result, "drops"), index, item)
    {
        const char *reason = json_string_value(json_object_get(item, "reason"));
        if (reason)
            offer(completion, reason);
    }
    json_decref(result);
}

// The next word of a filter, after `previous`.
static void offer_filter(const struct completion *completion, const char *previous)
{
    static const char *const words[] = {"host", "net",     "port", "src", "dst", "tcp",
                                        "udp",  "icmp",    "arp",  "ip",  "ip6", "vip",
                                        "on",   "dropped", "and",  "or",  "not"};
    if (strcmp(previous, "vip") == 0) {
        offer_live(completion, "show.vips", "vips");
    } else if (strcmp(previous, "on") == 0) {
        offer_live(completion, "show.ports", "ports");
    } else {
        if (strcmp(previous, "dropped") == 0)
            offer_reasons(completion);
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            offer(completion, words[i]);
    }
}

static void offer_value(const struct completion *completion, enum option_id id,
                        const struct options *options)
{
    if (id == OPTION_VIP)
        offer_live(completion, "show.vips", "vips");
    else if (id == OPTION_POOL)
        offer_live(completion, "show.pools", "pools");
    else if (id == OPTION_MEMBER)
        offer_members(completion, options->values[OPTION_POOL].text);
}

// The options that commands beginning with these words take and that are not there yet.
static void offer_options(const struct completion *completion, const struct options *options)
{
    uint32_t takes = OPTIONS_GLOBAL;
    for (size_t i = 0; i < command_count; i++) {
        if (command_matches(&commands[i], options->words, options->word_count))
            takes |= commands[i].options;
    }
    for (int id = 0; id < OPTION_IDS; id++) {
        if (takes & OPTION_BIT(id) & ~options->given)
            offer(completion, option_rules[id].name);
    }
}

// The words that commands have after these.
static void offer_commands(const struct completion *completion, const char *const *words,
                           size_t count)
{
    const char *last = NULL;
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = &commands[i];
        if (count >= command_word_count(command) || !command_matches(command, words, count))
            continue;
        // Commands that share a first word stand together in the table.
        if (!last || strcmp(last, command->words[count]) != 0)
            offer(completion, command->words[count]);
        last = command->words[count];
    }
}

static void offer_words(const struct completion *completion, const struct options *options)
{
    size_t count = options->word_count;
    if (count == OPTIONS_WORDS_MAX)
        return;
    char why[OPTIONS_WHY_SIZE];
    const struct command *command = command_find(options->words, count, why);
    if (!command) {
        offer_commands(completion, options->words, count);
        return;
    }
    size_t argument = count - command_word_count(command);
    if (command->arguments[0] == ARGUMENT_FILTER) {
        offer_filter(completion, options->words[count - 1]);
        return;
    }
    if (argument >= COMMAND_ARGUMENTS_MAX)
        return;
    switch (command->arguments[argument]) {
    case ARGUMENT_NONE:
    case ARGUMENT_FILTER:
        break;
    case ARGUMENT_POOL:
        offer_live(completion, "show.pools", "pools");
        break;
    case ARGUMENT_MEMBER:
        offer_members(completion, options->words[count - 1]);
        break;
    case ARGUMENT_COMMAND_WORD:
        offer_commands(completion, options->words + 1, argument);
        break;
    }
}

// Leaves out the "=" that bash makes a word of its own, and what follows it where the value cannot
// be a word of its own. `kept` has room for all of them.
static size_t unsplit(int count, const char *const *words, const char **kept)
{
    size_t kept_count = 0;
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "=") != 0) {
            kept[kept_count++] = words[i];
            continue;
        }
        const char *name = kept_count > 0 ? kept[kept_count - 1] : "";
        enum option_id id = options_find(name, strlen(name));
        if (id != OPTION_IDS && option_rules[id].kind == OPTION_DURATION_MAYBE)
            i++;
    }
    return kept_count;
}

// The last of the words; `before` has room for the others.
static void complete(int count, const char *const *words, const char **before, FILE *out)
{
    struct completion completion = {.current = words[count - 1], .out = out};
    bool after_equals = strcmp(completion.current, "=") == 0;
    if (after_equals)
        completion.current = "";

    size_t before_count = unsplit(count - 1, words, before);

    // An option that waits for its value is no complete command line yet.
    enum option_id waiting = OPTION_IDS;
    if (before_count > 0)
        waiting = options_find(before[before_count - 1], strlen(before[before_count - 1]));
    if (waiting != OPTION_IDS) {
        enum option_kind kind = option_rules[waiting].kind;
        bool maybe = kind == OPTION_DURATION_MAYBE;
        if (maybe && (after_equals || (count > 1 && strcmp(words[count - 2], "=") == 0)))
            return;
        if (kind == OPTION_FLAG || maybe)
            waiting = OPTION_IDS;
        else
            before_count--;
    }

    struct options options;
    char why[OPTIONS_WHY_SIZE];
    if (options_parse((int)before_count, before, &options, why) != ERROR_NONE)
        return;
    completion.socket = request_socket(&options);
    if (waiting != OPTION_IDS)
        offer_value(&completion, waiting, &options);
    else if (completion.current[0] == '-')
        offer_options(&completion, &options);
    else
        offer_words(&completion, &options);
}

void completion_complete(int count, const char *const *words, FILE *out)
{
    const char **before = calloc((size_t)count + 1, sizeof(*before));
    if (before && count > 0)
        complete(count, words, before, out);
    free(before);
}
