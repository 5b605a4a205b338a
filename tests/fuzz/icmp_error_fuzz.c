// Any bytes as a frame with an ICMP error: what it is about is read, and translated both ways. The
// message must read back as translated, and its checksums must be as right as they were. Each input
// runs as it is, and with the message's checksums made right. All frames lie in memory of exactly
// their size.
#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/tunnel_error.h"
#include "tests/fuzz/frames.h"

static struct ip_address example(bool v4, uint8_t last)
{
    const uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};
    const uint8_t four_bytes[4] = {198, 51, 100, last};
    return v4 ? ip_from_v4(four_bytes) : ip_from_v6(bytes);
}

// An error of our own about any packet is a message that we would pass on ourselves.
static void check_writing(const uint8_t *data, size_t size)
{
    struct wire_packet packet, written;
    if (wire_parse(span_of(data, size), (uint32_t)size, 0, &packet) != DROP_NONE ||
        (packet.kind != WIRE_IPV4 && packet.kind != WIRE_IPV6))
        return;
    struct ip_address sender = wire_source(data, &packet);
    if (!ip_is_unicast(&sender))
        return;
    static const uint8_t mac[WIRE_MAC_SIZE] = {2};
    struct ip_address source = example(packet.kind == WIRE_IPV4, 1);
    for (enum icmp_error_kind kind = ICMP_ERROR_TOO_BIG; kind < ICMP_ERROR_KINDS; kind++) {
        uint8_t *out = malloc(ICMP_ERROR_FRAME_MAX);
        CHECK(out);
        uint32_t out_size =
            icmp_error_write(out, span_of(data, size), &packet, kind, 1400, &source, mac);
        CHECK(out_size <= ICMP_ERROR_FRAME_MAX);
        CHECK(wire_parse(span_of(out, out_size), out_size, 0, &written) == DROP_NONE);
        CHECK(icmp_error_is(&written) && written.end == out_size);
        struct ip_address receiver = wire_destination(out, &written);
        CHECK(ip_equal(&receiver, &sender) && frame_checksums_are_right(out, out_size));
        free(out);
    }
}

static bool parse(const uint8_t *frame, size_t size, struct wire_packet *packet)
{
    return wire_parse(span_of(frame, size), (uint32_t)size, WIRE_KNOWN_NOTHING, packet) ==
               DROP_NONE &&
           (packet->kind == WIRE_IPV4 || packet->kind == WIRE_IPV6) && icmp_error_is(packet);
}

static void check_translation(uint8_t *frame, size_t size, const struct wire_packet *packet,
                              const struct icmp_error *error, bool source)
{
    bool v4 = packet->kind == WIRE_IPV4;
    bool right = frame_checksums_are_right(frame, size);
    struct ip_address outer = example(v4, 1), quoted = example(v4, 2);
    const struct icmp_error_change of_source = {
        .destination = &outer, .quoted_source = &quoted, .quoted_source_port = htons(7)};
    const struct icmp_error_change of_destination = {
        .source = &outer, .quoted_destination = &quoted, .quoted_destination_port = htons(7)};
    icmp_error_translate(frame, packet, error, source ? &of_source : &of_destination);

    struct wire_packet again;
    struct icmp_error told;
    CHECK(parse(frame, size, &again) && memcmp(&again, packet, sizeof(again)) == 0);
    CHECK(icmp_error_read(span_of(frame, size), &again, &told) == DROP_NONE);
    CHECK(told.ip_offset == error->ip_offset && told.l4_offset == error->l4_offset);
    CHECK(told.end == error->end && told.protocol == error->protocol);
    struct ip_address written =
        source ? wire_destination(frame, &again) : wire_source(frame, &again);
    CHECK(ip_equal(&written, &outer));
    CHECK(ip_equal(source ? &told.source : &told.destination, &quoted));
    bool has_port = error->echo == (source ? ECHO_ASKS : ECHO_ANSWERS) || error->echo == ECHO_NONE;
    CHECK((source ? told.source_port : told.destination_port) == (has_port ? htons(7) : 0));
    CHECK(told.echo == error->echo);
    CHECK(ip_equal(source ? &told.destination : &told.source,
                   source ? &error->destination : &error->source));
    CHECK(frame_checksums_are_right(frame, size) == right);
}

// What is read about a tunnel lies in the frame, and the packet inside makes an error of our own in
// its place.
static void check_tunnel(const uint8_t *data, size_t size, const struct wire_packet *packet)
{
    struct tunnel_error error;
    struct icmp_error about;
    uint32_t sent_size;
    if (!tunnel_error_read(span_of(data, size), packet, &error))
        return;
    CHECK(error.inner > packet->l4_offset && error.inner <= error.inner_end);
    CHECK(error.inner_end <= packet->end && packet->end <= size);
    if (error.says == TUNNEL_ERROR_TOO_BIG)
        CHECK(error.mtu >= TUNNEL_MTU_LEAST_V4 && error.mtu < error.size);
    struct span inner = span_of(data + error.inner, (size_t)error.inner_end - error.inner);
    if (icmp_error_read_quoted(inner, error.inner_v4, &about, &sent_size) != DROP_NONE)
        return;
    CHECK(about.end <= inner.size && about.l4_offset + 8 <= about.end);
    uint32_t room = error.inner, quoted = icmp_error_quoted_max(error.inner_v4);
    quoted = about.end < quoted ? about.end : quoted;
    CHECK(room >= WIRE_ETHERNET_SIZE + 28u + (error.inner_v4 ? 0 : 20));
    uint8_t *copy = copy_of(data, room + quoted, room + quoted);
    uint8_t *ip = icmp_error_wrap(copy + room, quoted, ICMP_ERROR_TOO_BIG, 1400, &about.destination,
                                  &about.source);
    CHECK(ip - copy >= WIRE_ETHERNET_SIZE);
    free(copy);
}

static void check_frame(const uint8_t *data, size_t size)
{
    check_writing(data, size);
    struct wire_packet packet;
    if (parse(data, size, &packet))
        check_tunnel(data, size, &packet);
    struct icmp_error error;
    if (!parse(data, size, &packet) ||
        icmp_error_read(span_of(data, size), &packet, &error) != DROP_NONE)
        return;
    CHECK(error.ip_offset > packet.l4_offset && error.l4_offset > error.ip_offset);
    CHECK(error.l4_offset + 8 <= error.end && error.end <= packet.end && packet.end <= size);
    for (int source = 0; source < 2; source++) {
        uint8_t *frame = copy_of(data, size, size);
        check_translation(frame, size, &packet, &error, source);
        free(frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return check_frames(data, size, check_frame);
}
