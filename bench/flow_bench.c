// The flow table: a packet of an established flow, and the first packet of a new one. Flows are
// asked for in random order, in bursts of 32, so that beyond the caches' size every packet misses
// them as it does behind many clients. The hash is part of what a packet costs.
#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/random.h"
#include "bench/shim/shim.h"
#include "dataplane/packet/flow/flow.h"

#define BURST      32u
#define ORDER      (1u << 16) // packets until the order of flows repeats
#define TIMEOUT_MS 1000u

static const struct siphash_key hash_key = {.k0 = 1, .k1 = 2};

static struct flow_key v4_key(uint32_t number)
{
    uint8_t client[4], vip[4];
    store_be32(client, 0x0a000000u + (number >> 8));
    store_be32(vip, 0xc0000201u);
    return (struct flow_key){.source = ip_from_v4(client),
                             .destination = ip_from_v4(vip),
                             .source_port = (uint16_t)(1024 + (number & 0xff)),
                             .destination_port = 80,
                             .protocol = IPPROTO_TCP};
}

static struct flow_key v6_key(uint32_t number)
{
    struct flow_key key = {.source.bytes = {0x20, 0x01, 0x0d, 0xb8, 1},
                           .destination.bytes = {0x20, 0x01, 0x0d, 0xb8, 2},
                           .source_port = (uint16_t)(1024 + (number & 0xff)),
                           .destination_port = 80,
                           .protocol = IPPROTO_TCP};
    store_be32(key.source.bytes + 12, number >> 8);
    return key;
}

static void insert(struct flow_table *table, const struct flow_key *key, uint32_t now_ms)
{
    struct flow *flow;
    CHECK(!flow_insert(table, key, flow_hash(table, key), now_ms, now_ms + TIMEOUT_MS, &flow));
}

static struct flow_table *filled(uint32_t flows, struct flow_key (*key_of)(uint32_t number))
{
    struct flow_table *table;
    CHECK(!flow_table_create(flows, hash_key, &table));
    for (uint32_t i = 0; i < flows; i++) {
        struct flow_key key = key_of(i);
        insert(table, &key, 0);
    }
    return table;
}

static void look_up(struct bench_state *state, uint32_t flows,
                    struct flow_key (*key_of)(uint32_t number))
{
    struct flow_table *table = filled(flows, key_of);
    struct flow_key *order = malloc(ORDER * sizeof(*order));
    CHECK(order);
    struct random random = random_from_seed(1);
    for (uint32_t i = 0; i < ORDER; i++)
        order[i] = key_of((uint32_t)random_below(&random, flows));
    uint32_t at = 0;
    while (bench_next(state)) {
        uint64_t hashes[BURST];
        struct flow *found[BURST];
        for (uint32_t i = 0; i < BURST; i++)
            hashes[i] = flow_hash(table, &order[at + i]);
        flow_lookup_burst(table, &order[at], hashes, BURST, 1, found);
        for (uint32_t i = 0; i < BURST; i++)
            flow_touch(found[i], 1, TIMEOUT_MS);
        at = (at + BURST) % ORDER;
    }
    bench_items(state, BURST, "packet");
    free(order);
    flow_table_destroy(table);
}

static void look_up_v4(struct bench_state *state, int64_t flows)
{
    look_up(state, (uint32_t)flows, v4_key);
}

static void look_up_v6(struct bench_state *state, int64_t flows)
{
    look_up(state, (uint32_t)flows, v6_key);
}

// New flows only. Each lives for `flows` packets, so the table holds as many, and those that the
// sweep has not reached yet.
struct arrivals {
    struct flow_table *table;
    uint32_t flows;
    uint32_t next;   // number of the next flow
    uint32_t now_ms; // a burst each millisecond
};

// As a worker does it: a burst is looked up, nothing is found, all are inserted.
static void arrive(struct arrivals *arrivals)
{
    struct flow_table *table = arrivals->table;
    struct flow_key keys[BURST];
    uint64_t hashes[BURST];
    struct flow *found[BURST];
    for (uint32_t i = 0; i < BURST; i++) {
        keys[i] = v4_key(arrivals->next++);
        hashes[i] = flow_hash(table, &keys[i]);
    }
    flow_lookup_burst(table, keys, hashes, BURST, arrivals->now_ms, found);
    uint32_t expires_ms = arrivals->now_ms + arrivals->flows / BURST;
    for (uint32_t i = 0; i < BURST; i++)
        CHECK(!found[i] &&
              !flow_insert(table, &keys[i], hashes[i], arrivals->now_ms, expires_ms, &found[i]));
    uint64_t buckets = (uint64_t)flow_table_buckets(table) * BURST / arrivals->flows + 1;
    flow_sweep(table, (uint32_t)buckets, arrivals->now_ms);
    arrivals->now_ms++;
}

static void insert_v4(struct bench_state *state, int64_t flows)
{
    struct arrivals arrivals = {.flows = (uint32_t)flows};
    CHECK(!flow_table_create(2 * arrivals.flows, hash_key, &arrivals.table));
    // Until entries are used again: first touches of memory are the kernel's time, not ours.
    while (arrivals.next < 2 * arrivals.flows)
        arrive(&arrivals);
    while (bench_next(state))
        arrive(&arrivals);
    bench_items(state, BURST, "packet");
    flow_table_destroy(arrivals.table);
}

int main(int argc, char **argv)
{
    static const int64_t flows[] = {1 << 10, 1 << 16, 1 << 20};
    for (int i = 0; i < 3; i++)
        bench_add("flow_established_v4", look_up_v4, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("flow_established_v6", look_up_v6, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("flow_new_v4", insert_v4, flows[i]);
    return bench_main(argc, argv);
}
