#include "dataplane/balance/affinity.h"

#include <stdlib.h>

#include "base/pages.h"

#define BUCKET_CLIENTS 4u

struct client {
    uint64_t hash;
    uint32_t expires_ms;
    uint16_t member;
    bool used;
};
_Static_assert(sizeof(struct client) == 16, "four clients fill a cache line");

struct bucket {
    _Alignas(64) struct client clients[BUCKET_CLIENTS];
};

struct affinity_table {
    struct bucket *buckets; // owned
    uint32_t mask;          // buckets less one
    uint32_t swept;         // the bucket to be swept next
};

enum error affinity_create(uint32_t capacity, struct affinity_table **table)
{
    uint32_t buckets = 1;
    while (buckets < 1u << 31 && buckets * BUCKET_CLIENTS < capacity)
        buckets *= 2;
    struct affinity_table *created = malloc(sizeof(*created));
    if (!created)
        return ERROR_NO_MEMORY;
    void *memory;
    enum error error = pages_map((size_t)buckets * sizeof(struct bucket), &memory);
    if (error) {
        free(created);
        return error;
    }
    *created = (struct affinity_table){.buckets = memory, .mask = buckets - 1};
    *table = created;
    return ERROR_NONE;
}

void affinity_destroy(struct affinity_table *table)
{
    if (!table)
        return;
    pages_unmap(table->buckets, ((size_t)table->mask + 1) * sizeof(struct bucket));
    free(table);
}

static bool is_expired(const struct client *client, uint32_t now_ms)
{
    return !client->used || (int32_t)(client->expires_ms - now_ms) <= 0;
}

static struct bucket *bucket_of(const struct affinity_table *table, uint64_t hash)
{
    return &table->buckets[hash >> 32 & table->mask];
}

void affinity_sweep(struct affinity_table *table, uint32_t buckets, uint32_t now_ms)
{
    for (uint32_t b = 0; b < buckets; b++) {
        struct bucket *bucket = &table->buckets[table->swept++ & table->mask];
        for (uint32_t i = 0; i < BUCKET_CLIENTS; i++) {
            // Only what changes is written: pages that nobody used stay untouched.
            if (bucket->clients[i].used && is_expired(&bucket->clients[i], now_ms))
                bucket->clients[i].used = false;
        }
    }
}

uint32_t affinity_find(const struct affinity_table *table, uint64_t hash, uint32_t now_ms)
{
    const struct bucket *bucket = bucket_of(table, hash);
    for (uint32_t i = 0; i < BUCKET_CLIENTS; i++) {
        const struct client *client = &bucket->clients[i];
        if (client->hash == hash && !is_expired(client, now_ms))
            return client->member;
    }
    return AFFINITY_NONE;
}

// The place of a client: its own, else that of one which expired, else of who expires first.
static struct client *place_for(struct bucket *bucket, uint64_t hash, uint32_t now_ms)
{
    struct client *best = &bucket->clients[0];
    for (uint32_t i = 0; i < BUCKET_CLIENTS; i++) {
        struct client *client = &bucket->clients[i];
        if (client->used && client->hash == hash)
            return client;
        if (is_expired(best, now_ms))
            continue;
        if (is_expired(client, now_ms) || (int32_t)(client->expires_ms - best->expires_ms) < 0)
            best = client;
    }
    return best;
}

bool affinity_set(struct affinity_table *table, uint64_t hash, uint16_t member, uint32_t now_ms,
                  uint32_t expires_ms)
{
    struct client *place = place_for(bucket_of(table, hash), hash, now_ms);
    bool evicts = place->hash != hash && !is_expired(place, now_ms);
    *place =
        (struct client){.hash = hash, .expires_ms = expires_ms, .member = member, .used = true};
    return evicts;
}
