// How the statistics segment lies in memory. Everything is little-endian, aligned to its size, and
// found by offsets from the segment's start:
//
//   header | directory: one entry a family | labels of every family | writer 0's block | ...
//
// Each writer's block starts a page, each family's slots in it start a cache line, but for those
// that lie beside the family before: theirs are in its rows, `stride` slots from one to the next. A
// row is a power of two of slots, so that none lies across two cache lines. Memory that was
// never written costs nothing, and a reader must not touch it either: a read of a shared mapping
// would allocate the page. So an entry says how many labels were ever set, and no more are read.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/stats.h"

#define STATS_MAGIC         0x5441545352494557u // "WEIRSTAT"
#define STATS_VERSION       2u
#define STATS_PAGE          4096u
#define STATS_CACHE_LINE    64u
#define STATS_FAMILIES_MAX  1024u
#define STATS_WRITERS_MAX   1024u
#define STATS_CAPACITY_MAX  (1u << 20)
#define STATS_LABEL_WORDS   (STATS_LABEL_SIZE / sizeof(uint64_t))
#define STATS_SIZE_MAX      (1ull << 40)
#define STATS_LABEL_RETRIES 1000

struct stats_header {
    uint64_t magic;
    uint32_t version;
    uint32_t family_count;
    uint32_t writer_count;
    uint32_t reserved;
    uint64_t size;             // bytes of the whole segment
    uint64_t directory_offset; //
    uint64_t blocks_offset;    // writer 0's block
    uint64_t block_size;       // from one writer's block to the next
    _Atomic uint64_t revision; // writer: the owner's main thread
};

struct stats_entry {
    char name[STATS_NAME_SIZE]; // terminated
    char help[STATS_HELP_SIZE]; // terminated
    uint32_t type;
    uint32_t capacity;
    uint64_t labels_offset;       // `capacity` of struct stats_label
    uint64_t slots_offset;        // of the first instance, in a writer's block
    _Atomic uint32_t labels_used; // writer: the owner's main thread; only grows
    uint32_t stride;              // slots from one instance to the next
};

// The text is kept as words so that it can be copied by atomic loads while it is rewritten.
struct stats_label {
    _Atomic uint64_t sequence; // odd while the text is being written
    _Atomic uint64_t words[STATS_LABEL_WORDS];
};
_Static_assert(STATS_LABEL_SIZE % sizeof(uint64_t) == 0, "a label is whole words");

static inline uint64_t stats_round_up(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}
