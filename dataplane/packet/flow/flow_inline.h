// The bodies of flow.h's inline functions: buckets, their comparison, and what of a table the fast
// path reads. Only flow.h and the flow room include this.
//
// A bucket of W words a key is, in words of 64 bits: 4 first words, ... 4 W-th words, 4 values. The
// last word of a key has the endpoint's number in it and is never zero: zero is a free slot. The
// upper half of the first value's flags counts the entries whose first bucket this is and that lie
// in their second; a full count stays.
#pragma once

#include <string.h>

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

#include "dataplane/packet/flow/flow.h"

#define FLOW_WORDS_V4 1u
#define FLOW_WORDS_V6 3u

// Where in a key the word of an IPv4 peer lies: its last four bytes, its port, the endpoint.
#define FLOW_KEY_V4_AT 12u

#define FLOW_FLAGS_OF_ENTRY 0x0fu
#define FLOW_FLAGS_ONE_OVER 0x10u
#define FLOW_FLAGS_OVER     0xf0u

// The entries of one IP version.
struct flow_buckets {
    uint64_t *memory; // owned
    uint32_t count;
    uint32_t words; // of a key
    uint32_t used;  // entries
};

struct flow_table {
    struct flow_buckets v4, v6;
    uint64_t secrets[FOLD_SECRETS];
    struct flow_pair *pairs; // the pool's objects
    struct pool pool;
    uint32_t capacity;
    uint32_t sweep_at;         // bucket, IPv6's behind IPv4's
    uint32_t sweep_two_way_at; // record
    void (*freed)(void *context, uint16_t service, uint16_t member, const struct flow_pair *pair);
    void *freed_context;
    void (*moved)(void *context, const struct flow_view *flow); // NULL: nobody walks
    void *moved_context;
};

static inline uint64_t *flow_bucket(const struct flow_buckets *buckets, uint32_t words,
                                    uint32_t index)
{
    return buckets->memory + (size_t)index * FLOW_BUCKET_SLOTS * (words + 1);
}

static inline struct flow *flow_values(uint64_t *bucket, uint32_t words)
{
    return (struct flow *)(bucket + FLOW_BUCKET_SLOTS * words);
}

// The buckets of a hash: each half of it as a fraction of the table. They are never the same.
static inline uint32_t flow_first(const struct flow_buckets *buckets, uint64_t hash)
{
    return (uint32_t)((hash & UINT32_MAX) * buckets->count >> 32);
}

static inline uint32_t flow_second(const struct flow_buckets *buckets, uint64_t hash)
{
    uint32_t first = flow_first(buckets, hash);
    uint32_t second = (uint32_t)((hash >> 32) * buckets->count >> 32);
    if (second != first)
        return second;
    return first > 0 ? first - 1 : buckets->count - 1;
}

// Which of four words are `word`, as a bit set.
static inline uint32_t flow_match_words_portable(const uint64_t *four, uint64_t word)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < FLOW_BUCKET_SLOTS; i++)
        slots |= (uint32_t)(four[i] == word) << i;
    return slots;
}

static inline uint32_t flow_match_words(const uint64_t *four, uint64_t word)
{
#if defined(__AVX2__)
    __m256i same = _mm256_cmpeq_epi64(_mm256_load_si256((const __m256i *)four),
                                      _mm256_set1_epi64x((long long)word));
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(same));
#elif defined(__SSE4_1__)
    __m128i wanted = _mm_set1_epi64x((long long)word);
    __m128i low = _mm_cmpeq_epi64(_mm_load_si128((const __m128i *)four), wanted);
    __m128i high = _mm_cmpeq_epi64(_mm_load_si128((const __m128i *)four + 1), wanted);
    return (uint32_t)(_mm_movemask_pd(_mm_castsi128_pd(low)) |
                      _mm_movemask_pd(_mm_castsi128_pd(high)) << 2);
#else
    return flow_match_words_portable(four, word);
#endif
}

static inline uint32_t flow_match_key(const uint64_t *bucket, uint32_t words, const uint64_t *key)
{
    uint32_t slots = flow_match_words(bucket, key[0]);
    for (uint32_t w = 1; w < words; w++)
        slots &= flow_match_words(bucket + FLOW_BUCKET_SLOTS * w, key[w]);
    return slots;
}

