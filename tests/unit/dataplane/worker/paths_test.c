// What ways take: the least is believed, for a time, of so many ways.
#include "dataplane/worker/paths.h"

#include "tests/test.h"

#define NOW 1000000000ull

static struct paths paths;

static struct ip_address member(uint32_t number)
{
    return ip_from_v4((const uint8_t[]){10, 0, (uint8_t)(number >> 8), (uint8_t)number});
}

static int clear(void **state)
{
    paths = (struct paths){.count = 0};
    return 0;
}

static void the_least_is_believed_for_a_time(void **state)
{
    static const struct {
        uint64_t at_ns;
        uint16_t told; // 0: nothing
        bool news;
        uint16_t known;
        uint64_t until_ns;
    } steps[] = {
        {NOW, 0, false, 0, 0},
        {NOW, 1400, true, 1400, NOW + PATHS_KEEP_NS},
        {NOW + 5, 1400, false, 1400, NOW + PATHS_KEEP_NS},
        {NOW + 5, 1450, false, 1400, NOW + PATHS_KEEP_NS},
        {NOW + 7, 1300, true, 1300, NOW + 7 + PATHS_KEEP_NS},
        {NOW + 6 + PATHS_KEEP_NS, 0, false, 1300, NOW + 7 + PATHS_KEEP_NS},
        {NOW + 7 + PATHS_KEEP_NS, 0, false, 0, 0},
        {NOW + 8 + PATHS_KEEP_NS, 1450, true, 1450, NOW + 8 + 2 * PATHS_KEEP_NS},
    };
    struct ip_address to = member(1), other = member(2);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint64_t until_ns = 0;
        if (steps[i].told)
            assert_int_equal(paths_learn(&paths, &to, steps[i].told, steps[i].at_ns),
                             steps[i].news);
        assert_int_equal(paths_mtu(&paths, &to, steps[i].at_ns, &until_ns), steps[i].known);
        assert_int_equal(until_ns, steps[i].until_ns);
        assert_int_equal(paths_mtu(&paths, &other, steps[i].at_ns, &until_ns), 0);
    }
    assert_int_equal(paths.count, 1);
}

static void of_too_many_the_one_that_ends_first_is_forgotten(void **state)
{
    uint64_t until_ns;
    for (uint32_t i = 0; i < PATHS_MAX; i++) {
        struct ip_address to = member(i);
        assert_true(paths_learn(&paths, &to, (uint16_t)(600 + i % 800), NOW + (i + 7) % PATHS_MAX));
    }
    uint32_t first = PATHS_MAX - 7; // the oldest
    struct ip_address fresh = member(PATHS_MAX), oldest = member(first);
    assert_true(paths_learn(&paths, &fresh, 576, NOW + PATHS_MAX));
    assert_int_equal(paths_mtu(&paths, &fresh, NOW, &until_ns), 576);
    assert_int_equal(paths_mtu(&paths, &oldest, NOW, &until_ns), 0);
    for (uint32_t i = 0; i < PATHS_MAX; i++) {
        struct ip_address to = member(i);
        if (i != first)
            assert_int_equal(paths_mtu(&paths, &to, NOW, &until_ns), 600 + i % 800);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_least_is_believed_for_a_time, clear),
        cmocka_unit_test_setup(of_too_many_the_one_that_ends_first_is_forgotten, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
