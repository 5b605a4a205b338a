#include "tests/unit/dataplane/balance/pick.h"

static struct pick_pool pool;

static void the_one_that_carries_least_for_its_weight_gets_it(void **state)
{
    static const struct {
        uint32_t weights[3];
        uint64_t loads[3];
        uint32_t picked;
    } cases[] = {
        {{1, 1, 1}, {3, 2, 4}, 1},
        {{1, 1, 1}, {0, 2, 4}, 0},
        {{1, 10, 1}, {1, 15, 4}, 1}, // 16/10 against 2/1 and 5/1
        {{1, 10, 1}, {1, 20, 4}, 0},
        {{0, 1, 1}, {0, 9, 8}, 2},
        {{UINT32_MAX, 1, 1}, {1ull << 60, 1, 2}, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pick_pool_init(&pool, 3);
        for (uint32_t m = 0; m < 3; m++) {
            pool.members[m].weight = cases[i].weights[m];
            *pick_load(&pool, m) = cases[i].loads[m];
        }
        struct balancer *balancer = pick_build(&balance_least_connections, &pool);
        for (int n = 0; n < 7; n++)
            assert_int_equal(pick_next(balancer, &pool), cases[i].picked);
        balancer_destroy(balancer);
    }
}

static void equal_ones_take_turns(void **state)
{
    pick_pool_init(&pool, 4);
    struct balancer *balancer = pick_build(&balance_least_connections, &pool);
    uint32_t picked[4] = {0};
    for (int i = 0; i < 400; i++)
        picked[pick_next(balancer, &pool)]++; // all end at once
    for (int m = 0; m < 4; m++)
        assert_int_equal(picked[m], 100);
    balancer_destroy(balancer);
}

static void shares_follow_weights_exactly(void **state)
{
    pick_pool_init(&pool, 4);
    for (uint32_t m = 0; m < 4; m++)
        pool.members[m].weight = m + 1;
    struct balancer *balancer = pick_build(&balance_least_connections, &pool);
    pick_many(balancer, &pool, 1000);
    for (uint32_t m = 0; m < 4; m++)
        assert_in_range(*pick_load(&pool, m), 100 * (m + 1) - 1, 100 * (m + 1) + 1);
    balancer_destroy(balancer);
}

static void one_that_lost_its_flows_is_filled_first(void **state)
{
    pick_pool_init(&pool, 10);
    struct balancer *balancer = pick_build(&balance_least_connections, &pool);
    pick_many(balancer, &pool, 1000);
    *pick_load(&pool, 3) = 0;
    pick_many(balancer, &pool, 100);
    for (uint32_t m = 0; m < 10; m++)
        assert_int_equal(*pick_load(&pool, m), 100);
    balancer_destroy(balancer);
}

static void edges(void **state)
{
    pick_assert_edges(&balance_least_connections);
}

static void a_member_that_warms_up_gets_its_part(void **state)
{
    pick_assert_held_back(&balance_least_connections);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_that_carries_least_for_its_weight_gets_it),
        cmocka_unit_test(equal_ones_take_turns),
        cmocka_unit_test(shares_follow_weights_exactly),
        cmocka_unit_test(one_that_lost_its_flows_is_filled_first),
        cmocka_unit_test(edges),
        cmocka_unit_test(a_member_that_warms_up_gets_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
