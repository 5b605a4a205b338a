// ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): a request becomes its reply in place.
#pragma once

#include "dataplane/packet/wire/parse.h"

// Whether the packet is an echo request that echo_answer() can answer: not fragmented, and without
// IP options or extension headers, which a reply must not simply send back.
bool echo_is_request(const struct wire_packet *packet);

// Turns an echo request to one of our addresses into its reply: addresses swapped (Ethernet and
// IP), TTL 64, a checksum of its own. The request's checksum is verified over the whole frame
// first, which must lie in one piece: DROP_L4_CHECKSUM, DROP_ICMP_MALFORMED (a code other than 0),
// and the frame is as it was.
enum drop_reason echo_answer(uint8_t *frame, const struct wire_packet *packet);
