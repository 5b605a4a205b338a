#include "dataplane/packet/flow/flow.h"

#include <stdlib.h>

#include "base/random.h"
#include "dataplane/packet/flow/flow_priv.h"
#include "tests/test.h"
#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#define TIMEOUT_MS 1000u

static struct flow_table *table_of(uint32_t capacity)
{
    struct flow_table *table;
    assert_int_equal(flow_table_create(capacity, TEST_SIPHASH_KEY, &table), ERROR_NONE);
    return table;
}

static enum error add(struct flow_table *table, uint32_t number, uint32_t now_ms,
                      struct flow **flow)
{
    struct flow_key key = key_of(number);
    struct flow *ignored;
    return flow_insert(table, &key, flow_hash(table, &key), now_ms, now_ms + TIMEOUT_MS,
                       flow ? flow : &ignored);
}

static struct flow *look(struct flow_table *table, uint32_t number, uint32_t now_ms)
{
    struct flow_key key = key_of(number);
    return flow_lookup(table, &key, flow_hash(table, &key), now_ms);
}

static void add_pair(struct flow_table *table, uint32_t number, uint32_t now_ms,
                     struct flow **forward, struct flow **reply)
{
    assert_int_equal(add(table, number, now_ms, forward), ERROR_NONE);
    assert_int_equal(add(table, number + 1, now_ms, reply), ERROR_NONE);
    flow_pair(table, *forward, *reply);
}

static void count_freed(void *context, const struct flow *flow)
{
    (*(uint32_t *)context)++;
}

static void refuses_capacities_that_cannot_be(void **state)
{
    struct flow_table *table = NULL;
    assert_int_equal(flow_table_create(0, TEST_SIPHASH_KEY, &table), ERROR_INVALID);
    assert_int_equal(flow_table_create(FLOW_CAPACITY_MAX + 1, TEST_SIPHASH_KEY, &table),
                     ERROR_TOO_LARGE);
    assert_null(table);
    flow_table_destroy(NULL);
}

static void hashes_ipv4_as_two_words_and_ipv6_as_five(void **state)
{
    struct flow_table *table = table_of(16);
    struct flow_key v4 = {.source = ip_from_v4((uint8_t[]){10, 0, 0, 1}),
                          .destination = ip_from_v4((uint8_t[]){192, 0, 2, 1}),
                          .source_port = 0x1122,
                          .destination_port = 0x3344,
                          .protocol = 6};
    uint8_t bytes[16] = {10, 0, 0, 1, 192, 0, 2, 1, 0x22, 0x11, 0x44, 0x33, 6};
    uint64_t words[5];
    memcpy(words, bytes, sizeof(bytes));
    assert_true(flow_hash(table, &v4) == siphash13_words(TEST_SIPHASH_KEY, words, 2));
    struct flow_key v6 = key_of(1);
    memcpy(words, &v6, sizeof(v6));
    assert_true(flow_hash(table, &v6) == siphash13_words(TEST_SIPHASH_KEY, words, 5));
    flow_table_destroy(table);
}

