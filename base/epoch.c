#include "base/epoch.h"

#include <stdlib.h>

#include "base/check.h"

// The first epoch is 1: 0 is what an offline reader has seen.
#define EPOCH_FIRST 1u

// A thing retired in epoch E may be held by readers that have not seen E yet.
struct epoch_retired {
    struct epoch_retired *next; // retired later, or NULL
    uint64_t epoch;
    void (*destroy)(void *thing);
    void *thing; // owned
};

void epoch_init(struct epoch *epoch, uint32_t readers)
{
    CHECK(readers <= EPOCH_READERS_MAX);
    epoch->reader_count = readers;
    epoch->retired = NULL;
    for (uint32_t i = 0; i < EPOCH_READERS_MAX; i++)
        atomic_init(&epoch->readers[i].seen, 0);
    atomic_init(&epoch->current, EPOCH_FIRST);
}

void epoch_fini(struct epoch *epoch)
{
    for (uint32_t i = 0; i < epoch->reader_count; i++)
        CHECK(atomic_load(&epoch->readers[i].seen) == 0);
    CHECK(epoch_reclaim(epoch) == 0);
}

void epoch_offline(struct epoch *epoch, uint32_t reader)
{
    CHECK(reader < epoch->reader_count);
    // Release: what this reader did with published things happens before they are freed.
    atomic_store_explicit(&epoch->readers[reader].seen, 0, memory_order_release);
}

void epoch_retire(struct epoch *epoch, void (*destroy)(void *thing), void *thing)
{
    // Nothing could be done about a thing that can be neither kept nor freed.
    struct epoch_retired *retired = malloc(sizeof(*retired));
    CHECK(retired);
    // Only the publisher writes `current`, so no read-modify-write is needed. Whoever sees the new
    // epoch also sees that the thing was unlinked.
    uint64_t next = atomic_load_explicit(&epoch->current, memory_order_relaxed) + 1;
    *retired = (struct epoch_retired){.epoch = next, .destroy = destroy, .thing = thing};
    struct epoch_retired **last = &epoch->retired;
    while (*last)
        last = &(*last)->next;
    *last = retired;
    atomic_store_explicit(&epoch->current, next, memory_order_seq_cst);
}

// The epoch that every online reader has seen.
static uint64_t epoch_seen_by_all(const struct epoch *epoch)
{
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < epoch->reader_count; i++) {
        uint64_t seen = atomic_load_explicit(&epoch->readers[i].seen, memory_order_seq_cst);
        if (seen != 0 && seen < oldest)
            oldest = seen;
    }
    return oldest;
}

uint32_t epoch_reclaim(struct epoch *epoch)
{
    if (!epoch->retired)
        return 0;
    uint64_t seen = epoch_seen_by_all(epoch);
    // Each is unlinked before it is destroyed: destroy() may retire what the thing held.
    while (epoch->retired && epoch->retired->epoch <= seen) {
        struct epoch_retired *retired = epoch->retired;
        epoch->retired = retired->next;
        retired->destroy(retired->thing);
        free(retired);
    }
    uint32_t left = 0;
    for (const struct epoch_retired *at = epoch->retired; at; at = at->next)
        left++;
    return left;
}
