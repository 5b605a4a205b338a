#include "dataplane/packet/flow/flow.h"

#include <stdlib.h>

#include "base/pages.h"
#include "base/pool.h"
#include "dataplane/packet/flow/flow_priv.h"

// Buckets an insert sweeps when no entry is left, before it gives up. Few: a flood of new flows
// against a full table pays this for each packet.
#define RECLAIM_BUCKETS 2u
#define BUCKET_NONE     UINT32_MAX

struct flow_table {
    struct bucket *buckets; // owned
    struct flow *flows;     // the pool's objects
    uint32_t bucket_mask;   // buckets less one
    uint32_t sweep_at;      // bucket
    struct siphash_key key;
    struct pool pool;
    void (*freed)(void *context, const struct flow *);
    void *freed_context;
};

static void nobody_counts(void *context, const struct flow *flow)
{
}

enum error flow_table_create(uint32_t capacity, struct siphash_key key, struct flow_table **table)
{
    if (capacity == 0)
        return ERROR_INVALID;
    if (capacity > FLOW_CAPACITY_MAX)
        return ERROR_TOO_LARGE;
    struct flow_table *made = calloc(1, sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    uint32_t buckets = bucket_count(capacity);
    made->bucket_mask = buckets - 1;
    made->key = key;
    made->freed = nobody_counts;
    void *memory;
    enum error error = pages_map(buckets * sizeof(struct bucket), &memory);
    if (error)
        goto free_table;
    made->buckets = memory;
    error = pool_init(&made->pool, capacity, sizeof(struct flow));
    if (error)
        goto free_buckets;
    made->flows = (struct flow *)made->pool.objects;
    *table = made;
    return ERROR_NONE;

free_buckets:
    pages_unmap(made->buckets, buckets * sizeof(struct bucket));
free_table:
    free(made);
    return error;
}

void flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    pages_unmap(table->buckets, flow_table_buckets(table) * sizeof(struct bucket));
    pool_fini(&table->pool);
    free(table);
}

uint64_t flow_hash(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t words[5];
    _Static_assert(sizeof(words) == sizeof(*key), "a key is five words");
    memcpy(words, key, sizeof(words));
    if (ip_is_v4(&key->source) && ip_is_v4(&key->destination)) {
        uint64_t addresses = (words[1] >> 32) | (words[3] & 0xffffffff00000000u);
        return siphash13_words(table->key, (uint64_t[]){addresses, words[4]}, 2);
    }
    return siphash13_words(table->key, words, 5);
}

// A hash names its first bucket by its low bits and its tag by its high bits.
static inline uint32_t first_bucket(const struct flow_table *table, uint64_t hash)
{
    return (uint32_t)hash & table->bucket_mask;
}

static inline uint16_t tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)(hash >> 48);
    return tag != BUCKET_TAG_NONE ? tag : 1;
}

// The other bucket of a tag, from either. The distance is odd, so the two are never the same, and
// multiplied so that it reaches over the whole table ("partial-key cuckoo hashing": Fan, Andersen,
// Kaminsky and Mitzenmacher, "Cuckoo filter", 2014).
static inline uint32_t other_bucket(const struct flow_table *table, uint32_t bucket, uint16_t tag)
{
    return (bucket ^ (tag * 0x9e3779b1u | 1)) & table->bucket_mask;
}

static inline bool time_passed(uint32_t expires_ms, uint32_t now_ms)
{
    return (int32_t)(now_ms - expires_ms) >= 0;
}

// Off the fast path: looks at the peer's cache line.
__attribute__((noinline, cold)) static bool peer_expired(const struct flow_table *table,
                                                         const struct flow *flow, uint32_t now_ms)
{
    if (flow->peer == FLOW_NONE)
        return true;
    const struct flow *peer = &table->flows[flow->peer];
    DCHECK(&table->flows[peer->peer] == flow);
    return time_passed(peer->expires_ms, now_ms);
}

