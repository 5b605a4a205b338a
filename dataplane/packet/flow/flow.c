#include "dataplane/packet/flow/flow.h"

#include <stdlib.h>

#include "base/pages.h"

// Buckets an insert sweeps when no entry is left, before it gives up. Few: a flood of new flows
// against a full table pays this for each packet.
#define RECLAIM_BUCKETS 4u

// Buckets, or records, that are looked at together while their memory is fetched.
#define SWEEP_STEP 16u

// How far neighbours are pushed to make room. At 2.5 entries a bucket of four, two choices alone
// fail one insert in twenty, with one move in 10^5; with a second, a failure needs some forty
// buckets to be full together.
#define MOVES_MAX 2u

static void nobody_counts(void *context, uint16_t service, uint16_t member,
                          const struct flow_pair *pair)
{
}

static size_t bucket_bytes(uint32_t words)
{
    return FLOW_BUCKET_SLOTS * (words + 1) * sizeof(uint64_t);
}

static uint64_t buckets_bytes(const struct flow_buckets *buckets)
{
    return buckets->count * (uint64_t)bucket_bytes(buckets->words);
}

// 2.5 entries a bucket on average, and a few more where the average says little.
static enum error buckets_init(struct flow_buckets *buckets, uint32_t capacity, uint32_t words)
{
    buckets->words = words;
    buckets->count = (uint32_t)(((uint64_t)capacity * 2 + 4) / 5) + 4;
    void *memory;
    enum error error = pages_map(buckets_bytes(buckets), &memory);
    if (error)
        return error;
    buckets->memory = memory;
    return ERROR_NONE;
}

static void buckets_fini(struct flow_buckets *buckets)
{
    pages_unmap(buckets->memory, buckets_bytes(buckets));
}

enum error flow_table_create(uint32_t capacity, const uint64_t *secrets, struct flow_table **table)
{
    if (capacity == 0)
        return ERROR_INVALID;
    if (capacity > FLOW_CAPACITY_MAX)
        return ERROR_TOO_LARGE;
    struct flow_table *made = aligned_alloc(64, (sizeof(*made) + 63) / 64 * 64);
    if (!made)
        return ERROR_NO_MEMORY;
    *made = (struct flow_table){.capacity = capacity, .freed = nobody_counts};
    memcpy(made->secrets, secrets, sizeof(made->secrets));
    enum error error;
    if ((error = buckets_init(&made->v4, capacity, FLOW_WORDS_V4)) ||
        (error = buckets_init(&made->v6, capacity, FLOW_WORDS_V6)) ||
        (error = pool_init(&made->pool, capacity / 2 + 1, sizeof(struct flow_pair)))) {
        flow_table_destroy(made);
        return error;
    }
    made->pairs = (struct flow_pair *)made->pool.objects;
    *table = made;
    return ERROR_NONE;
}

void flow_table_destroy(struct flow_table *table)
{
    if (!table)
        return;
    buckets_fini(&table->v4);
    buckets_fini(&table->v6);
    if (table->pool.objects)
        pool_fini(&table->pool);
    free(table);
}

struct flow *flow_find(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                       uint32_t now_ms)
{
    uint64_t words[FLOW_WORDS_V6];
    struct flow *flow = flow_key_words(key, words) == FLOW_WORDS_V4
                            ? flow_match_v4(table, words[0], hash)
                            : flow_match_v6(table, words, hash);
    return flow && flow_is_live(table, flow, now_ms) ? flow : NULL;
}

// Where an entry is.
struct place {
    struct flow_buckets *buckets;
    uint64_t *bucket;
    uint32_t slot;
};

static struct flow *value_at(struct place place)
{
    return flow_values(place.bucket, place.buckets->words) + place.slot;
}

static uint64_t *word_at(struct place place, uint32_t word)
{
    return place.bucket + FLOW_BUCKET_SLOTS * word + place.slot;
}

