#include "member/flows.h"

#include "tests/test.h"

static struct connection numbered(uint32_t number)
{
    return (struct connection){.client = ip_from_v4(&number), .client_port = 7};
}

static void flows_are_known_until_they_were_silent_too_long(void **state)
{
    struct flows *flows;
    assert_int_equal(flows_create(1024, 100, (struct siphash_key){1, 2}, &flows), ERROR_NONE);
    struct connection one = numbered(1), two = numbered(2);
    uint32_t start = UINT32_MAX - 50; // the clock wraps
    assert_false(flows_know(flows, &one, start));
    flows_remember(flows, &one, start);
    assert_true(flows_know(flows, &one, start + 99));
    assert_false(flows_know(flows, &two, start + 99));
    assert_false(flows_know(flows, &one, start + 100));
    flows_remember(flows, &one, start + 200);
    assert_true(flows_know(flows, &one, start + 299));
    flows_destroy(flows);
}

static void a_full_table_forgets_who_was_silent_longest(void **state)
{
    struct flows *flows;
    assert_int_equal(flows_create(8, 1000, (struct siphash_key){1, 2}, &flows), ERROR_NONE);
    for (uint32_t i = 0; i < 8; i++) {
        struct connection each = numbered(i);
        flows_remember(flows, &each, i);
    }
    assert_int_equal(flows_forgotten(flows), 0);
    struct connection first = numbered(0), second = numbered(1), next = numbered(8);
    flows_remember(flows, &first, 10);
    flows_remember(flows, &next, 11);
    assert_int_equal(flows_forgotten(flows), 1);
    assert_true(flows_know(flows, &first, 12));
    assert_false(flows_know(flows, &second, 12));
    assert_true(flows_know(flows, &next, 12));
    next = numbered(9); // the others' time is over: nobody is forgotten before it
    flows_remember(flows, &next, 2000);
    assert_int_equal(flows_forgotten(flows), 1);
    flows_destroy(flows);
}

static void many_flows_fit(void **state)
{
    enum {
        FLOWS = 10000
    };
    struct flows *flows;
    assert_int_equal(flows_create(4 * FLOWS, 1000, (struct siphash_key){1, 2}, &flows), ERROR_NONE);
    for (uint32_t i = 0; i < FLOWS; i++) {
        struct connection each = numbered(i);
        flows_remember(flows, &each, 0);
    }
    for (uint32_t i = 0; i < 2 * FLOWS; i++) {
        struct connection each = numbered(i);
        if (i >= FLOWS)
            assert_false(flows_know(flows, &each, 1));
        else if (flows_forgotten(flows) == 0)
            assert_true(flows_know(flows, &each, 1));
    }
    assert_true(flows_forgotten(flows) < 10);
    flows_destroy(flows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_are_known_until_they_were_silent_too_long),
        cmocka_unit_test(a_full_table_forgets_who_was_silent_longest),
        cmocka_unit_test(many_flows_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
