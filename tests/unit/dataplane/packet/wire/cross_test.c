// Packets from one IP version to the other, against frames built so: what of the header goes over,
// whole packets and fragments, and every ICMP error that the other version has, or has not.
#include "dataplane/packet/wire/cross.h"

#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define ID 0x1234

// One flow as both versions see it. Ports differ, too.
struct view {
    const char *source, *destination;
    uint16_t source_port, destination_port;
};

static const struct view as_v6 = {"2001:db8::10", "fd00:1::100", 40000, 80};
static const struct view as_v4 = {"10.2.0.200", "192.0.2.11", 2048, 8080};

static const struct view *other_view(const struct view *view)
{
    return view == &as_v6 ? &as_v4 : &as_v6;
}

static struct frame_spec in_view(const struct view *view, struct frame_spec spec)
{
    spec.source = view->source;
    spec.destination = view->destination;
    spec.source_port = view->source_port;
    spec.destination_port = view->destination_port;
    return spec;
}

struct addresses {
    struct ip_address source, destination;
};

static struct wire_sides sides_of(const struct view *view, struct addresses *addresses)
{
    assert_int_equal(ip_parse(view->source, &addresses->source), ERROR_NONE);
    assert_int_equal(ip_parse(view->destination, &addresses->destination), ERROR_NONE);
    return (struct wire_sides){
        .source = &addresses->source,
        .source_port = htons(view->source_port),
        .destination = &addresses->destination,
        .destination_port = htons(view->destination_port),
    };
}

static void parse(const uint8_t *bytes, size_t size, struct wire_packet *packet)
{
    assert_int_equal(wire_parse(span_of(bytes, size), (uint32_t)size, 0, packet), DROP_NONE);
}

// A frame in the other view, with its own Ethernet addresses again.
static bool cross(const struct frame *frame, const struct view *to, struct frame *crossed)
{
    static uint8_t room[FRAME_SIZE_MAX + 64];
    struct addresses addresses;
    struct wire_sides sides = sides_of(to, &addresses);
    struct wire_packet packet, again;
    uint8_t *from = room + 64;
    memcpy(from, frame->bytes, frame->size);
    parse(from, frame->size, &packet);
    int32_t growth = wire_cross_growth(&packet);
    if (!wire_cross_transport(from, &packet, &sides)) {
        assert_memory_equal(from, frame->bytes, frame->size);
        return false;
    }
    uint8_t *at = wire_cross_header(from, &packet, sides.source, sides.destination, ID);
    assert_ptr_equal(at, from - growth);
    crossed->size = (size_t)((int32_t)frame->size + growth);
    memcpy(crossed->bytes, at, crossed->size);
    memcpy(crossed->bytes, frame->bytes, 12);
    parse(crossed->bytes, crossed->size, &again);
    assert_int_equal(again.kind, packet.kind);
    assert_int_equal(again.l3_offset, packet.l3_offset);
    assert_int_equal(again.l4_offset, packet.l4_offset);
    assert_int_equal(again.end, packet.end);
    assert_int_equal(again.fragment_offset, packet.fragment_offset);
    return true;
}

static void assert_crosses(const struct frame *frame, const struct view *to,
                           const struct frame *expected)
{
    static struct frame crossed;
    assert_true(cross(frame, to, &crossed));
    assert_int_equal(crossed.size, expected->size);
    assert_memory_equal(crossed.bytes, expected->bytes, expected->size);
}

static void headers_say_the_same(void **state)
{
    static struct frame from, expected;
    for (uint32_t i = 0; i < 2 * 2 * 4; i++) {
        const struct view *view = i & 1 ? &as_v6 : &as_v4;
        static const uint16_t sizes[] = {0, 33, 1300, 1440};
        struct frame_spec spec = {.protocol = i & 2 ? IPPROTO_UDP : IPPROTO_TCP,
                                  .payload_size = sizes[i / 4],
                                  .ttl = 17,
                                  .traffic_class = 0xb9,
                                  .padding_size = i / 4 == 0 ? 6 : 0};
        spec = in_view(view, spec);
        spec.dont_fragment = i & 4;
        frame_build(&from, &spec);
        spec = in_view(other_view(view), spec);
        spec.dont_fragment = sizes[i / 4] > 1260;
        spec.ipv4_id = spec.dont_fragment ? 0 : ID;
        frame_build(&expected, &spec);
        assert_crosses(&from, other_view(view), &expected);
    }
}