static uint64_t hash_at(const struct flow_table *table, struct place place)
{
    uint64_t words[FLOW_WORDS_V6] = {0};
    for (uint32_t w = 0; w < place.buckets->words; w++)
        words[w] = *word_at(place, w);
    return place.buckets->words == FLOW_WORDS_V4 ? flow_hash_v4(table, words[0])
                                                 : flow_hash_v6(table, words);
}

static uint32_t free_slots(const uint64_t *bucket, uint32_t words)
{
    return flow_match_words(bucket + FLOW_BUCKET_SLOTS * (words - 1), 0);
}

// Which entries of a bucket have the hash, as a bit set.
static inline __attribute__((always_inline)) uint32_t
slots_of_hash(const struct flow_table *table, const uint64_t *bucket, uint32_t words, uint64_t hash)
{
    uint32_t slots = 0;
    for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++) {
        uint64_t key[FLOW_WORDS_V6];
        for (uint32_t w = 0; w < words; w++)
            key[w] = bucket[FLOW_BUCKET_SLOTS * w + slot];
        uint64_t its =
            words == FLOW_WORDS_V4 ? flow_hash_v4(table, key[0]) : flow_hash_v6(table, key);
        slots |= (uint32_t)(its == hash) << slot;
    }
    return slots & ~free_slots(bucket, words);
}

// The entry of a bucket that has the hash and is unearned, or NULL.
static inline __attribute__((always_inline)) struct flow *
unearned_in(const struct flow_table *table, uint64_t *bucket, uint32_t words, uint64_t hash)
{
    for (uint32_t slots = slots_of_hash(table, bucket, words, hash); slots; slots &= slots - 1) {
        struct flow *flow = flow_values(bucket, words) + __builtin_ctz(slots);
        if (!flow_is_earned(flow_state_of(table, flow)))
            return flow;
    }
    return NULL;
}

static inline __attribute__((always_inline)) struct flow *
find_unearned(const struct flow_table *table, const struct flow_buckets *buckets, uint32_t words,
              uint64_t hash)
{
    uint64_t *bucket = flow_bucket(buckets, words, flow_first(buckets, hash));
    struct flow *found = unearned_in(table, bucket, words, hash);
    if (found || !(flow_values(bucket, words)->flags & FLOW_FLAGS_OVER))
        return found;
    bucket = flow_bucket(buckets, words, flow_second(buckets, hash));
    return unearned_in(table, bucket, words, hash);
}

struct flow *flow_find_unearned(struct flow_table *table, uint64_t hash, bool v4)
{
    return v4 ? find_unearned(table, &table->v4, FLOW_WORDS_V4, hash)
              : find_unearned(table, &table->v6, FLOW_WORDS_V6, hash);
}

const struct flow_pair *flow_prefetch_pair(const struct flow_table *table, uint64_t hash, bool v4)
{
    const struct flow_buckets *buckets = v4 ? &table->v4 : &table->v6;
    uint32_t words = buckets->words;
    uint64_t *bucket = flow_bucket(buckets, words, flow_first(buckets, hash));
    uint32_t slots = v4 ? slots_of_hash(table, bucket, FLOW_WORDS_V4, hash)
                        : slots_of_hash(table, bucket, FLOW_WORDS_V6, hash);
    if (!slots)
        return NULL;
    const struct flow_pair *pair =
        flow_pair_of(table, flow_values(bucket, words) + __builtin_ctz(slots));
    __builtin_prefetch(pair, 1);
    return pair;
}

// The endpoint's number is the same part of the last word as it is of the key.
static uint16_t endpoint_at(struct place place)
{
    uint32_t bits = place.buckets->words == FLOW_WORDS_V4 ? 48 : 16;
    return (uint16_t)(*word_at(place, place.buckets->words - 1) >> bits);
}

