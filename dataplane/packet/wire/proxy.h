// The header of the PROXY protocol, version 2, which tells a server whose connection it has: the
// addresses and ports as the client sees them. https://www.haproxy.org/download/2.9/doc/
// proxy-protocol.txt, section 2.2.
#pragma once

#include <stdint.h>

#include "base/ip.h"

#define WIRE_PROXY_SIZE_V4  28u // for IPv4 clients
#define WIRE_PROXY_SIZE_V6  52u
#define WIRE_PROXY_SIZE_MAX WIRE_PROXY_SIZE_V6

static inline uint32_t wire_proxy_size(bool v4)
{
    return v4 ? WIRE_PROXY_SIZE_V4 : WIRE_PROXY_SIZE_V6;
}

// Ports in network byte order; both addresses are of one version.
struct wire_proxy {
    const struct ip_address *client;
    const struct ip_address *service;
    uint16_t client_port;
    uint16_t service_port;
};

// Writes the header of a TCP connection; returns its size.
uint32_t wire_proxy_write(uint8_t *out, const struct wire_proxy *proxy);
