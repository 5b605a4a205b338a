#include "controlplane/cli/options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "base/ipc/ipc.h"
#include "base/nearest.h"

#define DURATION_MIN_MS 100u
#define DURATION_MAX_MS 3600000u
#define COUNT_MAX       1000000u
#define SNAP_MAX        9216

#define TEXT_OF(number)          TEXT_OF_EXPANDED(number)
#define TEXT_OF_EXPANDED(number) #number

const struct option_rule option_rules[OPTION_IDS] = {
    [OPTION_SOCKET] = {"--socket", "PATH", OPTION_PATH, 0,
                       "the data plane's socket [$WEIR_SOCKET, else /run/weir/dataplane.sock]"},
    [OPTION_HELP] = {"--help", NULL, OPTION_FLAG, 0, "explain instead of doing; also -h"},
    [OPTION_JSON] = {"--json", NULL, OPTION_FLAG, 0, "print the answer as JSON, for programs"},
    [OPTION_WATCH] = {"--watch", "INTERVAL", OPTION_DURATION_MAYBE, 1000,
                      "show it again every INTERVAL, until interrupted [1s]"},
    [OPTION_ALL] = {"--all", NULL, OPTION_FLAG, 0, "what has counted nothing, too"},
    [OPTION_LIMIT] = {"--limit", "N", OPTION_NUMBER, 100,
                      "at most N rows, up to " TEXT_OF(IPC_FLOWS_MAX) " [100]"},
    [OPTION_VIP] = {"--vip", "NAME", OPTION_TEXT, 0, "only what is of this virtual address"},
    [OPTION_POOL] = {"--pool", "NAME", OPTION_TEXT, 0, "only flows to this pool"},
    [OPTION_MEMBER] = {"--member", "NAME", OPTION_TEXT, 0, "only flows to members of this name"},
    [OPTION_CLIENT] = {"--client", "ADDRESS", OPTION_ADDRESS, 0, "only flows of this client"},
    [OPTION_COUNT] = {"--count", "N", OPTION_NUMBER, 0, "end after N of them"},
    [OPTION_INTERVAL] = {"--interval", "INTERVAL", OPTION_DURATION, 1000,
                         "time from one line to the next [1s]"},
    [OPTION_BY_VIP] = {"--by-vip", NULL, OPTION_FLAG, 0, "a row for each virtual address"},
    [OPTION_SECONDS] = {"--seconds", "N", OPTION_NUMBER, 0, "end after N seconds"},
    [OPTION_RATE] = {"--rate", "N", OPTION_NUMBER, 0,
                     "at most N packets a second and worker [trace 1000, capture 10000]"},
    [OPTION_WRITE] = {"--write", "FILE", OPTION_PATH, 0, "write pcapng into FILE; -: into a pipe"},
    [OPTION_SNAP] = {"--snap", "N", OPTION_NUMBER, SNAP_MAX,
                     "keep N bytes of a frame, up to " TEXT_OF(SNAP_MAX) " [all of them]"},
    [OPTION_SIZE] = {"--size", "MIB", OPTION_NUMBER, 0, "end once the file has so many MiB [1024]"},
    [OPTION_WORKER] = {"--worker", "N", OPTION_NUMBER, 0, "only this worker; they count from 0"},
    [OPTION_OFFLOADS] = {"--offloads", NULL, OPTION_FLAG, 0,
                         "what devices offer to do, what of it is used, and why the rest is not"},
    [OPTION_VERSION] = {"--version", NULL, OPTION_FLAG, 0, "the same as `weirctl version`"},
};

__attribute__((format(printf, 2, 3))) static enum error refuse(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, OPTIONS_WHY_SIZE, format, arguments);
    va_end(arguments);
    return ERROR_INVALID;
}

enum option_id options_find(const char *name, size_t length)
{
    for (int id = 0; id < OPTION_IDS; id++) {
        const char *known = option_rules[id].name;
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return (enum option_id)id;
    }
    return OPTION_IDS;
}

// Digits only, at least one: strtoull alone would take signs and blanks. `*end` is what follows.
static bool read_digits(const char *text, uint64_t *number, const char **end)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9)
        return false;
    *number = strtoull(text, NULL, 10);
    *end = text + digits;
    return true;
}

