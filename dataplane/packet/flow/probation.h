// Flows that nobody has answered for yet, of TCP those whose handshake is not complete: at most so
// many as the set has slots are in the flow table, so that a flood of SYNs, of made-up ACKs or of
// datagrams cannot take the room of connections. TCP and UDP have a set each. One that begins where
// there is no slot left takes that of another, which leaves the flow table. Which one is random:
// who floods cannot make sure within a known time that a client's handshake is forgotten.
//
// A flow enters before it is inserted into the table, and leaves when it has earned its state
// (flow_is_earned()). A slot holds a flow's hash and no key: should two flows ever share one, they
// share a slot as well, and an earned flow is not removed by whatever slot. One that ended leaves
// its slot behind, which is taken next once its time has passed.
//
// Eight slots are a bucket of two cache lines. All that a new flow needs of the set follows from
// its hash, and all that who has to go needs of the flow table from that one's: so both are fetched
// for a burst before they are used.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "dataplane/packet/flow/flow.h"

// After a flow was forgotten, how long the set counts as pressed.
#define PROBATION_PRESSED_MS 10000u

#define PROBATION_WAYS 8u

// How many are evicted at once at most.
#define PROBATION_LEAVERS_MAX 32u

enum probation_set {
    PROBATION_TCP,
    PROBATION_UDP,
    PROBATION_SETS,
};

struct probation;

// A set for `slots` flows, rounded down to whole buckets, at least one. ERROR_NO_MEMORY.
enum error probation_create(uint32_t slots, struct probation **probation);
void probation_destroy(struct probation *probation); // NULL is allowed

uint32_t probation_slots(const struct probation *probation);

// Fetches what a flow with that flow_hash() needs of the set.
static inline void probation_prefetch(const struct probation *probation, uint64_t hash);

// Whether a flow of that hash is in the set.
static inline bool probation_has(const struct probation *probation, uint64_t hash);

// Who was in the slot that another took.
struct probation_leaver {
    uint64_t hash;
    bool v4;
};

// A flow of that hash is about to begin: it has a slot from now on. True: it was taken from
// `*leaver`, who is to be evicted. Nothing changes for who is in the set already but the time.
bool probation_enter(struct probation *probation, uint64_t hash, bool v4, uint32_t now_ms,
                     uint32_t expires_ms, struct probation_leaver *leaver);

// Removes those whose slots were taken from the flow table, as far as they are still there. Returns
// how many of them were live. Pointers to entries are to be asked for anew.
uint32_t probation_evict(struct probation *probation, struct flow_table *flows,
                         const struct probation_leaver *leavers, uint32_t count, uint32_t now_ms);

// The flow of that hash has earned its state; it need not be in the set.
void probation_leave(struct probation *probation, uint64_t hash);

// How many live flows were removed since the set began.
uint64_t probation_evictions(const struct probation *probation);

// Whether live flows were removed of late: those that begin now may not last until their handshake
// completes.
bool probation_is_pressed(const struct probation *probation, uint32_t now_ms);

// To be called every now and then, so that a clock that has wrapped does not make it so again.
void probation_age(struct probation *probation, uint32_t now_ms);

// What probation_prefetch() has to know of a set.
struct probation_bucket {
    _Alignas(64) uint64_t hashes[PROBATION_WAYS]; // 0: free
    uint32_t expires_ms[PROBATION_WAYS];          // as the flow began
    bool v4[PROBATION_WAYS];
};
_Static_assert(sizeof(struct probation_bucket) == 128, "a bucket is two cache lines");

struct probation_buckets {
    struct probation_bucket *buckets; // owned
    uint32_t count;
};

static inline struct probation_bucket *probation_bucket(const struct probation *probation,
                                                        uint64_t hash)
{
    const struct probation_buckets *of = (const struct probation_buckets *)probation;
    return &of->buckets[(hash >> 32) * of->count >> 32];
}

static inline void probation_prefetch(const struct probation *probation, uint64_t hash)
{
    const struct probation_bucket *bucket = probation_bucket(probation, hash);
    __builtin_prefetch(bucket->hashes, 1);
    __builtin_prefetch(bucket->expires_ms, 1);
}

// Which slots of a bucket have the hash, as a bit set.
static inline uint32_t probation_ways(const struct probation_bucket *bucket, uint64_t hash)
{
    return flow_match_words(bucket->hashes, hash) |
           flow_match_words(bucket->hashes + FLOW_BUCKET_SLOTS, hash) << FLOW_BUCKET_SLOTS;
}

// The name of a flow in the set: a free slot has 0.
static inline uint64_t probation_name(uint64_t hash)
{
    return hash ? hash : 1;
}

static inline bool probation_has(const struct probation *probation, uint64_t hash)
{
    return probation_ways(probation_bucket(probation, hash), probation_name(hash)) != 0;
}
