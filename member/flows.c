#include "member/flows.h"

#include <stdlib.h>
#include <string.h>

#define BUCKET_FLOWS 8u

struct flow {
    uint64_t hash; // stands for the flow: 64 bits that nobody can aim at. 0: free
    uint32_t seen_ms;
};

struct flows {
    struct siphash_key key;
    uint64_t forgotten;
    uint32_t timeout_ms;
    uint32_t buckets;
    struct flow items[];
};

enum error flows_create(uint32_t capacity, uint32_t timeout_ms, struct siphash_key key,
                        struct flows **flows)
{
    uint32_t buckets = (capacity - 1) / BUCKET_FLOWS + 1;
    struct flows *made =
        calloc(1, sizeof(*made) + (size_t)buckets * BUCKET_FLOWS * sizeof(made->items[0]));
    if (!made)
        return ERROR_NO_MEMORY;
    made->key = key;
    made->timeout_ms = timeout_ms;
    made->buckets = buckets;
    *flows = made;
    return ERROR_NONE;
}

void flows_destroy(struct flows *flows)
{
    free(flows);
}

static uint64_t hash_of(const struct flows *flows, const struct connection *connection)
{
    uint64_t words[5];
    memcpy(words, connection->client.bytes, 16);
    memcpy(words + 2, connection->service.bytes, 16);
    words[4] = connection->client_port | (uint64_t)connection->service_port << 16;
    uint64_t hash = siphash13_words(flows->key, words, 5);
    return hash ? hash : 1;
}

static const struct flow *bucket_of(const struct flows *flows, uint64_t hash)
{
    uint64_t bucket = (hash >> 32) * flows->buckets >> 32;
    return &flows->items[bucket * BUCKET_FLOWS];
}

static bool is_live(const struct flows *flows, const struct flow *flow, uint32_t now_ms)
{
    return flow->hash != 0 && now_ms - flow->seen_ms < flows->timeout_ms;
}

bool flows_know(const struct flows *flows, const struct connection *connection, uint32_t now_ms)
{
    uint64_t hash = hash_of(flows, connection);
    const struct flow *bucket = bucket_of(flows, hash);
    for (uint32_t i = 0; i < BUCKET_FLOWS; i++) {
        if (bucket[i].hash == hash)
            return is_live(flows, &bucket[i], now_ms);
    }
    return false;
}

void flows_remember(struct flows *flows, const struct connection *connection, uint32_t now_ms)
{
    uint64_t hash = hash_of(flows, connection);
    struct flow *bucket = &flows->items[bucket_of(flows, hash) - flows->items];
    struct flow *place = bucket;
    for (uint32_t i = 0; i < BUCKET_FLOWS; i++) {
        struct flow *flow = &bucket[i];
        if (flow->hash == hash) {
            flow->seen_ms = now_ms;
            return;
        }
        if (place->hash != 0 &&
            (flow->hash == 0 || now_ms - flow->seen_ms > now_ms - place->seen_ms))
            place = flow;
    }
    flows->forgotten += is_live(flows, place, now_ms);
    *place = (struct flow){.hash = hash, .seen_ms = now_ms};
}

uint64_t flows_forgotten(const struct flows *flows)
{
    return flows->forgotten;
}