static enum error read_duration(const char *name, const char *text, uint64_t *ms, char *why)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

    uint64_t number;
    const char *unit;
    if (!read_digits(text, &number, &unit))
        return refuse(why, "%s takes a number with its unit, as in 500ms or 2s, not `%s`", name,
                      text);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].unit) != 0)
            continue;
        *ms = number * units[i].ms;
        if (*ms < DURATION_MIN_MS || *ms > DURATION_MAX_MS)
            return refuse(why, "%s takes 100ms to 1h, not `%s`", name, text);
        return ERROR_NONE;
    }
    return refuse(why, "%s wants a unit: ms, s, m or h, as in 500ms or 2s, not `%s`", name, text);
}

static enum error read_value(enum option_id id, const char *text, struct options *options,
                             char *why)
{
    const struct option_rule *rule = &option_rules[id];
    uint64_t number = 0;
    uint64_t most = id == OPTION_LIMIT ? IPC_FLOWS_MAX : id == OPTION_SNAP ? SNAP_MAX : COUNT_MAX;
    uint64_t least = id == OPTION_WORKER ? 0 : 1;
    const char *end;
    struct ip_address address;
    switch (rule->kind) {
    case OPTION_FLAG:
        break;
    case OPTION_TEXT:
    case OPTION_PATH:
        if (*text == '\0')
            return refuse(why, "%s takes a %s, not nothing", rule->name, rule->value);
        break;
    case OPTION_ADDRESS:
        if (ip_parse(text, &address) != ERROR_NONE)
            return refuse(why, "%s takes an IPv4 or IPv6 address, not `%s`", rule->name, text);
        break;
    case OPTION_NUMBER:
        if (!read_digits(text, &number, &end) || *end != '\0' || number < least || number > most)
            return refuse(why, "%s takes a number from %" PRIu64 " to %" PRIu64 ", not `%s`",
                          rule->name, least, most, text);
        break;
    case OPTION_DURATION:
    case OPTION_DURATION_MAYBE: {
        enum error error = read_duration(rule->name, text, &number, why);
        if (error)
            return error;
        break;
    }
    }
    options->values[id].text = text;
    options->values[id].number = number;
    options->given |= OPTION_BIT(id);
    return ERROR_NONE;
}

static enum error refuse_unknown(const char *name, size_t length, char *why)
{
    const char *names[OPTION_IDS];
    char word[NEAREST_LENGTH_MAX + 1];
    for (int id = 0; id < OPTION_IDS; id++)
        names[id] = option_rules[id].name;
    snprintf(word, sizeof(word), "%.*s", (int)length, name);
    const char *nearest = nearest_word(word, names, OPTION_IDS);
    return refuse(why, "there is no option %s%s%s%s", word, nearest ? "; did you mean " : "",
                  nearest ? nearest : "", nearest ? "?" : "");
}

// Reads the option at arguments[*at], and moves *at to its value where that is a word of its own.
static enum error read_option(int count, const char *const *arguments, int *at,
                              struct options *options, char *why)
{
    const char *argument = arguments[*at];
    size_t length = strcspn(argument, "=");
    bool joined = argument[length] == '=';
    enum option_id id = strcmp(argument, "-h") == 0 ? OPTION_HELP : options_find(argument, length);
    if (id == OPTION_IDS)
        return refuse_unknown(argument, length, why);

    const struct option_rule *rule = &option_rules[id];
    if (options_given(options, id))
        return refuse(why, "%s is given twice", rule->name);
    if (rule->kind == OPTION_FLAG && joined)
        return refuse(why, "%s takes no value", rule->name);
    if (rule->kind == OPTION_FLAG || (rule->kind == OPTION_DURATION_MAYBE && !joined)) {
        options->given |= OPTION_BIT(id);
        return ERROR_NONE;
    }
    if (joined)
        return read_value(id, argument + length + 1, options, why);
    if (*at + 1 == count)
        return refuse(why, "%s wants a value: %s %s", rule->name, rule->name, rule->value);
    (*at)++;
    return read_value(id, arguments[*at], options, why);
}

enum error options_parse(int count, const char *const *arguments, struct options *options,
                         char *why)
{
    *options = (struct options){.given = 0};
    for (int id = 0; id < OPTION_IDS; id++)
        options->values[id].number = option_rules[id].preset;

    bool only_words = false; // after "--"
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!only_words && strcmp(argument, "--") == 0) {
            only_words = true;
        } else if (!only_words && argument[0] == '-' && argument[1] != '\0') {
            enum error error = read_option(count, arguments, &i, options, why);
            if (error)
                return error;
        } else if (options->word_count == OPTIONS_WORDS_MAX) {
            return refuse(why, "too many words, from `%s` on", argument);
        } else {
            options->words[options->word_count++] = argument;
        }
    }
    return ERROR_NONE;
}
