#include "dataplane/packet/flow/flow.h"

#include <stdlib.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "dataplane/packet/flow/flow_priv.h"
#include "tests/test.h"
#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#define TIMEOUT_MS 1000u

static struct flow_table *table_of(uint32_t capacity)
{
    struct flow_table *table;
    assert_int_equal(flow_table_create(capacity, test_secrets, &table), ERROR_NONE);
    return table;
}

static enum error add_key(struct flow_table *table, const struct flow_key *key, uint32_t now_ms,
                          uint32_t member)
{
    struct flow value = {.expires_ms = now_ms + TIMEOUT_MS, .member = (uint16_t)member};
    struct flow *flow;
    return flow_insert(table, key, flow_hash(table, key), now_ms, value, &flow);
}

static enum error add(struct flow_table *table, uint32_t number, uint32_t now_ms)
{
    struct flow_key key = key_of(number);
    return add_key(table, &key, now_ms, number);
}

static struct flow *look(struct flow_table *table, uint32_t number, uint32_t now_ms)
{
    struct flow_key key = key_of(number);
    return flow_find(table, &key, flow_hash(table, &key), now_ms);
}

static enum error add_pair(struct flow_table *table, uint32_t number, uint32_t now_ms)
{
    struct flow_pair values = pair_of(number, number + 1, now_ms + TIMEOUT_MS);
    struct flow_key key = key_of(number);
    struct flow *flow;
    return flow_insert_pair(table, &values, flow_hash(table, &key), now_ms, &flow);
}

static void count_freed(void *context, uint16_t service, uint16_t member,
                        const struct flow_pair *pair)
{
    (*(uint32_t *)context)++;
}

static void refuses_capacities_that_cannot_be(void **state)
{
    struct flow_table *table = NULL;
    assert_int_equal(flow_table_create(0, test_secrets, &table), ERROR_INVALID);
    assert_int_equal(flow_table_create(FLOW_CAPACITY_MAX + 1, test_secrets, &table),
                     ERROR_TOO_LARGE);
    assert_null(table);
    flow_table_destroy(NULL);
}

static void compares_by_vectors_as_it_does_without(void **state)
{
    struct random random = random_from_seed(11);
    for (int round = 0; round < 10000; round++) {
        _Alignas(32) uint64_t four[FLOW_BUCKET_SLOTS];
        for (uint32_t i = 0; i < FLOW_BUCKET_SLOTS; i++)
            four[i] = random_below(&random, 3) << random_below(&random, 64);
        uint64_t word = four[random_below(&random, FLOW_BUCKET_SLOTS)];
        assert_int_not_equal(flow_match_words(four, word), 0);
        assert_int_equal(flow_match_words(four, word), flow_match_words_portable(four, word));
        word ^= 1ull << random_below(&random, 64);
        assert_int_equal(flow_match_words(four, word), flow_match_words_portable(four, word));
    }
}

static void tells_keys_apart_by_every_bit(void **state)
{
    for (uint32_t number = 0; number < 2; number++) {
        struct flow_table *table = table_of(16);
        struct flow_key key = key_of(number);
        assert_int_equal(add_key(table, &key, 0, 1), ERROR_NONE);
        // Of IPv4 what counts is the address's last four bytes and what follows; the end is zero.
        for (size_t bit = number ? 0 : 12 * 8; bit < 20 * 8; bit++) {
            struct flow_key other = key;
            ((uint8_t *)&other)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_null(flow_find(table, &other, flow_hash(table, &key), 0));
            if (other.endpoint != 0)
                assert_null(flow_find(table, &other, flow_hash(table, &other), 0));
        }
        assert_non_null(look(table, number, 0));
        flow_table_destroy(table);
    }
}

