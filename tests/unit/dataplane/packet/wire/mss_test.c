#include "dataplane/packet/wire/mss.h"

#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define LIMIT 1400

// Options before, what is told, options after.
static const struct {
    uint8_t before[12];
    enum wire_mss result;
    uint8_t after[12];
} rows[] = {
    {{2, 4, 0x05, 0xb4}, WIRE_MSS_CLAMPED, {2, 4, 0x05, 0x78}},
    {{2, 4, 0x05, 0x78}, WIRE_MSS_KEPT, {2, 4, 0x05, 0x78}},
    {{2, 4, 0x02, 0x18}, WIRE_MSS_KEPT, {2, 4, 0x02, 0x18}},
    {{1, 2, 4, 0x05, 0xb4}, WIRE_MSS_CLAMPED, {1, 2, 4, 0x05, 0x78}},
    {{4, 2, 2, 4, 0xff, 0xff, 3, 3, 7}, WIRE_MSS_CLAMPED, {4, 2, 2, 4, 0x05, 0x78, 3, 3, 7}},
    {{3, 3, 7, 1, 1, 1, 1, 1, 2, 4, 0x23, 0x28},
     WIRE_MSS_CLAMPED,
     {3, 3, 7, 1, 1, 1, 1, 1, 2, 4, 0x05, 0x78}},
    {{2, 4, 0x23, 0x28, 2, 4, 0x23, 0x29}, // twice
     WIRE_MSS_CLAMPED,
     {2, 4, 0x05, 0x78, 2, 4, 0x05, 0x78}},
    {{0, 2, 4, 0xff, 0xff}, WIRE_MSS_KEPT, {0, 2, 4, 0xff, 0xff}}, // behind the end
    {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, WIRE_MSS_KEPT, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
    {{2, 3, 0xff}, WIRE_MSS_MALFORMED, {2, 3, 0xff}},
    {{2, 4, 0xff, 0xff, 9, 1}, WIRE_MSS_MALFORMED, {2, 4, 0xff, 0xff, 9, 1}},
    {{1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 0xff},
     WIRE_MSS_MALFORMED,
     {1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 0xff}},
    {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2},
     WIRE_MSS_MALFORMED,
     {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2}},
};

static void options_are_read_as_they_stand(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec spec = {.tcp_flags = WIRE_TCP_SYN, .payload_size = 3};
        static struct frame frame, expected;
        spec.tcp_options = span_of(rows[i].after, sizeof(rows[i].after));
        frame_build(&expected, &spec);
        spec.tcp_options = span_of(rows[i].before, sizeof(rows[i].before));
        frame_build(&frame, &spec);
        assert_int_equal(
            wire_mss_clamp(frame.bytes + FRAME_IPV4_L4, frame.size - FRAME_IPV4_L4, LIMIT),
            rows[i].result);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);
    }
}

// A header that lies in more than one piece of memory is left alone.
static void a_header_that_is_not_there_is_left_alone(void **state)
{
    static struct frame frame, before;
    frame_build(&frame, &(struct frame_spec){.tcp_options =
                                                 span_of((const uint8_t[]){2, 4, 0xff, 0xff}, 4)});
    before = frame;
    for (size_t size = WIRE_TCP_SIZE; size < WIRE_TCP_SIZE + 4; size++) {
        assert_int_equal(wire_mss_clamp(frame.bytes + FRAME_IPV4_L4, size, LIMIT),
                         WIRE_MSS_MALFORMED);
        assert_memory_equal(frame.bytes, before.bytes, before.size);
    }
    assert_int_equal(wire_mss_clamp(frame.bytes + FRAME_IPV4_L4, WIRE_TCP_SIZE + 4, LIMIT),
                     WIRE_MSS_CLAMPED);
}

static void a_segment_fits_its_packet(void **state)
{
    assert_int_equal(wire_mss_of(1480, true), 1440);
    assert_int_equal(wire_mss_of(1460, false), 1400);
    // No less than what everybody can take, however small the way is.
    assert_int_equal(wire_mss_of(576, true), 536);
    assert_int_equal(wire_mss_of(0, true), 536);
    assert_int_equal(wire_mss_of(1228, false), 1220);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_as_they_stand),
        cmocka_unit_test(a_header_that_is_not_there_is_left_alone),
        cmocka_unit_test(a_segment_fits_its_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
