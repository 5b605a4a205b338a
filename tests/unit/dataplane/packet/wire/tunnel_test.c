#include "dataplane/packet/wire/tunnel.h"

#include <stdio.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define V6           .source = "2001:db8::1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame inner;    // an Ethernet frame, whose packet is wrapped
static struct frame expected; // as the frame builder wraps it
static uint8_t written[FRAME_SIZE_MAX];

static const struct frame_spec inners[] = {
    {.payload_size = 11},
    {.payload_size = 1400, .tcp_flags = WIRE_TCP_SYN},
    {.payload_size = 11, .ipv4_options = {(const uint8_t[8]){1, 1, 1, 1, 0x94, 4}, 8}},
    {.protocol = IPPROTO_UDP, .source_port = 53, .payload_size = 7},
    {.protocol = IPPROTO_UDP, .udp_without_checksum = true, .payload_size = 7},
    {.protocol = IPPROTO_ICMP, .icmp_type = 8, .payload_size = 56},
    {.more_fragments = true, .payload_size = 28},
    {.fragment_offset = 48, .payload_size = 28},
    {V6, .payload_size = 12},
    {V6, .protocol = IPPROTO_UDP, .destination_port = 443, .payload_size = 1200},
    {V6, .extensions = {IPPROTO_HOPOPTS}, .extension_count = 1},
    {V6, .protocol = IPPROTO_ICMPV6, .icmp_type = 128, .payload_size = 8},
};

static const struct frame_spec outers[] = {
    {.source = "10.0.0.1", .destination = "10.0.0.2", .dont_fragment = true},
    {.source = "fd00::1", .destination = "fd00::2"},
};

static struct ip_address address_of(const char *text)
{
    struct ip_address address;
    assert_int_equal(ip_parse(text, &address), ERROR_NONE);
    return address;
}

static size_t inner_size(void)
{
    struct wire_packet packet;
    assert_int_equal(wire_parse(span_of(inner.bytes, inner.size), (uint32_t)inner.size, 0, &packet),
                     DROP_NONE);
    assert_int_equal(packet.l3_offset, FRAME_IP_AT);
    return (size_t)packet.end - FRAME_IP_AT;
}

// Wraps the inner packet, so that the outer frame begins at the result.
static const uint8_t *wrap(enum wire_tunnel_kind kind, const struct frame_spec *outer)
{
    struct ip_address source = address_of(outer->source);
    struct ip_address member = address_of(outer->destination);
    struct wire_tunnel tunnel;
    wire_tunnel_between(kind, &source, &member, &tunnel);
    memset(written, 0xa5, sizeof(written));
    uint8_t *at = written + 2 * WIRE_TUNNEL_COPY;
    memcpy(at, inner.bytes + FRAME_IP_AT, inner_size());
    const struct wire_tunnel_header *header =
        wire_tunnel_write(at, (uint32_t)inner_size(), &tunnel, false);
    assert_int_equal(header->size, wire_tunnel_size(kind, &member));
    if (kind == WIRE_TUNNEL_GUE)
        wire_tunnel_write_udp(at, (uint32_t)inner_size(), header);
    uint8_t *frame = at - header->size - WIRE_ETHERNET_SIZE;
    memset(frame, 0xee, WIRE_ETHERNET_SIZE - 2); // the addresses are the caller's
    for (const uint8_t *before = written; before < at - WIRE_TUNNEL_COPY && before < frame;
         before++)
        assert_int_equal(*before, 0xa5);
    return frame;
}

// The same by the frame builder, which shares nothing with the packet plane.
static void build_expected(enum wire_tunnel_kind kind, struct frame_spec outer, const uint8_t *ours)
{
    static uint8_t payload[FRAME_SIZE_MAX];
    size_t size = 0;
    bool inner_v4 = inner.bytes[FRAME_IP_AT] >> 4 == 4;
    bool outer_v4 = !strchr(outer.source, ':');
    uint8_t protocol = inner_v4 ? 4 : 41;
    if (kind == WIRE_TUNNEL_IPIP) {
        outer.protocol = protocol;
    } else if (kind == WIRE_TUNNEL_GRE) {
        outer.protocol = IPPROTO_GRE;
        store_be16(payload, 0);
        store_be16(payload + 2, inner_v4 ? 0x0800 : 0x86dd);
        size = 4;
    } else {
        const uint8_t *udp = ours + (outer_v4 ? FRAME_IPV4_L4 : FRAME_IPV6_L4);
        outer.protocol = IPPROTO_UDP;
        outer.source_port = load_be16(udp);
        outer.destination_port = 6080;
        outer.udp_without_checksum = outer_v4 || load_be16(udp + 6) == 0;
        memcpy(payload, (const uint8_t[]){0, protocol, 0, 0}, 4);
        size = 4;
    }
    memcpy(payload + size, inner.bytes + FRAME_IP_AT, inner_size());
    outer.payload = payload;
    outer.payload_size = (uint16_t)(size + inner_size());
    outer.traffic_class = inner_v4 ? inner.bytes[FRAME_IP_AT + 1]
                                   : (uint8_t)(load_be16(inner.bytes + FRAME_IP_AT) >> 4);
    frame_build(&expected, &outer);
    memset(expected.bytes, 0xee, WIRE_ETHERNET_SIZE - 2);
}