static void compares_by_vectors_as_it_does_without(void **state)
{
    struct random random = random_from_seed(11);
    for (int round = 0; round < 1000; round++) {
        struct bucket bucket;
        for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
            bucket.tags[i] = (uint16_t)(random_below(&random, 4) * 0x5555);
        for (uint32_t tag = 0; tag < 4; tag++)
            assert_int_equal(bucket_match(&bucket, (uint16_t)(tag * 0x5555)),
                             bucket_match_portable(&bucket, (uint16_t)(tag * 0x5555)));
    }
    struct flow_key key = key_of(1), other = key;
    assert_true(key_equal(&key, &other) && key_equal_portable(&key, &other));
    for (size_t i = 0; i < sizeof(key) * 8; i++) {
        ((uint8_t *)&other)[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_false(key_equal(&key, &other));
        assert_false(key_equal_portable(&key, &other));
        ((uint8_t *)&other)[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
}

static void fills_only_key_and_time_of_a_new_entry(void **state)
{
    struct flow_table *table = table_of(2);
    struct flow *flow, *again;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(add(table, 4, 7, &flow), ERROR_NONE);
        struct flow expected = {.key = key_of(4), .expires_ms = 7 + TIMEOUT_MS};
        assert_memory_equal(flow, &expected, sizeof(expected));
        assert_true(flow_at(table, flow_number(table, flow)) == flow);
        assert_int_not_equal(flow_number(table, flow), FLOW_NONE);
        assert_int_equal(add(table, 4, 7, &again), ERROR_EXISTS);
        flow->service = flow->member = flow->way = 0xffffffff;
        flow->state = flow->direction = 0xff;
        flow->way_port = flow->way_routes = 0xff;
        flow_remove(table, flow);
        assert_null(look(table, 4, 7));
        assert_int_equal(flow_table_used(table), 0);
    }
    flow_table_destroy(table);
}

static void forgets_an_entry_at_its_time_also_when_the_clock_wraps(void **state)
{
    static const uint32_t starts[] = {
        0, 1000000, UINT32_MAX - TIMEOUT_MS + 1, UINT32_MAX - 500, UINT32_MAX, 0x7fffffff};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct flow_table *table = table_of(4);
        struct flow *flow;
        assert_int_equal(add(table, 2, starts[i], &flow), ERROR_NONE);
        assert_true(look(table, 2, starts[i]) == flow);
        assert_true(look(table, 2, starts[i] + TIMEOUT_MS - 1) == flow);
        assert_null(look(table, 2, starts[i] + TIMEOUT_MS));
        flow_touch(flow, starts[i] + 900, TIMEOUT_MS);
        assert_true(look(table, 2, starts[i] + 900 + TIMEOUT_MS - 1) == flow);
        assert_null(look(table, 2, starts[i] + 900 + TIMEOUT_MS));
        assert_int_equal(flow_table_used(table), 1);
        assert_int_equal(add(table, 2, starts[i] + 900 + TIMEOUT_MS, &flow), ERROR_NONE);
        assert_int_equal(flow_table_used(table), 1);
        flow_table_destroy(table);
    }
}

static void keeps_a_pair_while_either_direction_is_seen(void **state)
{
    for (int seen = 0; seen < 2; seen++) {
        struct flow_table *table = table_of(8);
        uint32_t freed = 0;
        struct flow *pair[2];
        flow_table_on_free(table, count_freed, &freed);
        add_pair(table, 10, 0, &pair[0], &pair[1]);
        for (uint32_t now_ms = 0; now_ms < 10 * TIMEOUT_MS; now_ms += TIMEOUT_MS / 2) {
            assert_true(look(table, 10, now_ms) == pair[0]);
            assert_true(look(table, 11, now_ms) == pair[1]);
            flow_touch(pair[seen], now_ms, TIMEOUT_MS);
            assert_int_equal(flow_sweep(table, flow_table_buckets(table), now_ms), 0);
            assert_int_equal(add(table, 10, now_ms, NULL), ERROR_EXISTS);
            assert_int_equal(add(table, 11, now_ms, NULL), ERROR_EXISTS);
        }
        assert_null(look(table, 10, 11 * TIMEOUT_MS));
        assert_null(look(table, 11, 11 * TIMEOUT_MS));
        assert_int_equal(freed, 0);
        assert_int_equal(flow_sweep(table, flow_table_buckets(table), 11 * TIMEOUT_MS), 2);
        assert_int_equal(freed, 2);
        assert_int_equal(flow_table_used(table), 0);
        flow_table_destroy(table);
    }
}

static void frees_both_of_a_pair_when_one_is_removed_or_replaced(void **state)
{
    struct flow_table *table = table_of(8);
    uint32_t freed = 0;
    struct flow *pair[2];
    flow_table_on_free(table, count_freed, &freed);
    for (int removed = 0; removed < 2; removed++) {
        add_pair(table, 10, 0, &pair[0], &pair[1]);
        flow_remove(table, pair[removed]);
        assert_int_equal(flow_table_used(table), 0);
        assert_null(look(table, 10, 0));
        assert_null(look(table, 11, 0));
    }
    assert_int_equal(freed, 4);
    add_pair(table, 10, 0, &pair[0], &pair[1]);
    assert_int_equal(add(table, 11, TIMEOUT_MS, &pair[1]), ERROR_NONE);
    assert_int_equal(pair[1]->peer, FLOW_NONE);
    assert_int_equal(freed, 6);
    assert_int_equal(flow_table_used(table), 1);
    flow_table_destroy(table);
}

static void shortens_the_time_of_both_directions_with_the_state(void **state)
{
    struct flow_table *table = table_of(8);
    struct flow *pair[2];
    add_pair(table, 10, 0, &pair[0], &pair[1]);
    flow_set_state(table, pair[0], FLOW_TCP_ESTABLISHED, 10, 3600000);
    assert_int_equal(pair[1]->state, FLOW_TCP_ESTABLISHED);
    flow_set_state(table, pair[1], FLOW_TCP_CLOSING, 20, 100);
    assert_int_equal(pair[0]->state, FLOW_TCP_CLOSING);
    assert_int_equal(pair[1]->state, FLOW_TCP_CLOSING);
    assert_true(look(table, 10, 119) == pair[0]);
    assert_null(look(table, 10, 120));
    assert_null(look(table, 11, 120));
    struct flow *alone;
    assert_int_equal(add(table, 2, 20, &alone), ERROR_NONE);
    flow_set_state(table, alone, FLOW_UDP, 20, 5);
    assert_null(look(table, 2, 25));
    flow_table_destroy(table);
}

static void takes_every_entry_of_every_capacity(void **state)
{
    // Multiples of six are the fullest buckets: 6 entries on average of 8 slots.
    static const uint32_t capacities[] = {1,  2,   3,   8,    12,    13,    24,    48,
                                          96, 192, 768, 6144, 98304, 98305, 131072};
    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        struct flow_table *table = table_of(capacities[i]);
        assert_int_equal(flow_table_capacity(table), capacities[i]);
        for (uint32_t n = 0; n < capacities[i]; n++)
            assert_int_equal(add(table, n, 0, NULL), ERROR_NONE);
        assert_int_equal(add(table, capacities[i], 0, NULL), ERROR_FULL);
        assert_int_equal(flow_table_used(table), capacities[i]);
        for (uint32_t n = 0; n < capacities[i]; n++)
            assert_non_null(look(table, n, TIMEOUT_MS - 1));
        assert_null(look(table, capacities[i], TIMEOUT_MS - 1));
        flow_table_destroy(table);
    }
}

