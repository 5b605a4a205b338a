#include "dataplane/packet/wire/rewrite.h"

#include <netinet/in.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define V6           .source = "2001:db8::1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame frame;
static struct frame expected;

static struct wire_packet parse(const struct frame *of)
{
    struct wire_packet packet;
    assert_int_equal(wire_parse(span_of(of->bytes, of->size), (uint32_t)of->size, 0, &packet),
                     DROP_NONE);
    return packet;
}

static void assert_frames_equal(void)
{
    assert_int_equal(frame.size, expected.size);
    assert_memory_equal(frame.bytes, expected.bytes, expected.size);
}

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

// What is rewritten, byte for byte the frame that would have been built so from the start.
static const struct frame_spec rewritten[] = {
    {.source_port = 40000, .destination_port = 80},
    {.source_port = 40000, .destination_port = 80, .payload_size = 1459, .padding_size = 3},
    {.source_port = 1, .destination_port = 2, .ipv4_options = {(const uint8_t[4]){1, 1, 1}, 4}},
    {.protocol = IPPROTO_UDP, .source_port = 53, .destination_port = 53, .payload_size = 7},
    {.protocol = IPPROTO_UDP, .udp_without_checksum = true, .payload_size = 7},
    {V6, .source_port = 40000, .destination_port = 80, .payload_size = 33},
    {V6, .protocol = IPPROTO_UDP, .source_port = 9, .destination_port = 7, .payload_size = 2},
    {V6, .protocol = IPPROTO_UDP, .udp_without_checksum = true, .payload_size = 2},
    {V6, .source_port = 3, .destination_port = 4, .extensions = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS},
     .extension_count = 2},
};

static struct ip_address random_unicast(struct random *random, bool v4)
{
    for (;;) {
        struct ip_address address;
        for (size_t i = 0; i < sizeof(address.bytes); i++)
            address.bytes[i] = random_below(random, 4) ? (uint8_t)random_next(random) : 0xff;
        if (v4)
            address = ip_from_v4(address.bytes);
        if (ip_is_unicast(&address) && ip_is_v4(&address) == v4)
            return address;
    }
}

static void rewrites_as_if_built_so(void **state)
{
    enum {
        ROUNDS = 500
    };
    struct random random = random_from_seed(1624);
    for (size_t i = 0; i < COUNT(rewritten); i++) {
        frame_build(&frame, &rewritten[i]);
        for (int round = 0; round < ROUNDS; round++) {
            struct frame_spec spec = rewritten[i];
            struct ip_address source = random_unicast(&random, !spec.source);
            struct ip_address destination = random_unicast(&random, !spec.source);
            char source_text[IP_TEXT_SIZE];
            char destination_text[IP_TEXT_SIZE];
            spec.source = ip_format(&source, source_text);
            spec.destination = ip_format(&destination, destination_text);
            spec.source_port = (uint16_t)random_next(&random);
            spec.destination_port = (uint16_t)random_next(&random);
            frame_build(&expected, &spec);

            struct wire_packet packet = parse(&frame);
            wire_rewrite_source(frame.bytes, &packet, &source, htons(spec.source_port));
            wire_rewrite_destination(frame.bytes, &packet, &destination,
                                     htons(spec.destination_port));
            assert_frames_equal();
        }
    }
}

// Through all ports the checksum takes all its values, among them zero, which UDP must not send.
static void never_makes_a_udp_checksum_of_zero(void **state)
{
    static const struct frame_spec specs[] = {
        {.protocol = IPPROTO_UDP, .payload_size = 12},
        {V6, .protocol = IPPROTO_UDP, .payload_size = 12},
    };
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct frame_spec spec = specs[i];
        frame_build(&frame, &spec);
        struct wire_packet packet = parse(&frame);
        struct ip_address destination = wire_destination(frame.bytes, &packet);
        unsigned all_ones = 0;
        for (uint32_t port = 0; port <= UINT16_MAX; port++) {
            wire_rewrite_destination(frame.bytes, &packet, &destination, htons((uint16_t)port));
            spec.destination_port = (uint16_t)port;
            frame_build(&expected, &spec);
            assert_frames_equal();
            uint16_t checksum = load_be16(frame.bytes + packet.l4_offset + 6);
            assert_int_not_equal(checksum, 0);
            all_ones += checksum == 0xffff;
        }
        assert_int_equal(all_ones, 1);
    }
}

