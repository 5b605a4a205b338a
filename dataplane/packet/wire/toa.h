// The TOA option: a client's address and port in the TCP header of the segment that ends the
// handshake, where a module in the server's kernel finds them. Its kind is one of those for
// experiments (RFC 4727), and no identifier of RFC 6994 stands behind it: kind and size, a byte
// each, the port, the address. It is what DPVS writes and its module reads (kmod/toa/toa.h there),
// also with an IPv6 address in an IPv4 packet.
#pragma once

#include <stdint.h>

#include "base/ip.h"

#define WIRE_OPTION_TOA   254
#define WIRE_TOA_SIZE_V4  8u // for IPv4 clients
#define WIRE_TOA_SIZE_V6  20u
#define WIRE_TOA_SIZE_MAX WIRE_TOA_SIZE_V6

static inline uint32_t wire_toa_size(bool v4)
{
    return v4 ? WIRE_TOA_SIZE_V4 : WIRE_TOA_SIZE_V6;
}

// Writes the option, `port` being in network byte order; returns its size.
uint32_t wire_toa_write(uint8_t *out, const struct ip_address *client, uint16_t port);
