#include "dataplane/balance/affinity.h"

#include "base/random.h"
#include "tests/test.h"

#define TIMEOUT_MS 1000u
#define CAPACITY   64u

static struct affinity_table *table;

static int open_table(void **state)
{
    return affinity_create(CAPACITY, &table) == ERROR_NONE ? 0 : -1;
}

static int close_table(void **state)
{
    affinity_destroy(table);
    return 0;
}

static bool set(uint64_t hash, uint16_t member, uint32_t now_ms)
{
    return affinity_set(table, hash, member, now_ms, now_ms + TIMEOUT_MS);
}

// Clients of one bucket: only the hash's high half says which.
static uint64_t neighbour(uint64_t client)
{
    return client + 1;
}

static void a_client_has_the_member_it_was_given_until_its_time(void **state)
{
    assert_true(affinity_find(table, 0, 0) == AFFINITY_NONE); // what is free is nobody's
    assert_false(set(7, 3, 100));
    assert_int_equal(affinity_find(table, 7, 100), 3);
    assert_int_equal(affinity_find(table, 7, 100 + TIMEOUT_MS - 1), 3);
    assert_true(affinity_find(table, 7, 100 + TIMEOUT_MS) == AFFINITY_NONE);
    assert_true(affinity_find(table, neighbour(7), 100) == AFFINITY_NONE);
}

static void what_is_set_again_lives_longer(void **state)
{
    set(7, 3, 0);
    assert_false(set(7, 4, 900));
    assert_int_equal(affinity_find(table, 7, 1500), 4);
}

static void the_clock_may_wrap(void **state)
{
    uint32_t late = UINT32_MAX - 10;
    set(7, 3, late);
    assert_int_equal(affinity_find(table, 7, late + 500), 3);
    assert_true(affinity_find(table, 7, late + TIMEOUT_MS) == AFFINITY_NONE);
}

static void the_one_that_expires_first_makes_room(void **state)
{
    static const uint32_t begun_ms[] = {30, 10, 40, 20};
    for (uint16_t i = 0; i < 4; i++)
        assert_false(set(i, i, begun_ms[i]));
    assert_true(set(4, 4, 50)); // number 1 was to be forgotten first
    assert_true(affinity_find(table, 1, 60) == AFFINITY_NONE);
    static const uint64_t kept[] = {0, 2, 3, 4};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(affinity_find(table, kept[i], 60), kept[i]);
    // One that has expired is no loss, wherever in the bucket it is.
    assert_false(set(5, 5, 20 + TIMEOUT_MS));
    assert_true(affinity_find(table, 3, 19 + TIMEOUT_MS) == AFFINITY_NONE);
    assert_int_equal(affinity_find(table, 2, 20 + TIMEOUT_MS), 2);
}

static void a_swept_client_does_not_come_again(void **state)
{
    for (uint16_t i = 0; i < 4; i++)
        set(i, i, 0);
    affinity_sweep(table, CAPACITY / 4, TIMEOUT_MS - 1);
    assert_int_equal(affinity_find(table, 2, TIMEOUT_MS - 1), 2);
    affinity_sweep(table, CAPACITY / 4, TIMEOUT_MS);
    uint32_t much_later = TIMEOUT_MS + (1u << 31) + 1;
    assert_true(affinity_find(table, 2, much_later) == AFFINITY_NONE);
    assert_false(set(11, 1, much_later));
}

// Against a model that never forgets early: a client's member is the last one set, or none.
static void agrees_with_a_model(void **state)
{
    static struct {
        uint64_t hash;
        uint32_t expires_ms;
        uint16_t member;
        bool used;
    } model[40];
    struct random random = random_from_seed(23);
    uint32_t evictions = 0, found = 0;
    for (size_t i = 0; i < 40; i++)
        model[i].hash = random_next(&random);
    for (uint32_t now_ms = 0; now_ms < 40000; now_ms++) {
        size_t i = random_next(&random) % 40;
        uint32_t member = affinity_find(table, model[i].hash, now_ms);
        bool wanted = model[i].used && (int32_t)(model[i].expires_ms - now_ms) > 0;
        if (member != AFFINITY_NONE) {
            assert_true(wanted);
            assert_int_equal(member, model[i].member);
            found++;
        }
        if (random_next(&random) % 4 == 0) {
            model[i].member = (uint16_t)random_next(&random);
            model[i].expires_ms = now_ms + TIMEOUT_MS;
            model[i].used = true;
            evictions += set(model[i].hash, model[i].member, now_ms);
            assert_int_equal(affinity_find(table, model[i].hash, now_ms), model[i].member);
        }
    }
    assert_true(evictions > 0); // 40 clients in 16 buckets of 4: now and then one is too many
    assert_true(found > 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_has_the_member_it_was_given_until_its_time,
                                        open_table, close_table),
        cmocka_unit_test_setup_teardown(what_is_set_again_lives_longer, open_table, close_table),
        cmocka_unit_test_setup_teardown(the_clock_may_wrap, open_table, close_table),
        cmocka_unit_test_setup_teardown(the_one_that_expires_first_makes_room, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(a_swept_client_does_not_come_again, open_table,
                                        close_table),
        cmocka_unit_test_setup_teardown(agrees_with_a_model, open_table, close_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
