// What crossing a packet and crossing an ICMP error share.
#pragma once

#include "dataplane/packet/wire/cross.h"
#include "dataplane/packet/wire/echo.h"

// What both versions' headers say.
struct cross_header {
    uint8_t traffic_class;
    uint8_t hops;
    uint8_t protocol;
    bool fragment;
    bool more;       // of a fragment
    uint16_t offset; // of a fragment, bytes
    uint32_t id;
    uint32_t size; // of what is behind it
};

// That of a whole packet whose header lies at `ip`.
struct cross_header cross_header_of(const uint8_t *ip, bool v4, uint8_t protocol, uint32_t size);

// Bytes of that header in a version.
uint32_t cross_header_size(const struct cross_header *header, bool v4);

// Writes an Ethernet header without addresses, and the IP header behind it, at `ip`.
void cross_header_write(uint8_t *ip, bool v4, const struct cross_header *header,
                        const struct ip_address *source, const struct ip_address *destination);

// What new addresses and ports make of a TCP or UDP checksum, the old ports being at `l4`.
uint64_t cross_difference(const struct ip_address *source, const struct ip_address *destination,
                          const uint8_t *l4, const struct wire_sides *sides);
void cross_ports(uint8_t *l4, const struct wire_sides *sides);

// Makes an echo message one of the other version. `before` are its addresses until now, and `size`
// is that of the whole message.
void cross_echo(uint8_t *icmp, bool to_v4, enum echo echo, uint32_t size,
                const struct wire_sides *before, const struct wire_sides *sides);
