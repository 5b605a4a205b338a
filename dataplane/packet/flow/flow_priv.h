// Inside the flow room: buckets, and the two comparisons of the fast path, each with a portable
// build that the tests hold against the vector build.
#pragma once

#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "dataplane/packet/flow/flow.h"

#define BUCKET_SLOTS    8u
#define BUCKET_TAG_NONE 0u // the slot is free

// One cache line. A slot is in use when its tag is not BUCKET_TAG_NONE.
struct bucket {
    _Alignas(64) uint16_t tags[BUCKET_SLOTS];
    uint32_t numbers[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");

// The slots whose tag is `tag`, as a bit set.
static inline uint32_t bucket_match_portable(const struct bucket *bucket, uint16_t tag)
{
    uint32_t slots = 0;
    for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
        slots |= (uint32_t)(bucket->tags[i] == tag) << i;
    return slots;
}

static inline uint32_t bucket_match(const struct bucket *bucket, uint16_t tag)
{
#if defined(__SSE2__)
    __m128i tags = _mm_load_si128((const __m128i *)bucket->tags);
    __m128i same = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
#else
    return bucket_match_portable(bucket, tag);
#endif
}

static inline bool key_equal_portable(const struct flow_key *a, const struct flow_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
#if defined(__AVX2__)
    _Static_assert(sizeof(*a) == 32 + 8, "compared as 32 and 8 bytes");
    __m256i addresses_a = _mm256_loadu_si256((const __m256i *)a);
    __m256i addresses_b = _mm256_loadu_si256((const __m256i *)b);
    uint64_t rest_a, rest_b;
    memcpy(&rest_a, &a->source_port, sizeof(rest_a));
    memcpy(&rest_b, &b->source_port, sizeof(rest_b));
    __m256i differ = _mm256_xor_si256(addresses_a, addresses_b);
    return _mm256_testz_si256(differ, differ) && rest_a == rest_b;
#else
    return key_equal_portable(a, b);
#endif
}

// Buckets a table of that capacity has: a power of two with at most six entries a bucket on
// average. At six of eight, two choices alone fail an insert in 10^5; with one move of a neighbour
// a failure needs all sixteen neighbours' other buckets full as well, some 10^-30.
static inline uint32_t bucket_count(uint32_t capacity)
{
    uint32_t count = 2; // a key's two buckets are never the same
    while ((uint64_t)count * 6 < capacity)
        count *= 2;
    return count;
}
