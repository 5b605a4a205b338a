// The flow table: a packet of an established flow, and the first packet of a new one. Flows are
// asked for in random order, in bursts of 32, so that beyond the caches' size every packet misses
// them as it does behind many clients. The hash is part of what a packet costs.
#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/random.h"
#include "base/siphash.h"
#include "bench/shim/shim.h"
#include "dataplane/packet/flow/flow_priv.h"

#define BURST           32u
#define ORDER           (1u << 16) // packets until the order of flows repeats
#define TIMEOUT_MS      1000u
#define SERVICE         1
#define MEMBER_ENDPOINT 3000
#define MEMBER          7

static const uint64_t secrets[FOLD_SECRETS] = {0x243f6a8885a308d3u, 0x13198a2e03707344u,
                                               0xa4093822299f31d0u, 0x082efa98ec4e6c89u};

static struct flow_key v4_key(uint32_t number)
{
    uint8_t client[4];
    store_be32(client, 0x0a000000u + (number >> 8));
    return (struct flow_key){.peer = ip_from_v4(client),
                             .port = __builtin_bswap16((uint16_t)(1024 + (number & 0xff))),
                             .endpoint = SERVICE};
}

static struct flow_key v6_key(uint32_t number)
{
    struct flow_key key = {.peer.bytes = {0x20, 0x01, 0x0d, 0xb8, 1},
                           .port = __builtin_bswap16((uint16_t)(1024 + (number & 0xff))),
                           .endpoint = SERVICE};
    store_be32(key.peer.bytes + 12, number >> 8);
    return key;
}

static void insert_one_way(struct flow_table *table, const struct flow_key *key)
{
    struct flow value = {.expires_ms = TIMEOUT_MS, .member = MEMBER, .state = FLOW_TCP_ESTABLISHED};
    struct flow *flow;
    CHECK(!flow_insert(table, key, flow_hash(table, key), 0, value, &flow));
}

static void insert_two_way(struct flow_table *table, const struct flow_key *key)
{
    struct flow_pair values = {.client = key->peer,
                               .answered = key->peer,
                               .client_port = key->port,
                               .answered_port = key->port,
                               .service = key->endpoint,
                               .member_endpoint = MEMBER_ENDPOINT,
                               .member = MEMBER,
                               .expires_ms = TIMEOUT_MS,
                               .state = FLOW_TCP_ESTABLISHED};
    struct flow *flow;
    CHECK(!flow_insert_pair(table, &values, flow_hash(table, key), 0, &flow));
}

// What a run asks for: a table, and keys in random order, as words.
struct run {
    struct flow_table *table;
    uint64_t *order; // three words a packet
};

static struct run run_of(uint32_t flows, struct flow_key (*key_of)(uint32_t number),
                         void (*insert)(struct flow_table *table, const struct flow_key *key),
                         uint32_t capacity)
{
    struct run run = {.order = malloc(ORDER * 3 * sizeof(uint64_t))};
    CHECK(run.order && !flow_table_create(capacity, secrets, &run.table));
    for (uint32_t i = 0; i < flows; i++) {
        struct flow_key key = key_of(i);
        insert(run.table, &key);
    }
    struct random random = random_from_seed(1);
    for (uint32_t i = 0; i < ORDER; i++) {
        struct flow_key key = key_of((uint32_t)random_below(&random, flows));
        flow_key_words(&key, run.order + (size_t)3 * i);
    }
    return run;
}

static void end_run(struct run *run)
{
    free(run->order);
    flow_table_destroy(run->table);
}

static void keep(struct flow_table *table, struct flow *flow)
{
    CHECK(flow && flow_is_live(table, flow, 1));
    flow_set(table, flow, FLOW_TCP_ESTABLISHED, 1 + TIMEOUT_MS);
}

static void look_up_v4(struct bench_state *state, int64_t flows)
{
    struct run run = run_of((uint32_t)flows, v4_key, insert_one_way, (uint32_t)flows);
    uint32_t at = 0;
    while (bench_next(state)) {
        uint64_t hashes[BURST];
        const uint64_t *words = run.order + (size_t)3 * at;
        for (uint32_t i = 0; i < BURST; i++) {
            hashes[i] = flow_hash_v4(run.table, words[3 * i]);
            flow_prefetch_v4(run.table, hashes[i]);
        }
        for (uint32_t i = 0; i < BURST; i++)
            keep(run.table, flow_match_v4(run.table, words[3 * i], hashes[i]));
        at = (at + BURST) % ORDER;
    }
    bench_items(state, BURST, "packet");
    end_run(&run);
}

