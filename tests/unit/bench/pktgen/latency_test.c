#include "bench/pktgen/latency.h"

#include "tests/test.h"

static struct latency latency;

static void buckets_follow_one_another(void **state)
{
    assert_int_equal(latency_bucket(0), 0);
    for (uint32_t bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
        uint64_t longest = latency_longest(bucket);
        assert_int_equal(latency_bucket(longest), bucket);
        assert_int_equal(latency_bucket(longest + 1), bucket + 1);
    }
}

static void a_bound_is_too_long_by_one_part_in_thirty_two_at_most(void **state)
{
    for (uint64_t cycles = 1; cycles >> LATENCY_BITS_MAX == 0; cycles += 1 + cycles / 100) {
        uint64_t longest = latency_longest(latency_bucket(cycles));
        assert_true(longest >= cycles && longest - cycles <= cycles / 32);
        assert_true(cycles >= 64 || longest == cycles);
    }
}

static void what_is_too_long_is_still_counted(void **state)
{
    latency = (struct latency){.count = 0};
    latency_add(&latency, UINT64_MAX);
    latency_add(&latency, UINT64_C(1) << LATENCY_BITS_MAX);
    assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 2);
    assert_true(latency_quantile(&latency, 0.5) == UINT64_MAX);
    assert_true(latency.least == UINT64_C(1) << LATENCY_BITS_MAX);
}

static void quantiles_are_bounds(void **state)
{
    latency = (struct latency){.count = 0};
    assert_int_equal(latency_quantile(&latency, 0.5), 0);
    for (uint64_t cycles = 10000; cycles > 0; cycles--)
        latency_add(&latency, cycles);
    assert_int_equal(latency.count, 10000);
    assert_int_equal(latency.sum, 10000u * 10001u / 2);
    assert_int_equal(latency.least, 1);
    assert_int_equal(latency.most, 10000);
    assert_int_equal(latency_quantile(&latency, 1), 10000);
    assert_int_equal(latency_quantile(&latency, 0.005), 50);
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999, 0.9999};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t right = (uint64_t)(shares[i] * 10000 + 0.5);
        uint64_t said = latency_quantile(&latency, shares[i]);
        assert_true(said >= right && said <= right + right / 32);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_follow_one_another),
        cmocka_unit_test(a_bound_is_too_long_by_one_part_in_thirty_two_at_most),
        cmocka_unit_test(what_is_too_long_is_still_counted),
        cmocka_unit_test(quantiles_are_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