static struct place place_of(struct flow_table *table, struct flow *flow)
{
    uint64_t *at = (uint64_t *)flow;
    bool v4 = at >= table->v4.memory &&
              at < table->v4.memory + table->v4.count * FLOW_BUCKET_SLOTS * (FLOW_WORDS_V4 + 1);
    struct flow_buckets *buckets = v4 ? &table->v4 : &table->v6;
    size_t size = FLOW_BUCKET_SLOTS * (buckets->words + 1); // a power of two
    size_t offset = (size_t)(at - buckets->memory);
    return (struct place){.buckets = buckets,
                          .bucket = at - (offset & (size - 1)),
                          .slot = (uint32_t)(offset % FLOW_BUCKET_SLOTS)};
}

// Counts entries that went on from their first bucket. What the count cannot hold it forgets to
// count down.
static void count_over(uint64_t *first, uint32_t words, bool went)
{
    uint8_t *flags = &flow_values(first, words)->flags;
    if ((*flags & FLOW_FLAGS_OVER) == FLOW_FLAGS_OVER)
        return;
    *flags = (uint8_t)(went ? *flags + FLOW_FLAGS_ONE_OVER : *flags - FLOW_FLAGS_ONE_OVER);
}

// Fills a slot's value without the flags that are the bucket's.
static inline void set_value(struct flow *at, struct flow value)
{
    value.flags = (uint8_t)((value.flags & FLOW_FLAGS_OF_ENTRY) | (at->flags & FLOW_FLAGS_OVER));
    *at = value;
}

// Takes an entry of that hash out; nobody is told.
static void take_out(struct place place, uint64_t hash)
{
    struct flow_buckets *buckets = place.buckets;
    uint64_t *first = flow_bucket(buckets, buckets->words, flow_first(buckets, hash));
    if (first != place.bucket)
        count_over(first, buckets->words, false);
    for (uint32_t w = 0; w < buckets->words; w++)
        *word_at(place, w) = 0;
    set_value(value_at(place), (struct flow){.state = 0});
    buckets->used--;
}

static struct flow_key client_key(const struct flow_pair *pair)
{
    return (struct flow_key){
        .peer = pair->client, .port = pair->client_port, .endpoint = pair->service};
}

static struct flow_key member_key(const struct flow_pair *pair)
{
    return (struct flow_key){
        .peer = pair->answered, .port = pair->answered_port, .endpoint = pair->member_endpoint};
}

// The entry of a key, expired or not, or NULL.
static struct flow *match(struct flow_table *table, const struct flow_key *key, uint64_t *hash)
{
    uint64_t words[FLOW_WORDS_V6];
    if (flow_key_words(key, words) == FLOW_WORDS_V4) {
        *hash = flow_hash_v4(table, words[0]);
        return flow_match_v4(table, words[0], *hash);
    }
    *hash = flow_hash_v6(table, words);
    return flow_match_v6(table, words, *hash);
}

struct flow *flow_entry(struct flow_table *table, const struct flow_key *key)
{
    uint64_t hash;
    return match(table, key, &hash);
}

static void take_out_key(struct flow_table *table, const struct flow_key *key)
{
    uint64_t hash;
    struct flow *flow = match(table, key, &hash);
    CHECK(flow); // both of a pair are there, or neither
    take_out(place_of(table, flow), hash);
}

// Frees a two-way flow: both entries, and the record.
static void forget_pair(struct flow_table *table, uint32_t number)
{
    struct flow_pair *pair = &table->pairs[number];
    table->freed(table->freed_context, pair->service, pair->member, pair);
    struct flow_key client = client_key(pair), member = member_key(pair);
    take_out_key(table, &client);
    take_out_key(table, &member);
    pair->service = 0; // tells the sweep that nobody is there
    pool_release(&table->pool, number);
}