// RFC 7915 section 5.1: IPv6 hosts need not go below 1280 bytes.
static void small_packets_may_be_fragmented_behind(void **state)
{
    static struct frame from, crossed;
    for (uint16_t size = WIRE_CROSS_SPLIT_MAX - 1; size <= WIRE_CROSS_SPLIT_MAX + 1; size++) {
        struct frame_spec spec = in_view(&as_v6, (struct frame_spec){
                                                     .protocol = IPPROTO_UDP,
                                                     .payload_size = (uint16_t)(size - 28),
                                                 });
        frame_build(&from, &spec);
        assert_true(cross(&from, &as_v4, &crossed));
        const uint8_t *ip = crossed.bytes + FRAME_IP_AT;
        assert_int_equal(load_be16(ip + 2), size);
        assert_int_equal(load_be16(ip + 6), size <= WIRE_CROSS_SPLIT_MAX ? 0 : 0x4000);
        assert_int_equal(load_be16(ip + 4), size <= WIRE_CROSS_SPLIT_MAX ? ID : 0);
    }
}

static void options_and_extensions_stay_behind(void **state)
{
    static struct frame from, expected;
    struct frame_spec spec = in_view(&as_v4, (struct frame_spec){.payload_size = 33});
    spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    frame_build(&from, &spec);
    spec = in_view(&as_v6, spec);
    frame_build(&expected, &spec);
    assert_crosses(&from, &as_v6, &expected);

    spec.extensions[0] = IPPROTO_DSTOPTS;
    spec.extension_count = 1;
    frame_build(&from, &spec);
    spec = in_view(&as_v4, (struct frame_spec){.payload_size = 33, .ipv4_id = ID});
    frame_build(&expected, &spec);
    assert_crosses(&from, &as_v4, &expected);
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    static struct frame from, crossed;
    for (int i = 0; i < 4; i++) {
        const struct view *view = i & 1 ? &as_v6 : &as_v4;
        struct frame_spec spec =
            in_view(view, (struct frame_spec){.protocol = i & 2 ? IPPROTO_UDP : IPPROTO_TCP,
                                              .payload_size = 33});
        frame_build(&from, &spec);
        from.bytes[from.size - 1] ^= 1;
        assert_true(cross(&from, other_view(view), &crossed));
        assert_false(frame_checksums_are_right(crossed.bytes, crossed.size));
    }
}

// RFC 7915 section 4.5: IPv6 asks for one. From there to IPv4, that none is none.
static void a_udp_checksum_that_is_none_is_made(void **state)
{
    static struct frame from, expected;
    for (uint16_t size = 0; size < 40; size++) {
        struct frame_spec spec =
            in_view(&as_v4, (struct frame_spec){.protocol = IPPROTO_UDP, .payload_size = size});
        spec.udp_without_checksum = true;
        frame_build(&from, &spec);
        spec = in_view(&as_v6, spec);
        spec.udp_without_checksum = false;
        frame_build(&expected, &spec);
        assert_crosses(&from, &as_v6, &expected);
    }
    struct frame_spec spec =
        in_view(&as_v6, (struct frame_spec){.protocol = IPPROTO_UDP, .udp_without_checksum = true});
    frame_build(&from, &spec);
    spec = in_view(&as_v4, spec);
    spec.ipv4_id = ID;
    frame_build(&expected, &spec);
    assert_crosses(&from, &as_v4, &expected);
}