static void keeps_a_wrong_checksum_wrong(void **state)
{
    static const struct frame_spec specs[] = {
        {.payload_size = 10},
        {V6, .payload_size = 10},
        {V6, .protocol = IPPROTO_UDP, .payload_size = 10},
    };
    for (size_t i = 0; i < COUNT(specs); i++) {
        frame_build(&frame, &specs[i]);
        frame.bytes[frame.size - 1] ^= 0x10;
        expected = frame;
        struct wire_packet packet = parse(&frame);
        struct ip_address before = wire_source(frame.bytes, &packet);
        struct ip_address after = address_of(ip_is_v4(&before) ? "198.51.100.9" : "2001:db8:9::9");
        wire_rewrite_source(frame.bytes, &packet, &after, htons(999));
        assert_false(frame_checksums_are_right(frame.bytes, frame.size));
        wire_rewrite_source(frame.bytes, &packet, &before, 0);
        assert_frames_equal();
    }
}

// The rest of the message is elsewhere, so the sum is right only by difference.
static void rewrites_the_first_fragment(void **state)
{
    static const struct frame_spec whole_spec = {.protocol = IPPROTO_UDP, .payload_size = 24};
    frame_build(&frame, &whole_spec);
    // Cut 16 bytes off, as a router would.
    store_be16(frame.bytes + FRAME_IP_AT + 2, 20 + 8 + 8);
    store_be16(frame.bytes + FRAME_IP_AT + 6, 0x2000);
    frame.size -= 16;
    frame_fix_checksums(&frame);

    struct wire_packet packet = parse(&frame);
    struct ip_address member = address_of("198.51.100.9");
    wire_rewrite_destination(frame.bytes, &packet, &member, htons(8053));

    struct frame_spec spec = whole_spec;
    spec.destination = "198.51.100.9";
    spec.destination_port = 8053;
    frame_build(&expected, &spec);
    assert_memory_equal(frame.bytes + FRAME_IPV4_L4, expected.bytes + FRAME_IPV4_L4, 16);
}

static void takes_one_hop_at_a_time(void **state)
{
    static const struct frame_spec specs[] = {
        {.payload_size = 5},
        {.protocol = IPPROTO_GRE, .payload_size = 5},
        {V6, .payload_size = 5},
    };
    for (size_t i = 0; i < COUNT(specs); i++) {
        struct frame_spec spec = specs[i];
        spec.ttl = 255;
        frame_build(&frame, &spec);
        while (spec.ttl > 1) {
            struct wire_packet packet = parse(&frame);
            wire_decrement_ttl(frame.bytes, &packet);
            spec.ttl--;
            frame_build(&expected, &spec);
            assert_frames_equal();
        }
    }
}

static void sets_both_macs(void **state)
{
    frame_build(&frame, &(struct frame_spec){0});
    frame_build(&expected, &(struct frame_spec){.destination_mac = frame_mac_peers,
                                                .source_mac = frame_mac_ours});
    wire_set_macs(frame.bytes, frame_mac_peers, frame_mac_ours);
    assert_frames_equal();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rewrites_as_if_built_so),
        cmocka_unit_test(never_makes_a_udp_checksum_of_zero),
        cmocka_unit_test(keeps_a_wrong_checksum_wrong),
        cmocka_unit_test(rewrites_the_first_fragment),
        cmocka_unit_test(takes_one_hop_at_a_time),
        cmocka_unit_test(sets_both_macs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
