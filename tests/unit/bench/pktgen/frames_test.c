#include "bench/pktgen/frames.h"

#include "dataplane/packet/wire/checksum.h"
#include "tests/test.h"
#include "tests/unit/bench/pktgen/addresses.h"

static struct profile profile_of(uint16_t size, bool syn)
{
    static const uint8_t from[4] = {10, 0, 0, 1}, to[4] = {10, 1, 2, 3};
    return (struct profile){.from = ip_from_v4(from),
                            .to = ip_from_v4(to),
                            .port = 80,
                            .source_mac = {2, 0, 0, 0, 0, 1},
                            .destination_mac = {2, 0, 0, 0, 0, 2},
                            .flows = 200000,
                            .size = size,
                            .syn = syn};
}

static struct profile profile_v6_of(uint16_t size, bool syn)
{
    struct profile profile = profile_of(size, syn);
    profile.from = address_of("2001:db8::ff:fffe");
    profile.to = address_of("2001:db8:1::80");
    return profile;
}

// Both checksums are right when everything is summed anew.
static void assert_right(const uint8_t *frame, uint16_t size, const struct profile *profile,
                         struct wire_packet *packet)
{
    assert_int_equal(wire_parse(span_of(frame, size), size, WIRE_KNOWN_NOTHING, packet), DROP_NONE);
    assert_int_equal(packet->protocol, profile->syn ? IPPROTO_TCP : IPPROTO_UDP);
    assert_int_equal(packet->end, size);
    assert_int_equal(packet->kind, ip_is_v4(&profile->from) ? WIRE_IPV4 : WIRE_IPV6);
    assert_int_equal(ntohs(packet->destination_port), profile->port);
    struct ip_address source = wire_source(frame, packet);
    struct ip_address destination = wire_destination(frame, packet);
    assert_true(ip_equal(&destination, &profile->to));
    assert_true(frames_are_from(profile, &source));
    uint32_t l4_size = (uint32_t)size - packet->l4_offset;
    uint64_t sum = checksum_pseudo(&source, &destination, packet->protocol, l4_size);
    sum = checksum_add(sum, span_of(frame + packet->l4_offset, l4_size));
    assert_int_equal(checksum_finish(sum), 0);
}

static void checksums_are_right_in_every_frame(void **state)
{
    static struct frames frames;
    const struct profile profiles[] = {profile_of(64, false),    profile_of(1518, false),
                                       profile_of(76, true),     profile_of(FRAMES_IMIX, false),
                                       profile_v6_of(84, false), profile_v6_of(1518, false),
                                       profile_v6_of(96, true),  profile_v6_of(FRAMES_IMIX, false)};
    uint8_t frame[FRAMES_SIZE_MAX];
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        frames_init(&frames, &profiles[i]);
        for (uint64_t sequence = 0; sequence < 200000; sequence += 7) {
            struct wire_packet packet;
            uint16_t size = frames_write(&frames, sequence, 3, sequence * 987654321, frame);
            assert_right(frame, size, &profiles[i], &packet);
        }
    }
}

static void flows_take_all_ports_and_then_the_next_address(void **state)
{
    static struct frames frames;
    const struct profile profile = profile_of(64, false);
    frames_init(&frames, &profile);
    uint8_t frame[FRAMES_SIZE_MAX];
    static const struct {
        uint64_t sequence;
        uint32_t source;
        uint16_t port;
    } cases[] = {{0, 0x0a000001, 1024},
                 {64511, 0x0a000001, 65535},
                 {64512, 0x0a000002, 1024},
                 {200000, 0x0a000001, 1024},
                 {199999, 0x0a000004, 1024 + 199999 % 64512}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct wire_packet packet;
        uint16_t size = frames_write(&frames, cases[i].sequence, 1, 0, frame);
        assert_right(frame, size, &profile, &packet);
        assert_int_equal(load_be32(wire_source(frame, &packet).bytes + 12), cases[i].source);
        assert_int_equal(ntohs(packet.source_port), cases[i].port);
    }
}

static void ipv6_flows_count_through_the_last_bytes(void **state)
{
    static struct frames frames;
    const struct profile profile = profile_v6_of(84, false);
    frames_init(&frames, &profile);
    uint8_t frame[FRAMES_SIZE_MAX];
    struct wire_packet packet;
    uint16_t size = frames_write(&frames, 3 * 64512, 1, 0, frame);
    assert_right(frame, size, &profile, &packet);
    struct ip_address source = wire_source(frame, &packet), fourth = address_of("2001:db8::100:1");
    assert_true(ip_equal(&source, &fourth));
    assert_int_equal(ntohs(packet.source_port), 1024);
}

static void a_profile_knows_its_sources(void **state)
{
    static const struct {
        uint32_t flows;
        const char *address;
        bool ours;
    } cases[] = {
        {1, "10.0.0.1", true},       {1, "10.0.0.2", false},       {1, "10.0.0.0", false},
        {64512, "10.0.0.2", false},  {64513, "10.0.0.2", true},    {64513, "10.0.0.3", false},
        {1 << 24, "10.0.1.5", true}, {1 << 24, "10.0.1.6", false}, {1, "2001:db8::a00:1", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct profile profile = profile_of(64, false);
        profile.flows = cases[i].flows;
        struct ip_address address = address_of(cases[i].address);
        if (frames_are_from(&profile, &address) != cases[i].ours)
            fail_msg("%u flows: %s", cases[i].flows, cases[i].address);
    }
}

static void the_least_size_holds_headers_and_signature(void **state)
{
    assert_int_equal(frames_size_min(true, false), 64);
    assert_int_equal(frames_size_min(true, true), 76);
    assert_int_equal(frames_size_min(false, false), 84);
    assert_int_equal(frames_size_min(false, true), 96);
}

static void imix_is_seven_four_one(void **state)
{
    static struct frames frames;
    const struct profile profile = profile_of(FRAMES_IMIX, false);
    frames_init(&frames, &profile);
    uint8_t frame[FRAMES_SIZE_MAX];
    uint32_t small = 0, middle = 0, large = 0;
    for (uint64_t sequence = 0; sequence < 1200; sequence++) {
        uint16_t size = frames_write(&frames, sequence, 1, 0, frame);
        small += size == 60;
        middle += size == 590;
        large += size == 1514;
    }
    assert_int_equal(small, 700);
    assert_int_equal(middle, 400);
    assert_int_equal(large, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_right_in_every_frame),
        cmocka_unit_test(flows_take_all_ports_and_then_the_next_address),
        cmocka_unit_test(ipv6_flows_count_through_the_last_bytes),
        cmocka_unit_test(a_profile_knows_its_sources),
        cmocka_unit_test(the_least_size_holds_headers_and_signature),
        cmocka_unit_test(imix_is_seven_four_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