static void wraps_any_version_in_any(void **state)
{
    // DSCP and ECN travel together: RFC 6040.
    static const uint8_t classes[] = {0, 1, 2, 3, 0xb8, 0xff};
    for (int kind = WIRE_TUNNEL_IPIP; kind <= WIRE_TUNNEL_GUE; kind++) {
        for (size_t i = 0; i < COUNT(inners) * COUNT(outers) * COUNT(classes); i++) {
            struct frame_spec spec = inners[i % COUNT(inners)];
            const struct frame_spec *outer = &outers[i / COUNT(inners) % COUNT(outers)];
            spec.traffic_class = classes[i / COUNT(inners) / COUNT(outers)];
            frame_build(&inner, &spec);
            const uint8_t *frame = wrap((enum wire_tunnel_kind)kind, outer);
            frame_hop(inner.bytes + FRAME_IP_AT);
            build_expected((enum wire_tunnel_kind)kind, *outer, frame);
            assert_memory_equal(frame, expected.bytes, expected.size);
        }
    }
}

static void overheads_are_what_the_formats_say(void **state)
{
    static const uint8_t sizes[][2] = {{20, 40}, {24, 44}, {32, 52}};
    for (int kind = WIRE_TUNNEL_IPIP; kind <= WIRE_TUNNEL_GUE; kind++) {
        for (size_t i = 0; i < COUNT(outers); i++) {
            struct ip_address member = address_of(outers[i].destination);
            assert_int_equal(wire_tunnel_size((enum wire_tunnel_kind)kind, &member),
                             sizes[kind][i]);
        }
    }
}

