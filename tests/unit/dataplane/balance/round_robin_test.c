#include "tests/unit/dataplane/balance/pick.h"

#define COUNT_MAX 6u

static struct balancer *build(const uint32_t *weights, uint32_t count)
{
    struct balance_member members[COUNT_MAX] = {{.id = 0}}; // there may be none to write
    for (uint32_t i = 0; i < count; i++)
        members[i] = (struct balance_member){.id = 100 - i, .weight = weights[i]};
    struct balancer *balancer;
    assert_int_equal(
        balance_round_robin.create(members, count, (struct siphash_key){.k0 = 0}, &balancer),
        ERROR_NONE);
    return balancer;
}

static void gives_equal_turns_to_all_with_weight(void **state)
{
    static const struct {
        uint32_t weights[COUNT_MAX];
        uint32_t count;
        const char *order; // a letter a member
    } cases[] = {
        {{1}, 1, "aaaa"},
        {{1, 1, 1}, 3, "abcabcab"},
        {{5, 1, 90}, 3, "abcabcab"},
        {{0, 1, 0, 7, 0, 2}, 6, "bdfbdfb"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct balancer *balancer = build(cases[i].weights, cases[i].count);
        struct balance_cursor cursor = {.next = 0};
        for (const char *expected = cases[i].order; *expected; expected++)
            assert_int_equal(pick_hash(balancer, &cursor, 99), *expected - 'a');
        balancer_destroy(balancer);
    }
}

static void picks_nobody_when_nobody_has_weight(void **state)
{
    struct balance_cursor cursor = {.next = 7};
    for (uint32_t count = 0; count <= 2; count++) {
        struct balancer *balancer = build((uint32_t[]){0, 0}, count);
        assert_true(pick_hash(balancer, &cursor, 0) == BALANCE_NONE);
        balancer_destroy(balancer);
    }
    assert_true(cursor.next == 7);
}

static void goes_on_with_a_cursor_of_another_balancer(void **state)
{
    struct balance_cursor cursor = {.next = 0};
    struct balancer *five = build((uint32_t[]){1, 1, 1, 1, 1}, 5);
    struct balancer *three = build((uint32_t[]){1, 1, 1}, 3);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pick_hash(five, &cursor, 0), i);
    assert_int_equal(pick_hash(three, &cursor, 0), 0);
    assert_int_equal(pick_hash(five, &cursor, 0), 1);
    assert_int_equal(pick_hash(three, &cursor, 0), 2);
    assert_int_equal(pick_hash(three, &cursor, 0), 0);
    balancer_destroy(five);
    balancer_destroy(three);
}

static void refuses_too_many_members(void **state)
{
    static struct balance_member members[BALANCE_MEMBERS_MAX + 1];
    struct balancer *balancer = NULL;
    struct siphash_key key = {.k0 = 0};
    assert_int_equal(balance_round_robin.create(members, BALANCE_MEMBERS_MAX + 1, key, &balancer),
                     ERROR_INVALID);
    assert_null(balancer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_equal_turns_to_all_with_weight),
        cmocka_unit_test(picks_nobody_when_nobody_has_weight),
        cmocka_unit_test(goes_on_with_a_cursor_of_another_balancer),
        cmocka_unit_test(refuses_too_many_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
