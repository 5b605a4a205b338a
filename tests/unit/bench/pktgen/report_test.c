#include "bench/pktgen/report.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

// Two packets of three came, after 1 us and 2 us at a counter of 1 GHz.
static struct result two_of_three(void)
{
    struct result result = {.seconds = 0.5, .receiver = receiver_start(1)};
    result.receiver.sent = 3;
    result.receiver.received = 2;
    latency_add(&result.receiver.latency, 1000);
    latency_add(&result.receiver.latency, 2000);
    latency_add(&result.turns, 500);
    return result;
}

static char *written(void (*write)(FILE *out, const struct report *report),
                     const struct report *report)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    write(out, report);
    fclose(out);
    return text;
}

static void people_are_told_all_of_it(void **state)
{
    const struct result result = two_of_three();
    const struct search search = {.passed = 14000, .resolution = 100, .loss_tolerated = 7};
    struct report report = {.result = &result, .search = &search, .hz = 1000000000};
    char *text = written(report_write, &report);
    assert_string_equal(
        text,
        "0.500 s: sent 3 (6/s), received 2 (4/s), lost 1, reordered 0, duplicates 0, foreign 0\n"
        "latency in us: least 1.0, mean 1.5; at most 1.0 (50 %), 2.0 (90 %), 2.0 (99 %), "
        "2.0 (99.9 %), 2.0 (99.99 %), 2.0 (all)\n"
        "of which two turns of the generator are its own: a turn took at most 0.5 (99 %), "
        "0.5 (all)\n"
        "throughput: 14000 packets a second, to within 100, with at most 7 lost in a million\n");
    free(text);
    report.interrupted = true;
    report.search = NULL;
    text = written(report_write, &report);
    assert_ptr_equal(strstr(text, "interrupted after 0.500 s"), text);
    assert_null(strstr(text, "throughput"));
    free(text);
}

static void programs_are_told_the_histogram_too(void **state)
{
    const struct result result = two_of_three();
    const struct search search = {.passed = 14000, .resolution = 100, .loss_tolerated = 7};
    struct report report = {.result = &result, .search = &search, .hz = 1000000000};
    char *text = written(report_write_json, &report);
    assert_string_equal(
        text,
        "{\"seconds\": 0.500, \"interrupted\": false, \"sent\": 3, \"sent_per_second\": 6, "
        "\"received\": 2, \"received_per_second\": 4, \"lost\": 1, \"reordered\": 0, "
        "\"duplicates\": 0, \"foreign\": 0, \"latency_us\": {\"min\": 1.000, \"mean\": 1.500, "
        "\"p50\": 1.007, \"p90\": 2.000, \"p99\": 2.000, \"p999\": 2.000, \"p9999\": 2.000, "
        "\"max\": 2.000}, \"turn_us\": {\"p99\": 0.500, \"max\": 0.500}, "
        "\"latency_histogram_us\": [[1.007, 1], [2.015, 1]], "
        "\"throughput_per_second\": 14000, \"resolution_per_second\": 100, "
        "\"lost_per_million_tolerated\": 7}\n");
    free(text);
}

// Nothing was sent, in no time: no figure is of a division by nothing.
static void nothing_is_reported_as_nothing(void **state)
{
    const struct result result = {.receiver = receiver_start(1)};
    const struct report report = {.result = &result, .hz = 1000000000, .interrupted = true};
    char *text = written(report_write_json, &report);
    assert_non_null(strstr(text, "\"interrupted\": true, \"sent\": 0, \"sent_per_second\": 0"));
    assert_non_null(strstr(text, "\"latency_us\": {\"min\": 0.000, \"mean\": 0.000"));
    assert_non_null(strstr(text, "\"latency_histogram_us\": []}\n"));
    free(text);
}

static void what_comes_twice_is_no_negative_loss(void **state)
{
    struct result result = two_of_three();
    assert_int_equal(result_lost(&result), 1);
    result.receiver.received = 5;
    assert_int_equal(result_lost(&result), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_are_told_all_of_it),
        cmocka_unit_test(programs_are_told_the_histogram_too),
        cmocka_unit_test(nothing_is_reported_as_nothing),
        cmocka_unit_test(what_comes_twice_is_no_negative_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
