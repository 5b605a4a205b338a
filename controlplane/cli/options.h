// weirctl's command line as data: one table of options, and a parser that takes words and options
// in any order. Pure: it prints nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define OPTIONS_WORDS_MAX 64 // filters are as many words as they are
#define OPTIONS_WHY_SIZE  256

enum option_id {
    OPTION_SOCKET,
    OPTION_HELP,
    OPTION_JSON,
    OPTION_WATCH,
    OPTION_ALL,
    OPTION_LIMIT,
    OPTION_VIP,
    OPTION_POOL,
    OPTION_MEMBER,
    OPTION_CLIENT,
    OPTION_COUNT,
    OPTION_INTERVAL,
    OPTION_BY_VIP,
    OPTION_SECONDS,
    OPTION_RATE,
    OPTION_WRITE,
    OPTION_SNAP,
    OPTION_SIZE,
    OPTION_WORKER,
    OPTION_OFFLOADS,
    OPTION_VERSION,
    OPTION_IDS,
};

#define OPTION_BIT(id) (1u << (id))
// Every command takes these.
#define OPTIONS_GLOBAL (OPTION_BIT(OPTION_SOCKET) | OPTION_BIT(OPTION_HELP))

enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_PATH,           // of a file
    OPTION_ADDRESS,        // an IPv4 or IPv6 address
    OPTION_NUMBER,         // from 1
    OPTION_DURATION,       // with its unit
    OPTION_DURATION_MAYBE, // the same, and may be left out: --watch, --watch=5s
};

struct option_rule {
    const char *name;  // with its dashes
    const char *value; // what help calls the value; NULL: takes none
    enum option_kind kind;
    uint64_t preset; // where the option is not given; durations in milliseconds
    const char *help;
};

// By enum option_id.
extern const struct option_rule option_rules[OPTION_IDS];

struct options {
    uint32_t given; // bits of enum option_id
    struct {
        const char *text; // borrowed from the command line; NULL where not given
        uint64_t number;  // the preset where not given; durations in milliseconds
    } values[OPTION_IDS];
    const char *words[OPTIONS_WORDS_MAX]; // what is no option, in order; borrowed
    size_t word_count;
};

static inline bool options_given(const struct options *options, enum option_id id)
{
    return options->given & OPTION_BIT(id);
}

// Reads the words after the program's name. ERROR_INVALID: `why` (OPTIONS_WHY_SIZE bytes) says what
// is wrong and what was probably meant.
enum error options_parse(int count, const char *const *arguments, struct options *options,
                         char *why);

// The option of that name (`length` bytes of it), or OPTION_IDS.
enum option_id options_find(const char *name, size_t length);