static void replaces_expired_entries_when_full(void **state)
{
    enum {
        CAPACITY = 6 * 1024
    };
    struct flow_table *table = table_of(CAPACITY);
    uint32_t freed = 0;
    flow_table_on_free(table, count_freed, &freed);
    for (uint32_t n = 0; n < CAPACITY; n++)
        assert_int_equal(add(table, n, 0, NULL), ERROR_NONE);
    for (uint32_t n = 0; n < CAPACITY; n++) {
        // The last ones are not near: an insert that is refused has searched a part of the table,
        // and the next searches on from there.
        uint32_t tries = 1;
        while (add(table, CAPACITY + n, TIMEOUT_MS, NULL))
            assert_in_range(++tries, 1, n < CAPACITY / 2 ? 2 : flow_table_buckets(table));
    }
    for (uint32_t n = 0; n < CAPACITY; n++)
        assert_non_null(look(table, CAPACITY + n, TIMEOUT_MS));
    assert_int_equal(freed, CAPACITY);
    assert_int_equal(add(table, 0, TIMEOUT_MS, NULL), ERROR_FULL);
    flow_table_destroy(table);
}

static void finds_a_million_flows_in_bursts(void **state)
{
    enum {
        FLOWS = 1 << 20
    };
    struct flow_table *table = table_of(FLOWS);
    assert_in_range(flow_table_bytes(table), FLOWS * 64ull, FLOWS * 96ull + 8192);
    for (uint32_t n = 0; n < FLOWS; n++) {
        struct flow *flow;
        assert_int_equal(add(table, n, 0, &flow), ERROR_NONE);
        flow->member = n;
    }
    for (uint32_t n = 0; n < FLOWS; n += FLOW_BURST_MAX) {
        struct flow_key keys[FLOW_BURST_MAX];
        uint64_t hashes[FLOW_BURST_MAX];
        struct flow *found[FLOW_BURST_MAX];
        for (uint32_t i = 0; i < FLOW_BURST_MAX; i++) {
            keys[i] = key_of(n + i);
            hashes[i] = flow_hash(table, &keys[i]);
        }
        flow_lookup_burst(table, keys, hashes, FLOW_BURST_MAX, 1, found);
        for (uint32_t i = 0; i < FLOW_BURST_MAX; i++) {
            assert_non_null(found[i]);
            assert_int_equal(found[i]->member, n + i);
        }
    }
    assert_int_equal(flow_sweep(table, 1000, TIMEOUT_MS - 1), 0);
    assert_in_range(flow_sweep(table, 1000, TIMEOUT_MS), 1, 8000);
    flow_sweep(table, flow_table_buckets(table), TIMEOUT_MS);
    assert_int_equal(flow_table_used(table), 0);
    flow_table_destroy(table);
}