static inline bool expired(const struct flow_table *table, const struct flow *flow, uint32_t now_ms)
{
    return __builtin_expect(time_passed(flow->expires_ms, now_ms), 0) &&
           peer_expired(table, flow, now_ms);
}

// The tags' matches in the first bucket (low eight bits) and in the second.
static inline uint32_t match_both(const struct flow_table *table, uint32_t first, uint16_t tag)
{
    uint32_t second = other_bucket(table, first, tag);
    return bucket_match(&table->buckets[first], tag) | bucket_match(&table->buckets[second], tag)
                                                           << BUCKET_SLOTS;
}

// The entry that a bit of match_both() stands for.
static inline struct flow *matched(const struct flow_table *table, uint32_t first, uint16_t tag,
                                   uint32_t bit)
{
    uint32_t bucket = bit < BUCKET_SLOTS ? first : other_bucket(table, first, tag);
    return &table->flows[table->buckets[bucket].numbers[bit % BUCKET_SLOTS]];
}

// The entry with that key, expired or not, or NULL.
static inline struct flow *find(const struct flow_table *table, const struct flow_key *key,
                                uint32_t first, uint16_t tag, uint32_t matches)
{
    for (; matches; matches &= matches - 1) {
        struct flow *flow = matched(table, first, tag, (uint32_t)__builtin_ctz(matches));
        if (__builtin_expect(key_equal(&flow->key, key), 1))
            return flow;
    }
    return NULL;
}

struct flow *flow_lookup(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                         uint32_t now_ms)
{
    uint32_t first = first_bucket(table, hash);
    uint16_t tag = tag_of(hash);
    struct flow *flow = find(table, key, first, tag, match_both(table, first, tag));
    return flow && !expired(table, flow, now_ms) ? flow : NULL;
}

void flow_lookup_burst(struct flow_table *table, const struct flow_key *keys,
                       const uint64_t *hashes, uint32_t count, uint32_t now_ms, struct flow **found)
{
    DCHECK(count <= FLOW_BURST_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = first_bucket(table, hashes[i]);
        __builtin_prefetch(&table->buckets[first]);
        __builtin_prefetch(&table->buckets[other_bucket(table, first, tag_of(hashes[i]))]);
    }
    uint32_t matches[FLOW_BURST_MAX];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t first = first_bucket(table, hashes[i]);
        uint16_t tag = tag_of(hashes[i]);
        matches[i] = match_both(table, first, tag);
        if (matches[i])
            __builtin_prefetch(matched(table, first, tag, (uint32_t)__builtin_ctz(matches[i])), 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow =
            find(table, &keys[i], first_bucket(table, hashes[i]), tag_of(hashes[i]), matches[i]);
        found[i] = flow && !expired(table, flow, now_ms) ? flow : NULL;
    }
}

// Where an entry in use is.
struct place {
    struct bucket *bucket;
    uint32_t slot;
};

static struct place place_of(struct flow_table *table, const struct flow *flow)
{
    uint64_t hash = flow_hash(table, &flow->key);
    uint32_t first = first_bucket(table, hash);
    uint16_t tag = tag_of(hash);
    for (uint32_t matches = match_both(table, first, tag);; matches &= matches - 1) {
        CHECK(matches != 0); // an entry in use is in one of its buckets
        uint32_t bit = (uint32_t)__builtin_ctz(matches);
        if (matched(table, first, tag, bit) != flow)
            continue;
        uint32_t bucket = bit < BUCKET_SLOTS ? first : other_bucket(table, first, tag);
        return (struct place){.bucket = &table->buckets[bucket], .slot = bit % BUCKET_SLOTS};
    }
}

static void free_place(struct flow_table *table, struct place place)
{
    place.bucket->tags[place.slot] = BUCKET_TAG_NONE;
    pool_release(&table->pool, place.bucket->numbers[place.slot]);
}

// Frees an entry and its peer.
static void forget(struct flow_table *table, const struct flow *flow, struct place place)
{
    const struct flow *peer = flow->peer != FLOW_NONE ? &table->flows[flow->peer] : NULL;
    table->freed(table->freed_context, flow);
    if (peer) {
        table->freed(table->freed_context, peer);
        free_place(table, place_of(table, peer));
    }
    free_place(table, place);
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    forget(table, flow, place_of(table, flow));
}

