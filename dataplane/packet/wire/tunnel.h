// Outer headers in front of IP packets: IP in IP (RFC 2003, RFC 2473; protocol 4 or 41), GRE
// (RFC 2784, neither checksum nor key) and GUE (draft-ietf-intarea-gue, variant 0, on UDP port
// 6080). What is the same for all packets to a member lies ready in a template, one for either
// version of the inner packet, so that a packet costs one copy and its few own fields:
//
// - The traffic class: DSCP and ECN are copied (RFC 2983 uniform model, RFC 6040 normal mode).
// - Lengths and the IPv4 header's checksum.
// - GUE's UDP source port, in the dynamic range: a hash of the inner flow, so that members spread
//   what they receive over their queues and cores, and a flow stays in order.
// - GUE's UDP checksum: zero over IPv4 (RFC 768). Over IPv6 it is right where the inner packet is:
//   the sum over a segment whose own checksum is right follows from its addresses, so none of its
//   bytes is read, and what arrived wrong leaves wrong. It is zero (RFC 6935 section 5) where the
//   inner packet has no checksum of its own, and for fragments.
//
// TTL and hop limit are 64, whatever the inner packet's: a tunnel is one link, into which the
// packet is forwarded, so that its own is less by one (RFC 2003 section 3.1, RFC 2473 section 3.1).
// IPv4 has DF, and therefore the identification 0 (RFC 6864): a packet that does not fit is judged
// before it is wrapped.
#pragma once

#include <netinet/in.h>
#include <string.h>

#include "base/gue.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/hop.h"
#include "dataplane/packet/wire/load.h"
#include "dataplane/packet/wire/parse.h"

#define WIRE_GRE_SIZE 4

// GUE's source ports: the dynamic ones from here on (RFC 6335 section 6).
#define WIRE_TUNNEL_PORT_LEAST 49152

// Bytes in front of an inner packet that wire_tunnel_write() overwrites, at least the EtherType and
// the largest outer headers: one copy of a fixed size.
#define WIRE_TUNNEL_COPY 56
// Bytes that a buffer must have there, with Ethernet's addresses.
#define WIRE_TUNNEL_ROOM (WIRE_TUNNEL_COPY + 2 * WIRE_MAC_SIZE)

enum wire_tunnel_kind {
    WIRE_TUNNEL_IPIP,
    WIRE_TUNNEL_GRE,
    WIRE_TUNNEL_GUE,
};

// Bytes of the outer headers towards a member of that address, the Ethernet header excluded.
uint32_t wire_tunnel_size(enum wire_tunnel_kind kind, const struct ip_address *member);

// What packets of one version get.
struct wire_tunnel_header {
    // EtherType and headers, their last byte the last one.
    _Alignas(64) uint8_t bytes[WIRE_TUNNEL_COPY];
    uint16_t sum;      // of what is the same in all IPv4 headers
    uint16_t udp6_sum; // GUE over IPv6: of what is the same under all UDP checksums
    uint8_t size;      // without the EtherType
    bool v4;           // the outer header
};
_Static_assert(sizeof(struct wire_tunnel_header) == 64, "a template is one cache line");

struct wire_tunnel {
    struct wire_tunnel_header of[2]; // [1]: of IPv4 packets
};
void wire_tunnel_between(enum wire_tunnel_kind kind, const struct ip_address *source,
                         const struct ip_address *destination, struct wire_tunnel *tunnel);

// Whether its packets are sent from that address.
static inline bool wire_tunnel_is_from(const struct wire_tunnel *tunnel,
                                       const struct ip_address *source);

// Writes the outer headers in front of `inner`, an IP packet of `inner_size` bytes that
// wire_parse() accepted and that has a hop left, which is taken, and the EtherType in front of
// them: WIRE_TUNNEL_COPY bytes there are writable. Of GUE, wire_tunnel_write_udp() fills the rest.
// With `checksum_by_device` the IPv4 header checksum is left zero. Returns the template that was
// written.
static inline const struct wire_tunnel_header *wire_tunnel_write(uint8_t *inner,
                                                                 uint32_t inner_size,
                                                                 const struct wire_tunnel *tunnel,
                                                                 bool checksum_by_device);

