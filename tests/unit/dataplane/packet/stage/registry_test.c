#include "dataplane/packet/stage/registry.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

#define CAPACITY 32

static void gives_the_same_slot_for_the_same_identity(void **state)
{
    struct registry *registry;
    assert_int_equal(registry_create(CAPACITY, &registry), ERROR_NONE);
    uint32_t a, b, again;
    assert_int_equal(registry_acquire(registry, "a", 1, &a), ERROR_NONE);
    assert_int_equal(registry_acquire(registry, "ab", 2, &b), ERROR_NONE);
    assert_int_equal(registry_acquire(registry, "a", 1, &again), ERROR_NONE);
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    assert_int_equal(again, a);
    registry_destroy(registry);
}

static void is_full_at_its_capacity_and_has_room_after_a_release(void **state)
{
    struct registry *registry;
    assert_int_equal(registry_create(CAPACITY, &registry), ERROR_NONE);
    uint32_t slot;
    for (uint32_t i = 0; i < CAPACITY; i++)
        assert_int_equal(registry_acquire(registry, &i, sizeof(i), &slot), ERROR_NONE);
    uint32_t more = CAPACITY;
    assert_int_equal(registry_acquire(registry, &more, sizeof(more), &slot), ERROR_FULL);
    registry_release(registry, 7);
    assert_int_equal(registry_acquire(registry, &more, sizeof(more), &slot), ERROR_NONE);
    assert_int_equal(slot, 7);
    registry_destroy(registry);
}

// Against an array of which number has which slot.
static void agrees_with_a_naive_model(void **state)
{
    struct registry *registry;
    assert_int_equal(registry_create(CAPACITY, &registry), ERROR_NONE);
    uint32_t slot_of[64] = {0};
    bool used[CAPACITY + 1] = {false};
    struct random random = random_from_seed(7);
    for (int i = 0; i < 20000; i++) {
        uint32_t number = (uint32_t)random_below(&random, 64);
        if (slot_of[number] && random_below(&random, 2)) {
            registry_release(registry, slot_of[number]);
            used[slot_of[number]] = false;
            slot_of[number] = 0;
            continue;
        }
        uint32_t lowest = 1;
        while (lowest <= CAPACITY && used[lowest])
            lowest++;
        uint32_t expected = slot_of[number] ? slot_of[number] : lowest;
        uint32_t slot;
        enum error error = registry_acquire(registry, &number, sizeof(number), &slot);
        assert_int_equal(error, expected <= CAPACITY ? ERROR_NONE : ERROR_FULL);
        if (error)
            continue;
        assert_int_equal(slot, expected);
        used[slot] = true;
        slot_of[number] = slot;
    }
    registry_destroy(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_same_slot_for_the_same_identity),
        cmocka_unit_test(is_full_at_its_capacity_and_has_room_after_a_release),
        cmocka_unit_test(agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