// Frees the flow of an entry.
static void forget(struct flow_table *table, struct place place)
{
    const struct flow *value = value_at(place);
    if (value->flags & FLOW_TWO_WAY) {
        forget_pair(table, value->pair);
        return;
    }
    table->freed(table->freed_context, endpoint_at(place), value->member, NULL);
    take_out(place, hash_at(table, place));
}

void flow_remove(struct flow_table *table, struct flow *flow)
{
    forget(table, place_of(table, flow));
}

// The entries in use whose time has passed, one-way ones; with `two_way` those too, whose time is
// elsewhere.
static inline __attribute__((always_inline)) uint32_t due_slots(uint64_t *bucket, uint32_t words,
                                                                uint32_t now_ms, bool two_way)
{
    const struct flow *values = flow_values(bucket, words);
    uint32_t passed = 0, pairs = 0;
    for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++) {
        passed |= (uint32_t)((int32_t)(now_ms - values[slot].expires_ms) >= 0) << slot;
        pairs |= (uint32_t)(values[slot].flags & FLOW_TWO_WAY) << slot;
    }
    uint32_t due = two_way ? passed | pairs : passed & ~pairs;
    return due & ~free_slots(bucket, words);
}

// Frees the expired entries of a bucket, one-way ones, or all. Each is asked anew: both directions
// of a flow may lie in it.
static void reclaim(struct flow_table *table, struct flow_buckets *buckets, uint64_t *bucket,
                    uint32_t now_ms, bool two_way)
{
    for (uint32_t due = due_slots(bucket, buckets->words, now_ms, two_way); due; due &= due - 1) {
        uint32_t slot = (uint32_t)__builtin_ctz(due);
        struct place place = {.buckets = buckets, .bucket = bucket, .slot = slot};
        if (*word_at(place, buckets->words - 1) != 0 &&
            !flow_is_live(table, value_at(place), now_ms))
            forget(table, place);
    }
}

// Always inlined: `words` is a constant at both callers. Most buckets have nothing that is due.
static inline __attribute__((always_inline)) void sweep_buckets(struct flow_table *table,
                                                                struct flow_buckets *buckets,
                                                                uint32_t words, uint32_t from,
                                                                uint32_t count, uint32_t now_ms)
{
    if (buckets->used == 0)
        return; // its memory stays untouched
    for (uint32_t i = from; i < from + count; i++) {
        __builtin_prefetch(flow_bucket(buckets, words, i + SWEEP_STEP));
        uint64_t *bucket = flow_bucket(buckets, words, i);
        if (due_slots(bucket, words, now_ms, false))
            reclaim(table, buckets, bucket, now_ms, false);
    }
}

static void prefetch_key(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t words[FLOW_WORDS_V6];
    if (flow_key_words(key, words) == FLOW_WORDS_V4)
        flow_prefetch_v4(table, flow_hash_v4(table, words[0]));
    else
        flow_prefetch_v6(table, flow_hash_v6(table, words));
}

void flow_prefetch_member(const struct flow_table *table, const struct flow_pair *values)
{
    struct flow_key member = member_key(values);
    prefetch_key(table, &member);
}

// Two-way flows are swept by their records, which lie in order, and not by way of their entries.
static void sweep_pairs(struct flow_table *table, uint32_t from, uint32_t count, uint32_t now_ms)
{
    uint32_t due[SWEEP_STEP];
    uint32_t due_count = 0;
    for (uint32_t number = from; number < from + count; number++) {
        const struct flow_pair *pair = &table->pairs[number];
        if (pair->service == 0 || (int32_t)(now_ms - pair->expires_ms) < 0)
            continue;
        struct flow_key client = client_key(pair), member = member_key(pair);
        prefetch_key(table, &client);
        prefetch_key(table, &member);
        due[due_count++] = number;
    }
    for (uint32_t i = 0; i < due_count; i++)
        forget_pair(table, due[i]);
}

// What a turn of the sweep visits: IPv4's buckets, IPv6's, and the records that were ever used.
static uint32_t sweep_length(const struct flow_table *table)
{
    return table->v4.count + table->v6.count + table->pool.touched;
}

