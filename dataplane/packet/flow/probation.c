#include "dataplane/packet/flow/probation.h"

#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/random.h"

#define WAYS 8u

struct probation_bucket {
    _Alignas(64) uint32_t tags[WAYS]; // of the hash; 0: free
    uint32_t expires_ms[WAYS];        // as the flow began
};
_Static_assert(sizeof(struct probation_bucket) == 64, "a bucket is one cache line");

struct probation {
    struct probation_bucket *buckets; // owned
    struct flow_key *keys;            // owned; WAYS a bucket
    uint32_t count;                   // of buckets
    bool evicted;                     // ever
    uint32_t evicted_ms;              // when last
    struct random random;
};

static size_t buckets_bytes(const struct probation *probation)
{
    return probation->count * sizeof(*probation->buckets);
}

static size_t keys_bytes(const struct probation *probation)
{
    return (size_t)probation->count * WAYS * sizeof(*probation->keys);
}

enum error probation_create(uint32_t slots, struct probation **probation)
{
    struct probation *made = calloc(1, sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->count = slots >= WAYS ? slots / WAYS : 1;
    uint64_t seed;
    random_os_bytes(&seed, sizeof(seed));
    made->random = random_from_seed(seed);
    void *buckets = NULL, *keys = NULL;
    if (pages_map(buckets_bytes(made), &buckets) || pages_map(keys_bytes(made), &keys)) {
        pages_unmap(buckets, buckets_bytes(made));
        free(made);
        return ERROR_NO_MEMORY;
    }
    made->buckets = buckets;
    made->keys = keys;
    *probation = made;
    return ERROR_NONE;
}

void probation_destroy(struct probation *probation)
{
    if (!probation)
        return;
    pages_unmap(probation->buckets, buckets_bytes(probation));
    pages_unmap(probation->keys, keys_bytes(probation));
    free(probation);
}

uint32_t probation_slots(const struct probation *probation)
{
    return probation->count * WAYS;
}

// The two halves of the hash say bucket and tag.
static uint32_t bucket_of(const struct probation *probation, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * probation->count >> 32);
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash | 1;
}

// The way in which the bucket has the key, or WAYS.
static uint32_t way_of(const struct probation *probation, uint32_t bucket,
                       const struct flow_key *key, uint32_t tag)
{
    const uint32_t *tags = probation->buckets[bucket].tags;
    const struct flow_key *keys = &probation->keys[bucket * (size_t)WAYS];
    for (uint32_t way = 0; way < WAYS; way++) {
        if (tags[way] == tag && memcmp(&keys[way], key, sizeof(*key)) == 0)
            return way;
    }
    return WAYS;
}

// Whose place a new flow takes: nobody's, else one's whose time has passed, else anybody's.
static uint32_t way_for_new(struct probation *probation, uint32_t bucket, uint32_t now_ms)
{
    const struct probation_bucket *of = &probation->buckets[bucket];
    uint32_t passed = WAYS;
    for (uint32_t way = 0; way < WAYS; way++) {
        if (of->tags[way] == 0)
            return way;
        if ((int32_t)(now_ms - of->expires_ms[way]) >= 0)
            passed = way;
    }
    return passed < WAYS ? passed : (uint32_t)random_below(&probation->random, WAYS);
}

// Removes a flow from the table if it is still there: it may have lived on past its slot's time,
// or be over and hold an entry all the same. True: it was live.
static bool evict(struct flow_table *flows, const struct flow_key *key, uint32_t now_ms)
{
    struct flow *flow = flow_entry(flows, key);
    if (!flow)
        return false;
    bool live = flow_is_live(flows, flow, now_ms);
    flow_remove(flows, flow);
    return live;
}

bool probation_enter(struct probation *probation, struct flow_table *flows,
                     const struct flow_key *key, uint64_t hash, uint32_t now_ms,
                     uint32_t expires_ms)
{
    uint32_t bucket = bucket_of(probation, hash), tag = tag_of(hash);
    struct probation_bucket *of = &probation->buckets[bucket];
    bool evicted = false;
    uint32_t way = way_of(probation, bucket, key, tag);
    if (way == WAYS) {
        way = way_for_new(probation, bucket, now_ms);
        struct flow_key *at = &probation->keys[bucket * (size_t)WAYS + way];
        evicted = of->tags[way] != 0 && evict(flows, at, now_ms);
        *at = *key;
    }
    of->tags[way] = tag;
    of->expires_ms[way] = expires_ms;
    if (evicted) {
        probation->evicted = true;
        probation->evicted_ms = now_ms;
    }
    return evicted;
}

void probation_leave(struct probation *probation, const struct flow_key *key, uint64_t hash)
{
    uint32_t bucket = bucket_of(probation, hash);
    uint32_t way = way_of(probation, bucket, key, tag_of(hash));
    if (way < WAYS)
        probation->buckets[bucket].tags[way] = 0;
}

bool probation_is_pressed(const struct probation *probation, uint32_t now_ms)
{
    return probation->evicted && now_ms - probation->evicted_ms < PROBATION_PRESSED_MS;
}
