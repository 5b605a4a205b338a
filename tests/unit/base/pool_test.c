#include "base/pool.h"

#include <stdbool.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

static void hands_out_every_object_once_and_then_none(void **state)
{
    struct pool pool;
    assert_int_equal(pool_init(&pool, 100, 64), ERROR_NONE);
    bool seen[101] = {false};
    for (int i = 0; i < 100; i++) {
        uint32_t index = pool_acquire(&pool);
        assert_in_range(index, 1, 100);
        assert_false(seen[index]);
        seen[index] = true;
    }
    assert_int_equal(pool.used, 100);
    assert_int_equal(pool_acquire(&pool), POOL_NONE);
    assert_int_equal(pool.used, 100);
    pool_fini(&pool);
}

static void hands_out_first_what_was_released_last(void **state)
{
    struct pool pool;
    assert_int_equal(pool_init(&pool, 4, 64), ERROR_NONE);
    uint32_t a = pool_acquire(&pool);
    uint32_t b = pool_acquire(&pool);
    pool_release(&pool, a);
    pool_release(&pool, b);
    assert_int_equal(pool_acquire(&pool), b);
    assert_int_equal(pool_acquire(&pool), a);
    pool_fini(&pool);
}

static void starts_objects_at_cache_lines(void **state)
{
    static const struct {
        size_t asked;
        size_t stride;
    } cases[] = {{1, 64}, {64, 64}, {65, 128}, {200, 256}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pool pool;
        assert_int_equal(pool_init(&pool, 3, cases[i].asked), ERROR_NONE);
        uint8_t *first = pool_at(&pool, pool_acquire(&pool));
        uint8_t *second = pool_at(&pool, pool_acquire(&pool));
        assert_true((uintptr_t)first % 64 == 0);
        assert_int_equal(second - first, cases[i].stride);
        assert_int_equal(pool_index(&pool, second), pool_index(&pool, first) + 1);
        pool_fini(&pool);
    }
}

static void keeps_what_users_write_in_their_objects(void **state)
{
    enum {
        CAPACITY = 50,
        ROUNDS = 20000
    };
    struct pool pool;
    struct random random = random_from_seed(7);
    uint8_t marks[CAPACITY + 1] = {0};
    assert_int_equal(pool_init(&pool, CAPACITY, 72), ERROR_NONE);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t index = (uint32_t)random_below(&random, CAPACITY) + 1;
        if (marks[index]) {
            const uint8_t *bytes = pool_at(&pool, index);
            for (int i = 0; i < 72; i++)
                assert_int_equal(bytes[i], marks[index]);
            marks[index] = 0;
            pool_release(&pool, index);
            continue;
        }
        index = pool_acquire(&pool);
        if (index == POOL_NONE) {
            assert_int_equal(pool.used, CAPACITY);
            continue;
        }
        assert_int_equal(marks[index], 0);
        marks[index] = (uint8_t)(random_below(&random, 255) + 1);
        memset(pool_at(&pool, index), marks[index], 72);
    }
    pool_fini(&pool);
}

static void refuses_sizes_that_cannot_be(void **state)
{
    struct pool pool;
    assert_int_equal(pool_init(&pool, UINT32_MAX, 64), ERROR_TOO_LARGE);
    assert_int_equal(pool_init(&pool, 1, SIZE_MAX), ERROR_TOO_LARGE);
    assert_int_equal(pool_init(&pool, UINT32_MAX - 1, (size_t)1 << 31), ERROR_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_every_object_once_and_then_none),
        cmocka_unit_test(hands_out_first_what_was_released_last),
        cmocka_unit_test(starts_objects_at_cache_lines),
        cmocka_unit_test(keeps_what_users_write_in_their_objects),
        cmocka_unit_test(refuses_sizes_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