uint32_t flow_table_buckets(const struct flow_table *table)
{
    return flow_table_used(table) > 0 ? sweep_length(table) : 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// Sweeps from sweep_at as far as `count` and what it comes to allow; returns how far.
static uint32_t sweep_step(struct flow_table *table, uint32_t count, uint32_t now_ms)
{
    uint32_t v6_at = table->v4.count, pairs_at = v6_at + table->v6.count;
    uint32_t at = table->sweep_at < sweep_length(table) ? table->sweep_at : 0;
    uint32_t end = at < v6_at ? v6_at : at < pairs_at ? pairs_at : sweep_length(table);
    uint32_t step = smaller(smaller(count, SWEEP_STEP), end - at);
    if (at < v6_at)
        sweep_buckets(table, &table->v4, FLOW_WORDS_V4, at, step, now_ms);
    else if (at < pairs_at)
        sweep_buckets(table, &table->v6, FLOW_WORDS_V6, at - v6_at, step, now_ms);
    else
        sweep_pairs(table, at - pairs_at + 1, step, now_ms);
    table->sweep_at = at + step;
    return step;
}

uint32_t flow_sweep(struct flow_table *table, uint32_t buckets, uint32_t now_ms)
{
    uint32_t before = flow_table_used(table);
    while (buckets > 0 && flow_table_used(table) > 0)
        buckets -= sweep_step(table, buckets, now_ms);
    return before - flow_table_used(table);
}

uint32_t flow_sweep_two_way(struct flow_table *table, uint32_t records, uint32_t now_ms)
{
    uint32_t before = flow_table_used(table), all = table->pool.touched;
    for (uint32_t left = smaller(records, all); left > 0;) {
        uint32_t at = table->sweep_two_way_at < all ? table->sweep_two_way_at : 0;
        uint32_t step = smaller(smaller(left, SWEEP_STEP), all - at);
        sweep_pairs(table, at + 1, step, now_ms);
        table->sweep_two_way_at = at + step;
        left -= step;
    }
    return before - flow_table_used(table);
}

static struct flow_view view_at(const struct flow_table *table, struct place place)
{
    const struct flow *flow = value_at(place);
    const struct flow_pair *pair = flow_pair_of(table, flow);
    if (pair)
        return (struct flow_view){
            .client = pair->client,
            .client_port = pair->client_port,
            .service = pair->service,
            .member = pair->member,
            .state = pair->state,
            .direction = flow->flags & FLOW_IS_REPLY ? FLOW_REPLY : FLOW_FORWARD,
            .expires_ms = pair->expires_ms,
        };
    struct flow_key key = {.peer = {.bytes = {[10] = 0xff, [11] = 0xff}}};
    if (place.buckets->words == FLOW_WORDS_V4) {
        memcpy((uint8_t *)&key + FLOW_KEY_V4_AT, place.bucket + place.slot, sizeof(uint64_t));
    } else {
        uint64_t words[FLOW_WORDS_V6];
        for (uint32_t w = 0; w < FLOW_WORDS_V6; w++)
            words[w] = *word_at(place, w);
        memcpy(&key, words, sizeof(key));
    }
    return (struct flow_view){
        .client = key.peer,
        .client_port = key.port,
        .service = key.endpoint,
        .member = flow->member,
        .state = flow->state,
        .direction = FLOW_FORWARD,
        .expires_ms = flow->expires_ms,
    };
}

// Moves an entry to a free slot of its other bucket.
static void move(struct flow_table *table, struct place from, uint64_t *first, uint64_t *other)
{
    uint32_t words = from.buckets->words;
    struct place to = {.buckets = from.buckets,
                       .bucket = other,
                       .slot = (uint32_t)__builtin_ctz(free_slots(other, words))};
    for (uint32_t w = 0; w < words; w++) {
        *word_at(to, w) = *word_at(from, w);
        *word_at(from, w) = 0;
    }
    set_value(value_at(to), *value_at(from));
    set_value(value_at(from), (struct flow){.state = 0});
    count_over(first, words, other != first);
    if (table->moved) {
        struct flow_view view = view_at(table, to);
        table->moved(table->moved_context, &view);
    }
}

// Makes room in a full bucket by moving one of its entries to that entry's other bucket, if need be
// after making room there. Nothing moves into a full bucket, so none moves in a circle.
static bool make_room(struct flow_table *table, struct flow_buckets *buckets, uint64_t *bucket,
                      uint32_t moves)
{
    uint64_t *others[FLOW_BUCKET_SLOTS], *firsts[FLOW_BUCKET_SLOTS];
    for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++) {
        struct place place = {.buckets = buckets, .bucket = bucket, .slot = slot};
        uint64_t hash = hash_at(table, place);
        firsts[slot] = flow_bucket(buckets, buckets->words, flow_first(buckets, hash));
        others[slot] = firsts[slot];
        if (firsts[slot] == bucket)
            others[slot] = flow_bucket(buckets, buckets->words, flow_second(buckets, hash));
        if (free_slots(others[slot], buckets->words)) {
            move(table, place, firsts[slot], others[slot]);
            return true;
        }
    }
    for (uint32_t slot = 0; moves > 1 && slot < FLOW_BUCKET_SLOTS; slot++) {
        if (!make_room(table, buckets, others[slot], moves - 1))
            continue;
        struct place place = {.buckets = buckets, .bucket = bucket, .slot = slot};
        move(table, place, firsts[slot], others[slot]);
        return true;
    }
    return false;
}