// GUE, after wire_tunnel_write(): source port, length, checksum.
static inline void wire_tunnel_write_udp(uint8_t *inner, uint32_t inner_size,
                                         const struct wire_tunnel_header *header);

// All of GUE with a list of `hops` (base/gue.h) between its header and the packet: in front of
// `inner` WIRE_TUNNEL_ROOM + gue_hops_size() bytes are writable. Not for hot paths.
const struct wire_tunnel_header *
wire_tunnel_write_hops(uint8_t *inner, uint32_t inner_size, const struct wire_tunnel *tunnel,
                       const struct ip_address *hops, uint32_t hop_count, bool checksum_by_device);

// A hash of an IP packet's addresses and, where it is whole, TCP or UDP ports.
static inline uint64_t wire_tunnel_entropy(const uint8_t *inner);

// The sum over a whole TCP or UDP packet whose own checksum is right. False: there is none, or it
// does not cover the packet.
static inline bool wire_tunnel_inner_sum(const uint8_t *inner, uint64_t *sum);

static inline bool wire_tunnel_is_from(const struct wire_tunnel *tunnel,
                                       const struct ip_address *source)
{
    const struct wire_tunnel_header *header = &tunnel->of[0];
    const uint8_t *ip = header->bytes + WIRE_TUNNEL_COPY - header->size;
    struct ip_address own =
        header->v4 ? ip_from_v4(ip + WIRE_IPV4_SOURCE) : ip_from_v6(ip + WIRE_IPV6_SOURCE);
    return ip_equal(&own, source);
}

