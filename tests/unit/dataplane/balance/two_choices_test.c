#include "tests/unit/dataplane/balance/pick.h"

static struct pick_pool pool;

static void draws_are_in_proportion_to_weights(void **state)
{
    static const uint32_t weights[][4] = {
        {1, 1, 1, 1}, {1, 2, 3, 4}, {0, 1, 0, 3}, {1, 1, 1, 97}, {65535, 1, 65535, 30000}};
    enum {
        PICKS = 100000
    };
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
        pick_pool_init(&pool, 4);
        double sum = 0;
        for (uint32_t m = 0; m < 4; m++) {
            pool.members[m].weight = weights[i][m];
            // Huge loads in proportion to weights: the comparison is even, the draw alone decides.
            *pick_load(&pool, m) = weights[i][m] * 1000000ull - 1;
            sum += weights[i][m];
        }
        struct balancer *balancer = pick_build(&balance_two_choices, &pool);
        uint32_t picked[4] = {0};
        for (int n = 0; n < PICKS; n++)
            picked[pick_next(balancer, &pool)]++;
        for (uint32_t m = 0; m < 4; m++) {
            double fair = PICKS * (weights[i][m] / sum);
            double off = picked[m] > fair ? picked[m] - fair : fair - picked[m];
            assert_true(off <= 5 + 0.03 * fair);
            assert_true(weights[i][m] > 0 || picked[m] == 0);
        }
        balancer_destroy(balancer);
    }
}

static uint64_t most_of(const struct balancer_ops *ops, uint32_t members, uint32_t picks)
{
    pick_pool_init(&pool, members);
    struct balancer *balancer = pick_build(ops, &pool);
    pick_many(balancer, &pool, picks);
    uint64_t most = 0;
    for (uint32_t m = 0; m < members; m++)
        most = *pick_load(&pool, m) > most ? *pick_load(&pool, m) : most;
    balancer_destroy(balancer);
    return most;
}

static void two_choices_are_far_more_even_than_one(void **state)
{
    // 1000 balls a bin: one random choice leaves the fullest some 100 above, two about 3
    // (Mitzenmacher: log log n, whatever the number of balls).
    uint64_t one = most_of(&balance_maglev, 1000, 1000000);
    uint64_t two = most_of(&balance_two_choices, 1000, 1000000);
    assert_in_range(one, 1060, 1200);
    assert_in_range(two, 1000, 1008);
}

static void loads_follow_weights(void **state)
{
    pick_pool_init(&pool, 10);
    for (uint32_t m = 0; m < 10; m++)
        pool.members[m].weight = m + 1;
    struct balancer *balancer = pick_build(&balance_two_choices, &pool);
    pick_many(balancer, &pool, 55000);
    for (uint32_t m = 0; m < 10; m++)
        assert_in_range(*pick_load(&pool, m), 970 * (m + 1), 1030 * (m + 1));
    balancer_destroy(balancer);
}

static void edges(void **state)
{
    pick_assert_edges(&balance_two_choices);
}

static void a_member_that_warms_up_gets_its_part(void **state)
{
    pick_assert_held_back(&balance_two_choices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_are_in_proportion_to_weights),
        cmocka_unit_test(two_choices_are_far_more_even_than_one),
        cmocka_unit_test(loads_follow_weights),
        cmocka_unit_test(edges),
        cmocka_unit_test(a_member_that_warms_up_gets_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
