#include "tests/unit/dataplane/balance/pick.h"

static struct pick_pool pool;

static void it_asks_for_the_hash_of_the_source(void **state)
{
    assert_true(balance_source_hash.by_source);
    assert_false(balance_maglev.by_source);
}

static void places_clients_as_maglev_does(void **state)
{
    pick_pool_init(&pool, 50);
    struct balancer *source = pick_build(&balance_source_hash, &pool);
    struct balancer *maglev = pick_build(&balance_maglev, &pool);
    for (int i = 0; i < 1000; i++) {
        uint64_t hash = random_next(&pool.random);
        assert_int_equal(pick_hash(source, &pool.cursor, hash),
                         pick_hash(maglev, &pool.cursor, hash));
    }
    balancer_destroy(source);
    balancer_destroy(maglev);
}

static void draining_moves_few_clients_of_others(void **state)
{
    pick_assert_draining_moves_little(&balance_source_hash, 30);
}

static void edges(void **state)
{
    pick_assert_edges(&balance_source_hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_asks_for_the_hash_of_the_source),
        cmocka_unit_test(places_clients_as_maglev_does),
        cmocka_unit_test(draining_moves_few_clients_of_others),
        cmocka_unit_test(edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
