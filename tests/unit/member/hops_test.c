#include "member/hops.h"

#include "tests/test.h"

static struct hops hops;

static struct ip_address numbered(uint32_t number)
{
    return ip_from_v4(&number);
}

static int begin(void **state)
{
    hops = (struct hops){0};
    return 0;
}

// At a time, whether it is used, whether it is asked, and whether an answer comes then.
static void a_hop_that_does_not_answer_is_passed_over(void **state)
{
    static const struct {
        uint32_t at_ms;
        bool there, ask, answers;
    } trace[] = {
        {0, true, true, true},       {499, true, false, false},  {500, true, true, false},
        {999, true, false, false},   {1000, true, true, false},  {2499, true, true, false},
        {2500, false, false, false}, {2999, false, true, true},  {3000, true, false, false},
        {3499, true, true, false},   {5499, false, true, false}, {15498, false, true, false},
        {25498, true, true, false}, // unused for ten seconds
        {27498, false, true, false},
    };
    struct ip_address hop = numbered(7);
    uint32_t start = UINT32_MAX - 1000; // the clock wraps
    for (size_t i = 0; i < sizeof(trace) / sizeof(trace[0]); i++) {
        bool ask;
        assert_int_equal(hops_use(&hops, &hop, start + trace[i].at_ms, &ask), trace[i].there);
        assert_int_equal(ask, trace[i].ask);
        if (trace[i].answers)
            hops_answered(&hops, &hop);
    }
}

static void hops_are_judged_apart_and_few_are_remembered(void **state)
{
    bool ask;
    for (uint32_t i = 0; i < HOPS_KNOWN; i++) {
        struct ip_address hop = numbered(i);
        assert_true(hops_use(&hops, &hop, i, &ask));
        assert_true(ask);
    }
    struct ip_address first = numbered(0), second = numbered(1), one_more = numbered(1000);
    hops_answered(&hops, &second);
    hops_answered(&hops, &one_more); // nobody asked
    assert_false(hops_use(&hops, &first, 2100, &ask));
    assert_true(hops_use(&hops, &second, 2100, &ask));
    assert_true(hops_use(&hops, &one_more, 2100, &ask)); // in place of who was asked longest ago
    struct ip_address third = numbered(2), fourth = numbered(3);
    assert_false(hops_use(&hops, &fourth, 2100, &ask));
    assert_true(hops_use(&hops, &third, 2100, &ask));
    assert_true(ask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_hop_that_does_not_answer_is_passed_over, begin),
        cmocka_unit_test_setup(hops_are_judged_apart_and_few_are_remembered, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
