#include "controlplane/cli/rates.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/test.h"

#define SECOND ((uint64_t)NANOSECONDS_PER_SECOND)

enum family {
    FAMILY_RX_BYTES,
    FAMILY_DROPS,
    FAMILY_FLOWS,
    FAMILY_OTHER,
};

static const struct stats_family families[] = {
    [FAMILY_RX_BYTES] = {"weir_port_rx_bytes_total", "bytes received", STATS_COUNTER, 2, false},
    [FAMILY_DROPS] = {"weir_drops_packets_total", "packets dropped", STATS_COUNTER, 3, false},
    [FAMILY_FLOWS] = {"weir_worker_flows", "flows", STATS_GAUGE, 2, false},
    [FAMILY_OTHER] = {"weir_other_total", "something else", STATS_COUNTER, 1, false},
};

struct segment {
    struct stats *stats;
    struct stats_reader *reader;
    struct rates *rates; // first look: at time 0, after 1000 drops of reason ttl
};

static int setup(void **state)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    assert_int_equal(stats_create(families, 4, 2, &segment->stats), ERROR_NONE);
    stats_set_label(segment->stats, FAMILY_RX_BYTES, 0, "port=\"wan\"");
    stats_set_label(segment->stats, FAMILY_DROPS, 0, "reason=\"ttl\"");
    stats_set_label(segment->stats, FAMILY_DROPS, 1, "reason=\"mtu\"");
    stats_set_label(segment->stats, FAMILY_FLOWS, 0, "worker=\"0\"");
    stats_set_label(segment->stats, FAMILY_FLOWS, 1, "worker=\"1\"");
    stats_set_revision(segment->stats, 7);
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[0], 1000);
    assert_int_equal(stats_reader_open(stats_fd(segment->stats), &segment->reader), ERROR_NONE);
    assert_int_equal(rates_create(segment->reader, 0, &segment->rates), ERROR_NONE);
    *state = segment;
    return 0;
}

static int teardown(void **state)
{
    struct segment *segment = *state;
    rates_destroy(segment->rates);
    stats_reader_close(segment->reader);
    stats_destroy(segment->stats);
    free(segment);
    return 0;
}

static void counts_what_was_gained_a_second_by_all_writers(void **state)
{
    struct segment *segment = *state;
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[0], 10);
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 1)[0], 20);
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 1)[1], 30);
    assert_true(rates_turn(segment->rates, 2 * SECOND));
    assert_int_equal(rates_family(segment->rates, FAMILY_DROPS), 30);

    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[0], 10);
    assert_true(rates_turn(segment->rates, 2 * SECOND + SECOND / 4));
    assert_int_equal(rates_family(segment->rates, FAMILY_DROPS), 40);
}

static void tells_when_nothing_moved(void **state)
{
    struct segment *segment = *state;
    assert_false(rates_turn(segment->rates, SECOND));
    assert_int_equal(rates_family(segment->rates, FAMILY_DROPS), 0);
    stats_set(&stats_slots(segment->stats, FAMILY_FLOWS, 0)[0], 5);
    assert_true(rates_turn(segment->rates, 2 * SECOND));
    assert_false(rates_turn(segment->rates, 3 * SECOND));
}

static void sums_what_gauges_hold(void **state)
{
    struct segment *segment = *state;
    stats_set(&stats_slots(segment->stats, FAMILY_FLOWS, 0)[0], 5);
    stats_set(&stats_slots(segment->stats, FAMILY_FLOWS, 1)[1], 6);
    rates_turn(segment->rates, SECOND);
    rates_turn(segment->rates, 2 * SECOND);
    assert_int_equal(rates_family(segment->rates, FAMILY_FLOWS), 11);
}

static void takes_a_counter_that_fell_for_a_new_one(void **state)
{
    struct segment *segment = *state;
    stats_set_label(segment->stats, FAMILY_DROPS, 0, "reason=\"fragment\"");
    stats_set(&stats_slots(segment->stats, FAMILY_DROPS, 0)[0], 3);
    assert_true(rates_turn(segment->rates, SECOND));
    assert_int_equal(rates_family(segment->rates, FAMILY_DROPS), 3);
}

