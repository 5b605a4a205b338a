// Any bytes as a frame: it is parsed, and where it is accepted, everything the packet plane may do
// to such a frame is done, and must leave a frame that parses as it should. Each input runs twice:
// as it is, and with its checksums made right, so that the fuzzer need not guess them. All frames
// lie in memory of exactly their size.
#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/fragment.h"
#include "dataplane/packet/wire/mss.h"
#include "dataplane/packet/wire/neighbourhood.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/packet/wire/short.h"
#include "dataplane/packet/wire/tunnel.h"
#include "tests/fuzz/frames.h"

#define IPV4_CHECKSUM 10u
#define TCP_CHECKSUM  16u
#define UDP_CHECKSUM  6u
#define ICMP_CHECKSUM 2u

static const uint8_t mac[WIRE_MAC_SIZE] = {0x02, 0, 0, 0, 0, 0x07};

static enum drop_reason parse(const uint8_t *frame, size_t size, struct wire_packet *packet)
{
    return wire_parse(span_of(frame, size), (uint32_t)size, WIRE_KNOWN_NOTHING, packet);
}

static bool same(const struct wire_packet *a, const struct wire_packet *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static struct ip_address example(bool v4, uint8_t last)
{
    const uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};
    const uint8_t four_bytes[4] = {198, 51, 100, last};
    return v4 ? ip_from_v4(four_bytes) : ip_from_v6(bytes);
}

static void check_packet(const uint8_t *frame, size_t size, const struct wire_packet *packet)
{
    CHECK(packet->l3_offset == WIRE_ETHERNET_SIZE);
    CHECK(packet->end <= size);
    CHECK(packet->fragment || !packet->first_fragment);
    if (packet->kind != WIRE_IPV4 && packet->kind != WIRE_IPV6)
        return;
    bool v4 = packet->kind == WIRE_IPV4;
    CHECK(packet->l4_offset >= packet->l3_offset + (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE));
    CHECK(packet->l4_offset <= packet->end);
    struct ip_address source = wire_source(frame, packet);
    struct ip_address destination = wire_destination(frame, packet);
    CHECK(ip_is_v4(&source) == v4 && ip_is_v4(&destination) == v4);
    CHECK(ip_is_unicast(&source) || packet->protocol == IPPROTO_ICMPV6);

    // What lies behind the headers does not matter.
    size_t headers = packet->l4_offset + (size_t)WIRE_TCP_SIZE;
    if (headers >= size)
        return;
    uint8_t *first = copy_of(frame, headers, headers);
    struct wire_packet again;
    CHECK(wire_parse(span_of(first, headers), (uint32_t)size, 0, &again) == DROP_NONE);
    CHECK(same(packet, &again));
    free(first);
}

static bool has_ports(const struct wire_packet *packet)
{
    return (packet->kind == WIRE_IPV4 || packet->kind == WIRE_IPV6) &&
           (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP) &&
           (!packet->fragment || packet->first_fragment);
}

// The two forms of zero of a checksum as one.
static void settle_zero(uint8_t *field)
{
    if (load_be16(field) == 0xffff)
        store_be16(field, 0);
}

static void check_rewrite(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    bool v4 = packet->kind == WIRE_IPV4;
    struct ip_address source = wire_source(original, packet);
    struct ip_address destination = wire_destination(original, packet);
    struct ip_address new_source = example(v4, 1);
    struct ip_address new_destination = example(v4, 2);
    uint8_t *frame = copy_of(original, size, size);
    wire_rewrite_source(frame, packet, &new_source, htons(1));
    wire_rewrite_destination(frame, packet, &new_destination, htons(65535));

    struct wire_packet again;
    CHECK(parse(frame, size, &again) == DROP_NONE);
    CHECK(again.source_port == (echo_answers(packet) ? 0 : htons(1)));
    CHECK(again.destination_port == (echo_asks(packet) ? 0 : htons(65535)));
    struct ip_address address = wire_source(frame, &again);
    CHECK(ip_equal(&address, &new_source));
    address = wire_destination(frame, &again);
    CHECK(ip_equal(&address, &new_destination));
    again.source_port = packet->source_port;
    again.destination_port = packet->destination_port;
    CHECK(same(packet, &again));
    CHECK(frame_checksums_are_right(frame, size) == frame_checksums_are_right(original, size));

    wire_rewrite_destination(frame, packet, &destination, packet->destination_port);
    wire_rewrite_source(frame, packet, &source, packet->source_port);
    uint8_t *before = copy_of(original, size, size);
    size_t field = packet->l4_offset + (packet->protocol == IPPROTO_TCP   ? TCP_CHECKSUM
                                        : packet->protocol == IPPROTO_UDP ? UDP_CHECKSUM
                                                                          : ICMP_CHECKSUM);
    settle_zero(frame + field);
    settle_zero(before + field);
    if (v4) {
        settle_zero(frame + packet->l3_offset + IPV4_CHECKSUM);
        settle_zero(before + packet->l3_offset + IPV4_CHECKSUM);
    }
    CHECK(memcmp(frame, before, size) == 0);
    free(before);
    free(frame);
}

