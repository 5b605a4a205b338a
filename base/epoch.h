// Quiescent-state reclamation: how what one thread publishes to many is freed (Hart, McKenney,
// Brown and Walpole, "Performance of memory reclamation for lockless synchronization", 2007, QSBR).
//
// Readers hold pointers to published things only between two calls of epoch_quiescent(). The one
// writer publishes by an atomic pointer, then retires the old thing: it is freed by epoch_reclaim()
// after every reader that was online has passed a quiescent state. A reader that sleeps or has not
// started is offline and delays nothing.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define EPOCH_READERS_MAX 64
#define EPOCH_CACHE_LINE  64

struct epoch_reader {
    _Alignas(EPOCH_CACHE_LINE) _Atomic uint64_t seen; // writer: the reader's thread; 0: offline
};

struct epoch_retired; // private to epoch.c

struct epoch {
    _Alignas(EPOCH_CACHE_LINE) _Atomic uint64_t current; // writer: the publishing thread
    uint32_t reader_count;
    struct epoch_retired *retired; // the publishing thread's own
    struct epoch_reader readers[EPOCH_READERS_MAX];
};

void epoch_init(struct epoch *epoch, uint32_t readers);

// Frees what is still retired; no reader may be online.
void epoch_fini(struct epoch *epoch);

// Reader: goes online, or tells that it holds nothing published any more. Wait-free.
static inline void epoch_quiescent(struct epoch *epoch, uint32_t reader)
{
    uint64_t current = atomic_load_explicit(&epoch->current, memory_order_acquire);
    struct epoch_reader *self = &epoch->readers[reader];
    if (atomic_load_explicit(&self->seen, memory_order_relaxed) == current)
        return;
    // Going online races with the writer's scan (epoch.c), which may just have taken this reader
    // for offline. The announcement and the load after it are sequentially consistent, as are the
    // writer's new epoch and its scan: either the scan sees the announcement, or this load sees the
    // new epoch and with it all that was unlinked before. Its value does not matter: an
    // announcement that is too old only delays.
    atomic_store_explicit(&self->seen, current, memory_order_seq_cst);
    (void)atomic_load_explicit(&epoch->current, memory_order_seq_cst);
}

// Reader: holds nothing published and will not until its next epoch_quiescent().
void epoch_offline(struct epoch *epoch, uint32_t reader);

// Publisher: after the old thing was unlinked, hands it over to be freed by `destroy(thing)`.
void epoch_retire(struct epoch *epoch, void (*destroy)(void *thing), void *thing);

// Publisher: frees all that no reader can still hold, oldest first. Returns how many are left.
uint32_t epoch_reclaim(struct epoch *epoch);
