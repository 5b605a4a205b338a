#include "bench/pktgen/latency.h"

uint64_t latency_longest(uint32_t bucket)
{
    if (bucket < 2 * LATENCY_SUBS)
        return bucket;
    uint32_t shift = (bucket >> LATENCY_SUB_BITS) - 1;
    uint64_t step = (bucket & (LATENCY_SUBS - 1)) + LATENCY_SUBS;
    return ((step + 1) << shift) - 1;
}

uint64_t latency_quantile(const struct latency *latency, double share)
{
    uint64_t below = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS && latency->count > 0; i++) {
        below += latency->buckets[i];
        if ((double)below < share * (double)latency->count)
            continue;
        // The last bucket has no upper bound of its own, and no other need be full to its bound.
        uint64_t longest = latency_longest(i);
        return longest < latency->most && i < LATENCY_BUCKETS - 1 ? longest : latency->most;
    }
    return latency->most;
}
