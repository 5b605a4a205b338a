// Which TCP connection or UDP flow a packet is of, read from its own headers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/span.h"

struct connection {
    struct ip_address client;
    struct ip_address service; // its address: the packet's destination
    uint16_t client_port;      // network byte order
    uint16_t service_port;     //
    uint8_t protocol;          // IPPROTO_TCP or IPPROTO_UDP
    uint8_t tcp_flags;
};

// False: not a whole TCP or UDP packet whose header directly follows IP's, so that it cannot be
// told.
bool connection_read(struct span packet, struct connection *connection);

// Carries the mark of congestion on the way from an outer header's traffic class over to the packet
// that was in it (RFC 6040 section 4.2). False: it must be dropped, since its sender would not
// understand the mark. The packet is of a size that has a whole IP header.
bool connection_carry_ecn(uint8_t *packet, uint8_t outer_traffic_class);
