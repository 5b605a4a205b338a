#include "tests/unit/dataplane/balance/pick.h"

static struct pick_pool pool;

static void all_goes_to_the_first_that_has_weight(void **state)
{
    static const struct {
        uint32_t weights[4];
        uint32_t picked;
    } cases[] = {
        {{1, 1, 1, 1}, 0},
        {{0, 1, 9, 1}, 1},
        {{0, 0, 0, 2}, 3},
        {{3, 0, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pick_pool_init(&pool, 4);
        for (uint32_t m = 0; m < 4; m++)
            pool.members[m].weight = cases[i].weights[m];
        struct balancer *balancer = pick_build(&balance_failover, &pool);
        for (int n = 0; n < 20; n++)
            assert_int_equal(pick_next(balancer, &pool), cases[i].picked);
        balancer_destroy(balancer);
    }
}

static void edges(void **state)
{
    pick_assert_edges(&balance_failover);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_goes_to_the_first_that_has_weight),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
