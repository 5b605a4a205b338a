// From a tree to a model by the schema, and from there to a checked one.
#pragma once

#include "base/config/arena_priv.h"
#include "base/config/config.h"
#include "base/config/places_priv.h"
#include "base/config/tree_priv.h"

struct reader {
    struct arena *model; // what the configuration keeps
    struct arena *scratch;
    struct config *config;
    struct config_problems *problems;
    struct places places;
};

// Fills reader->config, defaults included. What is refused is left zero and noted as bad.
void read_tree(struct reader *reader, const struct tree_node *root);

// Checks what relates values to each other: names, references, networks, reachability.
void validate(struct reader *reader);
