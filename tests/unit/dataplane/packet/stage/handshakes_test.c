#include "dataplane/packet/stage/handshakes.h"

#include "tests/test.h"

static void buckets_cover_all_times_without_a_gap(void **state)
{
    assert_int_equal(handshake_bucket(0), 0);
    assert_int_equal(handshake_bucket(UINT32_MAX), HANDSHAKE_BUCKETS - 1);
    for (uint32_t bucket = 0; bucket < HANDSHAKE_BUCKETS; bucket++) {
        uint32_t longest = handshake_longest(bucket);
        assert_int_equal(handshake_bucket(longest), bucket);
        if (bucket + 1 < HANDSHAKE_BUCKETS)
            assert_int_equal(handshake_bucket(longest + 1), bucket + 1);
        if (bucket > 0) // a quarter of an octave
            assert_true(longest - handshake_longest(bucket - 1) <= longest / 4 + 1);
    }
}

static void quantiles_are_those_of_what_was_counted(void **state)
{
    uint64_t counts[HANDSHAKE_BUCKETS] = {0};
    assert_int_equal(handshake_quantile(counts, 0.5), 0);
    for (uint32_t ticks = 1; ticks <= 1000; ticks++)
        counts[handshake_bucket(ticks)]++;
    assert_in_range(handshake_quantile(counts, 0.5), 500, 640);
    assert_in_range(handshake_quantile(counts, 0.9), 900, 1023);
    assert_in_range(handshake_quantile(counts, 0.001), 1, 1);
    assert_int_equal(handshake_quantile(counts, 1), 1023);
}

static uint64_t counted(const struct handshakes *handshakes, uint32_t member, uint32_t ticks)
{
    uint64_t counts[HANDSHAKE_BUCKETS] = {0};
    handshakes_add(handshakes, member, counts);
    return counts[handshake_bucket(ticks)];
}

static void a_handshake_counts_once_at_its_member(void **state)
{
    struct handshakes handshakes;
    assert_int_equal(handshakes_init(&handshakes), ERROR_NONE);
    const uint64_t hash = 0x123456789abcdef0, same_slot = 0x923456799abcdef0;
    handshakes_begin(&handshakes, hash, UINT32_MAX - 10); // over the clock's end
    handshakes_end(&handshakes, hash, 3, 89);
    handshakes_end(&handshakes, hash, 3, 89); // no second time
    assert_int_equal(counted(&handshakes, 3, 100), 1);
    assert_int_equal(counted(&handshakes, 4, 100), 0);
    // What a later SYN displaced is not counted, and never as the later one's.
    handshakes_begin(&handshakes, hash, 0);
    handshakes_begin(&handshakes, same_slot, 50);
    handshakes_end(&handshakes, hash, 3, 100);
    assert_int_equal(counted(&handshakes, 3, 100), 1);
    handshakes_end(&handshakes, same_slot, 4, 150);
    assert_int_equal(counted(&handshakes, 4, 100), 1);
    handshakes_forget(&handshakes, 4);
    assert_int_equal(counted(&handshakes, 4, 100), 0);
    assert_int_equal(counted(&handshakes, 3, 100), 1);
    handshakes_fini(&handshakes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_all_times_without_a_gap),
        cmocka_unit_test(quantiles_are_those_of_what_was_counted),
        cmocka_unit_test(a_handshake_counts_once_at_its_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