// A bucket of the key's two that has a free slot, or NULL. Two-way entries are asked for their time
// last, since it is elsewhere.
static uint64_t *bucket_with_room(struct flow_table *table, struct flow_buckets *buckets,
                                  uint64_t *first, uint64_t *second, uint32_t now_ms)
{
    uint32_t words = buckets->words;
    reclaim(table, buckets, first, now_ms, false);
    if (free_slots(first, words))
        return first;
    if (free_slots(second, words))
        return second;
    reclaim(table, buckets, second, now_ms, false);
    if (free_slots(second, words))
        return second;
    reclaim(table, buckets, first, now_ms, true);
    if (free_slots(first, words))
        return first;
    if (make_room(table, buckets, first, MOVES_MAX))
        return first;
    return make_room(table, buckets, second, MOVES_MAX) ? second : NULL;
}

// Looks for an expired entry where an insert may.
static __attribute__((noinline, cold)) bool
reclaim_some(struct flow_table *table, struct flow_buckets *buckets, uint64_t hash, uint32_t now_ms)
{
    uint32_t words = buckets->words;
    reclaim(table, buckets, flow_bucket(buckets, words, flow_first(buckets, hash)), now_ms, true);
    reclaim(table, buckets, flow_bucket(buckets, words, flow_second(buckets, hash)), now_ms, true);
    if (flow_table_used(table) == table->capacity)
        flow_sweep(table, RECLAIM_BUCKETS, now_ms);
    return flow_table_used(table) < table->capacity;
}