struct walked {
    uint32_t visits[100];
    bool stop;
};

static bool note_visit(void *context, const struct flow *flow)
{
    struct walked *walked = context;
    walked->visits[flow->member]++;
    return !walked->stop;
}

static void walks_each_live_entry_once_in_portions(void **state)
{
    struct flow_table *table = table_of(100);
    for (uint32_t n = 0; n < 100; n++) {
        struct flow *flow;
        assert_int_equal(add(table, n, n < 50 ? 0 : 500, &flow), ERROR_NONE);
        flow->member = n;
    }
    struct walked walked = {.stop = false};
    uint32_t position = 0, portions = 0;
    while (flow_walk(table, &position, 7, TIMEOUT_MS, note_visit, &walked))
        portions++;
    assert_in_range(portions, 7, 8);
    for (uint32_t n = 0; n < 100; n++)
        assert_int_equal(walked.visits[n], n >= 50);
    position = 0;
    walked = (struct walked){.stop = true};
    assert_true(flow_walk(table, &position, 100, 0, note_visit, &walked));
    uint32_t visits = 0;
    for (uint32_t n = 0; n < 100; n++)
        visits += walked.visits[n];
    assert_int_equal(visits, 1);
    flow_table_destroy(table);
}

static void walks_a_big_table_with_few_entries_in_bounded_portions(void **state)
{
    struct flow_table *table = table_of(100000);
    uint32_t buckets = flow_table_buckets(table);
    struct walked walked = {.stop = false};
    for (uint32_t n = 0; n < 3; n++) {
        struct flow *flow;
        assert_int_equal(add(table, n, 0, &flow), ERROR_NONE);
        flow->member = n;
    }
    uint32_t position = 0, portions = 1;
    for (bool more = true; more; portions += more) {
        uint32_t before = position;
        more = flow_walk(table, &position, 100, 0, note_visit, &walked);
        assert_int_equal(position - before, FLOW_WALK_BUCKETS * BUCKET_SLOTS);
    }
    assert_int_equal(portions, buckets / FLOW_WALK_BUCKETS);
    for (uint32_t n = 0; n < 3; n++)
        assert_int_equal(walked.visits[n], 1);
    flow_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_capacities_that_cannot_be),
        cmocka_unit_test(hashes_ipv4_as_two_words_and_ipv6_as_five),
        cmocka_unit_test(compares_by_vectors_as_it_does_without),
        cmocka_unit_test(fills_only_key_and_time_of_a_new_entry),
        cmocka_unit_test(forgets_an_entry_at_its_time_also_when_the_clock_wraps),
        cmocka_unit_test(keeps_a_pair_while_either_direction_is_seen),
        cmocka_unit_test(frees_both_of_a_pair_when_one_is_removed_or_replaced),
        cmocka_unit_test(shortens_the_time_of_both_directions_with_the_state),
        cmocka_unit_test(takes_every_entry_of_every_capacity),
        cmocka_unit_test(replaces_expired_entries_when_full),
        cmocka_unit_test(finds_a_million_flows_in_bursts),
        cmocka_unit_test(walks_each_live_entry_once_in_portions),
        cmocka_unit_test(walks_a_big_table_with_few_entries_in_bounded_portions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
