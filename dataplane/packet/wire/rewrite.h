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

// Writes the outer IP header of an IP-in-IP packet (RFC 2003, RFC 2473) to `out`; addresses are
// both of one version. TTL 64, traffic class copied, IPv4 with DF. `inner` is the IP packet that
// follows, its size that of the whole packet: only its first two bytes are read. With
// `checksum_by_device` the IPv4 header checksum is left zero.
void wire_tunnel_header(uint8_t *out, struct span inner, const struct ip_address *source,
                        const struct ip_address *destination, bool checksum_by_device);
