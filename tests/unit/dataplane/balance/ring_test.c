#include "dataplane/balance/ring_priv.h"

#include "tests/unit/dataplane/balance/pick.h"

#define PICKS 200000u

static struct pick_pool pool;

static void shares_are_even_within_some_percent(void **state)
{
    static const uint32_t counts[] = {2, 10, 100, 1000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        pick_pool_init(&pool, counts[i]);
        struct balancer *balancer = pick_build(&balance_ring, &pool);
        pick_many(balancer, &pool, 1000 * counts[i]);
        // 160 points a member: one deviation is 8 %, and 3 % of 1000 picks besides.
        for (uint32_t m = 0; m < counts[i]; m++)
            assert_in_range(*pick_load(&pool, m), 640, 1400);
        balancer_destroy(balancer);
    }
}

static void shares_follow_weights(void **state)
{
    pick_pool_init(&pool, 4);
    for (uint32_t m = 0; m < 4; m++)
        pool.members[m].weight = 10 * (m + 1);
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    pick_many(balancer, &pool, PICKS);
    for (uint32_t m = 0; m < 4; m++) {
        uint32_t fair = PICKS / 10 * (m + 1);
        assert_in_range(*pick_load(&pool, m), fair - fair / 15, fair + fair / 15);
    }
    balancer_destroy(balancer);
}

// Nobody moves but who must: every flow of the others stays where it was.
static void only_the_flows_of_who_left_move(void **state)
{
    static const struct {
        uint32_t count, weight, step;
    } cases[] = {{100, 1, 100}, {100, 3, 10}, {3, 1, 3}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        pick_pool_init(&pool, cases[c].count);
        for (uint32_t m = 0; m < cases[c].count; m++)
            pool.members[m].weight = 1 + m % cases[c].weight;
        struct balancer *before = pick_build(&balance_ring, &pool);
        for (uint32_t m = 0; m < cases[c].count; m += cases[c].step)
            pool.members[m].weight = 0;
        struct balancer *after = pick_build(&balance_ring, &pool);
        for (uint32_t i = 0; i < PICKS; i++) {
            uint64_t hash = random_next(&pool.random);
            uint32_t old = pick_hash(before, &pool.cursor, hash);
            uint32_t new = pick_hash(after, &pool.cursor, hash);
            assert_true(pool.members[new].weight > 0);
            assert_true(pool.members[old].weight == 0 || old == new);
        }
        balancer_destroy(before);
        balancer_destroy(after);
    }
}

// The ring as its definition has it: of all points the first from the hash on, else the first.
static uint32_t by_definition(uint32_t place)
{
    uint64_t nearest = UINT64_MAX;
    uint32_t owner = 0;
    for (uint32_t m = 0; m < pool.count; m++) {
        for (uint64_t i = 0; i < 160; i++) {
            const uint64_t words[] = {pool.members[m].id, i};
            uint32_t point =
                (uint32_t)(siphash13_words((struct siphash_key){.k0 = 1, .k1 = 2}, words, 2) >> 32);
            uint32_t distance = point - place;
            if (distance < nearest) {
                nearest = distance;
                owner = m;
            }
        }
    }
    return owner;
}

static void a_flow_goes_to_the_first_point_from_its_hash_on(void **state)
{
    pick_pool_init(&pool, 7);
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    for (int i = 0; i < 2000; i++) {
        uint64_t hash = random_next(&pool.random);
        assert_int_equal(pick_hash(balancer, &pool.cursor, hash),
                         by_definition((uint32_t)(hash >> 32)));
    }
    balancer_destroy(balancer);
}

static void the_ends_of_the_ring_meet(void **state)
{
    pick_pool_init(&pool, 5);
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    // Past the last point is the first: the same as before it.
    assert_int_equal(pick_hash(balancer, &pool.cursor, UINT64_MAX),
                     pick_hash(balancer, &pool.cursor, 0));
    balancer_destroy(balancer);
}

static void heavy_weights_fit(void **state)
{
    pick_pool_init(&pool, PICK_MEMBERS_MAX);
    for (uint32_t m = 0; m < pool.count; m++)
        pool.members[m].weight = 65535;
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    pick_many(balancer, &pool, 1000 * pool.count);
    for (uint32_t m = 0; m < pool.count; m++)
        assert_in_range(*pick_load(&pool, m), 800, 1200);
    balancer_destroy(balancer);
}

static void edges(void **state)
{
    pick_assert_edges(&balance_ring);
}