static void check_fragment(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    struct wire_fragment fragment, again;
    wire_fragment_read(original, packet, &fragment);
    CHECK(packet->first_fragment == (fragment.offset == 0) && fragment.size > 0);
    CHECK(!fragment.more || fragment.size % 8 == 0);
    CHECK((uint32_t)fragment.offset + fragment.size <= UINT16_MAX);
    if (packet->first_fragment)
        return;
    bool v4 = packet->kind == WIRE_IPV4;
    uint8_t *frame = copy_of(original, size, size);
    struct ip_address source = example(v4, 1), destination = example(v4, 2);
    wire_rewrite_source(frame, packet, &source, htons(1));
    wire_rewrite_destination(frame, packet, &destination, htons(2));
    struct wire_packet parsed;
    CHECK(parse(frame, size, &parsed) == DROP_NONE && same(&parsed, packet));
    wire_fragment_read(frame, &parsed, &again);
    CHECK(ip_equal(&again.source, &source) && ip_equal(&again.destination, &destination));
    CHECK(again.id == fragment.id && again.offset == fragment.offset);
    CHECK(memcmp(frame + packet->l4_offset, original + packet->l4_offset,
                 size - packet->l4_offset) == 0);
    free(frame);
}

// The two halves of a packet that may be split are fragments that meet in the middle.
static void check_split(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    uint32_t total = packet->end - packet->l3_offset - (uint32_t)WIRE_IPV4_SIZE;
    uint32_t half = total / 2 & ~7u;
    uint32_t headers = packet->l3_offset + (uint32_t)WIRE_IPV4_SIZE;
    struct wire_fragment halves[2];
    bool whole = true;
    for (uint32_t i = 0; i < 2 && half > 0 && half < total; i++) {
        uint32_t part = i == 0 ? half : total - half;
        uint8_t *frame = copy_of(original, headers, headers + part);
        memcpy(frame + headers, original + headers + i * half, part);
        wire_split_header(frame + packet->l3_offset, i * half, part, i == 1);
        struct wire_packet parsed;
        // Half a header is judged as such a fragment is.
        whole &= parse(frame, headers + part, &parsed) == DROP_NONE && parsed.fragment;
        if (whole)
            wire_fragment_read(frame, &parsed, &halves[i]);
        free(frame);
        if (whole && i == 1)
            CHECK(halves[0].offset + halves[0].size == halves[1].offset && halves[0].more);
    }
}

static void check_hop(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    uint8_t *frame = copy_of(original, size, size);
    wire_decrement_ttl(frame, packet);
    struct wire_packet again;
    CHECK(parse(frame, size, &again) == DROP_NONE);
    CHECK(++again.ttl == packet->ttl);
    CHECK(same(packet, &again));
    free(frame);
}

// The outer headers parse, and what follows them is the packet, a hop further. A UDP checksum over
// IPv6 is right where the packet's own is, which the second run of every input sees to.
static void check_tunnel(const uint8_t *original, const struct wire_packet *packet,
                         enum wire_tunnel_kind kind, bool outer_v4)
{
    static const uint8_t protocols[] = {0, IPPROTO_GRE, IPPROTO_UDP};
    struct ip_address source = example(outer_v4, 1);
    struct ip_address member = example(outer_v4, 2);
    size_t inner_size = (size_t)packet->end - packet->l3_offset;
    size_t outer_size = wire_tunnel_size(kind, &member);
    size_t size = WIRE_ETHERNET_SIZE + outer_size + inner_size;
    size_t room = WIRE_TUNNEL_COPY + inner_size;
    if (size > UINT16_MAX || packet->ttl <= 1)
        return;
    size_t gap = room > size ? room - size : 0;
    uint8_t *memory = malloc(size + gap);
    CHECK(memory);
    uint8_t *frame = memory + gap;
    uint8_t *inner = frame + WIRE_ETHERNET_SIZE + outer_size;
    memcpy(inner, original + packet->l3_offset, inner_size);
    struct wire_tunnel tunnel;
    wire_tunnel_between(kind, &source, &member, &tunnel);
    const struct wire_tunnel_header *header =
        wire_tunnel_write(inner, (uint32_t)inner_size, &tunnel, false);
    if (kind == WIRE_TUNNEL_GUE)
        wire_tunnel_write_udp(inner, (uint32_t)inner_size, header);
    wire_set_macs(frame, mac, mac);