// Frees the expired entries of a bucket.
static void reclaim_bucket(struct flow_table *table, uint32_t at, uint32_t now_ms)
{
    struct bucket *bucket = &table->buckets[at];
    uint32_t in_use = ~bucket_match(bucket, BUCKET_TAG_NONE) & 0xff;
    for (uint32_t rest = in_use; rest; rest &= rest - 1)
        __builtin_prefetch(&table->flows[bucket->numbers[__builtin_ctz(rest)]]);
    for (uint32_t slot = 0; slot < BUCKET_SLOTS; slot++) {
        // Asked anew for each slot: an entry's peer may lie in the same bucket.
        if (bucket->tags[slot] == BUCKET_TAG_NONE)
            continue;
        struct flow *flow = &table->flows[bucket->numbers[slot]];
        if (expired(table, flow, now_ms))
            forget(table, flow, (struct place){.bucket = bucket, .slot = slot});
    }
}

uint32_t flow_sweep(struct flow_table *table, uint32_t buckets, uint32_t now_ms)
{
    uint32_t before = table->pool.used;
    for (uint32_t i = 0; i < buckets && i <= table->bucket_mask; i++) {
        reclaim_bucket(table, table->sweep_at, now_ms);
        table->sweep_at = (table->sweep_at + 1) & table->bucket_mask;
    }
    return before - table->pool.used;
}

// Makes room in a full bucket by moving one of its entries to that entry's other bucket.
static bool make_room(struct flow_table *table, uint32_t at)
{
    struct bucket *bucket = &table->buckets[at];
    for (uint32_t slot = 0; slot < BUCKET_SLOTS; slot++) {
        struct bucket *other = &table->buckets[other_bucket(table, at, bucket->tags[slot])];
        uint32_t free_slots = bucket_match(other, BUCKET_TAG_NONE);
        if (!free_slots)
            continue;
        uint32_t to = (uint32_t)__builtin_ctz(free_slots);
        other->tags[to] = bucket->tags[slot];
        other->numbers[to] = bucket->numbers[slot];
        bucket->tags[slot] = BUCKET_TAG_NONE;
        return true;
    }
    return false;
}

// The emptier of a key's two buckets, or BUCKET_NONE when both are full.
static uint32_t emptier(const struct flow_table *table, uint32_t first, uint32_t second)
{
    int in_first = __builtin_popcount(bucket_match(&table->buckets[first], BUCKET_TAG_NONE));
    int in_second = __builtin_popcount(bucket_match(&table->buckets[second], BUCKET_TAG_NONE));
    if (in_first == 0 && in_second == 0)
        return BUCKET_NONE;
    return in_first >= in_second ? first : second;
}

// Where a new entry goes: ERROR_FULL, or a bucket with a free slot.
static enum error choose_bucket(struct flow_table *table, uint32_t first, uint32_t second,
                                uint32_t now_ms, uint32_t *chosen)
{
    uint32_t bucket = emptier(table, first, second);
    if (bucket == BUCKET_NONE) {
        reclaim_bucket(table, first, now_ms);
        reclaim_bucket(table, second, now_ms);
        if (emptier(table, first, second) == BUCKET_NONE && !make_room(table, first) &&
            !make_room(table, second))
            return ERROR_FULL;
        bucket = emptier(table, first, second);
    }
    *chosen = bucket;
    return ERROR_NONE;
}

// An entry, even when all are in use, if an expired one is near.
static uint32_t acquire(struct flow_table *table, uint32_t first, uint32_t second, uint32_t now_ms)
{
    if (__builtin_expect(table->pool.used == table->pool.capacity, 0)) {
        reclaim_bucket(table, first, now_ms);
        reclaim_bucket(table, second, now_ms);
        if (table->pool.used == table->pool.capacity)
            flow_sweep(table, RECLAIM_BUCKETS, now_ms);
    }
    return pool_acquire(&table->pool);
}