static void an_entry_is_its_keys_until_it_is_removed(void **state)
{
    struct flow_table *table = table_of(16);
    struct flow_key v4 = key_of(2), v6 = key_of(3);
    uint64_t v4_words[FLOW_WORDS_V6], v6_words[FLOW_WORDS_V6];
    flow_key_words(&v4, v4_words);
    flow_key_words(&v6, v6_words);
    assert_int_equal(add(table, 2, 0), ERROR_NONE);
    assert_int_equal(add(table, 3, 0), ERROR_NONE);
    struct flow *a = flow_match_v4(table, v4_words[0], flow_hash(table, &v4));
    struct flow *b = flow_match_v6(table, v6_words, flow_hash(table, &v6));
    assert_true(flow_is_still_v4(a, v4_words[0]) && flow_is_still_v6(b, v6_words));
    for (int word = 0; word < 3; word++) {
        v6_words[word] ^= 1;
        assert_false(flow_is_still_v6(b, v6_words));
        v6_words[word] ^= 1;
    }
    flow_remove(table, a);
    flow_remove(table, b);
    assert_false(flow_is_still_v4(a, v4_words[0]) || flow_is_still_v6(b, v6_words));
    flow_table_destroy(table);
}

static void spreads_what_clients_count_up_evenly(void **state)
{
    // Ports and addresses in order, from few addresses or many: arithmetic progressions.
    enum {
        COUNT = 1 << 16,
        PLACES = 256
    };
    struct random random = random_from_seed(5);
    for (int round = 0; round < 20; round++) {
        uint64_t secrets[FOLD_SECRETS];
        for (int i = 0; i < FOLD_SECRETS; i++)
            secrets[i] = random_next(&random);
        for (uint32_t ports_bits = 0; ports_bits <= 16; ports_bits += 4) {
            uint32_t low[PLACES] = {0}, high[PLACES] = {0};
            for (uint32_t i = 0; i < COUNT; i++) {
                uint32_t address = __builtin_bswap32(0x0a000000u + (i >> ports_bits));
                uint16_t port = __builtin_bswap16((uint16_t)(i & ((1u << ports_bits) - 1)));
                uint64_t hash = fold_word(secrets, flow_word_v4(address, port, 1));
                low[(hash & UINT32_MAX) * PLACES >> 32]++;
                high[(hash >> 32) * PLACES >> 32]++;
            }
            for (int place = 0; place < PLACES; place++) {
                // 256 on average, with a standard deviation of 16.
                assert_in_range(low[place], 256 - 6 * 16, 256 + 6 * 16);
                assert_in_range(high[place], 256 - 6 * 16, 256 + 6 * 16);
            }
        }
    }
}

static void forgets_an_entry_at_its_time_also_when_the_clock_wraps(void **state)
{
    static const uint32_t starts[] = {
        0, 1000000, UINT32_MAX - TIMEOUT_MS + 1, UINT32_MAX - 500, UINT32_MAX, 0x7fffffff};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        struct flow_table *table = table_of(4);
        assert_int_equal(add(table, 2, starts[i]), ERROR_NONE);
        struct flow *flow = look(table, 2, starts[i]);
        assert_non_null(flow);
        assert_true(look(table, 2, starts[i] + TIMEOUT_MS - 1) == flow);
        assert_null(look(table, 2, starts[i] + TIMEOUT_MS));
        flow_set(table, flow, FLOW_UDP, starts[i] + 900 + TIMEOUT_MS);
        assert_true(look(table, 2, starts[i] + 900 + TIMEOUT_MS - 1) == flow);
        assert_null(look(table, 2, starts[i] + 900 + TIMEOUT_MS));
        assert_int_equal(flow_table_used(table), 1);
        assert_int_equal(add(table, 2, starts[i] + 900 + TIMEOUT_MS), ERROR_NONE);
        assert_int_equal(flow_table_used(table), 1);
        flow_table_destroy(table);
    }
}

