#include "base/random.h"

#include <string.h>

#include "tests/test.h"

static void gives_the_sequence_of_xoshiro256_starstar(void **state)
{
    // The state 1, 2, 3, 4 is what other implementations of the paper test with.
    static const uint64_t expected[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    struct random random = {.state = {1, 2, 3, 4}};
    for (size_t i = 0; i < 4; i++)
        assert_true(random_next(&random) == expected[i]);
}

static void seeds_by_splitmix(void **state)
{
    // The first output of splitmix64 from zero.
    assert_true(random_from_seed(0).state[0] == 0xe220a8397b1dcdafu);
}

static void repeats_from_a_seed_and_differs_from_another(void **state)
{
    struct random a = random_from_seed(1);
    struct random b = random_from_seed(1);
    struct random c = random_from_seed(2);
    size_t same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t next = random_next(&a);
        assert_true(next == random_next(&b));
        same += next == random_next(&c);
    }
    assert_int_equal(same, 0);
}

static void stays_below_any_bound(void **state)
{
    static const uint64_t bounds[] = {
        1, 2, 3, 10, 1ull << 32, (1ull << 63) + 1, UINT64_MAX,
    };
    struct random random = random_from_seed(3);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
        for (int j = 0; j < 1000; j++)
            assert_true(random_below(&random, bounds[i]) < bounds[i]);
}

static void falls_evenly_below_a_bound(void **state)
{
    enum {
        BOUND = 7,
        DRAWS = 70000
    };
    struct random random = random_from_seed(4);
    uint32_t counts[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[random_below(&random, BOUND)]++;
    // Six standard deviations of a binomial with mean 10000 are 555.
    for (int i = 0; i < BOUND; i++)
        assert_in_range(counts[i], DRAWS / BOUND - 555, DRAWS / BOUND + 555);

    // Where a modulo would show: with a bound of 3/4 of the range, it gives the lower third twice
    // as often as the others.
    const uint64_t bound = 3ull << 62;
    uint32_t lower = 0;
    uint32_t thirds = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t number = random_below(&random, bound);
        lower += number < (1ull << 62);
        thirds += number % 3 == 0;
    }
    assert_in_range(lower, 9500, 10500);
    // And where a product that is not rejected would show: every third number twice as often.
    assert_in_range(thirds, 9500, 10500);
}

static void the_systems_bytes_fill_all_and_only_what_was_asked(void **state)
{
    // More than the 256 bytes that getrandom(2) promises to give at once.
    uint8_t bytes[1002];
    uint8_t seen = 0;
    memset(bytes, 0, sizeof(bytes));
    random_os_bytes(bytes + 1, 1000);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(bytes[1001], 0);
    for (size_t i = 985; i < 1001; i++)
        seen |= bytes[i];
    assert_int_not_equal(seen, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_sequence_of_xoshiro256_starstar),
        cmocka_unit_test(seeds_by_splitmix),
        cmocka_unit_test(repeats_from_a_seed_and_differs_from_another),
        cmocka_unit_test(stays_below_any_bound),
        cmocka_unit_test(falls_evenly_below_a_bound),
        cmocka_unit_test(the_systems_bytes_fill_all_and_only_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
