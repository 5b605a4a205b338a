#include "dataplane/packet/wire/cross.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/cross_priv.h"
#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/fragment.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/packet/wire/wire_priv.h"

enum {
    FRAGMENT_NEXT_HEADER = 0, // bytes from the IPv6 fragment header's start
    FRAGMENT_FIELD = 2,
    FRAGMENT_ID = 4,
};

struct cross_header cross_header_of(const uint8_t *ip, bool v4, uint8_t protocol, uint32_t size)
{
    return (struct cross_header){
        .traffic_class =
            v4 ? ip[IPV4_TRAFFIC_CLASS] : (uint8_t)(ip[0] << 4 | ip[IPV4_TRAFFIC_CLASS] >> 4),
        .hops = ip[v4 ? IPV4_TTL : IPV6_HOP_LIMIT],
        .protocol = protocol,
        .size = size,
    };
}

uint32_t cross_header_size(const struct cross_header *header, bool v4)
{
    if (v4)
        return WIRE_IPV4_SIZE;
    return WIRE_IPV6_SIZE + (header->fragment ? WIRE_CROSS_FRAGMENT_SIZE : 0);
}

// RFC 7915 sections 5.1 and 5.1.1: what may be fragmented, or is, has an identification.
static void make_splittable(uint8_t *ip, const struct cross_header *header)
{
    uint8_t before[4];
    memcpy(before, ip + IPV4_ID, sizeof(before));
    store_be16(ip + IPV4_ID, (uint16_t)header->id);
    store_be16(ip + IPV4_FRAGMENT,
               (uint16_t)(header->offset / 8 | (header->more ? IPV4_MORE_FRAGMENTS : 0)));
    checksum_change(ip + IPV4_CHECKSUM,
                    checksum_difference(0, before, ip + IPV4_ID, sizeof(before)));
}

// RFC 7915 section 4.1.
static void write_fragment(uint8_t *fragment, const struct cross_header *header)
{
    fragment[FRAGMENT_NEXT_HEADER] = header->protocol;
    fragment[FRAGMENT_NEXT_HEADER + 1] = 0;
    store_be16(fragment + FRAGMENT_FIELD, (uint16_t)(header->offset | header->more));
    store_be32(fragment + FRAGMENT_ID, header->id);
}

void cross_header_write(uint8_t *ip, bool v4, const struct cross_header *header,
                        const struct ip_address *source, const struct ip_address *destination)
{
    bool fragment_header = header->fragment && !v4;
    const struct ip_header like = {
        .source = *source,
        .destination = *destination,
        .traffic_class = header->traffic_class,
        .hop_limit = header->hops,
        .protocol = fragment_header ? IPPROTO_FRAGMENT : header->protocol,
    };
    wire_set_type(ip - WIRE_ETHERNET_SIZE, v4);
    wire_ip_write(ip, &like, header->size + (fragment_header ? WIRE_CROSS_FRAGMENT_SIZE : 0));
    if (fragment_header)
        write_fragment(ip + WIRE_IPV6_SIZE, header);
    else if (v4 && (header->fragment || WIRE_IPV4_SIZE + header->size <= WIRE_CROSS_SPLIT_MAX))
        make_splittable(ip, header);
}

// An IPv4-mapped address sums to as much as the IPv4 address in it: its prefix is one of the two
// zeros. Protocol and length are the same in both versions' pseudo headers.
uint64_t cross_difference(const struct ip_address *source, const struct ip_address *destination,
                          const uint8_t *l4, const struct wire_sides *sides)
{
    uint64_t sum = checksum_difference(0, source->bytes, sides->source->bytes, 16);
    sum = checksum_difference(sum, destination->bytes, sides->destination->bytes, 16);
    sum = checksum_difference(sum, l4, &sides->source_port, 2);
    return checksum_difference(sum, l4 + 2, &sides->destination_port, 2);
}

void cross_ports(uint8_t *l4, const struct wire_sides *sides)
{
    memcpy(l4, &sides->source_port, 2);
    memcpy(l4 + 2, &sides->destination_port, 2);
}

// RFC 7915 section 4.5: over IPv6 UDP has a checksum (RFC 8200 section 8.1). It is over as much as
// UDP's own length says.
static void make_udp_checksum(uint8_t *udp, const struct wire_sides *sides)
{
    uint32_t size = load_be16(udp + UDP_LENGTH);
    uint64_t sum = checksum_pseudo(sides->source, sides->destination, IPPROTO_UDP, size);
    uint16_t made = checksum_finish(checksum_add(sum, span_of(udp, size)));
    checksum_store(udp + UDP_CHECKSUM, made ? made : 0xffff);
}

// An IPv6 datagram may be longer than one whose IPv4 header counts.
static bool is_too_long(const uint8_t *frame, const struct wire_packet *packet)
{
    struct wire_fragment fragment;
    wire_fragment_read(frame, packet, &fragment);
    return (uint32_t)fragment.offset + fragment.size > UINT16_MAX - WIRE_IPV4_SIZE;
}

