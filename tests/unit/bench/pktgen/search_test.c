#include "bench/pktgen/search.h"

#include "tests/test.h"

// A device that forwards `capacity` packets a second, and the trials it took to find that out.
static struct search find(struct search search, uint64_t capacity, unsigned *trials)
{
    for (*trials = 0; search_is_due(&search); (*trials)++) {
        assert_true(*trials < 64);
        uint64_t sent = search.rate;
        search_report(&search, sent, sent < capacity ? sent : capacity);
    }
    return search;
}

static void the_highest_rate_without_loss_is_found(void **state)
{
    for (uint64_t capacity = 1; capacity <= 1000; capacity++) {
        unsigned trials;
        assert_int_equal(find(search_start(1000, 1, 0), capacity, &trials).passed, capacity);
        assert_true(trials <= 12);
    }
}

static void a_device_as_fast_as_asked_takes_one_trial(void **state)
{
    unsigned trials;
    assert_int_equal(find(search_start(1000000, 1000, 0), 2000000, &trials).passed, 1000000);
    assert_int_equal(trials, 1);
}

static void the_result_is_within_the_resolution(void **state)
{
    for (uint64_t capacity = 20000; capacity < 1000000; capacity += 7777) {
        unsigned trials;
        uint64_t passed = find(search_start(1000000, 10000, 0), capacity, &trials).passed;
        assert_true(passed <= capacity && capacity - passed < 10000);
        assert_true(trials <= 8);
    }
}

static void tolerated_loss_passes_and_no_more(void **state)
{
    struct search search = search_start(1000, 1, 5000);
    search_report(&search, 1000, 994);
    assert_int_equal(search.passed, 0);
    search = search_start(1000, 1, 5000);
    search_report(&search, 1000, 995);
    assert_int_equal(search.passed, 1000);
}

static void nothing_sent_and_nothing_received_are_failures(void **state)
{
    unsigned trials;
    assert_int_equal(find(search_start(1000, 1, 0), 0, &trials).passed, 0);
    struct search search = search_start(1000, 1, 0);
    search_report(&search, 0, 0);
    assert_int_equal(search.passed, 0);
    assert_true(search_is_due(&search));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_rate_without_loss_is_found),
        cmocka_unit_test(a_device_as_fast_as_asked_takes_one_trial),
        cmocka_unit_test(the_result_is_within_the_resolution),
        cmocka_unit_test(tolerated_loss_passes_and_no_more),
        cmocka_unit_test(nothing_sent_and_nothing_received_are_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
