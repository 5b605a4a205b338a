// The statistics segment: counters that one process writes and any other reads without asking it.
//
// One sealed memfd holds a directory of families (name, type, help, capacity), a label for each
// instance of a family, and for each writer thread its own block of 64-bit slots, so that no two
// writers share a cache line. What is counted together may lie together: families that are declared
// `beside` the one before share its rows, so that one cache line serves them all. A writer adds
// with a plain load and a relaxed store, never with an atomic read-modify-write. Offsets, not
// pointers: every process maps it where it likes. Labels are set by the owning process's main
// thread under a sequence count that readers check.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define STATS_NAME_SIZE  64
#define STATS_HELP_SIZE  160
#define STATS_LABEL_SIZE 256 // three of the longest names with their keys

enum stats_type {
    STATS_COUNTER, // only grows
    STATS_GAUGE,
};

// Declared once, by the owner, at creation.
struct stats_family {
    const char *name; // Prometheus's conventions: weir_drops_packets_total; only counters so end
    const char *help;
    enum stats_type type;
    uint32_t capacity; // instances: one label each
    // Its slot of an instance follows that of the family declared before it, of the same capacity.
    // At most STATS_ROW_MAX families share a row.
    bool beside;
};

#define STATS_ROW_MAX 8

struct stats; // the owner's view

// A segment of `count` families for `writers` writer threads. All slots are zero, all labels empty.
enum error stats_create(const struct stats_family *families, size_t count, uint32_t writers,
                        struct stats **stats);
void stats_destroy(struct stats *stats);

// The memfd, sealed: whoever gets it by the local socket can only read. Owned by `stats`.
int stats_fd(const struct stats *stats);

// The slots of a family that `writer` alone may write: the first instance's, and the others' at
// each as many slots on as families share the row. Valid until stats_destroy().
uint64_t *stats_slots(struct stats *stats, size_t family, uint32_t writer);

// The slot of one instance.
uint64_t *stats_slot(struct stats *stats, size_t family, uint32_t writer, uint32_t instance);

// Names an instance: a Prometheus label set without braces, `vip="web"`, shorter than
// STATS_LABEL_SIZE. An empty label hides it. Zeroing its slots is the caller's affair. Main thread
// only.
void stats_set_label(struct stats *stats, size_t family, uint32_t instance, const char *label);

// The revision of the configuration the counters were counted under. Main thread only.
void stats_set_revision(struct stats *stats, uint64_t revision);

static inline void stats_add(uint64_t *slot, uint64_t amount)
{
    __atomic_store_n(slot, *slot + amount, __ATOMIC_RELAXED);
}

static inline void stats_set(uint64_t *slot, uint64_t value)
{
    __atomic_store_n(slot, value, __ATOMIC_RELAXED);
}

struct stats_reader; // a read-only view, of this or of another process

// Maps a segment. Checks seals, magic, version, sizes and every offset: ERROR_INVALID,
// ERROR_TRUNCATED, ERROR_TOO_LARGE, ERROR_UNSUPPORTED (another version). A file that could be
// truncated under the mapping is ERROR_INVALID. The fd stays the caller's and may be closed at
// once.
enum error stats_reader_open(int fd, struct stats_reader **reader);
void stats_reader_close(struct stats_reader *reader);

uint64_t stats_reader_revision(const struct stats_reader *reader);
uint32_t stats_reader_writers(const struct stats_reader *reader);
size_t stats_reader_family_count(const struct stats_reader *reader);

// Describes a family; the texts live until stats_reader_close().
struct stats_family stats_reader_family(const struct stats_reader *reader, size_t family);

// The family of that name, or ERROR_NOT_FOUND.
enum error stats_reader_find(const struct stats_reader *reader, const char *name, size_t *family);

// Copies an instance's label into `out` (STATS_LABEL_SIZE bytes). False where it has none that can
// be printed.
bool stats_reader_label(const struct stats_reader *reader, size_t family, uint32_t instance,
                        char *out);

uint64_t stats_reader_value(const struct stats_reader *reader, size_t family, uint32_t instance,
                            uint32_t writer);

// The sum over all writers.
uint64_t stats_reader_sum(const struct stats_reader *reader, size_t family, uint32_t instance);
