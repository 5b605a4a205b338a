#include "dataplane/packet/wire/echo.h"

#include <netinet/in.h>

#include "tests/packet/frame.h"
#include "tests/test.h"

#define V6           .source = "2001:db8::1", .protocol = IPPROTO_ICMPV6
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame frame;
static struct frame expected;

static struct wire_packet parse(void)
{
    struct wire_packet packet;
    struct span bytes = span_of(frame.bytes, frame.size);
    assert_int_equal(wire_parse(bytes, (uint32_t)frame.size, 0, &packet), DROP_NONE);
    return packet;
}

static const struct frame_spec requests[] = {
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .icmp_rest = 0x12340001, .payload_size = 56},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .ttl = 1, .traffic_class = 0x10, .ipv4_id = 77},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .payload_size = 3, .padding_size = 15},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .payload_size = 8972, .ttl = 255},
    {V6, .icmp_type = 128, .icmp_rest = 0x12340001, .payload_size = 56},
    {V6, .icmp_type = 128, .payload_size = 1, .ttl = 3, .padding_size = 1},
    {V6, .icmp_type = 128, .payload_size = 0},
};

static void a_request_becomes_its_reply(void **state)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct frame_spec reply = requests[i];
        bool v6 = reply.source;
        reply.icmp_type = v6 ? 129 : 0;
        reply.source = v6 ? "2001:db8::2" : "192.0.2.2";
        reply.destination = v6 ? "2001:db8::1" : "192.0.2.1";
        reply.source_mac = frame_mac_ours;
        reply.destination_mac = frame_mac_peers;
        reply.ttl = 64;
        frame_build(&expected, &reply);

        frame_build(&frame, &requests[i]);
        struct wire_packet packet = parse();
        assert_true(echo_is_request(&packet));
        assert_int_equal(echo_answer(frame.bytes, &packet), DROP_NONE);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);
    }
}

// The one request whose reply has a checksum of zero, and the one that has it itself.
static void replies_right_at_both_zeros(void **state)
{
    for (uint32_t rest = 0; rest <= UINT16_MAX; rest++) {
        struct frame_spec spec = requests[0];
        spec.icmp_rest = rest;
        spec.payload_size = 0;
        frame_build(&frame, &spec);
        struct wire_packet packet = parse();
        assert_int_equal(echo_answer(frame.bytes, &packet), DROP_NONE);
        assert_true(frame_checksums_are_right(frame.bytes, frame.size));
    }
}

static void refuses_a_request_and_leaves_it_as_it_was(void **state)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        frame_build(&frame, &requests[i]);
        struct wire_packet packet = parse();
        frame.bytes[packet.l4_offset + 4] ^= 1;
        expected = frame;
        assert_int_equal(echo_answer(frame.bytes, &packet), DROP_L4_CHECKSUM);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);

        struct frame_spec spec = requests[i];
        spec.icmp_code = 1;
        frame_build(&frame, &spec);
        expected = frame;
        assert_int_equal(echo_answer(frame.bytes, &packet), DROP_ICMP_MALFORMED);
        assert_memory_equal(frame.bytes, expected.bytes, expected.size);
    }
}

static const struct frame_spec others[] = {
    {.protocol = IPPROTO_ICMP, .icmp_type = 0},
    {.protocol = IPPROTO_ICMP, .icmp_type = 128},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .more_fragments = true},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .fragment_offset = 64, .payload_size = 8},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .ipv4_options = {(const uint8_t[4]){7, 4, 4, 0}, 4}},
    {.protocol = IPPROTO_ICMPV6, .icmp_type = 128},
    {.protocol = IPPROTO_TCP},
    {V6, .icmp_type = 129},
    {V6, .icmp_type = 8},
    {V6, .icmp_type = 128, .extensions = {IPPROTO_DSTOPTS}, .extension_count = 1},
    {.source = "2001:db8::1", .protocol = IPPROTO_ICMP, .icmp_type = 128},
    {.arp_operation = 1},
};

static void takes_nothing_else_for_a_request(void **state)
{
    for (size_t i = 0; i < COUNT(others); i++) {
        frame_build(&frame, &others[i]);
        struct wire_packet packet = parse();
        assert_false(echo_is_request(&packet));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_becomes_its_reply),
        cmocka_unit_test(replies_right_at_both_zeros),
        cmocka_unit_test(refuses_a_request_and_leaves_it_as_it_was),
        cmocka_unit_test(takes_nothing_else_for_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
