#include "dataplane/worker/idle.h"

#include "tests/test.h"

static void sleeps_longer_the_longer_nothing_comes(void **state)
{
    static const struct {
        uint32_t empty_turns;
        uint64_t sleep_ns;
    } rows[] = {
        {0, 0},
        {IDLE_SPIN_TURNS - 1, 0},
        {IDLE_SPIN_TURNS, 1000},
        {IDLE_SPIN_TURNS + IDLE_SLEEP_TURNS - 1, 1000},
        {IDLE_SPIN_TURNS + IDLE_SLEEP_TURNS, 2000},
        {IDLE_SPIN_TURNS + 7 * IDLE_SLEEP_TURNS, 128000},
        {IDLE_SPIN_TURNS + 8 * IDLE_SLEEP_TURNS, 200000}, // the longest
        {IDLE_SPIN_TURNS + 64 * IDLE_SLEEP_TURNS, 200000},
        {UINT32_MAX, 200000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(idle_sleep_ns(rows[i].empty_turns, false, 200000), rows[i].sleep_ns);
        assert_int_equal(idle_sleep_ns(rows[i].empty_turns, true, 200000), 0);
    }
    assert_int_equal(idle_sleep_ns(UINT32_MAX, false, 500), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps_longer_the_longer_nothing_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
