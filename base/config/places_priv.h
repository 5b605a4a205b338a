// Where in the file each value of a model stands, so that what is checked after reading can name
// the line. Lives while a file is read.
#pragma once

#include "base/config/arena_priv.h"
#include "base/config/tree_priv.h"

struct place {
    const void *at;               // in the model
    bool record;                  // of the struct at `at`, not of its first field
    bool bad;                     // the value was refused: what depends on it is not judged
    const struct tree_node *node; // borrowed
};

struct places {
    struct arena *arena; // borrowed
    struct place *items;
    uint32_t count;
    uint32_t capacity;
    bool sorted;
};

void places_add(struct places *places, const void *at, bool record, bool bad,
                const struct tree_node *node);

// Where the field at `at`, or the record, is written; NULL for a default.
const struct place *places_find(struct places *places, const void *at, bool record);

// True where the field at `at` was refused or is missing.
bool places_is_bad(struct places *places, const void *at);
