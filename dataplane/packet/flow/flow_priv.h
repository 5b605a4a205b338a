// For tests and benchmarks of the flow room, which think in keys: workers have the words at hand.
#pragma once

#include "dataplane/packet/flow/flow.h"

// flow_insert_v4() or flow_insert_v6(), as the key is.
static inline enum error flow_insert(struct flow_table *table, const struct flow_key *key,
                                     uint64_t hash, uint32_t now_ms, struct flow value,
                                     struct flow **flow)
{
    uint64_t words[FLOW_WORDS_V6];
    if (flow_key_words(key, words) == FLOW_WORDS_V4)
        return flow_insert_v4(table, words[0], hash, now_ms, value, flow);
    return flow_insert_v6(table, words, hash, now_ms, value, flow);
}
