#include "dataplane/packet/trace/talkers.h"

#include "base/random.h"
#include "tests/test.h"

static struct ip_address client_of(uint32_t number)
{
    return ip_from_v4(&number);
}

static const struct talker *find(const struct talkers *talkers, uint32_t number)
{
    struct ip_address client = client_of(number);
    for (uint32_t i = 0; i < talkers->count; i++) {
        if (ip_equal(&talkers->items[i].client, &client))
            return &talkers->items[i];
    }
    return NULL;
}

// Up to as many clients as there is room for, counts are exact.
static void few_clients_are_counted_exactly(void **state)
{
    static struct talkers talkers;
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < TALKERS; i++) {
            struct ip_address client = client_of(i);
            talkers_add(&talkers, &client, i + 1, 100);
        }
    }
    for (uint32_t i = 0; i < TALKERS; i++) {
        assert_int_equal(find(&talkers, i)->packets, 10 * (i + 1));
        assert_int_equal(find(&talkers, i)->bytes, 1000);
        assert_int_equal(find(&talkers, i)->too_high, 0);
    }
}

// Heavy ones among a hundred thousand others are all found, and what is told of them holds.
static void heavy_clients_are_found_and_the_bound_holds(void **state)
{
    static struct talkers talkers;
    static uint64_t truth[100000];
    struct random random = random_from_seed(5);
    talkers = (struct talkers){.count = 0};
    for (uint32_t i = 0; i < 400000; i++) {
        uint32_t number = (uint32_t)(random_below(&random, 2) ? random_below(&random, 20)
                                                              : random_below(&random, 100000));
        struct ip_address client = client_of(number);
        talkers_add(&talkers, &client, 1, 64);
        truth[number]++;
    }
    assert_int_equal(talkers.packets, 400000);
    for (uint32_t number = 0; number < 100000; number++) {
        const struct talker *item = find(&talkers, number);
        if (truth[number] > talkers.packets / TALKERS)
            assert_non_null(item);
        if (!item)
            continue;
        assert_true(item->packets >= truth[number]);
        assert_true(item->packets - item->too_high <= truth[number]);
        assert_true(item->too_high <= talkers.packets / TALKERS);
    }
}

static void what_was_long_ago_fades(void **state)
{
    static struct talkers talkers;
    struct ip_address old = client_of(1), fresh = client_of(2);
    talkers = (struct talkers){.count = 0};
    talkers_add(&talkers, &old, 8, 800);
    for (int i = 0; i < 3; i++)
        talkers_halve(&talkers);
    talkers_add(&talkers, &fresh, 5, 500);
    assert_int_equal(find(&talkers, 1)->packets, 1);
    assert_int_equal(talkers.packets, 6);
    talkers_halve(&talkers);
    assert_null(find(&talkers, 1));
    assert_int_equal(find(&talkers, 2)->packets, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_clients_are_counted_exactly),
        cmocka_unit_test(heavy_clients_are_found_and_the_bound_holds),
        cmocka_unit_test(what_was_long_ago_fades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
