// One value of the file: from its text to its place in the model and back.
#pragma once

#include "base/config/arena_priv.h"
#include "base/config/model.h"
#include "base/config/schema_priv.h"

// What is wrong with a text and what to do, for people.
struct value_fault {
    char message[160];
    char remedy[256];
};

// Parses `text` as one value (one item of a list) into the field->size bytes at `to`. False: says
// why in `fault` and leaves `to` alone. SCHEMA_CORES, SCHEMA_POOL and SCHEMA_RECORD are not values.
bool value_parse(const struct schema_field *field, const char *text, struct arena *arena, void *to,
                 struct value_fault *fault);

// Parses "3" or "0-3", both ends included.
bool value_parse_cores(const struct schema_field *field, const char *text, uint32_t *first,
                       uint32_t *last, struct value_fault *fault);

// The longest text of a value or of a list of values, with its terminator.
#define VALUE_TEXT_SIZE 1024

// What keeps an address of a network from being a machine's: it is the network's own or its
// broadcast address. NULL: nothing.
const char *value_edge_fault(const struct ip_prefix *network, const struct ip_address *address);

// Writes the canonical text of the value at `at` (one item of a list).
void value_format(const struct schema_field *field, const void *at, const struct config *config,
                  char out[static VALUE_TEXT_SIZE]);
void value_format_number(enum schema_type type, uint64_t number, char out[static VALUE_TEXT_SIZE]);

// The units of a quantity, the smallest first, NULL text at the end; NULL for what has none.
struct value_unit {
    const char *text;
    uint64_t factor;
};
const struct value_unit *value_units(enum schema_type type);