static void a_member_that_warms_up_gets_its_part(void **state)
{
    pick_assert_held_back(&balance_ring);
}

static void warming_up_moves_flows_to_who_warms_up(void **state)
{
    pick_assert_warming_moves_little(&balance_ring, 0);
}

static void drain(uint32_t member)
{
    pool.members[member].standing = pool.members[member].weight;
    pool.members[member].weight = 0;
}

// How many members come before one in the order; UINT32_MAX: it is not in it.
static uint32_t ranks_above(const struct balancer *balancer, uint64_t hash, uint32_t wanted)
{
    uint32_t order[64];
    uint32_t count = balance_ring.rank(balancer, hash, order, 64);
    for (uint32_t i = 0; i < count; i++) {
        if (order[i] == wanted)
            return i;
    }
    return UINT32_MAX;
}

static void who_had_a_flow_before_is_in_the_order(void **state)
{
    enum {
        MEMBERS = 40,
        STEPS = 10,
        FLOWS = 3000,
    };
    static uint32_t owners[STEPS + 1][FLOWS];
    static uint64_t hashes[FLOWS];
    pick_pool_init(&pool, MEMBERS);
    for (uint32_t i = 0; i < FLOWS; i++)
        hashes[i] = random_next(&pool.random);
    for (uint32_t m = 0; m < MEMBERS; m++)
        pool.members[m].weight = m < 30 ? 1 + m % 3 : 0; // the last ten are not there yet
    for (uint32_t step = 0; step <= STEPS; step++) {
        struct balancer *balancer = pick_build(&balance_ring, &pool);
        for (uint32_t i = 0; i < FLOWS; i++)
            owners[step][i] = pick_hash(balancer, &pool.cursor, hashes[i]);
        for (uint32_t before = 0; before <= step; before++) {
            for (uint32_t i = 0; i < FLOWS; i++) {
                uint32_t now = owners[step][i], then = owners[before][i];
                uint32_t depth = ranks_above(balancer, hashes[i], then);
                assert_int_not_equal(depth, UINT32_MAX);
                assert_true(pool.members[now].weight > 0);
                // Drained ones come before who has the flow now; behind come only those that had
                // flows before somebody was added.
                assert_true(pool.members[then].weight > 0 ||
                            depth <= ranks_above(balancer, hashes[i], now) + step);
            }
        }
        balancer_destroy(balancer);
        drain(2 * step);
        if (step < STEPS)
            pool.members[30 + step].weight = 2;
    }
}

static void an_order_names_each_member_once(void **state)
{
    pick_pool_init(&pool, 5);
    drain(3);
    pool.members[1].weight = 0; // of no place either
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    for (int i = 0; i < 1000; i++) {
        uint32_t order[8];
        uint64_t hash = random_next(&pool.random);
        assert_int_equal(balance_ring.rank(balancer, hash, order, 8), 4);
        bool seen[5] = {false};
        for (int at = 0; at < 4; at++) {
            assert_false(seen[order[at]]);
            seen[order[at]] = true;
        }
        assert_false(seen[1]);
        uint32_t first = order[0] == 3 ? order[1] : order[0];
        assert_int_equal(pick_hash(balancer, &pool.cursor, hash), first);
        assert_int_equal(balance_ring.rank(balancer, hash, order, 2), 2);
    }
    balancer_destroy(balancer);
}

static void a_ring_of_drained_members_serves_nobody(void **state)
{
    pick_pool_init(&pool, 2);
    drain(0);
    drain(1);
    struct balancer *balancer = pick_build(&balance_ring, &pool);
    uint32_t order[2];
    assert_int_equal(pick_hash(balancer, &pool.cursor, 1), BALANCE_NONE);
    assert_int_equal(balance_ring.rank(balancer, 1, order, 2), 2);
    balancer_destroy(balancer);
    pick_pool_init(&pool, 0);
    balancer = pick_build(&balance_ring, &pool);
    assert_int_equal(balance_ring.rank(balancer, 1, order, 2), 0);
    balancer_destroy(balancer);
}

// A drained member that keeps its place moves as few flows as one that leaves.
static void draining_moves_nobody_else(void **state)
{
    pick_pool_init(&pool, 20);
    struct balancer *before = pick_build(&balance_ring, &pool);
    drain(4);
    struct balancer *drained = pick_build(&balance_ring, &pool);
    pool.members[4].standing = 0;
    struct balancer *left = pick_build(&balance_ring, &pool);
    for (uint32_t i = 0; i < PICKS; i++) {
        uint64_t hash = random_next(&pool.random);
        uint32_t old = pick_hash(before, &pool.cursor, hash);
        uint32_t now = pick_hash(drained, &pool.cursor, hash);
        assert_true(old == now || old == 4);
        assert_int_equal(pick_hash(left, &pool.cursor, hash), now);
    }
    balancer_destroy(before);
    balancer_destroy(drained);
    balancer_destroy(left);
}

