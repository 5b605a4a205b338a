#include "dataplane/packet/stage/meter.h"

#include <string.h>

#include "tests/test.h"

static void a_turn_of_few_packets_is_always_measured_and_counts_once(void **state)
{
    struct meter_tally tallies[METER_STAGES] = {{0}};
    struct meter meter;
    meter_init(&meter, tallies);
    for (uint32_t turn = 0; turn < 100; turn++) {
        meter_turn(&meter, 0, METER_FULL_PACKETS - 1);
        meter_lap(&meter, METER_RX, 1, 5);
    }
    assert_int_equal(tallies[METER_RX].calls, 100);
    assert_int_equal(tallies[METER_RX].packets, 500);
    assert_true(tallies[METER_RX].cycles > 0);
    assert_int_equal(tallies[METER_TX].calls, 0);
}

// What a sample of full turns says is what they were, within a few per cent.
static void full_turns_are_sampled_and_counted_as_many(void **state)
{
    struct meter_tally tallies[METER_STAGES] = {{0}};
    struct meter meter;
    meter_init(&meter, tallies);
    const uint32_t turns = 160000;
    uint32_t measured = 0;
    for (uint32_t turn = 0; turn < turns; turn++) {
        meter_turn(&meter, 0, 64);
        measured += meter.weight != 0;
        meter_lap(&meter, METER_RX, 1, 32);
    }
    assert_in_range(measured, turns / METER_INTERVAL * 95 / 100,
                    turns / METER_INTERVAL * 105 / 100);
    assert_int_equal(tallies[METER_RX].calls, measured * METER_INTERVAL);
    assert_int_equal(tallies[METER_RX].packets, measured * METER_INTERVAL * 32);
}

// A lap's time goes to its stage alone.
static void a_lap_begins_where_the_one_before_ended(void **state)
{
    struct meter_tally tallies[METER_STAGES] = {{0}};
    struct meter meter;
    meter_init(&meter, tallies);
    meter_turn(&meter, 0, 0);
    meter_lap(&meter, METER_RX, 1, 1);
    uint64_t rx_ended = meter.last_tsc;
    assert_int_equal(tallies[METER_RX].cycles, rx_ended);
    meter_lap(&meter, METER_SHORT_PATH, 0, 0);
    meter_lap(&meter, METER_CLASSIFY, 1, 1);
    assert_int_equal(tallies[METER_SHORT_PATH].calls, 0);
    assert_int_equal(tallies[METER_SHORT_PATH].cycles + tallies[METER_CLASSIFY].cycles,
                     meter.last_tsc - rx_ended);
}

static void every_stage_has_a_name_of_its_own(void **state)
{
    for (enum meter_stage stage = 0; stage < METER_STAGES; stage++) {
        assert_true(strlen(meter_stage_name(stage)) > 0);
        for (enum meter_stage other = 0; other < stage; other++)
            assert_string_not_equal(meter_stage_name(stage), meter_stage_name(other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_of_few_packets_is_always_measured_and_counts_once),
        cmocka_unit_test(full_turns_are_sampled_and_counted_as_many),
        cmocka_unit_test(a_lap_begins_where_the_one_before_ended),
        cmocka_unit_test(every_stage_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
