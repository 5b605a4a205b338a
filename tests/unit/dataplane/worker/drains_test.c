#include "dataplane/worker/drains.h"

#include <string.h>

#include "tests/test.h"

static void marks_and_unmarks_in_any_order(void **state)
{
    static const char *const members[] = {"a", "b", "c"};
    // Which one is unmarked first, second, third.
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {0, 2, 1}};
    for (size_t o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
        struct drains drains = {.marks = NULL};
        for (int i = 0; i < 3; i++)
            assert_int_equal(drains_set(&drains, "pool", members[i], true), ERROR_NONE);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(drains_set(&drains, "pool", members[orders[o][i]], false), ERROR_NONE);
            for (int j = 0; j < 3; j++)
                assert_int_equal(drains_has(&drains, "pool", members[orders[o][j]]), j > i);
        }
        drains_fini(&drains);
    }
}

static void doing_it_twice_changes_nothing(void **state)
{
    struct drains drains = {.marks = NULL};
    assert_int_equal(drains_set(&drains, "p", "m", false), ERROR_NONE);
    assert_int_equal(drains_set(&drains, "p", "m", true), ERROR_NONE);
    assert_int_equal(drains_set(&drains, "p", "m", true), ERROR_NONE);
    assert_int_equal(drains.count, 1);
    assert_false(drains_has(&drains, "m", "p"));
    assert_int_equal(drains_set(&drains, "p", "m", false), ERROR_NONE);
    assert_int_equal(drains.count, 0);
    drains_fini(&drains);
}

static void grows_past_its_first_room(void **state)
{
    struct drains drains = {.marks = NULL};
    char name[8] = "m00";
    for (int i = 0; i < 100; i++) {
        name[1] = (char)('0' + i / 10);
        name[2] = (char)('0' + i % 10);
        assert_int_equal(drains_set(&drains, "p", name, true), ERROR_NONE);
    }
    assert_int_equal(drains.count, 100);
    assert_true(drains_has(&drains, "p", "m00"));
    assert_true(drains_has(&drains, "p", "m99"));
    drains_fini(&drains);
}

static void a_mark_ends_with_its_member(void **state)
{
    struct config_member members[2] = {{.name = "a"}, {.name = "b"}};
    struct config_pool pool = {.name = "p", .members = members, .member_count = 2};
    struct config config = {.pools = &pool, .pool_count = 1};
    struct drains drains = {.marks = NULL};
    drains_set(&drains, "p", "a", true);
    drains_set(&drains, "p", "b", true);
    drains_set(&drains, "q", "a", true);
    pool.member_count = 1;
    drains_prune(&drains, &config);
    assert_int_equal(drains.count, 1);
    assert_true(drains_has(&drains, "p", "a"));
    // A namesake that comes later starts undrained.
    pool.member_count = 2;
    drains_prune(&drains, &config);
    assert_false(drains_has(&drains, "p", "b"));
    drains_fini(&drains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_and_unmarks_in_any_order),
        cmocka_unit_test(doing_it_twice_changes_nothing),
        cmocka_unit_test(grows_past_its_first_room),
        cmocka_unit_test(a_mark_ends_with_its_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