// Whatever the sum: that which is zero is sent as the other zero.
static void no_udp_checksum_becomes_none(void **state)
{
    static struct frame from, crossed;
    for (uint32_t i = 0; i < 65536; i++) {
        const uint8_t payload[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        struct frame_spec spec = in_view(
            &as_v6,
            (struct frame_spec){.protocol = IPPROTO_UDP, .payload = payload, .payload_size = 2});
        frame_build(&from, &spec);
        assert_true(cross(&from, &as_v4, &crossed));
        assert_int_not_equal(load_be16(crossed.bytes + FRAME_IPV4_L4 + 6), 0);
        assert_true(frame_checksums_are_right(crossed.bytes, crossed.size));
    }
}

static void fragments_stay_fragments(void **state)
{
    static struct frame from_whole, to_whole, from, expected;
    for (int i = 0; i < 4; i++) {
        const struct view *view = i & 1 ? &as_v6 : &as_v4;
        struct frame_spec spec = {.protocol = i & 2 ? IPPROTO_UDP : IPPROTO_TCP,
                                  .payload_size = 3000,
                                  .traffic_class = 0x88};
        spec = in_view(view, spec);
        frame_build(&from_whole, &spec);
        spec = in_view(other_view(view), spec);
        frame_build(&to_whole, &spec);
        size_t total = from_whole.size - FRAME_IP_AT - (i & 1 ? 40 : 20);
        for (size_t offset = 0; offset < total; offset += 1208) {
            size_t size = offset + 1208 < total ? 1208 : total - offset;
            frame_fragment(&from, &from_whole, i & 1 ? 0xabcd5678 : 0x5678, offset, size);
            frame_fragment(&expected, &to_whole, 0x5678, offset, size);
            assert_crosses(&from, other_view(view), &expected);
        }
    }
}

static void some_fragments_cannot_cross(void **state)
{
    static struct frame whole, from, crossed;
    // A checksum cannot be made from the first fragment.
    struct frame_spec spec = in_view(&as_v4, (struct frame_spec){.protocol = IPPROTO_UDP,
                                                                 .payload_size = 3000,
                                                                 .udp_without_checksum = true});
    frame_build(&whole, &spec);
    frame_fragment(&from, &whole, 1, 0, 1208);
    assert_false(cross(&from, &as_v6, &crossed));
    frame_fragment(&from, &whole, 1, 1208, 1208);
    assert_true(cross(&from, &as_v6, &crossed));
    // What is behind an extension header would have to move in all others.
    spec = in_view(&as_v6, (struct frame_spec){.payload_size = 100, .more_fragments = true});
    spec.extensions[0] = IPPROTO_FRAGMENT;
    spec.extensions[1] = IPPROTO_DSTOPTS;
    spec.extension_count = 2;
    frame_build(&from, &spec);
    assert_false(cross(&from, &as_v4, &crossed));
    // An IPv6 datagram may be longer than an IPv4 one with its header.
    for (uint16_t size = 8; size <= 24; size += 8) {
        spec = in_view(&as_v6, (struct frame_spec){.protocol = IPPROTO_UDP,
                                                   .fragment_offset = 65496,
                                                   .payload_size = size});
        spec.extensions[0] = IPPROTO_FRAGMENT;
        spec.extension_count = 1;
        frame_build(&from, &spec);
        assert_int_equal(cross(&from, &as_v4, &crossed), 65496 + size <= 65535 - 20);
    }
}

// An error as one version has it: type, code, and the four bytes behind the checksum.
struct said {
    uint8_t type, code;
    uint32_t rest;
};

static const char *const routers[] = {"2001:db8::9", "192.0.2.9"}; // by `v4`
static const char *const receivers[] = {"fd00:1::100", "10.2.0.200"};

static void build_error(struct frame *frame, bool v4, struct said error, const struct frame *quoted,
                        uint16_t quoted_size)
{
    frame_build(frame, &(struct frame_spec){
                           .source = routers[v4],
                           .destination = receivers[v4],
                           .protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
                           .icmp_type = error.type,
                           .icmp_code = error.code,
                           .icmp_rest = error.rest,
                           .ttl = 33,
                           .ipv4_id = ID,
                           .payload = quoted->bytes + FRAME_IP_AT,
                           .payload_size = quoted_size,
                       });
}

// In the other version, or 0.
static uint32_t cross_error(const struct frame *frame, bool to_v4, struct frame *crossed)
{
    struct addresses addresses[2];
    const struct view message = {routers[to_v4], receivers[to_v4], 0, 0};
    struct icmp_error_crossing crossing = {
        .message = sides_of(&message, &addresses[0]),
        .quoted = sides_of(to_v4 ? &as_v4 : &as_v6, &addresses[1]),
    };
    struct wire_packet packet, written, again;
    struct icmp_error error;
    parse(frame->bytes, frame->size, &packet);
    assert_int_equal(icmp_error_read(span_of(frame->bytes, frame->size), &packet, &error),
                     DROP_NONE);
    memcpy(crossed->bytes, frame->bytes, 12);
    crossed->size =
        icmp_error_cross(crossed->bytes, frame->bytes, &packet, &error, &crossing, ID, &written);
    if (crossed->size == 0)
        return 0;
    memcpy(crossed->bytes, frame->bytes, 12);
    parse(crossed->bytes, crossed->size, &again);
    assert_memory_equal(&again, &written, sizeof(again));
    return (uint32_t)crossed->size;
}

static void quote(bool v4, uint16_t payload_size, struct frame *quoted)
{
    struct frame_spec spec =
        in_view(v4 ? &as_v4 : &as_v6,
                (struct frame_spec){
                    .payload_size = payload_size, .ttl = 3, .traffic_class = 0x20, .ipv4_id = 0});
    spec.dont_fragment = payload_size > 1220;
    frame_build(quoted, &spec);
}

#define NOTHING 0xff

static const struct {
    struct said from, to;
} to_v6[] = {
    {{3, 0, 0}, {1, 0, 0}},
    {{3, 1, 0}, {1, 0, 0}},
    {{3, 2, 0}, {4, 1, 6}},
    {{3, 3, 0}, {1, 4, 0}},
    {{3, 4, 1400}, {2, 0, 1420}},
    {{3, 4, 0x01231400}, {2, 0, 5140}}, // two unused bytes
    {{3, 4, 576}, {2, 0, 1280}},
    {{3, 4, 0}, {2, 0, 1280}}, // an old router: less than the 1300 bytes quoted, 1006 and 20
    {{3, 5, 0}, {1, 0, 0}},
    {{3, 6, 0}, {1, 0, 0}},
    {{3, 7, 0}, {1, 0, 0}},
    {{3, 8, 0}, {1, 0, 0}},
    {{3, 9, 0}, {1, 1, 0}},
    {{3, 10, 0}, {1, 1, 0}},
    {{3, 11, 0}, {1, 0, 0}},
    {{3, 12, 0}, {1, 0, 0}},
    {{3, 13, 0}, {1, 1, 0}},
    {{3, 14, 0}, {NOTHING, 0, 0}},
    {{3, 15, 0}, {1, 1, 0}},
    {{3, 16, 0}, {NOTHING, 0, 0}},
    {{11, 0, 0}, {3, 0, 0}},
    {{11, 1, 0}, {3, 1, 0}},
    {{12, 0, 0x00000000}, {4, 0, 0}},
    {{12, 0, 0x01000000}, {4, 0, 1}},
    {{12, 2, 0x02000000}, {4, 0, 4}},
    {{12, 0, 0x04000000}, {NOTHING, 0, 0}},
    {{12, 0, 0x08000000}, {4, 0, 7}},
    {{12, 0, 0x09000000}, {4, 0, 6}},
    {{12, 0, 0x0a000000}, {NOTHING, 0, 0}},
    {{12, 0, 0x0f000000}, {4, 0, 8}},
    {{12, 0, 0x10000000}, {4, 0, 24}},
    {{12, 0, 0x14000000}, {NOTHING, 0, 0}},
    {{12, 1, 0x00000000}, {NOTHING, 0, 0}},
};

static const struct {
    struct said from, to;
} to_v4[] = {
    {{1, 0, 0}, {3, 1, 0}},
    {{1, 1, 0}, {3, 10, 0}},
    {{1, 2, 0}, {3, 1, 0}},
    {{1, 3, 0}, {3, 1, 0}},
    {{1, 4, 0}, {3, 3, 0}},
    {{1, 5, 0}, {NOTHING, 0, 0}},
    {{2, 0, 1400}, {3, 4, 1380}},
    {{2, 0, 1280}, {3, 4, 1260}},
    {{2, 0, 0x10000}, {3, 4, 65515}},
    {{2, 0, 3}, {3, 4, 0}},
    {{3, 0, 0}, {11, 0, 0}},
    {{3, 1, 0}, {11, 1, 0}},
    {{4, 0, 0}, {12, 0, 0x00000000}},
    {{4, 0, 1}, {12, 0, 0x01000000}},
    {{4, 0, 2}, {NOTHING, 0, 0}},
    {{4, 0, 5}, {12, 0, 0x02000000}},
    {{4, 0, 6}, {12, 0, 0x09000000}},
    {{4, 0, 7}, {12, 0, 0x08000000}},
    {{4, 0, 23}, {12, 0, 0x0c000000}},
    {{4, 0, 24}, {12, 0, 0x10000000}},
    {{4, 0, 39}, {12, 0, 0x10000000}},
    {{4, 0, 40}, {NOTHING, 0, 0}},
    {{4, 1, 6}, {3, 2, 0}},
    {{4, 2, 0}, {NOTHING, 0, 0}},
};

static void check_error(bool v4, struct said from, struct said to)
{
    static struct frame quoted, frame, crossed, expected;
    quote(!v4, 1240, &quoted);
    build_error(&frame, !v4, from, &quoted, 100);
    uint32_t size = cross_error(&frame, v4, &crossed);
    if (to.type == NOTHING) {
        assert_int_equal(size, 0);
        return;
    }
    quote(v4, 1240, &quoted);
    build_error(&expected, v4, to, &quoted, v4 ? 80 : 120);
    assert_int_equal(crossed.size, expected.size);
    assert_memory_equal(crossed.bytes, expected.bytes, expected.size);
}

static void errors_have_their_like(void **state)
{
    for (size_t i = 0; i < sizeof(to_v6) / sizeof(to_v6[0]); i++)
        check_error(false, to_v6[i].from, to_v6[i].to);
    for (size_t i = 0; i < sizeof(to_v4) / sizeof(to_v4[0]); i++)
        check_error(true, to_v4[i].from, to_v4[i].to);
}

// However much is quoted: as much of it as the other version's errors have.
static void what_is_quoted_is_cut_to_what_fits(void **state)
{
    static struct frame quoted, frame, crossed, expected;
    for (int v4 = 0; v4 < 2; v4++) {
        uint16_t from = v4 ? 40 : 20, to = v4 ? 20 : 40, most = v4 ? 548 : 1232;
        for (uint16_t l4_size = 8; l4_size < 1200; l4_size++) {
            if (l4_size == 17)
                continue; // half a checksum is no one's
            quote(!v4, 1240, &quoted);
            build_error(&frame, !v4, (struct said){.type = v4 ? 3 : 11}, &quoted, from + l4_size);
            assert_true(cross_error(&frame, v4, &crossed) > 0);
            quote(v4, 1240, &quoted);
            uint16_t size = (uint16_t)(to + l4_size < most ? to + l4_size : most);
            build_error(&expected, v4, (struct said){.type = v4 ? 11 : 3}, &quoted, size);
            assert_int_equal(crossed.size, expected.size);
            assert_memory_equal(crossed.bytes, expected.bytes, expected.size);
        }
    }
}

// Written anew, a message would get a checksum that is right.
static void a_wrong_message_does_not_cross(void **state)
{
    static struct frame quoted, frame, crossed;
    for (int v4 = 0; v4 < 2; v4++) {
        quote(!v4, 100, &quoted);
        build_error(&frame, !v4, (struct said){.type = v4 ? 1 : 3}, &quoted, 100);
        frame.bytes[frame.size - 1] ^= 1;
        assert_int_equal(cross_error(&frame, v4, &crossed), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_say_the_same),
        cmocka_unit_test(small_packets_may_be_fragmented_behind),
        cmocka_unit_test(options_and_extensions_stay_behind),
        cmocka_unit_test(a_wrong_checksum_stays_wrong),
        cmocka_unit_test(a_udp_checksum_that_is_none_is_made),
        cmocka_unit_test(no_udp_checksum_becomes_none),
        cmocka_unit_test(fragments_stay_fragments),
        cmocka_unit_test(some_fragments_cannot_cross),
        cmocka_unit_test(errors_have_their_like),
        cmocka_unit_test(what_is_quoted_is_cut_to_what_fits),
        cmocka_unit_test(a_wrong_message_does_not_cross),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