static bool may_cross(const uint8_t *frame, const struct wire_packet *packet)
{
    if (!packet->fragment)
        return true;
    bool first = packet->first_fragment;
    if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
        return false;
    if (packet->kind == WIRE_IPV6)
        return !is_too_long(frame, packet) &&
               (!first || packet->l4_offset == packet->fragment_offset + WIRE_CROSS_FRAGMENT_SIZE);
    return !first || packet->protocol != IPPROTO_UDP ||
           checksum_load(frame + packet->l4_offset + UDP_CHECKSUM) != 0;
}

// RFC 7915 sections 4.2 and 5.2. ICMPv6 has a pseudo header (RFC 4443 section 2.3), ICMP has none:
// less a sum is more by its complement.
void cross_echo(uint8_t *icmp, bool to_v4, enum echo echo, uint32_t size,
                const struct wire_sides *before, const struct wire_sides *sides)
{
    bool asks = echo == ECHO_ASKS;
    uint8_t type = asks ? (to_v4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST)
                        : (to_v4 ? ICMP_ECHO_ANSWER : ICMPV6_ECHO_ANSWER);
    const uint8_t type_and_code[2] = {type, icmp[ICMP_CODE]};
    uint16_t identifier = asks ? sides->source_port : sides->destination_port;
    uint64_t difference = checksum_difference(0, icmp, type_and_code, sizeof(type_and_code));
    difference =
        checksum_difference(difference, icmp + ICMP_IDENTIFIER, &identifier, sizeof(identifier));
    const struct wire_sides *v6 = to_v4 ? before : sides;
    uint64_t pseudo = checksum_pseudo(v6->source, v6->destination, IPPROTO_ICMPV6, size);
    difference += to_v4 ? checksum_finish(pseudo) : pseudo;
    icmp[0] = type;
    memcpy(icmp + ICMP_IDENTIFIER, &identifier, sizeof(identifier));
    checksum_change(icmp + ICMP_CHECKSUM, difference);
}

static void cross_ports_and_checksum(uint8_t *frame, const struct wire_packet *packet,
                                     const struct wire_sides *before,
                                     const struct wire_sides *sides)
{
    uint8_t *l4 = frame + packet->l4_offset;
    uint64_t difference = cross_difference(before->source, before->destination, l4, sides);
    bool udp = packet->protocol == IPPROTO_UDP;
    uint8_t *field = l4 + (udp ? UDP_CHECKSUM : TCP_CHECKSUM);
    bool none = udp && checksum_load(field) == 0;
    cross_ports(l4, sides);
    if (!none)
        checksum_change(field, difference);
    else if (packet->kind == WIRE_IPV4) // it was; to IPv4 it may go without
        make_udp_checksum(l4, sides);
    if (udp && !none && checksum_load(field) == 0)
        checksum_store(field, 0xffff); // RFC 768: zero would say that there is none
}

bool wire_cross_transport(uint8_t *frame, const struct wire_packet *packet,
                          const struct wire_sides *sides)
{
    DCHECK(ip_is_v4(sides->source) != (packet->kind == WIRE_IPV4));
    if (!may_cross(frame, packet))
        return false;
    struct ip_address source = wire_source(frame, packet);
    struct ip_address destination = wire_destination(frame, packet);
    const struct wire_sides before = {.source = &source, .destination = &destination};
    if (wire_has_ports(packet))
        cross_ports_and_checksum(frame, packet, &before, sides);
    else if (echo_asks(packet) || echo_answers(packet))
        cross_echo(frame + packet->l4_offset, packet->kind == WIRE_IPV6,
                   echo_asks(packet) ? ECHO_ASKS : ECHO_ANSWERS,
                   (uint32_t)packet->end - packet->l4_offset, &before, sides);
    return true;
}

uint8_t *wire_cross_header(uint8_t *frame, struct wire_packet *packet,
                           const struct ip_address *source, const struct ip_address *destination,
                           uint16_t id)
{
    bool to_v4 = packet->kind == WIRE_IPV6;
    DCHECK(ip_is_v4(source) == to_v4 && ip_is_v4(destination) == to_v4);
    uint8_t *l4 = frame + packet->l4_offset;
    if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6) {
        packet->protocol = to_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        if (!packet->fragment)
            packet->icmp_type = l4[0];
    }
    struct cross_header header =
        cross_header_of(frame + packet->l3_offset, !to_v4, packet->protocol,
                        (uint32_t)packet->end - packet->l4_offset);
    header.id = id;
    if (packet->fragment) {
        struct wire_fragment fragment;
        wire_fragment_read(frame, packet, &fragment);
        header.fragment = true;
        header.more = fragment.more;
        header.offset = fragment.offset;
        header.id = fragment.id;
    }
    uint32_t size = cross_header_size(&header, to_v4);
    uint8_t *ip = l4 - size;
    cross_header_write(ip, to_v4, &header, source, destination);
    packet->kind = to_v4 ? WIRE_IPV4 : WIRE_IPV6;
    packet->l3_offset = WIRE_ETHERNET_SIZE;
    packet->l4_offset = (uint16_t)(WIRE_ETHERNET_SIZE + size);
    packet->end = (uint16_t)(packet->l4_offset + header.size);
    packet->fragment_offset = header.fragment && !to_v4 ? WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE : 0;
    return ip - WIRE_ETHERNET_SIZE;
}
