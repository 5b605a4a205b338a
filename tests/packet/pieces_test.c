// Frames that a device leaves in several buffers: they go on as whole ones, or are dropped by name.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/test.h"

static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
    "pools:\n"
    "  - {name: nat, members: [{address: 10.2.0.11, port: 8080}]}\n"
    "vips:\n"
    "  - {name: nat, address: 10.1.0.100, port: 80, protocol: tcp, pool: nat}\n";

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    return 0;
}

static void build(struct frame *frame, uint8_t flags, uint16_t payload_size)
{
    frame_build(frame, &(struct frame_spec){.destination_mac = front_mac,
                                            .source = "10.1.0.10",
                                            .destination = "10.1.0.100",
                                            .source_port = 40000,
                                            .destination_port = 80,
                                            .tcp_flags = flags,
                                            .payload_size = payload_size});
}

// Cut anywhere, also within the headers; the first packet of a flow takes the long path, those
// behind it would take the short one.
static void pieces_go_on_as_the_whole_frame_would(void **state)
{
    static const size_t pieces[] = {1, 13, 14, 20, 34, 54, 60, 500, 1000};
    static struct frame frame;
    static struct outcome outcome, whole;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        build(&frame, i == 0 ? WIRE_TCP_SYN : WIRE_TCP_ACK, pieces[i] < 10 ? 100 : 1200);
        rig_pieces(&rig, FRONT, &frame, pieces[i], &outcome);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.port, BACK);
        assert_int_equal(outcome.frame.size, frame.size);
        assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
        rig_packet(&rig, FRONT, &frame, &whole);
        assert_int_equal(whole.kind, OUTCOME_SENT);
        assert_memory_equal(outcome.frame.bytes, whole.frame.bytes, frame.size);
    }
}

static void an_echo_request_in_pieces_is_answered(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &(struct frame_spec){.destination_mac = front_mac,
                                             .source = "10.1.0.10",
                                             .destination = "10.1.0.1",
                                             .protocol = IPPROTO_ICMP,
                                             .icmp_type = 8,
                                             .payload_size = 1400});
    rig_pieces(&rig, FRONT, &frame, 300, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, FRONT);
    assert_int_equal(outcome.frame.size, frame.size);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void more_than_a_buffer_holds_is_dropped_by_name(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    build(&frame, WIRE_TCP_ACK, 9000);
    rig_pieces(&rig, FRONT, &frame, 1500, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_DROPPED);
    assert_int_equal(outcome.reason, DROP_ETHERNET_PIECES);
}

int main(void)
{
    rig_start_dpdk();
    const struct CMUnitTest tests[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
        CASE(pieces_go_on_as_the_whole_frame_would),
        CASE(an_echo_request_in_pieces_is_answered),
        CASE(more_than_a_buffer_holds_is_dropped_by_name),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
