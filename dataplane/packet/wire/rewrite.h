// Changes to a frame in place: addresses, ports and TTL with their checksums kept right by
// difference, so that a checksum that was wrong on arrival stays wrong and the receiver sees it.
// All take a frame that wire_parse() accepted, and its packet.
#pragma once

#include <string.h>

#include "dataplane/packet/wire/parse.h"

// Sets the Ethernet addresses.
static inline void wire_set_macs(uint8_t *frame, const uint8_t *destination, const uint8_t *source)
{
    memcpy(frame, destination, WIRE_MAC_SIZE);
    memcpy(frame + WIRE_MAC_SIZE, source, WIRE_MAC_SIZE);
}

// Replaces the address and the port (network byte order) of one side of a TCP or UDP packet, which
// is whole or a first fragment. The new address has the packet's version. A UDP checksum of zero
// (none) stays zero: RFC 768; over IPv6 only tunnels may send one (RFC 6935).
void wire_rewrite_source(uint8_t *frame, const struct wire_packet *packet,
                         const struct ip_address *address, uint16_t port);
void wire_rewrite_destination(uint8_t *frame, const struct wire_packet *packet,
                              const struct ip_address *address, uint16_t port);

// One hop: TTL or hop limit less one. The caller has seen that it is above 1.
void wire_decrement_ttl(uint8_t *frame, const struct wire_packet *packet);

// Bytes of an outer header towards a member of that address: 20 or 40.
uint32_t wire_tunnel_size(const struct ip_address *member);

// The outer IP header of IP-in-IP packets (RFC 2003, RFC 2473) between two addresses, as far as it
// is the same for all of them: TTL 64, IPv4 with DF.
struct wire_tunnel {
    uint8_t header[WIRE_IPV6_SIZE];
    uint16_t sum; // of an IPv4 header, without its total length and its checksum
    uint8_t size; // 20 or 40
    bool v4;
};
struct wire_tunnel wire_tunnel_between(const struct ip_address *source,
                                       const struct ip_address *destination);

// Writes the outer header to `out`. `inner` is the IP packet that follows, its
// size that of the whole packet: only its first two bytes are read. The traffic class is copied.
// With `checksum_by_device` the IPv4 header checksum is left zero.
static inline void wire_tunnel_write(uint8_t *out, const struct wire_tunnel *tunnel,
                                     struct span inner, bool checksum_by_device);

static inline void wire_tunnel_write(uint8_t *out, const struct wire_tunnel *tunnel,
                                     struct span inner, bool checksum_by_device)
{
    // RFC 6040 section 4.1, normal mode: the ECN field is copied, and here the DSCP with it.
    bool inner_v4 = inner.data[0] >> 4 == 4;
    uint8_t traffic_class =
        inner_v4 ? inner.data[1] : (uint8_t)(inner.data[0] << 4 | inner.data[1] >> 4);
    uint8_t protocol = inner_v4 ? 4 : 41; // RFC 2003, RFC 2473
    if (__builtin_expect(tunnel->v4, 1)) {
        memcpy(out, tunnel->header, WIRE_IPV4_SIZE);
        uint16_t words[2] = {(uint16_t)(tunnel->header[0] | traffic_class << 8),
                             __builtin_bswap16((uint16_t)(tunnel->size + inner.size))};
        memcpy(out, words, sizeof(words));
        out[9] = protocol;
        if (checksum_by_device)
            return;
        uint32_t sum =
            tunnel->sum + (uint32_t)(traffic_class << 8) + words[1] + (uint32_t)(protocol << 8);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        uint16_t checksum = (uint16_t)~sum;
        memcpy(out + 10, &checksum, sizeof(checksum));
        return;
    }
    memcpy(out, tunnel->header, WIRE_IPV6_SIZE);
    out[0] = (uint8_t)(0x60 | traffic_class >> 4);
    out[1] = (uint8_t)(traffic_class << 4);
    uint16_t payload = __builtin_bswap16((uint16_t)inner.size);
    memcpy(out + 4, &payload, sizeof(payload));
    out[6] = protocol;
}
