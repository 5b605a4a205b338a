// Fragments of IP packets (RFC 791 section 3.2, RFC 8200 section 4.5).
#pragma once

#include "dataplane/packet/wire/parse.h"

// Which datagram a fragment is of, and which part of it.
struct wire_fragment {
    struct ip_address source;
    struct ip_address destination;
    uint32_t id;
    uint8_t protocol; // IPv6: 0, only first fragments know it (RFC 8200 section 4.5)
    bool more;        // it is not the last part
    uint16_t offset;  // bytes
    uint16_t size;    // bytes
};

// Reads a fragment that wire_parse() accepted.
void wire_fragment_read(const uint8_t *frame, const struct wire_packet *packet,
                        struct wire_fragment *fragment);

// Whether an IPv4 packet that wire_parse() accepted may be sent in fragments: it has no DF, nor
// options, of which later fragments have only some.
bool wire_may_split(const uint8_t *frame, const struct wire_packet *packet);

// Whether nobody may split an IPv4 packet, whose header this is.
bool wire_is_whole(const uint8_t *ip);

// Whether a packet is no fragment, and nobody may make it some: its identification means nothing
// (RFC 6864 section 4.1).
bool wire_is_atomic(const uint8_t *frame, const struct wire_packet *packet);

// Gives a packet that is not atomic an identification; IPv4 has 16 bits of it.
void wire_identify(uint8_t *frame, const struct wire_packet *packet, uint32_t id);

// Makes the header of an IPv4 packet that may be split that of the piece of it which has `size` of
// its bytes behind the header, from `offset` on, a multiple of eight. `last`: it has the packet's
// last ones. The packet may be a fragment itself.
void wire_split_header(uint8_t *ip, uint32_t offset, uint32_t size, bool last);
