#include "dataplane/balance/forecast.h"

#include "tests/unit/dataplane/balance/pick.h"

#define KEY ((struct siphash_key){.k0 = 1, .k1 = 2})

static struct pick_pool pool;
static uint32_t shares[PICK_MEMBERS_MAX];

static void shares_are_what_the_policy_gives(void **state)
{
    static const struct {
        const struct balancer_ops *ops;
        uint32_t expected[3]; // of weights 1, 2, 1, in thousandths
        uint32_t tolerance;
    } cases[] = {
        {&balance_maglev, {250, 500, 250}, 10},
        {&balance_source_hash, {250, 500, 250}, 10},
        {&balance_ring, {250, 500, 250}, 60},
        {&balance_round_robin, {333, 333, 333}, 1},
        {&balance_weighted_round_robin, {250, 500, 250}, 1},
        {&balance_least_connections, {250, 500, 250}, 1},
        {&balance_two_choices, {250, 500, 250}, 1},
        {&balance_failover, {1000, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pick_pool_init(&pool, 3);
        pool.members[1].weight = 2;
        struct balancer *balancer = pick_build(cases[i].ops, &pool);
        forecast_shares(balancer, pool.members, 3, shares);
        for (int m = 0; m < 3; m++) {
            uint32_t share = (uint32_t)(shares[m] * 1000ull / FORECAST_PICKS);
            uint32_t expected = cases[i].expected[m], tolerance = cases[i].tolerance;
            assert_in_range(share, expected > tolerance ? expected - tolerance : 0,
                            expected + tolerance);
        }
        balancer_destroy(balancer);
    }
}

static void without_weight_there_are_no_shares(void **state)
{
    static const struct balancer_ops *const all[] = {&balance_maglev, &balance_least_connections};
    for (int i = 0; i < 2; i++) {
        pick_pool_init(&pool, 2);
        pool.members[0].weight = pool.members[1].weight = 0;
        struct balancer *balancer = pick_build(all[i], &pool);
        forecast_shares(balancer, pool.members, 2, shares);
        assert_int_equal(shares[0] + shares[1], 0);
        balancer_destroy(balancer);
    }
}

static void moves_are_none_on_a_ring_and_few_with_maglev(void **state)
{
    pick_pool_init(&pool, 100);
    struct balancer *ring = pick_build(&balance_ring, &pool);
    struct balancer *maglev = pick_build(&balance_maglev, &pool);
    uint32_t moves, sum = 0;
    for (uint32_t leaver = 0; leaver < 10; leaver++) {
        assert_int_equal(forecast_moves(ring, pool.members, 100, KEY, leaver, &moves), ERROR_NONE);
        assert_int_equal(moves, 0);
        assert_int_equal(forecast_moves(maglev, pool.members, 100, KEY, leaver, &moves),
                         ERROR_NONE);
        sum += moves;
    }
    assert_in_range(sum, 10 * FORECAST_PICKS / 1000, 10 * FORECAST_PICKS / 33); // 0.1 % to 3 %
    balancer_destroy(ring);
    balancer_destroy(maglev);
}

// The lightest of unequal weights sets the size of Maglev's table, drained or not.
static void who_leaves_is_drained_and_keeps_its_place(void **state)
{
    pick_pool_init(&pool, 3);
    pool.members[0].weight = pool.members[1].weight = 100;
    struct balancer *maglev = pick_build(&balance_maglev, &pool);
    uint32_t moves;
    assert_int_equal(forecast_moves(maglev, pool.members, 3, KEY, 2, &moves), ERROR_NONE);
    assert_in_range(moves, 0, FORECAST_PICKS / 33);
    balancer_destroy(maglev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_what_the_policy_gives),
        cmocka_unit_test(without_weight_there_are_no_shares),
        cmocka_unit_test(moves_are_none_on_a_ring_and_few_with_maglev),
        cmocka_unit_test(who_leaves_is_drained_and_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