    struct wire_packet outer;
    CHECK(parse(frame, size, &outer) == DROP_NONE);
    uint8_t in_ip = packet->kind == WIRE_IPV4 ? IPPROTO_IPIP : IPPROTO_IPV6;
    CHECK(outer.protocol == (kind == WIRE_TUNNEL_IPIP ? in_ip : protocols[kind]));
    CHECK(outer.l4_offset == WIRE_ETHERNET_SIZE + (outer_v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE));
    CHECK(outer.end == size);
    uint8_t *hopped = copy_of(original, packet->end, packet->end);
    frame_hop(hopped + packet->l3_offset);
    CHECK(memcmp(inner, hopped + packet->l3_offset, inner_size) == 0);
    free(hopped);
    bool zero = kind == WIRE_TUNNEL_GUE && load_be16(frame + outer.l4_offset + UDP_CHECKSUM) == 0;
    if (frame_checksums_are_right(original, packet->end) && !zero)
        CHECK(frame_checksums_are_right(frame, size));
    free(memory);
}

static void check_tunnels(const uint8_t *original, const struct wire_packet *packet)
{
    for (int kind = WIRE_TUNNEL_IPIP; kind <= WIRE_TUNNEL_GUE; kind++) {
        check_tunnel(original, packet, (enum wire_tunnel_kind)kind, true);
        check_tunnel(original, packet, (enum wire_tunnel_kind)kind, false);
    }
}

// However the options of a TCP header are, clamping keeps the checksum as right as it was, leaves
// no MSS above the limit where it could read them, and does it once.
static void check_mss(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    enum {
        LIMIT = 1000
    };
    uint8_t *frame = copy_of(original, size, size);
    uint8_t *tcp = frame + packet->l4_offset;
    size_t there = size - packet->l4_offset;
    enum wire_mss result = wire_mss_clamp(tcp, there, LIMIT);
    CHECK((result == WIRE_MSS_CLAMPED) == (memcmp(frame, original, size) != 0));
    CHECK(wire_mss_clamp(tcp, there, LIMIT) ==
          (result == WIRE_MSS_MALFORMED ? WIRE_MSS_MALFORMED : WIRE_MSS_KEPT));
    if (frame_checksums_are_right(original, size))
        CHECK(frame_checksums_are_right(frame, size));
    struct wire_packet again;
    CHECK(parse(frame, size, &again) == DROP_NONE && same(packet, &again));
    free(frame);
}

static void check_neighbourhood(const uint8_t *original, size_t size,
                                const struct wire_packet *packet, size_t room)
{
    struct neighbourhood_message message;
    if (neighbourhood_read(span_of(original, size), packet, &message) != DROP_NONE)
        return;
    CHECK(!(message.request && message.reply));
    // Only for addresses of ours do we answer.
    if (!message.request || !ip_is_unicast(&message.target))
        return;
    uint8_t *frame = copy_of(original, size, room);
    uint32_t answer_size = neighbourhood_answer(frame, (uint32_t)room, packet, &message, mac);
    CHECK(answer_size <= room);
    CHECK(answer_size > 0 || room < NEIGHBOURHOOD_FRAME_MAX);
    if (answer_size > 0) {
        struct wire_packet answer;
        struct neighbourhood_message told;
        CHECK(parse(frame, answer_size, &answer) == DROP_NONE);
        CHECK(neighbourhood_read(span_of(frame, answer_size), &answer, &told) == DROP_NONE);
        CHECK(told.reply && told.sender_known && ip_equal(&told.sender, &message.target));
        CHECK(memcmp(told.sender_mac, mac, sizeof(mac)) == 0);
    }
    free(frame);
}

static void check_echo(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    struct ip_address source = wire_source(original, packet);
    struct ip_address destination = wire_destination(original, packet);
    uint8_t *frame = copy_of(original, size, size);
    // Only at addresses of ours.
    if (ip_is_unicast(&destination)) {
        if (echo_answer(frame, packet) == DROP_NONE) {
            struct wire_packet reply;
            bool answerable = ip_is_unicast(&source);
            CHECK((parse(frame, size, &reply) == DROP_NONE) == answerable);
            CHECK(frame_checksums_are_right(frame, size));
        } else {
            CHECK(memcmp(frame, original, size) == 0);
        }
    }
    free(frame);
}