// The body of wire_tunnel_write() where something may stand between the outer headers, which end at
// `end`, and the inner packet: `size` bytes in all from `end`.
static inline const struct wire_tunnel_header *
wire_tunnel_write_at(uint8_t *end, uint32_t size, uint8_t *inner, const struct wire_tunnel *tunnel,
                     bool checksum_by_device)
{
    bool inner_v4 = inner[0] >> 4 == 4;
    wire_hop(inner, inner_v4);
    uint8_t traffic_class = inner_v4 ? inner[1] : (uint8_t)(inner[0] << 4 | inner[1] >> 4);
    const struct wire_tunnel_header *header = &tunnel->of[inner_v4];
    memcpy(end - WIRE_TUNNEL_COPY, header->bytes, WIRE_TUNNEL_COPY);
    uint8_t *outer = end - header->size;
    if (__builtin_expect(header->v4, 1)) {
        uint16_t words[2] = {(uint16_t)(0x45 | traffic_class << 8),
                             __builtin_bswap16((uint16_t)(header->size + size))};
        memcpy(outer, words, sizeof(words));
        if (checksum_by_device)
            return header;
        uint32_t sum = header->sum + (uint32_t)(traffic_class << 8) + words[1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        uint16_t checksum = (uint16_t)~sum;
        memcpy(outer + 10, &checksum, sizeof(checksum));
        return header;
    }
    outer[0] = (uint8_t)(0x60 | traffic_class >> 4);
    outer[1] = (uint8_t)(traffic_class << 4);
    uint16_t payload = __builtin_bswap16((uint16_t)(header->size - WIRE_IPV6_SIZE + size));
    memcpy(outer + 4, &payload, sizeof(payload));
    return header;
}

static inline const struct wire_tunnel_header *wire_tunnel_write(uint8_t *inner,
                                                                 uint32_t inner_size,
                                                                 const struct wire_tunnel *tunnel,
                                                                 bool checksum_by_device)
{
    return wire_tunnel_write_at(inner, inner_size, inner, tunnel, checksum_by_device);
}

static inline uint64_t wire_tunnel_entropy(const uint8_t *inner)
{
    bool v4 = inner[0] >> 4 == 4;
    const uint8_t *l4 = inner + (v4 ? (inner[0] & 15) * 4 : WIRE_IPV6_SIZE);
    uint8_t protocol = inner[v4 ? 9 : 6];
    bool fragment = v4 && wire_load16(inner + 6) & 0xff3f; // 0x3fff: more, or an offset
    uint64_t words = v4 ? wire_load64(inner + WIRE_IPV4_SOURCE)
                        : wire_load64(inner + WIRE_IPV6_SOURCE) ^
                              wire_load64(inner + WIRE_IPV6_SOURCE + 8) ^
                              wire_load64(inner + WIRE_IPV6_DESTINATION + 8);
    if ((protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && !fragment)
        words ^= (uint64_t)wire_load32(l4) * 0x9e3779b97f4a7c15u;
    words = (words ^ words >> 32) * 0xd6e8feb86659fd93u;
    return words ^ words >> 32;
}

static inline bool wire_tunnel_inner_sum(const uint8_t *inner, uint64_t *sum)
{
    bool v4 = inner[0] >> 4 == 4;
    uint32_t header_size = v4 ? (inner[0] & 15) * 4u : WIRE_IPV6_SIZE;
    uint32_t size = __builtin_bswap16(wire_load16(inner + (v4 ? 2 : 4))) - (v4 ? header_size : 0);
    uint8_t protocol = inner[v4 ? 9 : 6];
    const uint8_t *l4 = inner + header_size;
    if (v4 && wire_load16(inner + 6) & 0xff3f)
        return false; // a fragment
    bool covered =
        protocol == IPPROTO_TCP || (protocol == IPPROTO_UDP && wire_load16(l4 + 6) != 0 &&
                                    __builtin_bswap16(wire_load16(l4 + 4)) == size);
    if (!covered)
        return false;
    // The segment and its pseudo-header sum up to nothing, so the segment is what the pseudo-header
    // lacks: a word's complement is its negative. So does an IPv4 header, with its options; of an
    // IPv6 header addresses and length are in the pseudo-header too.
    uint16_t lacking = (uint16_t)~__builtin_bswap16(protocol);
    if (v4)
        *sum = (uint64_t)lacking + (uint16_t)~__builtin_bswap16((uint16_t)size) +
               (uint32_t)~wire_load32(inner + WIRE_IPV4_SOURCE) +
               (uint32_t)~wire_load32(inner + WIRE_IPV4_DESTINATION);
    else
        *sum = (uint64_t)lacking + wire_load32(inner) + wire_load16(inner + 6);
    return true;
}

// The same of wire_tunnel_write_udp(); `between` is the sum over what stands between, and over what
// it changed in the GUE header.
static inline void wire_tunnel_write_udp_at(uint8_t *end, uint32_t size, const uint8_t *inner,
                                            const struct wire_tunnel_header *header,
                                            uint64_t between)
{
    uint8_t *udp = end - GUE_SIZE - WIRE_UDP_SIZE;
    uint16_t source =
        __builtin_bswap16((uint16_t)(WIRE_TUNNEL_PORT_LEAST | wire_tunnel_entropy(inner) >> 50));
    uint16_t length = __builtin_bswap16((uint16_t)(WIRE_UDP_SIZE + GUE_SIZE + size));
    memcpy(udp, &source, sizeof(source));
    memcpy(udp + 4, &length, sizeof(length));
    uint64_t sum;
    if (__builtin_expect(header->v4, 1) || !wire_tunnel_inner_sum(inner, &sum))
        return;
    // The length is in the header and in its pseudo-header.
    uint16_t checksum = checksum_finish(sum + between + header->udp6_sum + source + 2u * length);
    if (checksum == 0)
        checksum = 0xffff; // RFC 768: zero would say that there is none
    memcpy(udp + 6, &checksum, sizeof(checksum));
}

static inline void wire_tunnel_write_udp(uint8_t *inner, uint32_t inner_size,
                                         const struct wire_tunnel_header *header)
{
    wire_tunnel_write_udp_at(inner, inner_size, inner, header, 0);
}
