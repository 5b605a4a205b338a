// The UDP sockets that GUE comes to, and leaves from: datagrams with the addresses that they were
// between. What is sent on, asked or answered leaves from the address to which came what caused it:
// a host may have several, and others know this member, and let it in, by that one alone.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/span.h"

#define UDP_BURST 32u

struct udp_sockets {
    int v4, v6;
    uint16_t port;      // host byte order
    uint64_t missed[2]; // v4, v6: datagrams for which a socket had no room left, as the kernel says
};

struct udp_datagram {
    uint8_t *bytes; // borrowed until the next udp_receive(); may be changed
    size_t size;
    struct ip_address from;
    struct ip_address to; // the address of ours that it came to; unspecified where it was a group's
    uint8_t traffic_class; // of the packet that it was in
};

// Opens both sockets at a port. False: `what` (a constant) failed, for the reason in errno.
bool udp_open(struct udp_sockets *sockets, uint16_t port, const char **what);

// What has come to one of the sockets, at most UDP_BURST datagrams. Returns how many.
uint32_t udp_receive(struct udp_sockets *sockets, bool v4, struct udp_datagram *datagrams);

// Sends to that port of `to`, from `own`, or where that is unspecified from what the kernel
// chooses. False: it was not sent.
bool udp_send(const struct udp_sockets *sockets, struct span bytes, const struct ip_address *own,
              const struct ip_address *to, uint8_t traffic_class);