static void leaves_out_what_has_no_label(void **state)
{
    struct segment *segment = *state;
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[2], 50);
    assert_false(rates_turn(segment->rates, SECOND));
    stats_set_label(segment->stats, FAMILY_DROPS, 0, "");
    assert_true(rates_turn(segment->rates, 2 * SECOND));
    assert_int_equal(rates_family(segment->rates, FAMILY_DROPS), 0);
}

static char *printed(const struct rates *rates, void (*print)(const struct rates *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    print(rates, out);
    fclose(out);
    return text;
}

static void print_lines(const struct rates *rates, FILE *out)
{
    assert_true(rates_print_headings(rates, out));
    rates_print_line(rates, out);
}

static void print_two_rows(const struct rates *rates, FILE *out)
{
    assert_int_equal(rates_print_table(rates, 2, out), ERROR_NONE);
}

static void print_json(const struct rates *rates, FILE *out)
{
    assert_int_equal(rates_print_json(rates, out), ERROR_NONE);
}

static void move_everything(struct segment *segment)
{
    stats_add(&stats_slots(segment->stats, FAMILY_RX_BYTES, 0)[0], 3 << 20);
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[0], 10);
    stats_add(&stats_slots(segment->stats, FAMILY_DROPS, 0)[1], 5);
    stats_set(&stats_slots(segment->stats, FAMILY_FLOWS, 0)[0], 12);
    assert_true(rates_turn(segment->rates, SECOND));
}

static void prints_a_line_with_the_columns_there_are(void **state)
{
    struct segment *segment = *state;
    move_everything(segment);
    char *text = printed(segment->rates, print_lines);
    assert_string_equal(text, "  RX-BYTES/s         FLOWS       DROPS/s\n"
                              "     3.0 MiB            12            15\n");
    free(text);
}

static void prints_the_counters_that_moved(void **state)
{
    struct segment *segment = *state;
    move_everything(segment);
    char *text = printed(segment->rates, print_two_rows);
    assert_string_equal(text, "COUNTER                   LABELS        PER-SECOND    TOTAL\n"
                              "weir_port_rx_bytes_total  port=\"wan\"       3145728  3145728\n"
                              "weir_drops_packets_total  reason=\"ttl\"          10     1010\n"
                              "and 1 more\n");
    free(text);
}

static void prints_everything_labelled_as_one_line_of_json(void **state)
{
    struct segment *segment = *state;
    move_everything(segment);
    char *text = printed(segment->rates, print_json);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *line = json_loads(text, 0, NULL);
    json_t *expected =
        json_pack("{si, si, s[{ss, ss, si, si}, {ss, ss, si, si}, {ss, ss, si, si}, {ss, ss, si}, "
                  "{ss, ss, si}]}",
                  "interval_ms", 1000, "revision", 7, "metrics",                                  //
                  "name", "weir_port_rx_bytes_total", "labels", "port=\"wan\"", "value", 3145728, //
                  "per_second", 3145728,                                                          //
                  "name", "weir_drops_packets_total", "labels", "reason=\"ttl\"", "value", 1010,  //
                  "per_second", 10,                                                               //
                  "name", "weir_drops_packets_total", "labels", "reason=\"mtu\"", "value", 5,     //
                  "per_second", 5,                                                                //
                  "name", "weir_worker_flows", "labels", "worker=\"0\"", "value", 12,             //
                  "name", "weir_worker_flows", "labels", "worker=\"1\"", "value", 0);
    assert_non_null(expected);
    assert_true(json_equal(line, expected));
    json_decref(line);
    json_decref(expected);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_what_was_gained_a_second_by_all_writers),
        TEST(tells_when_nothing_moved),
        TEST(sums_what_gauges_hold),
        TEST(takes_a_counter_that_fell_for_a_new_one),
        TEST(leaves_out_what_has_no_label),
        TEST(prints_a_line_with_the_columns_there_are),
        TEST(prints_the_counters_that_moved),
        TEST(prints_everything_labelled_as_one_line_of_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