static void look_up_v6(struct bench_state *state, int64_t flows)
{
    struct run run = run_of((uint32_t)flows, v6_key, insert_one_way, (uint32_t)flows);
    uint32_t at = 0;
    while (bench_next(state)) {
        uint64_t hashes[BURST];
        const uint64_t *words = run.order + (size_t)3 * at;
        for (uint32_t i = 0; i < BURST; i++) {
            hashes[i] = flow_hash_v6(run.table, words + (size_t)3 * i);
            flow_prefetch_v6(run.table, hashes[i]);
        }
        for (uint32_t i = 0; i < BURST; i++)
            keep(run.table, flow_match_v6(run.table, words + (size_t)3 * i, hashes[i]));
        at = (at + BURST) % ORDER;
    }
    bench_items(state, BURST, "packet");
    end_run(&run);
}

// Two-way: from the entry to the record, which is fetched ahead too.
static void look_up_two_way(struct bench_state *state, int64_t flows)
{
    struct run run = run_of((uint32_t)flows, v4_key, insert_two_way, (uint32_t)flows * 2);
    uint32_t at = 0;
    while (bench_next(state)) {
        uint64_t hashes[BURST];
        struct flow *found[BURST];
        const uint64_t *words = run.order + (size_t)3 * at;
        for (uint32_t i = 0; i < BURST; i++) {
            hashes[i] = flow_hash_v4(run.table, words[3 * i]);
            flow_prefetch_v4(run.table, hashes[i]);
        }
        for (uint32_t i = 0; i < BURST; i++) {
            found[i] = flow_match_v4(run.table, words[3 * i], hashes[i]);
            __builtin_prefetch(flow_pair_of(run.table, found[i]), 1);
        }
        for (uint32_t i = 0; i < BURST; i++)
            keep(run.table, found[i]);
        at = (at + BURST) % ORDER;
    }
    bench_items(state, BURST, "packet");
    end_run(&run);
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
    for (uint32_t i = 0; i < BURST; i++) {
        keys[i] = v4_key(arrivals->next++);
        hashes[i] = flow_hash(table, &keys[i]);
        flow_prefetch_v4(table, hashes[i]);
    }
    struct flow value = {.expires_ms = arrivals->now_ms + arrivals->flows / BURST,
                         .member = MEMBER,
                         .state = FLOW_TCP_OPENING};
    struct flow *flow;
    for (uint32_t i = 0; i < BURST; i++)
        CHECK(!flow_insert(table, &keys[i], hashes[i], arrivals->now_ms, value, &flow));
    uint64_t buckets = (uint64_t)flow_table_buckets(table) * BURST / arrivals->flows + 1;
    flow_sweep(table, (uint32_t)buckets, arrivals->now_ms);
    arrivals->now_ms++;
}

static void insert_v4(struct bench_state *state, int64_t flows)
{
    struct arrivals arrivals = {.flows = (uint32_t)flows};
    CHECK(!flow_table_create(2 * arrivals.flows, secrets, &arrivals.table));
    // Until entries are used again: first touches of memory are the kernel's time, not ours.
    while (arrivals.next < 4 * arrivals.flows)
        arrive(&arrivals);
    while (bench_next(state))
        arrive(&arrivals);
    bench_items(state, BURST, "packet");
    flow_table_destroy(arrivals.table);
}

// What the choice of the hash was made by: the table's own, and SipHash-1-3 of the same word.
static void hash_folded(struct bench_state *state, int64_t words)
{
    uint64_t hash = 1;
    while (bench_next(state)) {
        for (uint64_t i = 0; i < BURST; i++)
            bench_keep(fold_word(secrets, hash + i));
    }
    bench_items(state, BURST, "packet");
}

static void hash_siphash(struct bench_state *state, int64_t words)
{
    const struct siphash_key key = {.k0 = secrets[0], .k1 = secrets[1]};
    uint64_t hash = 1;
    while (bench_next(state)) {
        for (uint64_t i = 0; i < BURST; i++)
            bench_keep(siphash13_words(key, (uint64_t[]){hash + i}, 1));
    }
    bench_items(state, BURST, "packet");
}

int main(int argc, char **argv)
{
    static const int64_t flows[] = {1 << 10, 1 << 16, 1 << 20};
    for (int i = 0; i < 3; i++)
        bench_add("flow_established_v4", look_up_v4, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("flow_established_v6", look_up_v6, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("flow_established_two_way", look_up_two_way, flows[i]);
    for (int i = 0; i < 3; i++)
        bench_add("flow_new_v4", insert_v4, flows[i]);
    bench_add("flow_hash_folded", hash_folded, 1);
    bench_add("flow_hash_siphash", hash_siphash, 1);
    return bench_main(argc, argv);
}