static void both_directions_live_while_either_is_seen_and_die_together(void **state)
{
    for (uint32_t seen = 0; seen < 2; seen++) {
        struct flow_table *table = table_of(8);
        uint32_t freed = 0;
        flow_table_on_free(table, count_freed, &freed);
        assert_int_equal(add_pair(table, 10, 0), ERROR_NONE);
        for (uint32_t now_ms = 0; now_ms < 10 * TIMEOUT_MS; now_ms += TIMEOUT_MS / 2) {
            assert_non_null(look(table, 10, now_ms));
            assert_non_null(look(table, 11, now_ms));
            struct flow *flow = look(table, 10 + seen, now_ms);
            assert_true(flow_pair_of(table, flow) == flow_pair_of(table, look(table, 10, now_ms)));
            flow_set(table, flow, FLOW_UDP, now_ms + TIMEOUT_MS);
            assert_int_equal(flow_sweep(table, flow_table_buckets(table), now_ms), 0);
            assert_int_equal(add(table, 10, now_ms), ERROR_EXISTS);
            assert_int_equal(add(table, 11, now_ms), ERROR_EXISTS);
        }
        assert_null(look(table, 10, 11 * TIMEOUT_MS));
        assert_null(look(table, 11, 11 * TIMEOUT_MS));
        assert_int_equal(freed, 0);
        assert_int_equal(flow_sweep(table, flow_table_buckets(table), 11 * TIMEOUT_MS), 2);
        assert_int_equal(freed, 1);
        assert_int_equal(flow_table_used(table), 0);
        flow_table_destroy(table);
    }
}

static void frees_both_directions_when_one_is_removed_or_replaced(void **state)
{
    struct flow_table *table = table_of(8);
    uint32_t freed = 0;
    flow_table_on_free(table, count_freed, &freed);
    for (uint32_t removed = 0; removed < 2; removed++) {
        assert_int_equal(add_pair(table, 10, 0), ERROR_NONE);
        flow_remove(table, look(table, 10 + removed, 0));
        assert_int_equal(flow_table_used(table), 0);
        assert_null(look(table, 10, 0));
        assert_null(look(table, 11, 0));
    }
    assert_int_equal(freed, 2);
    assert_int_equal(add_pair(table, 10, 0), ERROR_NONE);
    assert_int_equal(add(table, 11, TIMEOUT_MS), ERROR_NONE);
    assert_null(flow_pair_of(table, look(table, 11, TIMEOUT_MS)));
    assert_int_equal(freed, 3);
    assert_int_equal(flow_table_used(table), 1);
    flow_table_destroy(table);
}

static void fetches_the_record_of_a_two_way_flow_alone(void **state)
{
    struct flow_table *table = table_of(4096);
    for (uint32_t i = 0; i < 400; i++) {
        uint32_t number = 4 * i + i % 2; // of IPv4 or IPv6
        bool two_way = i & 2;
        struct flow_key key = key_of(number);
        uint64_t hash = flow_hash(table, &key);
        bool v4 = ip_is_v4(&key.peer);
        assert_null(flow_prefetch_pair(table, hash, v4));
        assert_int_equal(two_way ? add_pair(table, number, 0) : add(table, number, 0), ERROR_NONE);
        const struct flow *flow = look(table, number, 0);
        assert_true(flow_prefetch_pair(table, hash, v4) == flow_pair_of(table, flow));
        assert_null(flow_prefetch_pair(table, hash, !v4));
    }
    flow_table_destroy(table);
}

static void a_pair_that_does_not_fit_leaves_nothing_behind(void **state)
{
    struct flow_table *table = table_of(3);
    assert_int_equal(add(table, 1, 0), ERROR_NONE);
    assert_int_equal(add(table, 2, 0), ERROR_NONE);
    for (int i = 0; i < 100; i++)
        assert_int_equal(add_pair(table, 10, 0), ERROR_FULL);
    assert_int_equal(flow_table_used(table), 2);
    assert_null(look(table, 10, 0));
    flow_remove(table, look(table, 1, 0));
    assert_int_equal(add_pair(table, 10, 0), ERROR_NONE);
    struct flow_pair values = pair_of(20, 11, TIMEOUT_MS);
    struct flow_key key = key_of(20);
    struct flow *flow;
    assert_int_equal(flow_insert_pair(table, &values, flow_hash(table, &key), 0, &flow),
                     ERROR_EXISTS);
    assert_true(flow == look(table, 11, 0));
    flow_table_destroy(table);
}