// What has a checksum of its own over all its bytes has one outside; what not, has not.
static void udp_checksums_over_ipv6_follow_the_inner_packets(void **state)
{
    static const struct {
        struct frame_spec spec;
        bool covered;
    } rows[] = {
        {{.payload_size = 1}, true},
        {{V6, .payload_size = 1}, true},
        {{.protocol = IPPROTO_UDP, .payload_size = 3}, true},
        {{V6, .protocol = IPPROTO_UDP, .payload_size = 3}, true},
        {{.protocol = IPPROTO_UDP, .udp_without_checksum = true}, false},
        {{.more_fragments = true, .payload_size = 28}, false},
        {{.protocol = IPPROTO_ICMP, .icmp_type = 8}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        frame_build(&inner, &rows[i].spec);
        const uint8_t *udp = wrap(WIRE_TUNNEL_GUE, &outers[1]) + FRAME_IPV6_L4;
        assert_int_equal(load_be16(udp + 6) != 0, rows[i].covered);
    }
    // Bytes behind the end that UDP's own length says are in no checksum.
    frame_build(&inner, &rows[2].spec);
    store_be16(inner.bytes + FRAME_IPV4_L4 + 4, 10);
    frame_fix_checksums(&inner);
    assert_int_equal(load_be16(wrap(WIRE_TUNNEL_GUE, &outers[1]) + FRAME_IPV6_L4 + 6), 0);
}

static void a_wrong_inner_checksum_makes_a_wrong_outer_one(void **state)
{
    frame_build(&inner, &(struct frame_spec){.payload_size = 20});
    inner.bytes[inner.size - 1] ^= 0x10;
    const uint8_t *frame = wrap(WIRE_TUNNEL_GUE, &outers[1]);
    assert_false(frame_checksums_are_right(frame, inner.size + 52));
}

// Over all members' addresses every sum comes out once; that of zero is sent as ones.
static void no_udp_checksum_comes_out_as_none(void **state)
{
    uint32_t ones = 0;
    frame_build(&inner, &(struct frame_spec){.payload_size = 5});
    for (uint32_t host = 0; host < 1 << 16; host++) {
        char member[IP_TEXT_SIZE];
        snprintf(member, sizeof(member), "fd00::2:%x", host);
        const struct frame_spec outer = {.source = "fd00::1", .destination = member};
        const uint8_t *frame = wrap(WIRE_TUNNEL_GUE, &outer);
        uint16_t checksum = load_be16(frame + FRAME_IPV6_L4 + 6);
        assert_int_not_equal(checksum, 0);
        ones += checksum == 0xffff;
    }
    assert_in_range(ones, 1, 2); // ones' complement has two zeros
}

// Random packets, so that sums take every carry.
static void checksums_hold_for_random_packets(void **state)
{
    struct random random = random_from_seed(6935);
    for (int round = 0; round < 20000; round++) {
        struct frame_spec spec = {
            .source = round % 2 ? "2001:db8::1" : NULL,
            .protocol = round % 3 ? IPPROTO_TCP : IPPROTO_UDP,
            .source_port = (uint16_t)random_next(&random),
            .destination_port = (uint16_t)random_next(&random),
            .payload_size = (uint16_t)random_below(&random, 4),
        };
        frame_build(&inner, &spec);
        const uint8_t *frame = wrap(WIRE_TUNNEL_GUE, &outers[1]);
        assert_int_not_equal(load_be16(frame + FRAME_IPV6_L4 + 6), 0);
        assert_true(frame_checksums_are_right(frame, inner.size + 52));
    }
}

static uint16_t source_port_of(const struct frame_spec *spec)
{
    frame_build(&inner, spec);
    return load_be16(wrap(WIRE_TUNNEL_GUE, &outers[0]) + FRAME_IPV4_L4);
}

static void source_ports_are_dynamic_and_spread(void **state)
{
    enum {
        FLOWS = 4096,
        QUEUES = 16
    };
    for (int v6 = 0; v6 < 2; v6++) {
        uint32_t queues[QUEUES] = {0};
        for (uint32_t flow = 0; flow < FLOWS; flow++) {
            struct frame_spec spec = {.source = v6 ? "2001:db8::1" : NULL,
                                      .source_port = (uint16_t)(1024 + flow),
                                      .destination_port = 80};
            uint16_t port = source_port_of(&spec);
            assert_true(port >= 0xc000);
            queues[port % QUEUES]++;
            spec.payload_size = 100; // another packet of the same flow
            assert_int_equal(source_port_of(&spec), port);
        }
        for (int queue = 0; queue < QUEUES; queue++)
            assert_in_range(queues[queue], FLOWS / QUEUES * 7 / 10, FLOWS / QUEUES * 13 / 10);
    }
    // Fragments have no ports: all of a packet go the same way.
    struct frame_spec first = {.more_fragments = true, .source_port = 7, .payload_size = 28};
    struct frame_spec next = {.fragment_offset = 48, .payload_size = 28};
    assert_int_equal(source_port_of(&first), source_port_of(&next));
}

static void leaves_the_outer_checksum_to_a_device(void **state)
{
    frame_build(&inner, &(struct frame_spec){0});
    struct ip_address source = address_of("10.0.0.1");
    struct ip_address member = address_of("10.0.0.2");
    uint8_t *at = written + WIRE_TUNNEL_COPY;
    memcpy(at, inner.bytes + FRAME_IP_AT, inner_size());
    for (int kind = WIRE_TUNNEL_IPIP; kind <= WIRE_TUNNEL_GUE; kind++) {
        struct wire_tunnel tunnel;
        wire_tunnel_between((enum wire_tunnel_kind)kind, &source, &member, &tunnel);
        uint8_t full[WIRE_TUNNEL_COPY];
        wire_tunnel_write(at, (uint32_t)inner_size(), &tunnel, false);
        memcpy(full, written, sizeof(full));
        uint32_t size = wire_tunnel_write(at, (uint32_t)inner_size(), &tunnel, true)->size;
        uint8_t *checksum = full + WIRE_TUNNEL_COPY - size + 10;
        assert_int_equal(load_be16(at - size + 10), 0);
        assert_int_not_equal(load_be16(checksum), 0);
        store_be16(checksum, 0);
        assert_memory_equal(written, full, sizeof(full));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wraps_any_version_in_any),
        cmocka_unit_test(overheads_are_what_the_formats_say),
        cmocka_unit_test(udp_checksums_over_ipv6_follow_the_inner_packets),
        cmocka_unit_test(a_wrong_inner_checksum_makes_a_wrong_outer_one),
        cmocka_unit_test(no_udp_checksum_comes_out_as_none),
        cmocka_unit_test(checksums_hold_for_random_packets),
        cmocka_unit_test(source_ports_are_dynamic_and_spread),
        cmocka_unit_test(leaves_the_outer_checksum_to_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