enum error flow_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                       uint32_t now_ms, uint32_t expires_ms, struct flow **flow)
{
    DCHECK(hash == flow_hash(table, key));
    uint32_t first = first_bucket(table, hash);
    uint16_t tag = tag_of(hash);
    uint32_t second = other_bucket(table, first, tag);
    struct flow *same = find(table, key, first, tag, match_both(table, first, tag));
    if (same) {
        if (!expired(table, same, now_ms))
            return ERROR_EXISTS;
        flow_remove(table, same);
    }
    uint32_t number = acquire(table, first, second, now_ms);
    if (number == POOL_NONE)
        return ERROR_FULL;
    uint32_t at;
    enum error error = choose_bucket(table, first, second, now_ms, &at);
    if (error) {
        pool_release(&table->pool, number);
        return error;
    }
    struct bucket *bucket = &table->buckets[at];
    uint32_t slot = (uint32_t)__builtin_ctz(bucket_match(bucket, BUCKET_TAG_NONE));
    bucket->tags[slot] = tag;
    bucket->numbers[slot] = number;
    struct flow *made = &table->flows[number];
    *made = (struct flow){.key = *key, .expires_ms = expires_ms};
    *flow = made;
    return ERROR_NONE;
}

void flow_pair(struct flow_table *table, struct flow *forward, struct flow *reply)
{
    CHECK(forward != reply && forward->peer == FLOW_NONE && reply->peer == FLOW_NONE);
    forward->peer = flow_number(table, reply);
    reply->peer = flow_number(table, forward);
}

void flow_set_state(struct flow_table *table, struct flow *flow, enum flow_state state,
                    uint32_t now_ms, uint32_t timeout_ms)
{
    flow->state = (uint8_t)state;
    flow_touch(flow, now_ms, timeout_ms);
    if (flow->peer == FLOW_NONE)
        return;
    struct flow *peer = &table->flows[flow->peer];
    peer->state = (uint8_t)state;
    flow_touch(peer, now_ms, timeout_ms);
}

uint32_t flow_number(const struct flow_table *table, const struct flow *flow)
{
    return (uint32_t)(flow - table->flows);
}

struct flow *flow_at(struct flow_table *table, uint32_t number)
{
    return pool_at(&table->pool, number);
}

void flow_table_on_free(struct flow_table *table, void (*freed)(void *context, const struct flow *),
                        void *context)
{
    table->freed = freed;
    table->freed_context = context;
}

uint32_t flow_table_buckets(const struct flow_table *table)
{
    return table->bucket_mask + 1;
}

uint32_t flow_table_used(const struct flow_table *table)
{
    return table->pool.used;
}

uint32_t flow_table_capacity(const struct flow_table *table)
{
    return table->pool.capacity;
}

uint64_t flow_table_bytes(const struct flow_table *table)
{
    return sizeof(*table) + flow_table_buckets(table) * sizeof(struct bucket) +
           pool_bytes(&table->pool);
}

bool flow_walk(struct flow_table *table, uint32_t *position, uint32_t limit, uint32_t now_ms,
               bool (*visit)(void *context, const struct flow *), void *context)
{
    uint32_t slots = flow_table_buckets(table) * BUCKET_SLOTS;
    uint32_t end = *position + FLOW_WALK_BUCKETS * BUCKET_SLOTS;
    if (end > slots)
        end = slots;
    uint32_t visited = 0;
    while (*position < end && visited < limit) {
        const struct bucket *bucket = &table->buckets[*position / BUCKET_SLOTS];
        uint32_t slot = (*position)++ % BUCKET_SLOTS;
        if (bucket->tags[slot] == BUCKET_TAG_NONE)
            continue;
        const struct flow *flow = &table->flows[bucket->numbers[slot]];
        if (expired(table, flow, now_ms))
            continue;
        visited++;
        if (!visit(context, flow))
            break;
    }
    return *position < slots;
}
