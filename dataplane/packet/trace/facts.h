// What a person asks of a packet, read from its first bytes: who speaks to whom, and what. More
// forgiving than the packet plane's parser (dataplane/packet/wire): a packet that it refuses has to
// be found, too, so what can be read of it is told. Every byte is read through the cursor. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/span.h"

enum facts_kind {
    FACTS_OTHER,
    FACTS_ARP,
    FACTS_IPV4,
    FACTS_IPV6,
};

struct facts {
    uint8_t kind;      // enum facts_kind
    uint8_t protocol;  // of the upper layer, IPv4 and IPv6; behind extension headers if not known
    bool addressed;    // `source` and `destination` are known; of ARP the protocol addresses
    bool has_ports;    // TCP, UDP
    uint8_t tcp_flags; // TCP
    uint8_t icmp_type; // ICMP, ICMPv6
    uint16_t ether_type;
    uint16_t arp_operation;
    struct ip_address source, destination;
    uint16_t source_port, destination_port; // host byte order

    // What the stages make of it: `decided` once they have.
    bool decided;
    uint16_t in_port; // index; known from the start
    uint16_t service; // slot; 0: none
    uint16_t reason;  // why it was dropped; 0: it was not
};

// Fills what the frame itself tells.
void facts_read(struct span frame, struct facts *facts);

// One line: "10.1.0.10:40000 > 10.1.0.100:80 tcp SYN". Returns `out`.
#define FACTS_TEXT_SIZE 192
const char *facts_text(const struct facts *facts, char *out);