// Puts an entry in that is not there.
static inline __attribute__((always_inline)) struct flow *
put_in(struct flow_table *table, struct flow_buckets *buckets, uint32_t words, const uint64_t *key,
       uint64_t hash, uint32_t now_ms, struct flow value)
{
    if (__builtin_expect(flow_table_used(table) == table->capacity, 0) &&
        !reclaim_some(table, buckets, hash, now_ms))
        return NULL;
    uint64_t *first = flow_bucket(buckets, words, flow_first(buckets, hash));
    uint64_t *bucket = first;
    uint32_t slots = free_slots(bucket, words);
    if (__builtin_expect(slots == 0, 0)) {
        uint64_t *second = flow_bucket(buckets, words, flow_second(buckets, hash));
        bucket = bucket_with_room(table, buckets, first, second, now_ms);
        if (!bucket)
            return NULL;
        slots = free_slots(bucket, words);
    }
    uint32_t slot = (uint32_t)__builtin_ctz(slots);
    for (uint32_t w = 0; w < words; w++)
        bucket[FLOW_BUCKET_SLOTS * w + slot] = key[w];
    struct flow *flow = flow_values(bucket, words) + slot;
    set_value(flow, value);
    if (bucket != first)
        count_over(first, words, true);
    buckets->used++;
    return flow;
}

// Whether a live entry has the key: then it is `*flow`. An expired one makes room.
static inline __attribute__((always_inline)) bool is_taken(struct flow_table *table, uint32_t words,
                                                           const uint64_t *key, uint64_t hash,
                                                           uint32_t now_ms, struct flow **flow)
{
    *flow =
        words == FLOW_WORDS_V4 ? flow_match_v4(table, *key, hash) : flow_match_v6(table, key, hash);
    if (__builtin_expect(!*flow, 1))
        return false;
    if (flow_is_live(table, *flow, now_ms))
        return true;
    flow_remove(table, *flow);
    return false;
}

enum error flow_insert_v4(struct flow_table *table, uint64_t word, uint64_t hash, uint32_t now_ms,
                          struct flow value, struct flow **flow)
{
    DCHECK(hash == flow_hash_v4(table, word) && word >> 48 != 0);
    DCHECK(!(value.flags & (uint8_t)~FLOW_FLAGS_OF_ENTRY) && !(value.flags & FLOW_TWO_WAY));
    if (is_taken(table, FLOW_WORDS_V4, &word, hash, now_ms, flow))
        return ERROR_EXISTS;
    *flow = put_in(table, &table->v4, FLOW_WORDS_V4, &word, hash, now_ms, value);
    return *flow ? ERROR_NONE : ERROR_FULL;
}

enum error flow_insert_v6(struct flow_table *table, const uint64_t *words, uint64_t hash,
                          uint32_t now_ms, struct flow value, struct flow **flow)
{
    DCHECK(hash == flow_hash_v6(table, words) && words[2] >> 16 != 0);
    DCHECK(!(value.flags & (uint8_t)~FLOW_FLAGS_OF_ENTRY) && !(value.flags & FLOW_TWO_WAY));
    if (is_taken(table, FLOW_WORDS_V6, words, hash, now_ms, flow))
        return ERROR_EXISTS;
    *flow = put_in(table, &table->v6, FLOW_WORDS_V6, words, hash, now_ms, value);
    return *flow ? ERROR_NONE : ERROR_FULL;
}

static bool is_key_taken(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                         uint32_t now_ms, struct flow **flow)
{
    uint64_t words[FLOW_WORDS_V6];
    if (flow_key_words(key, words) == FLOW_WORDS_V4)
        return is_taken(table, FLOW_WORDS_V4, words, hash, now_ms, flow);
    return is_taken(table, FLOW_WORDS_V6, words, hash, now_ms, flow);
}

static struct flow *put(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                        uint32_t now_ms, struct flow value)
{
    uint64_t words[FLOW_WORDS_V6];
    if (flow_key_words(key, words) == FLOW_WORDS_V4)
        return put_in(table, &table->v4, FLOW_WORDS_V4, words, hash, now_ms, value);
    return put_in(table, &table->v6, FLOW_WORDS_V6, words, hash, now_ms, value);
}

