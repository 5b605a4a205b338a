// YAML text as a tree of maps, lists and texts with their places. This is all the rest of the room
// sees of YAML; libfyaml stays in tree.c. Nothing in a tree is shared: anchors, aliases and tags
// are refused, so a file cannot grow while it is read.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config/arena_priv.h"
#include "base/config/config.h"
#include "base/span.h"

#define TREE_BYTES_MAX (4u << 20) // the model at its limits takes less
#define TREE_DEPTH_MAX 16
// Open at once, before the depth of anything is known: above TREE_DEPTH_MAX, so that what is only
// somewhat too deep is judged by what it is.
#define TREE_BRACKETS_MAX 64
// Of lists and maps in brackets, of the whole file: the model at its limits, written as JSON, has
// fewer within TREE_BYTES_MAX.
#define TREE_ITEMS_MAX (1u << 19)

enum tree_kind {
    TREE_TEXT,
    TREE_LIST,
    TREE_MAP,
    TREE_REFUSED, // a problem has been reported; says nothing
};

struct tree_node {
    enum tree_kind kind;
    uint32_t line; // from 1
    uint32_t column;
    const char *text;            // TREE_TEXT: terminated; never holds a NUL of its own
    const struct tree_node *key; // of an entry of a map: a TREE_TEXT
    struct tree_node *first;     // TREE_LIST, TREE_MAP: entries
    struct tree_node *last;      //
    struct tree_node *next;      // in the list or map this belongs to
    uint32_t count;              // entries
};

// Parses one document. Returns its root, or NULL where there is none. Problems are added; a break
// of YAML's own rules gives NULL too, since what follows it would only seem to be missing.
const struct tree_node *tree_read(struct span text, struct arena *arena,
                                  struct config_problems *problems);

// "a list", "a map" or "a value".
const char *tree_kind_text(enum tree_kind kind);
