// Times, in cycles of the time-stamp counter, in a log-linear histogram: each octave has
// LATENCY_SUBS buckets, so what is read from it is too long by 1/32 at most. Times below 64 cycles,
// the shortest, the longest and the sum are exact. Pure.
#pragma once

#include <stdint.h>

#define LATENCY_SUB_BITS 5
#define LATENCY_SUBS     (1u << LATENCY_SUB_BITS)
#define LATENCY_BITS_MAX 42 // longer times, half an hour and more, count as the longest
#define LATENCY_BUCKETS  ((LATENCY_BITS_MAX - LATENCY_SUB_BITS + 1) * LATENCY_SUBS)

struct latency {
    uint64_t count;
    uint64_t sum;   // cycles
    uint64_t least; // 0: there are none
    uint64_t most;
    uint64_t buckets[LATENCY_BUCKETS]; // by latency_bucket()
};

static inline uint32_t latency_bucket(uint64_t cycles)
{
    if (cycles >> LATENCY_BITS_MAX)
        return LATENCY_BUCKETS - 1;
    if (cycles < LATENCY_SUBS)
        return (uint32_t)cycles;
    uint32_t shift = 63 - LATENCY_SUB_BITS - (uint32_t)__builtin_clzll(cycles);
    return (shift << LATENCY_SUB_BITS) + (uint32_t)(cycles >> shift);
}

static inline void latency_add(struct latency *latency, uint64_t cycles)
{
    latency->least = latency->count == 0 || cycles < latency->least ? cycles : latency->least;
    latency->most = cycles > latency->most ? cycles : latency->most;
    latency->count++;
    latency->sum += cycles;
    latency->buckets[latency_bucket(cycles)]++;
}

// The longest time of a bucket.
uint64_t latency_longest(uint32_t bucket);

// How long the fastest `share` (0 to 1) of them took at most; 0: there are none.
uint64_t latency_quantile(const struct latency *latency, double share);
