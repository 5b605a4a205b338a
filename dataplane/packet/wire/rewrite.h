// Changes to a frame in place: addresses, ports and TTL with their checksums kept right by
// difference, so that a checksum that was wrong on arrival stays wrong and the receiver sees it.
// All take a frame that wire_parse() accepted, and its packet.
#pragma once

#include <net/ethernet.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"

// Sets the Ethernet addresses.
static inline void wire_set_macs(uint8_t *frame, const uint8_t *destination, const uint8_t *source)
{
    memcpy(frame, destination, WIRE_MAC_SIZE);
    memcpy(frame + WIRE_MAC_SIZE, source, WIRE_MAC_SIZE);
}

// Sets the EtherType of IPv4 or IPv6.
static inline void wire_set_type(uint8_t *frame, bool v4)
{
    store_be16(frame + 2 * WIRE_MAC_SIZE, v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
}

// Replaces the address and the port (network byte order) of one side of a TCP or UDP packet, or of
// an echo message, of which who asks has the identifier as its port, and who answers none; of a
// later fragment the address alone, as port and checksum are in the first, whose checksum is over
// the whole and changes by the same difference. The new address has the packet's version. A UDP
// checksum of zero (none) stays zero: RFC 768; over IPv6 only tunnels may send one (RFC 6935).
void wire_rewrite_source(uint8_t *frame, const struct wire_packet *packet,
                         const struct ip_address *address, uint16_t port);
void wire_rewrite_destination(uint8_t *frame, const struct wire_packet *packet,
                              const struct ip_address *address, uint16_t port);

// One hop: TTL or hop limit less one. The caller has seen that it is above 1.
void wire_decrement_ttl(uint8_t *frame, const struct wire_packet *packet);
