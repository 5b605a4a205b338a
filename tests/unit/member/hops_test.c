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
struct use {
    uint32_t at_ms;
    bool there, ask, answers;
};

static void assert_uses(const struct use *uses, size_t count)
{
    struct ip_address hop = numbered(7);
    uint32_t start = UINT32_MAX - 1000; // the clock wraps
    for (size_t i = 0; i < count; i++) {
        bool ask;
        assert_int_equal(hops_use(&hops, &hop, start + uses[i].at_ms, &ask), uses[i].there);
        assert_int_equal(ask, uses[i].ask);
        if (uses[i].answers)
            hops_answered(&hops, &hop);
    }
}

static void a_hop_that_does_not_answer_is_passed_over(void **state)
{
    static const struct use uses[] = {
        {0, true, true, true},       {499, true, false, false},  {500, true, true, false},
        {999, true, false, false},   {1000, true, true, false},  {1500, true, true, false},
        {2000, true, true, false},   {2499, true, false, false}, {2500, false, true, false},
        {2999, false, false, false}, {3000, false, true, true},  {3001, true, false, false},
        {3500, true, true, false},   {4000, true, true, false},  {4500, true, true, false},
        {5000, true, true, false},   {5500, false, true, false}, {15499, false, true, false},
        {25499, true, true, false}, // unused for ten seconds
    };
    assert_uses(uses, sizeof(uses) / sizeof(uses[0]));
}

// A connection with a packet every three seconds: what is lost is one question, or three.
static void who_is_asked_seldom_may_miss_a_question(void **state)
{
    static const struct use uses[] = {
        {1000, true, true, false},  {4000, true, true, true},    {7000, true, true, true},
        {10000, true, true, false}, {13000, true, true, false},  {16000, true, true, false},
        {19000, true, true, true},  {22000, true, true, false},  {25000, true, true, false},
        {28000, true, true, false}, {31000, true, true, false},  {34000, false, true, false},
        {37000, false, true, true}, {37001, true, false, false},
    };
    assert_uses(uses, sizeof(uses) / sizeof(uses[0]));
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
    for (uint32_t i = 0; i < HOPS_QUESTIONS; i++) {
        assert_int_equal(hops_use(&hops, &first, 600 * (i + 1), &ask), i + 1 < HOPS_QUESTIONS);
        assert_true(hops_use(&hops, &second, 600 * (i + 1), &ask));
        hops_answered(&hops, &second);
    }
    // In place of who was asked longest ago.
    assert_true(hops_use(&hops, &one_more, 2500, &ask));
    assert_false(hops_use(&hops, &first, 2500, &ask));
    struct ip_address third = numbered(2);
    assert_true(hops_use(&hops, &third, 2500, &ask));
    assert_true(ask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_hop_that_does_not_answer_is_passed_over, begin),
        cmocka_unit_test_setup(who_is_asked_seldom_may_miss_a_question, begin),
        cmocka_unit_test_setup(hops_are_judged_apart_and_few_are_remembered, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
