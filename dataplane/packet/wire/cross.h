// From IPv6 to IPv4 and back, as RFC 7915 says for translators: the IP header of a TCP or UDP
// packet is replaced by one of the other version, and both addresses and ports with it; an echo
// message becomes one of the other version. Fragments stay fragments. IP options and extension
// headers are left behind (RFC 7915 sections 4.1, 5.1). The transport's checksum changes by the
// difference of both pseudo headers, so that one that was wrong stays wrong.
#pragma once

#include "dataplane/packet/wire/icmp_error.h"
#include "dataplane/packet/wire/parse.h"
#include "dataplane/packet/wire/short.h"

// An IPv6 header is so much longer than an IPv4 one; and a fragment's has another one behind it.
#define WIRE_CROSS_GROWTH        (WIRE_IPV6_SIZE - WIRE_IPV4_SIZE)
#define WIRE_CROSS_FRAGMENT_SIZE 8

// RFC 7915 section 5.1: a packet that crosses to IPv4 and has no more bytes than this may be
// fragmented behind us, since IPv6 hosts send none smaller than 1280 bytes whatever they are told.
#define WIRE_CROSS_SPLIT_MAX 1260

// How much longer (below 0: shorter) a packet that wire_parse() accepted is in the other version.
static inline int32_t wire_cross_growth(const struct wire_packet *packet)
{
    int32_t now = packet->l4_offset - packet->l3_offset;
    if (packet->kind == WIRE_IPV6)
        return WIRE_IPV4_SIZE - now;
    return WIRE_IPV6_SIZE + (packet->fragment ? WIRE_CROSS_FRAGMENT_SIZE : 0) - now;
}

// The ports, and the checksum as it is in the other version, where the packet has them; its header
// is still the old one. `sides` are what it becomes. False, and nothing has changed: its fragments
// cannot cross. A fragment's UDP checksum that is none cannot be made from it alone (RFC 7915
// section 4.5); what stands between fragment header and ports would have to move all others; and
// IPv4 datagrams are shorter by their header; and of ICMPv6 the checksum is over the whole's
// length.
bool wire_cross_transport(uint8_t *frame, const struct wire_packet *packet,
                          const struct wire_sides *sides);

// The header, in place: the frame then begins wire_cross_growth() bytes before `frame`, where there
// is room, and has an Ethernet header without addresses. The hop limit stays. To IPv4 `id` is the
// identification, where it means anything; a fragment's is the lower half of what it had. Returns
// where the frame begins; `packet` is what it is now.
uint8_t *wire_cross_header(uint8_t *frame, struct wire_packet *packet,
                           const struct ip_address *source, const struct ip_address *destination,
                           uint16_t id);

// What an ICMP error becomes: addresses of the other version.
struct icmp_error_crossing {
    struct wire_sides message; // without ports
    struct wire_sides quoted;
    const struct wire_addition *quoted_addition; // as in struct icmp_error_change
};

// Writes to `out`, which has ICMP_ERROR_FRAME_MAX bytes, what an error that icmp_error_read() has
// read is in the other version; the hop limit stays. Returns the frame's size, and fills `written`.
// 0: that version has no such error, or the message's checksum is wrong.
uint32_t icmp_error_cross(uint8_t *out, const uint8_t *frame, const struct wire_packet *packet,
                          const struct icmp_error *error,
                          const struct icmp_error_crossing *crossing, uint16_t id,
                          struct wire_packet *written);
