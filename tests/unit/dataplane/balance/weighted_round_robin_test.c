#include <stdlib.h>

#include "tests/unit/dataplane/balance/pick.h"

static struct balancer *build(const uint32_t *weights, uint32_t count)
{
    struct balance_member *members = calloc(count + 1, sizeof(*members));
    assert_non_null(members);
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct balance_member){.id = 100 + i, .weight = weights[i]};
    struct balancer *balancer;
    struct siphash_key key = {.k0 = 0};
    assert_int_equal(balance_weighted_round_robin.create(members, count, key, &balancer),
                     ERROR_NONE);
    free(members);
    return balancer;
}

// The algorithm as it is told: all credits grow, the first of the greatest pays.
static uint32_t smooth_pick(const uint32_t *weights, int64_t *credits, uint32_t count)
{
    int64_t sum = 0;
    uint32_t best = BALANCE_NONE;
    for (uint32_t i = 0; i < count; i++) {
        if (weights[i] == 0)
            continue;
        credits[i] += weights[i];
        sum += weights[i];
        if (best == BALANCE_NONE || credits[i] > credits[best])
            best = i;
    }
    credits[best] -= sum;
    return best;
}

static void agree_for(const uint32_t *weights, uint32_t count, uint32_t picks)
{
    int64_t *credits = calloc(count, sizeof(*credits));
    assert_non_null(credits);
    struct balance_cursor cursor = {.next = 0};
    struct balancer *balancer = build(weights, count);
    for (uint32_t i = 0; i < picks; i++)
        assert_int_equal(pick_hash(balancer, &cursor, i), smooth_pick(weights, credits, count));
    balancer_destroy(balancer);
    free(credits);
}

static void spreads_the_turns_of_a_heavy_member(void **state)
{
    struct balance_cursor cursor = {.next = 0};
    struct balancer *balancer = build((uint32_t[]){5, 1, 1}, 3);
    for (const char *expected = "aabacaaaabacaa"; *expected; expected++)
        assert_int_equal(pick_hash(balancer, &cursor, 0), *expected - 'a');
    balancer_destroy(balancer);
}

static void agrees_with_the_smooth_algorithm(void **state)
{
    static const uint32_t weights[][6] = {
        {1, 0, 0, 0, 0, 0},       {1, 1, 1, 1, 1, 1},
        {1, 2, 3, 4, 5, 6},       {6, 5, 4, 3, 2, 1},
        {0, 3, 0, 3, 1, 1},       {10, 20, 30, 20, 10, 10},
        {1000, 1, 1000, 1, 7, 7}, {1u << 31, 1u << 31, 1u << 30, 0, 0, 1u << 31},
    };
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
        agree_for(weights[i], 6, 5000);
}

static void agrees_with_the_smooth_algorithm_for_random_weights(void **state)
{
    struct random random = random_from_seed(9);
    for (int round = 0; round < 40; round++) {
        uint32_t weights[60];
        uint32_t count = (uint32_t)random_below(&random, 60) + 1;
        uint64_t bound = random_below(&random, 100) + 2;
        weights[0] = 1;
        uint32_t sum = 1;
        for (uint32_t i = 1; i < count; i++)
            sum += weights[i] = (uint32_t)random_below(&random, bound);
        agree_for(weights, count, 2 * sum + 3);
    }
}

static void scales_weights_whose_order_would_be_too_long(void **state)
{
    static const uint32_t weights[] = {1000003, 500009, 1, 250007, 0, 4000000007};
    enum {
        COUNT = 6,
        PERIOD_MAX = 65536 + COUNT
    };
    double sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += weights[i];
    struct balance_cursor cursor = {.next = 0};
    struct balancer *balancer = build(weights, COUNT);
    double picked[COUNT] = {0}, picks = 0;
    do {
        picked[pick_hash(balancer, &cursor, 0)]++;
        picks++;
        assert_true(cursor.next <= PERIOD_MAX);
    } while (picks < 10 * PERIOD_MAX);
    for (int i = 0; i < COUNT; i++) {
        double share = picked[i] / picks, fair = weights[i] / sum;
        assert_true((picked[i] > 0) == (weights[i] > 0));
        // One pick of the period is what rounding may cost.
        assert_true(share < fair + 1.01 / 65536 && share > fair - 1.01 / 65536);
    }
    balancer_destroy(balancer);
}

static void builds_for_as_many_members_as_there_may_be(void **state)
{
    static uint32_t weights[BALANCE_MEMBERS_MAX];
    static uint32_t picked[BALANCE_MEMBERS_MAX];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < BALANCE_MEMBERS_MAX; i++)
        sum += weights[i] = i % 7 + 1;
    struct balance_cursor cursor = {.next = 0};
    struct balancer *balancer = build(weights, BALANCE_MEMBERS_MAX);
    for (uint64_t i = 0; i < sum; i++)
        picked[pick_hash(balancer, &cursor, 0)]++;
    uint32_t heavy = 0;
    for (uint32_t i = 0; i < BALANCE_MEMBERS_MAX; i++) {
        assert_in_range(picked[i], 1, 2 * weights[i]);
        heavy += picked[i] >= weights[i] - 1;
    }
    assert_in_range(heavy, BALANCE_MEMBERS_MAX / 2, BALANCE_MEMBERS_MAX);
    balancer_destroy(balancer);
}

static void picks_nobody_when_nobody_has_weight(void **state)
{
    struct balance_cursor cursor = {.next = 3};
    for (uint32_t count = 0; count <= 2; count++) {
        struct balancer *balancer = build((uint32_t[]){0, 0}, count);
        assert_true(pick_hash(balancer, &cursor, 0) == BALANCE_NONE);
        balancer_destroy(balancer);
    }
}

static void starts_over_with_a_cursor_past_its_order(void **state)
{
    struct balance_cursor cursor = {.next = 1000};
    struct balancer *balancer = build((uint32_t[]){1, 2}, 2);
    for (const char *expected = "babbab"; *expected; expected++)
        assert_int_equal(pick_hash(balancer, &cursor, 0), *expected - 'a');
    balancer_destroy(balancer);
}

static void a_member_that_warms_up_gets_its_part(void **state)
{
    pick_assert_held_back(&balance_weighted_round_robin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_the_turns_of_a_heavy_member),
        cmocka_unit_test(agrees_with_the_smooth_algorithm),
        cmocka_unit_test(agrees_with_the_smooth_algorithm_for_random_weights),
        cmocka_unit_test(scales_weights_whose_order_would_be_too_long),
        cmocka_unit_test(builds_for_as_many_members_as_there_may_be),
        cmocka_unit_test(picks_nobody_when_nobody_has_weight),
        cmocka_unit_test(starts_over_with_a_cursor_past_its_order),
        cmocka_unit_test(a_member_that_warms_up_gets_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