// Always inlined: `words` is a constant at every caller on the fast path.
static inline __attribute__((always_inline)) struct flow *
flow_match(const struct flow_buckets *buckets, uint32_t words, const uint64_t *key, uint64_t hash)
{
    uint64_t *bucket = flow_bucket(buckets, words, flow_first(buckets, hash));
    uint32_t slots = flow_match_key(bucket, words, key);
    if (__builtin_expect(slots == 0, 0)) {
        if (__builtin_expect(!(flow_values(bucket, words)->flags & FLOW_FLAGS_OVER), 1))
            return NULL;
        bucket = flow_bucket(buckets, words, flow_second(buckets, hash));
        slots = flow_match_key(bucket, words, key);
        if (slots == 0)
            return NULL;
    }
    return flow_values(bucket, words) + __builtin_ctz(slots);
}

static inline uint64_t flow_word_v4(uint32_t address, uint16_t port, uint16_t endpoint)
{
    return address | (uint64_t)port << 32 | (uint64_t)endpoint << 48;
}

static inline uint64_t flow_hash_v4(const struct flow_table *table, uint64_t word)
{
    return fold_word(table->secrets, word);
}

static inline uint64_t flow_hash_v6(const struct flow_table *table, const uint64_t *words)
{
    return fold_words3(table->secrets, words);
}

// The words of a key: one or three. Returns how many.
static inline uint32_t flow_key_words(const struct flow_key *key, uint64_t *words)
{
    if (!ip_is_v4(&key->peer)) {
        memcpy(words, key, sizeof(*key));
        return FLOW_WORDS_V6;
    }
    memcpy(words, (const uint8_t *)key + FLOW_KEY_V4_AT, sizeof(*words));
    return FLOW_WORDS_V4;
}

static inline uint64_t flow_hash(const struct flow_table *table, const struct flow_key *key)
{
    uint64_t words[FLOW_WORDS_V6];
    return flow_key_words(key, words) == FLOW_WORDS_V4 ? flow_hash_v4(table, words[0])
                                                       : flow_hash_v6(table, words);
}

static inline void flow_prefetch_v4(const struct flow_table *table, uint64_t hash)
{
    __builtin_prefetch(flow_bucket(&table->v4, FLOW_WORDS_V4, flow_first(&table->v4, hash)), 1);
}

static inline void flow_prefetch_v6(const struct flow_table *table, uint64_t hash)
{
    const uint64_t *bucket = flow_bucket(&table->v6, FLOW_WORDS_V6, flow_first(&table->v6, hash));
    __builtin_prefetch(bucket, 1);
    __builtin_prefetch(bucket + 8, 1);
}

static inline struct flow *flow_match_v4(const struct flow_table *table, uint64_t word,
                                         uint64_t hash)
{
    return flow_match(&table->v4, FLOW_WORDS_V4, &word, hash);
}

static inline struct flow *flow_match_v6(const struct flow_table *table, const uint64_t *words,
                                         uint64_t hash)
{
    return flow_match(&table->v6, FLOW_WORDS_V6, words, hash);
}

// An entry's key lies at a fixed distance before its value.
static inline bool flow_is_still_v4(const struct flow *flow, uint64_t word)
{
    return *((const uint64_t *)flow - FLOW_BUCKET_SLOTS) == word;
}

static inline bool flow_is_still_v6(const struct flow *flow, const uint64_t *words)
{
    const uint64_t *value = (const uint64_t *)flow;
    return *(value - FLOW_BUCKET_SLOTS * 3) == words[0] &&
           *(value - FLOW_BUCKET_SLOTS * 2) == words[1] && *(value - FLOW_BUCKET_SLOTS) == words[2];
}

static inline uint32_t flow_table_two_way(const struct flow_table *table)
{
    return table->pool.used;
}

static inline struct flow_pair *flow_pair_of(const struct flow_table *table,
                                             const struct flow *flow)
{
    return flow->flags & FLOW_TWO_WAY ? &table->pairs[flow->pair] : NULL;
}

static inline enum flow_state flow_state_of(const struct flow_table *table, const struct flow *flow)
{
    const struct flow_pair *pair = flow_pair_of(table, flow);
    return (enum flow_state)(pair ? pair->state : flow->state);
}

static inline uint32_t flow_expires_ms(const struct flow_table *table, const struct flow *flow)
{
    const struct flow_pair *pair = flow_pair_of(table, flow);
    return pair ? pair->expires_ms : flow->expires_ms;
}

static inline bool flow_is_live(const struct flow_table *table, const struct flow *flow,
                                uint32_t now_ms)
{
    return (int32_t)(now_ms - flow_expires_ms(table, flow)) < 0;
}

static inline void flow_set(struct flow_table *table, struct flow *flow, enum flow_state state,
                            uint32_t expires_ms)
{
    struct flow_pair *pair = flow_pair_of(table, flow);
    if (pair) {
        pair->state = (uint8_t)state;
        pair->expires_ms = expires_ms;
        return;
    }
    flow->state = (uint8_t)state;
    flow->expires_ms = expires_ms;
}
