// Any bytes as a frame that crosses from one IP version to the other: a TCP or UDP packet, an echo
// message, a fragment, an ICMP error. What comes out must read back as what went in, at the
// addresses and ports that it got, with checksums as right as they were. Each input runs as it is,
// and with its checksums made right, in memory of exactly its size, and of what it may grow by.
#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/cross.h"
#include "tests/fuzz/frames.h"

static struct ip_address example(bool v4, uint8_t last)
{
    const uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};
    const uint8_t four_bytes[4] = {198, 51, 100, last};
    return v4 ? ip_from_v4(four_bytes) : ip_from_v6(bytes);
}

static bool parse(const uint8_t *frame, size_t size, struct wire_packet *packet)
{
    return wire_parse(span_of(frame, size), (uint32_t)size, WIRE_KNOWN_NOTHING, packet) ==
               DROP_NONE &&
           (packet->kind == WIRE_IPV4 || packet->kind == WIRE_IPV6);
}

static bool is_echo(const struct wire_packet *packet)
{
    return echo_asks(packet) || echo_answers(packet);
}

// Of echo who answers has no port.
static uint16_t port_of(bool has, uint16_t port)
{
    return has ? port : 0;
}

static void check_sides(const uint8_t *frame, const struct wire_packet *packet,
                        const struct wire_sides *sides)
{
    struct ip_address source = wire_source(frame, packet);
    struct ip_address destination = wire_destination(frame, packet);
    CHECK(ip_equal(&source, sides->source) && ip_equal(&destination, sides->destination));
    if (!wire_has_ports(packet) && !is_echo(packet))
        return;
    CHECK(packet->source_port == port_of(!echo_answers(packet), sides->source_port));
    CHECK(packet->destination_port == port_of(!echo_asks(packet), sides->destination_port));
}

static void check_packet(const uint8_t *data, size_t size, struct wire_packet packet)
{
    bool to_v4 = packet.kind == WIRE_IPV6;
    struct ip_address source = example(to_v4, 1), destination = example(to_v4, 2);
    const struct wire_sides sides = {.source = &source,
                                     .source_port = htons(7),
                                     .destination = &destination,
                                     .destination_port = htons(8)};
    int32_t growth = wire_cross_growth(&packet);
    size_t room = growth > 0 ? (size_t)growth : 0;
    uint8_t *memory = calloc(1, room + size);
    CHECK(memory);
    uint8_t *from = memory + room;
    memcpy(from, data, size);
    bool right = frame_checksums_are_right(data, size);
    struct wire_packet before = packet, again;
    if (wire_cross_transport(from, &packet, &sides)) {
        uint8_t *frame = wire_cross_header(from, &packet, &source, &destination, 9);
        CHECK(frame == from - growth);
        size_t crossed_size = (size_t)((int32_t)size + growth);
        CHECK(parse(frame, crossed_size, &again) && again.kind != before.kind);
        CHECK(again.end == packet.end && again.l4_offset == packet.l4_offset);
        CHECK(again.end - again.l4_offset == before.end - before.l4_offset);
        CHECK(again.fragment == before.fragment && again.tcp_flags == before.tcp_flags);
        CHECK(again.first_fragment == before.first_fragment && again.ttl == before.ttl);
        CHECK(echo_asks(&again) == echo_asks(&before));
        CHECK(echo_answers(&again) == echo_answers(&before));
        check_sides(frame, &again, &sides);
        // A fragment's are over all of them; extension headers hide them from who looks here.
        bool plain = !before.fragment && before.l4_offset - before.l3_offset ==
                                             (to_v4 ? WIRE_IPV6_SIZE : WIRE_IPV4_SIZE);
        bool none = !before.fragment && before.protocol == IPPROTO_UDP &&
                    load_be16(data + before.l4_offset + 6) == 0;
        CHECK(!plain || none || frame_checksums_are_right(frame, crossed_size) == right);
        CHECK(!none || frame_checksums_are_right(frame, crossed_size));
    }
    free(memory);
}

static void check_error(const uint8_t *data, size_t size, const struct wire_packet *packet,
                        const struct icmp_error *error)
{
    bool to_v4 = packet->kind == WIRE_IPV6;
    struct ip_address router = example(to_v4, 3), receiver = example(to_v4, 1),
                      other = example(to_v4, 2);
    const struct icmp_error_crossing crossing = {
        .message = {.source = &router, .destination = &receiver},
        .quoted = {.source = &receiver,
                   .source_port = htons(7),
                   .destination = &other,
                   .destination_port = htons(8)},
    };
    uint8_t *out = malloc(ICMP_ERROR_FRAME_MAX);
    CHECK(out);
    struct wire_packet written, again;
    struct icmp_error told;
    uint32_t out_size = icmp_error_cross(out, data, packet, error, &crossing, 9, &written);
    if (out_size > 0) {
        CHECK(out_size <= ICMP_ERROR_FRAME_MAX);
        CHECK(parse(out, out_size, &again) && memcmp(&again, &written, sizeof(again)) == 0);
        CHECK(icmp_error_is(&again) && frame_checksums_are_right(out, out_size));
        check_sides(out, &again, &crossing.message);
        CHECK(icmp_error_read(span_of(out, out_size), &again, &told) == DROP_NONE);
        CHECK(ip_equal(&told.source, &receiver) && ip_equal(&told.destination, &other));
        CHECK(told.source_port == port_of(error->echo != ECHO_ANSWERS, htons(7)));
        CHECK(told.destination_port == port_of(error->echo != ECHO_ASKS, htons(8)));
        CHECK(told.echo == error->echo && (told.echo || told.protocol == error->protocol));
    }
    free(out);
}

static void check_frame(const uint8_t *data, size_t size)
{
    struct wire_packet packet;
    struct icmp_error error;
    if (!parse(data, size, &packet))
        return;
    if (icmp_error_is(&packet) &&
        icmp_error_read(span_of(data, size), &packet, &error) == DROP_NONE)
        check_error(data, size, &packet, &error);
    if (packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP || is_echo(&packet))
        check_packet(data, size, packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return check_frames(data, size, check_frame);
}
