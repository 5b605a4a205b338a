// ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): a request becomes its reply in place.
#pragma once

#include "dataplane/packet/wire/parse.h"

// Whether the packet is an echo request.
bool echo_is_request(const struct wire_packet *packet);

// Turns an echo request into its reply: addresses swapped (Ethernet and IP), TTL 64, checksum by
// difference. The request's checksum is verified over the whole frame first, which must lie in one
// piece: DROP_L4_CHECKSUM, DROP_ICMP_MALFORMED.
enum drop_reason echo_answer(uint8_t *frame, const struct wire_packet *packet);