enum error flow_insert_pair(struct flow_table *table, const struct flow_pair *values, uint64_t hash,
                            uint32_t now_ms, struct flow **flow)
{
    struct flow_key client = client_key(values), member = member_key(values);
    uint64_t member_hash = flow_hash(table, &member);
    DCHECK(hash == flow_hash(table, &client));
    if (is_key_taken(table, &client, hash, now_ms, flow) ||
        is_key_taken(table, &member, member_hash, now_ms, flow))
        return ERROR_EXISTS;
    uint32_t number = pool_acquire(&table->pool);
    if (number == POOL_NONE)
        return ERROR_FULL;
    table->pairs[number] = *values;
    struct flow value = {.pair = number, .member = values->member, .flags = FLOW_TWO_WAY};
    struct flow *forward = put(table, &client, hash, now_ms, value);
    if (!forward)
        goto release;
    value.flags |= FLOW_IS_REPLY;
    if (!put(table, &member, member_hash, now_ms, value))
        goto take_out;
    // The second may have moved the first.
    bool stayed = forward->pair == number && (forward->flags & FLOW_FLAGS_OF_ENTRY) == FLOW_TWO_WAY;
    *flow = stayed ? forward : match(table, &client, &hash);
    return ERROR_NONE;

take_out:
    take_out_key(table, &client);
release:
    table->pairs[number].service = 0;
    pool_release(&table->pool, number);
    return ERROR_FULL;
}

void flow_table_on_move(struct flow_table *table,
                        void (*moved)(void *context, const struct flow_view *flow), void *context)
{
    table->moved = moved;
    table->moved_context = context;
}

void flow_table_on_free(struct flow_table *table,
                        void (*freed)(void *context, uint16_t service, uint16_t member,
                                      const struct flow_pair *pair),
                        void *context)
{
    table->freed = freed;
    table->freed_context = context;
}

uint32_t flow_table_used(const struct flow_table *table)
{
    return table->v4.used + table->v6.used;
}

uint32_t flow_table_capacity(const struct flow_table *table)
{
    return table->capacity;
}

uint64_t flow_table_bytes(const struct flow_table *table)
{
    return sizeof(*table) + buckets_bytes(&table->v4) + buckets_bytes(&table->v6) +
           pool_bytes(&table->pool);
}

struct flow_key flow_client_key(struct flow_table *table, struct flow *flow)
{
    struct flow_view view = view_at(table, place_of(table, flow));
    return (struct flow_key){
        .peer = view.client, .port = view.client_port, .endpoint = view.service};
}

// The slot of a walk's position, IPv6's behind IPv4's.
static struct place place_at(struct flow_table *table, uint32_t position)
{
    uint32_t v4_slots = table->v4.count * FLOW_BUCKET_SLOTS;
    struct flow_buckets *buckets = position < v4_slots ? &table->v4 : &table->v6;
    uint32_t at = position < v4_slots ? position : position - v4_slots;
    return (struct place){
        .buckets = buckets,
        .bucket = flow_bucket(buckets, buckets->words, at / FLOW_BUCKET_SLOTS),
        .slot = at % FLOW_BUCKET_SLOTS,
    };
}

bool flow_walk(struct flow_table *table, uint32_t *position, uint32_t limit, uint32_t now_ms,
               bool (*visit)(void *context, const struct flow_view *flow), void *context)
{
    uint32_t v4_slots = table->v4.count * FLOW_BUCKET_SLOTS;
    uint32_t slots = v4_slots + (table->v6.used ? table->v6.count * FLOW_BUCKET_SLOTS : 0);
    if (!table->v4.used && *position < v4_slots)
        *position = v4_slots;
    uint32_t left = FLOW_WALK_BUCKETS * FLOW_BUCKET_SLOTS;
    for (uint32_t visited = 0; *position < slots && visited < limit && left > 0; left--) {
        struct place place = place_at(table, (*position)++);
        if (*word_at(place, place.buckets->words - 1) == 0 ||
            !flow_is_live(table, value_at(place), now_ms))
            continue;
        visited++;
        struct flow_view view = view_at(table, place);
        if (!visit(context, &view))
            break;
    }
    return *position < slots;
}