static void takes_every_entry_of_every_capacity(void **state)
{
    static const uint32_t capacities[] = {1,  2,   3,   8,    12,    13,    24,     48,
                                          96, 192, 768, 6144, 98304, 98305, 131072, 1000000};
    for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
        // All of one version is the fullest its buckets can be.
        for (uint32_t version = 0; version < 2; version++) {
            struct flow_table *table = table_of(capacities[i]);
            assert_int_equal(flow_table_capacity(table), capacities[i]);
            for (uint32_t n = 0; n < capacities[i]; n++)
                assert_int_equal(add(table, 2 * n + version, 0), ERROR_NONE);
            assert_int_equal(add(table, 2 * capacities[i], 0), ERROR_FULL);
            assert_int_equal(flow_table_used(table), capacities[i]);
            for (uint32_t n = 0; n < capacities[i]; n++) {
                struct flow *flow = look(table, 2 * n + version, TIMEOUT_MS - 1);
                assert_non_null(flow);
                assert_int_equal(flow->member, (uint16_t)(2 * n + version));
            }
            assert_null(look(table, 2 * capacities[i], TIMEOUT_MS - 1));
            flow_table_destroy(table);
        }
    }
}

static void stays_right_while_full_of_comings_and_goings(void **state)
{
    enum {
        CAPACITY = 20000
    };
    struct flow_table *table = table_of(CAPACITY);
    for (uint32_t n = 0; n < CAPACITY; n++)
        assert_int_equal(add(table, 2 * n, 0), ERROR_NONE);
    for (uint32_t n = CAPACITY; n < 10 * CAPACITY; n++) {
        flow_remove(table, look(table, 2 * (n - CAPACITY), 0));
        assert_int_equal(add(table, 2 * n, 0), ERROR_NONE);
    }
    for (uint32_t n = 9 * CAPACITY; n < 10 * CAPACITY; n++)
        assert_non_null(look(table, 2 * n, 0));
    // The counts of what lies in second buckets came down with it: few are left behind.
    for (uint32_t n = 9 * CAPACITY; n < 10 * CAPACITY; n++)
        flow_remove(table, look(table, 2 * n, 0));
    assert_int_equal(flow_table_used(table), 0);
    for (uint32_t bucket = 0; bucket < table->v4.count; bucket++) {
        uint64_t *at = flow_bucket(&table->v4, FLOW_WORDS_V4, bucket);
        for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++)
            assert_int_equal(flow_values(at, FLOW_WORDS_V4)[slot].flags, 0);
    }
    flow_table_destroy(table);
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
        assert_int_equal(add(table, n, 0), ERROR_NONE);
    for (uint32_t n = 0; n < CAPACITY; n++) {
        // The last ones are not near: an insert that is refused has searched a part of the table,
        // and the next searches on from there.
        uint32_t tries = 1;
        while (add(table, CAPACITY + n, TIMEOUT_MS))
            assert_in_range(++tries, 1, n < CAPACITY / 2 ? 4 : flow_table_buckets(table));
    }
    for (uint32_t n = 0; n < CAPACITY; n++)
        assert_non_null(look(table, CAPACITY + n, TIMEOUT_MS));
    assert_int_equal(freed, CAPACITY);
    assert_int_equal(add(table, 0, TIMEOUT_MS), ERROR_FULL);
    flow_table_destroy(table);
}

