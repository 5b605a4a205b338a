#include "dataplane/worker/sweep.h"

#include "tests/test.h"

static void a_pass_takes_its_time_however_long_a_turn_was(void **state)
{
    static const struct {
        uint32_t buckets, elapsed_ms, due;
    } rows[] = {
        {0, 1000, 0},
        {210000, 0, 0},
        {1, 1, 1},
        {210000, 1, 22},
        {210000, 100, 2101}, // the longest sleep
        {210000, SWEEP_PASS_MS, 210000},
        {210000, UINT32_MAX, 210000},
        {1u << 26, 1, SWEEP_RATE},
        {1u << 26, 1000, 1000 * SWEEP_RATE},
        {1u << 26, UINT32_MAX, 1u << 26},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sweep_due(rows[i].buckets, rows[i].elapsed_ms), rows[i].due);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_takes_its_time_however_long_a_turn_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
