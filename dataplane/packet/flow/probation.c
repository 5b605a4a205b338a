#include "dataplane/packet/flow/probation.h"

#include <stdlib.h>

#include "base/pages.h"
#include "base/random.h"

struct probation {
    struct probation_buckets of; // first, for the inline functions
    uint64_t evictions;
    uint32_t evicted_ms; // when last, while `pressed`
    bool pressed;
    struct random random;
};

static size_t buckets_bytes(const struct probation *probation)
{
    return probation->of.count * sizeof(*probation->of.buckets);
}

enum error probation_create(uint32_t slots, struct probation **probation)
{
    struct probation *made = calloc(1, sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->of.count = slots >= PROBATION_WAYS ? slots / PROBATION_WAYS : 1;
    uint64_t seed;
    random_os_bytes(&seed, sizeof(seed));
    made->random = random_from_seed(seed);
    void *buckets;
    enum error error = pages_map(buckets_bytes(made), &buckets);
    if (error) {
        free(made);
        return error;
    }
    made->of.buckets = buckets;
    *probation = made;
    return ERROR_NONE;
}

void probation_destroy(struct probation *probation)
{
    if (!probation)
        return;
    pages_unmap(probation->of.buckets, buckets_bytes(probation));
    free(probation);
}

uint32_t probation_slots(const struct probation *probation)
{
    return probation->of.count * PROBATION_WAYS;
}

static uint32_t ways_passed(const struct probation_bucket *bucket, uint32_t now_ms)
{
    uint32_t passed = 0;
    for (uint32_t way = 0; way < PROBATION_WAYS; way++)
        passed |= (uint32_t)((int32_t)(now_ms - bucket->expires_ms[way]) >= 0) << way;
    return passed;
}

// Whose place a new flow takes: nobody's, else one's whose time has passed, else anybody's.
static uint32_t way_for_new(struct probation *probation, const struct probation_bucket *bucket,
                            uint32_t now_ms)
{
    uint32_t ways = probation_ways(bucket, 0);
    if (!ways)
        ways = ways_passed(bucket, now_ms);
    return ways ? (uint32_t)__builtin_ctz(ways)
                : (uint32_t)random_next(&probation->random) % PROBATION_WAYS;
}

bool probation_enter(struct probation *probation, uint64_t hash, bool v4, uint32_t now_ms,
                     uint32_t expires_ms, struct probation_leaver *leaver)
{
    struct probation_bucket *bucket = probation_bucket(probation, hash);
    hash = probation_name(hash);
    uint32_t there = probation_ways(bucket, hash);
    uint32_t way = there ? (uint32_t)__builtin_ctz(there) : way_for_new(probation, bucket, now_ms);
    *leaver = (struct probation_leaver){.hash = bucket->hashes[way], .v4 = bucket->v4[way]};
    bucket->hashes[way] = hash;
    bucket->v4[way] = v4;
    bucket->expires_ms[way] = expires_ms;
    return leaver->hash != 0 && leaver->hash != hash;
}

// Fetches what removing them will touch, one dependence a pass. Their buckets come first.
static void prefetch_flows(struct flow_table *flows, const struct probation_leaver *leavers,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (leavers[i].v4)
            flow_prefetch_v4(flows, leavers[i].hash);
        else
            flow_prefetch_v6(flows, leavers[i].hash);
    }
    if (flow_table_two_way(flows) == 0)
        return;
    const struct flow_pair *pairs[PROBATION_LEAVERS_MAX];
    for (uint32_t i = 0; i < count; i++)
        pairs[i] = flow_prefetch_pair(flows, leavers[i].hash, leavers[i].v4);
    for (uint32_t i = 0; i < count; i++) {
        if (pairs[i])
            flow_prefetch_member(flows, pairs[i]);
    }
}

// One may have lived on past its slot's time, or be over and hold an entry all the same.
uint32_t probation_evict(struct probation *probation, struct flow_table *flows,
                         const struct probation_leaver *leavers, uint32_t count, uint32_t now_ms)
{
    DCHECK(count <= PROBATION_LEAVERS_MAX);
    prefetch_flows(flows, leavers, count);
    uint32_t live = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow = flow_find_unearned(flows, leavers[i].hash, leavers[i].v4);
        if (!flow)
            continue;
        live += flow_is_live(flows, flow, now_ms);
        flow_remove(flows, flow);
    }
    if (live) {
        probation->evicted_ms = now_ms;
        probation->pressed = true;
    }
    probation->evictions += live;
    return live;
}

void probation_leave(struct probation *probation, uint64_t hash)
{
    struct probation_bucket *bucket = probation_bucket(probation, hash);
    uint32_t there = probation_ways(bucket, probation_name(hash));
    if (there)
        bucket->hashes[__builtin_ctz(there)] = 0;
}

uint64_t probation_evictions(const struct probation *probation)
{
    return probation->evictions;
}

bool probation_is_pressed(const struct probation *probation, uint32_t now_ms)
{
    return probation->pressed && now_ms - probation->evicted_ms < PROBATION_PRESSED_MS;
}

void probation_age(struct probation *probation, uint32_t now_ms)
{
    probation->pressed = probation_is_pressed(probation, now_ms);
}