static void drained_points_at_the_end_pass_on_to_the_beginning(void **state)
{
    for (uint32_t drained = 0; drained < 5; drained++) {
        pick_pool_init(&pool, 5);
        drain(drained);
        struct balancer *balancer = pick_build(&balance_ring, &pool);
        for (uint64_t i = 0; i < 1000; i++) {
            uint64_t hash = UINT64_MAX - (i << 50);
            uint32_t order[2];
            assert_int_equal(balance_ring.rank(balancer, hash, order, 2), 2);
            assert_int_equal(pick_hash(balancer, &pool.cursor, hash),
                             order[0] == drained ? order[1] : order[0]);
        }
        balancer_destroy(balancer);
    }
}

static void draining_of_unequal_weights_moves_nobody_else(void **state)
{
    pick_assert_draining_moves_little(&balance_ring, 0);
}

// What a build costs is bounded by the points that it draws and sorts.
static void points_are_bounded(void **state)
{
    static struct balance_member members[BALANCE_MEMBERS_MAX];
    static const struct {
        uint32_t count, weight, first_weight;
        uint64_t points;
    } cases[] = {
        {0, 1, 1, 0},
        {1, 1, 0, 0},
        {64, 1, 1, 64 * 160},
        {64, 6, 6, 64 * 960},
        {64, 7, 7, 64 * 560},
        {64, 100, 100, 64 * 1000},
        {64, 65535, 65535, 64 * 639},
        {64, 1, 65535, 639 + 63}, // the light ones have a point each
        {1000, 100, 100, 1000 * 1000},
        {16384, 1, 1, 16384 * 40},
        {16384, 65535, 65535, 16384 * 39},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t m = 0; m < cases[i].count; m++)
            members[m] = (struct balance_member){.id = m, .weight = cases[i].weight};
        members[0].weight = cases[i].first_weight;
        uint64_t points = ring_points(members, cases[i].count);
        assert_int_equal(points, cases[i].points);
        assert_true(points <= RING_POINTS_MAX);
        members[0].standing = members[0].weight;
        members[0].weight = 0;
        assert_int_equal(ring_points(members, cases[i].count), points);
    }
}

// Nobody's points depend on how many others there are.
static void who_is_added_takes_from_others_and_moves_nothing_else(void **state)
{
    pick_pool_init(&pool, 12);
    for (uint32_t m = 0; m < 12; m++)
        pool.members[m].weight = 100;
    for (pool.count = 1; pool.count < 12;) {
        struct balancer *before = pick_build(&balance_ring, &pool);
        uint32_t added = pool.count++;
        struct balancer *after = pick_build(&balance_ring, &pool);
        for (uint32_t i = 0; i < PICKS / 10; i++) {
            uint64_t hash = random_next(&pool.random);
            uint32_t now = pick_hash(after, &pool.cursor, hash);
            assert_true(now == added || now == pick_hash(before, &pool.cursor, hash));
        }
        balancer_destroy(before);
        balancer_destroy(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_even_within_some_percent),
        cmocka_unit_test(shares_follow_weights),
        cmocka_unit_test(only_the_flows_of_who_left_move),
        cmocka_unit_test(a_flow_goes_to_the_first_point_from_its_hash_on),
        cmocka_unit_test(the_ends_of_the_ring_meet),
        cmocka_unit_test(heavy_weights_fit),
        cmocka_unit_test(edges),
        cmocka_unit_test(who_had_a_flow_before_is_in_the_order),
        cmocka_unit_test(an_order_names_each_member_once),
        cmocka_unit_test(a_ring_of_drained_members_serves_nobody),
        cmocka_unit_test(draining_moves_nobody_else),
        cmocka_unit_test(a_member_that_warms_up_gets_its_part),
        cmocka_unit_test(warming_up_moves_flows_to_who_warms_up),
        cmocka_unit_test(drained_points_at_the_end_pass_on_to_the_beginning),
        cmocka_unit_test(draining_of_unequal_weights_moves_nobody_else),
        cmocka_unit_test(points_are_bounded),
        cmocka_unit_test(who_is_added_takes_from_others_and_moves_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
