// ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): a request becomes its reply in place.
#pragma once

#include "dataplane/packet/wire/parse.h"

enum echo {
    ECHO_NONE, // another message
    ECHO_ASKS,
    ECHO_ANSWERS,
};

// What a message is whose ICMP or ICMPv6 header, of eight bytes, is at `icmp`. Its identifier is
// the port of who asks, in network byte order; who answers has none, which is 0.
enum echo echo_read(const uint8_t *icmp, bool v4, uint16_t *source_port,
                    uint16_t *destination_port);

// Whether a packet has the header of an echo request, or of an answer to one.
bool echo_asks(const struct wire_packet *packet);
bool echo_answers(const struct wire_packet *packet);

// Whether the packet is an echo request that echo_answer() can answer: not fragmented, and without
// IP options or extension headers, which a reply must not simply send back.
bool echo_is_request(const struct wire_packet *packet);

// Turns an echo request to one of our addresses into its reply: addresses swapped (Ethernet and
// IP), TTL 64, a checksum of its own. The request's checksum is verified over the whole frame
// first, which must lie in one piece: DROP_L4_CHECKSUM, DROP_ICMP_MALFORMED (a code other than 0),
// and the frame is as it was.
enum drop_reason echo_answer(uint8_t *frame, const struct wire_packet *packet);