// What is in fragments, or may be, gets another identification, and is the same otherwise.
static void check_identify(const uint8_t *original, size_t size, const struct wire_packet *packet)
{
    uint8_t *frame = copy_of(original, size, size);
    struct wire_packet again;
    wire_identify(frame, packet, 0x12345678);
    CHECK(parse(frame, size, &again) == DROP_NONE && same(packet, &again));
    CHECK(frame_checksums_are_right(frame, size) == frame_checksums_are_right(original, size));
    if (packet->fragment) {
        struct wire_fragment fragment;
        wire_fragment_read(frame, &again, &fragment);
        CHECK(fragment.id == (packet->kind == WIRE_IPV4 ? 0x5678 : 0x12345678));
    }
    free(frame);
}

static void check_short_identify(const uint8_t *original, size_t size,
                                 const struct wire_packet *packet)
{
    uint8_t *general = copy_of(original, size, size);
    uint8_t *plainly = copy_of(original, size, size);
    wire_identify(general, packet, 0x5678);
    wire_short_identify(plainly, 0x5678);
    CHECK(memcmp(general, plainly, size) == 0);
    free(general);
    free(plainly);
}

// What is plain on the short way is what wire_parse() accepted, and is changed there as the general
// functions change it.
static void check_short_rewrite(const uint8_t *original, size_t size,
                                const struct wire_packet *packet, const struct wire_short *plain,
                                bool source)
{
    struct ip_address address = example(plain->v4, 3);
    uint8_t *general = copy_of(original, size, size);
    uint8_t *plainly = copy_of(original, size, size);
    if (source)
        wire_rewrite_source(general, packet, &address, htons(8080));
    else
        wire_rewrite_destination(general, packet, &address, htons(8080));
    wire_decrement_ttl(general, packet);
    wire_short_translate(plainly, plain, source, &address, htons(8080));
    CHECK(memcmp(general, plainly, size) == 0);
    free(general);
    free(plainly);
}

static void check_short(const uint8_t *frame, size_t size, bool accepted,
                        const struct wire_packet *packet)
{
    struct wire_short plain;
    uint64_t ours = size >= WIRE_MAC_SIZE ? wire_mac_word(frame) : 0;
    if (!wire_short_parse(frame, (uint32_t)size, (uint32_t)size, 0, ours, &plain))
        return;
    CHECK(accepted);
    CHECK(packet->kind == (plain.v4 ? WIRE_IPV4 : WIRE_IPV6) && !packet->fragment);
    CHECK(packet->l4_offset == (plain.v4 ? WIRE_SHORT_V4_L4 : WIRE_SHORT_V6_L4));
    CHECK(packet->end == WIRE_ETHERNET_SIZE + plain.ip_size);
    CHECK(packet->protocol == plain.protocol && packet->ttl == plain.ttl);
    CHECK(packet->source_port == plain.source_port);
    CHECK(packet->destination_port == plain.destination_port);
    CHECK(packet->tcp_flags == plain.tcp_flags);
    CHECK(!wire_short_parse(frame, (uint32_t)size, (uint32_t)size, 0, ours ^ 1, &plain));
    CHECK(wire_short_is_atomic(frame, &plain) == wire_is_atomic(frame, packet));
    if (!wire_short_is_atomic(frame, &plain))
        check_short_identify(frame, size, packet);
    if (plain.ttl > 1) {
        check_short_rewrite(frame, size, packet, &plain, true);
        check_short_rewrite(frame, size, packet, &plain, false);
    }
}

static void check_frame(const uint8_t *frame, size_t size)
{
    struct wire_packet packet;
    bool accepted = parse(frame, size, &packet) == DROP_NONE;
    check_short(frame, size, accepted, &packet);
    if (!accepted)
        return;
    check_packet(frame, size, &packet);
    if (packet.fragment)
        check_fragment(frame, size, &packet);
    if (packet.kind == WIRE_IPV4 && wire_may_split(frame, &packet))
        check_split(frame, size, &packet);
    if (has_ports(&packet) || echo_asks(&packet) || echo_answers(&packet))
        check_rewrite(frame, size, &packet);
    bool v4 = packet.kind == WIRE_IPV4;
    bool v6 = packet.kind == WIRE_IPV6;
    if ((v4 || v6) && packet.ttl > 1)
        check_hop(frame, size, &packet);
    if (v4 || v6)
        check_tunnels(frame, &packet);
    if ((v4 || v6) && !wire_is_atomic(frame, &packet))
        check_identify(frame, size, &packet);
    if (packet.protocol == IPPROTO_TCP && !packet.fragment)
        check_mss(frame, size, &packet);
    if (packet.kind == WIRE_ARP || (v6 && packet.protocol == IPPROTO_ICMPV6)) {
        check_neighbourhood(frame, size, &packet, size);
        check_neighbourhood(frame, size, &packet, size + NEIGHBOURHOOD_FRAME_MAX);
    }
    if (echo_is_request(&packet))
        check_echo(frame, size, &packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return check_frames(data, size, check_frame);
}