static void a_flow_takes_no_more_than_its_share_of_memory(void **state)
{
    enum {
        FLOWS = 1 << 20
    };
    struct flow_table *table = table_of(FLOWS);
    uint64_t v4_bytes = (uint64_t)table->v4.count * 64, v6_bytes = (uint64_t)table->v6.count * 128;
    assert_in_range(v4_bytes, 0, FLOWS * 26ull);
    assert_in_range(v6_bytes, 0, FLOWS * 52ull);
    // Both directions of NAT over IPv4: two entries and a record.
    assert_in_range(2 * v4_bytes + FLOWS * sizeof(struct flow_pair), 0, FLOWS * 128ull);
    assert_int_equal(flow_table_bytes(table), sizeof(*table) + v4_bytes + v6_bytes +
                                                  (FLOWS / 2 + 2) * sizeof(struct flow_pair));
    flow_table_destroy(table);
}

static void finds_a_million_flows_and_sweeps_them(void **state)
{
    enum {
        FLOWS = 1 << 20
    };
    struct flow_table *table = table_of(FLOWS);
    for (uint32_t n = 0; n < FLOWS; n++)
        assert_int_equal(add(table, n, 0), ERROR_NONE);
    for (uint32_t n = 0; n < FLOWS; n++)
        assert_int_equal(look(table, n, 1)->member, (uint16_t)n);
    assert_int_equal(flow_sweep(table, 1000, TIMEOUT_MS - 1), 0);
    assert_in_range(flow_sweep(table, 1000, TIMEOUT_MS), 1, 4000);
    flow_sweep(table, flow_table_buckets(table), TIMEOUT_MS);
    assert_int_equal(flow_table_used(table), 0);
    assert_int_equal(flow_table_buckets(table), 0);
    flow_table_destroy(table);
}

struct walked {
    uint32_t visits[8000];
    bool stop;
};

static bool note_visit(void *context, const struct flow_view *flow)
{
    struct walked *walked = context;
    struct flow_key key = key_of(flow->member);
    assert_memory_equal(&flow->client, &key.peer, sizeof(key.peer));
    assert_int_equal(flow->client_port, key.port);
    assert_int_equal(flow->service, key.endpoint);
    walked->visits[flow->member]++;
    return !walked->stop;
}

static void note_moved(void *context, const struct flow_view *flow)
{
    note_visit(context, flow);
}

