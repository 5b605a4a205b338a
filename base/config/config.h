// Reading, checking, comparing and printing the configuration. The model is base/config/model.h.
#pragma once

#include <stdio.h>

#include "base/config/model.h"
#include "base/error.h"
#include "base/span.h"

// One thing wrong with a file. Lines and columns count from 1; 0 where there is no place.
struct config_problem {
    uint32_t line;
    uint32_t column;
    char *words;   // the offending words as the file has them; may be empty
    char *message; // what is wrong
    char *remedy;  // what to do
};

// All that is wrong with a file, in the order of the file. At most CONFIG_PROBLEMS_MAX are kept,
// `left_out` counts the rest.
#define CONFIG_PROBLEMS_MAX 100
struct config_problems {
    struct config_problem *items; // owned
    uint32_t count;
    uint32_t left_out;
};

// Reads and checks a whole configuration. On ERROR_NONE `*config` is the caller's; on ERROR_INVALID
// (or ERROR_TOO_LARGE, ERROR_SYSTEM for the file itself) `problems` says all that is wrong.
// `problems` is initialized here and must be given to config_problems_fini() in every case.
enum error config_read_file(const char *path, struct config **config,
                            struct config_problems *problems);
enum error config_read_text(struct span text, struct config **config,
                            struct config_problems *problems);

void config_destroy(struct config *config);
void config_problems_fini(struct config_problems *problems);

// "FILE:LINE:COLUMN: message: `words`\n  remedy\n" for each problem.
void config_problems_print(const struct config_problems *problems, const char *path, FILE *out);

// Calls `change` for each difference: path as in "pools.web.members.s1.weight", values as the file
// would write them, NULL where one side has none. Returns how many there are. `change` may be NULL.
uint32_t config_diff(const struct config *before, const struct config *after,
                     void (*change)(void *context, const char *path, const char *before,
                                    const char *after),
                     void *context);

// The same for those differences alone that take a restart. Ports that come or go are told as
// "ports.NAME" and nothing below it, another order of the same ports as "ports".
uint32_t config_restart_diff(const struct config *before, const struct config *after,
                             void (*change)(void *context, const char *path, const char *before,
                                            const char *after),
                             void *context);

// The canonical YAML text: reading it gives an equal configuration.
void config_print(const struct config *config, FILE *out);

// The schema as a JSON Schema for editors, and as the reference page docs/configuration.md.
void config_print_json_schema(FILE *out);
void config_print_reference(FILE *out);

// Texts of the enumerations as the file writes them.
const char *config_forward_text(enum config_forward forward);
const char *config_balancer_text(enum config_balancer balancer);
const char *config_bond_text(enum config_bond_mode mode);
const char *config_protocol_text(enum config_protocol protocol);
const char *config_client_address_text(enum config_client_address client_address);
