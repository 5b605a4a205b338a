#include "dataplane/packet/stage/handshakes.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/stats.h"
#include "dataplane/packet/stage/counters.h"

#define OPEN_SLOTS      4096u // a power of two
#define SUB_BITS        2     // buckets of an octave, as a power of two
#define SUBS            (1u << SUB_BITS)
#define HISTOGRAM_BYTES (sizeof(uint32_t[HANDSHAKE_BUCKETS]) * TABLES_MEMBER_SLOTS)

enum error handshakes_init(struct handshakes *handshakes)
{
    void *pages = mmap(NULL, HISTOGRAM_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED)
        return ERROR_NO_MEMORY;
    handshakes->of_member = pages;
    handshakes->open = calloc(OPEN_SLOTS, sizeof(*handshakes->open));
    return handshakes->open ? ERROR_NONE : ERROR_NO_MEMORY;
}

void handshakes_fini(struct handshakes *handshakes)
{
    if (handshakes->of_member)
        munmap(handshakes->of_member, HISTOGRAM_BYTES);
    free(handshakes->open);
    *handshakes = (struct handshakes){.open = NULL};
}

static struct handshake_open *slot_of(struct handshakes *handshakes, uint64_t hash, uint32_t *tag)
{
    *tag = (uint32_t)(hash >> 32) | 1;
    return &handshakes->open[hash & (OPEN_SLOTS - 1)];
}

void handshakes_begin(struct handshakes *handshakes, uint64_t hash, uint32_t now_ticks)
{
    uint32_t tag;
    struct handshake_open *open = slot_of(handshakes, hash, &tag);
    *open = (struct handshake_open){.tag = tag, .began_ticks = now_ticks};
}

void handshakes_end(struct handshakes *handshakes, uint64_t hash, uint16_t member,
                    uint32_t now_ticks)
{
    uint32_t tag;
    struct handshake_open *open = slot_of(handshakes, hash, &tag);
    if (open->tag != tag)
        return; // another connection's SYN came since
    open->tag = 0;
    uint32_t *count =
        &handshakes->of_member[member][handshake_bucket(now_ticks - open->began_ticks)];
    __atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
}

void handshakes_add(const struct handshakes *handshakes, uint32_t member,
                    uint64_t sum[HANDSHAKE_BUCKETS])
{
    CHECK(member < TABLES_MEMBER_SLOTS);
    for (uint32_t i = 0; i < HANDSHAKE_BUCKETS; i++)
        sum[i] += __atomic_load_n(&handshakes->of_member[member][i], __ATOMIC_RELAXED);
}

void handshakes_forget(struct handshakes *handshakes, uint32_t member)
{
    CHECK(member < TABLES_MEMBER_SLOTS);
    // Reading does not make a page: one that holds nothing stays away.
    for (uint32_t i = 0; i < HANDSHAKE_BUCKETS; i++) {
        uint32_t *count = &handshakes->of_member[member][i];
        if (__atomic_load_n(count, __ATOMIC_RELAXED))
            __atomic_store_n(count, 0, __ATOMIC_RELAXED);
    }
}

uint32_t handshake_bucket(uint32_t ticks)
{
    if (ticks < SUBS)
        return ticks;
    uint32_t octave = 31 - (uint32_t)__builtin_clz(ticks);
    return (octave - SUB_BITS + 1) * SUBS + (ticks >> (octave - SUB_BITS) & (SUBS - 1));
}

uint32_t handshake_longest(uint32_t bucket)
{
    if (bucket < SUBS)
        return bucket;
    uint32_t octave = bucket / SUBS + SUB_BITS - 1;
    uint64_t next = (uint64_t)(SUBS + bucket % SUBS + 1) << (octave - SUB_BITS);
    return (uint32_t)(next - 1);
}

uint32_t handshake_quantile(const uint64_t counts[HANDSHAKE_BUCKETS], double share)
{
    uint64_t all = 0, below = 0;
    for (uint32_t i = 0; i < HANDSHAKE_BUCKETS; i++)
        all += counts[i];
    for (uint32_t i = 0; i < HANDSHAKE_BUCKETS && all; i++) {
        below += counts[i];
        if ((double)below >= share * (double)all)
            return handshake_longest(i);
    }
    return 0;
}