static void walks_each_live_entry_once_in_portions(void **state)
{
    struct flow_table *table = table_of(100);
    for (uint32_t n = 0; n < 100; n++)
        assert_int_equal(add(table, n, n < 50 ? 0 : 500), ERROR_NONE);
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

// Walks a table while others are added to it, and hears of those that move meanwhile.
static void who_hears_of_moves_misses_none(void **state)
{
    struct flow_table *table = table_of(4000);
    uint32_t added = 0;
    for (; added < 3500; added++)
        assert_int_equal(add(table, 2 * added, 0), ERROR_NONE); // of IPv4, all of them
    struct walked walked = {.stop = false}, moved = {.stop = false};
    flow_table_on_move(table, note_moved, &moved);
    uint32_t position = 0;
    while (flow_walk(table, &position, 50, 0, note_visit, &walked)) {
        for (int i = 0; i < 7 && added < 4000; i++)
            assert_int_equal(add(table, 2 * added++, 0), ERROR_NONE);
    }
    uint32_t missed = 0;
    for (uint32_t n = 0; n < 3500; n++) {
        missed += walked.visits[2 * n] == 0;
        assert_true(walked.visits[2 * n] || moved.visits[2 * n]);
    }
    assert_true(missed > 0); // by the walk alone
    flow_table_on_move(table, NULL, NULL);
    flow_table_destroy(table);
}

static void walks_a_big_table_with_few_entries_in_bounded_portions(void **state)
{
    struct flow_table *table = table_of(100000);
    struct walked walked = {.stop = false};
    for (uint32_t n = 0; n < 3; n++)
        assert_int_equal(add(table, n, 0), ERROR_NONE);
    uint32_t buckets = flow_table_buckets(table), position = 0, portions = 1;
    for (bool more = true; more; portions += more) {
        uint32_t before = position;
        more = flow_walk(table, &position, 100, 0, note_visit, &walked);
        assert_in_range(position - before, 1, FLOW_WALK_BUCKETS * FLOW_BUCKET_SLOTS);
    }
    assert_int_equal(portions, (buckets + FLOW_WALK_BUCKETS - 1) / FLOW_WALK_BUCKETS);
    for (uint32_t n = 0; n < 3; n++)
        assert_int_equal(walked.visits[n], 1);
    flow_table_destroy(table);
}

static void count_end(void *context, uint16_t service, uint16_t member,
                      const struct flow_pair *pair)
{
    uint32_t *ended = context;
    ended[member]++;
}

// A drained member's flows run out while all others go on.
static void of_a_million_flows_only_a_drained_members_end(void **state)
{
    enum {
        FLOWS = 1 << 20,
        MEMBERS = 1000,
        DRAINED = 617
    };
    static uint32_t ended[MEMBERS];
    memset(ended, 0, sizeof(ended));
    struct flow_table *table = table_of(FLOWS);
    flow_table_on_free(table, count_end, ended);
    for (uint32_t n = 0; n < FLOWS; n++) {
        struct flow_key key = key_of(n);
        if (add_key(table, &key, 0, n % MEMBERS) != ERROR_NONE)
            fail_msg("no room for flow %u", n);
    }
    uint32_t drained = 0;
    for (uint32_t n = 0; n < FLOWS; n++) {
        struct flow *flow = look(table, n, TIMEOUT_MS - 1);
        if (!flow || flow->member != n % MEMBERS)
            fail_msg("flow %u is not its member's", n);
        if (flow->member == DRAINED)
            drained++;
        else
            flow->expires_ms += TIMEOUT_MS;
    }
    assert_int_equal(flow_sweep(table, flow_table_buckets(table), TIMEOUT_MS), drained);
    assert_int_equal(flow_table_used(table), FLOWS - drained);
    for (uint32_t member = 0; member < MEMBERS; member++)
        assert_int_equal(ended[member], member == DRAINED ? drained : 0);
    for (uint32_t n = 0; n < FLOWS; n++) {
        if (!look(table, n, TIMEOUT_MS) != (n % MEMBERS == DRAINED))
            fail_msg("flow %u", n);
    }
    flow_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_capacities_that_cannot_be),
        cmocka_unit_test(compares_by_vectors_as_it_does_without),
        cmocka_unit_test(tells_keys_apart_by_every_bit),
        cmocka_unit_test(an_entry_is_its_keys_until_it_is_removed),
        cmocka_unit_test(spreads_what_clients_count_up_evenly),
        cmocka_unit_test(forgets_an_entry_at_its_time_also_when_the_clock_wraps),
        cmocka_unit_test(both_directions_live_while_either_is_seen_and_die_together),
        cmocka_unit_test(frees_both_directions_when_one_is_removed_or_replaced),
        cmocka_unit_test(fetches_the_record_of_a_two_way_flow_alone),
        cmocka_unit_test(a_pair_that_does_not_fit_leaves_nothing_behind),
        cmocka_unit_test(takes_every_entry_of_every_capacity),
        cmocka_unit_test(stays_right_while_full_of_comings_and_goings),
        cmocka_unit_test(replaces_expired_entries_when_full),
        cmocka_unit_test(a_flow_takes_no_more_than_its_share_of_memory),
        cmocka_unit_test(finds_a_million_flows_and_sweeps_them),
        cmocka_unit_test(of_a_million_flows_only_a_drained_members_end),
        cmocka_unit_test(walks_each_live_entry_once_in_portions),
        cmocka_unit_test(who_hears_of_moves_misses_none),
        cmocka_unit_test(walks_a_big_table_with_few_entries_in_bounded_portions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
