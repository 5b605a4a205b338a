// What a frame is: from bytes to offsets, protocol and ports. Every byte is read through the
// cursor; a frame that is cut short, over-long or impossible is refused by the name of its fault.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/span.h"
#include "dataplane/packet/wire/drop.h"

#define WIRE_ETHERNET_SIZE    14
#define WIRE_IPV4_SIZE        20
#define WIRE_IPV6_SIZE        40
#define WIRE_IPV6_MTU_LEAST   1280 // RFC 8200 section 5
#define WIRE_IPV6_HEADERS_MAX 8    // extension headers walked before a packet is called malformed
#define WIRE_TCP_SIZE         20
#define WIRE_UDP_SIZE         8
#define WIRE_MAC_SIZE         6

#define WIRE_TCP_FIN 0x01
#define WIRE_TCP_SYN 0x02
#define WIRE_TCP_RST 0x04
#define WIRE_TCP_ACK 0x10
#define WIRE_TCP_URG 0x20

enum wire_kind {
    WIRE_OTHER, // an EtherType we do not read: for the kernel
    WIRE_ARP,
    WIRE_IPV4,
    WIRE_IPV6,
};

// What a caller already knows about a frame (from the device's offloads).
enum wire_known {
    WIRE_KNOWN_NOTHING = 0,
    WIRE_KNOWN_IPV4_CHECKSUM_GOOD = 1 << 0, // skip the header checksum
};

struct wire_packet {
    uint8_t kind;        // enum wire_kind
    uint8_t protocol;    // of the upper layer, after all IPv6 extension headers
    uint8_t tcp_flags;   // TCP only
    bool fragment;       // any fragment of a fragmented packet
    bool first_fragment; // the one with the upper layer's header
    uint8_t ttl;         // TTL or hop limit
    uint8_t icmp_type;   // ICMP and ICMPv6 only
    uint8_t reserved;
    uint16_t l3_offset;        // of the ARP or IP header, bytes from the frame's start
    uint16_t l4_offset;        // of the TCP, UDP, ICMP header
    uint16_t fragment_offset;  // of the IPv6 fragment header of a fragment
    uint16_t end;              // one past the IP packet: what follows is Ethernet padding
    uint16_t source_port;      // network byte order, TCP and UDP; of echo as in echo_read()
    uint16_t destination_port; //
};

// Reads the headers of a frame. `headers` is what lies in one piece of memory, `frame_size` the
// whole frame; lengths are checked against frame_size, and a header that the first piece does not
// hold counts as cut short. Returns DROP_NONE or why to drop it; `packet` is filled only then.
//
// Ethernet addresses are not judged, nor is what lies behind an ARP header (neighbourhood_read()).
// Frames with a VLAN tag are WIRE_OTHER. Fragments other than the first have no ports; an IPv6
// packet that is all of its fragments (RFC 6946) counts as whole. Upper layers other than TCP, UDP,
// ICMP over IPv4 and ICMPv6 over IPv6 are accepted unread, and so is what follows an IPv6 routing
// header that has stops left: its protocol is then 43 (RFC 8200 section 4.4).
enum drop_reason wire_parse(struct span headers, uint32_t frame_size, unsigned known,
                            struct wire_packet *packet);

// Whether a packet that wire_parse() accepted has the header of TCP or UDP.
static inline bool wire_has_ports(const struct wire_packet *packet)
{
    return (!packet->fragment || packet->first_fragment) &&
           (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP);
}

// Bytes from the start of an IP header to its addresses.
#define WIRE_IPV4_SOURCE      12
#define WIRE_IPV4_DESTINATION 16
#define WIRE_IPV6_SOURCE      8
#define WIRE_IPV6_DESTINATION 24

// The addresses of an IPv4 or IPv6 packet that wire_parse() accepted.
static inline struct ip_address wire_source(const uint8_t *frame, const struct wire_packet *packet)
{
    const uint8_t *ip = frame + packet->l3_offset;
    return packet->kind == WIRE_IPV4 ? ip_from_v4(ip + WIRE_IPV4_SOURCE)
                                     : ip_from_v6(ip + WIRE_IPV6_SOURCE);
}

static inline struct ip_address wire_destination(const uint8_t *frame,
                                                 const struct wire_packet *packet)
{
    const uint8_t *ip = frame + packet->l3_offset;
    return packet->kind == WIRE_IPV4 ? ip_from_v4(ip + WIRE_IPV4_DESTINATION)
                                     : ip_from_v6(ip + WIRE_IPV6_DESTINATION);
}
