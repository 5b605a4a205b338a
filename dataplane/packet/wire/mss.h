// The maximum segment size that a SYN tells (RFC 9293 section 3.7.1), lowered in place.
#pragma once

#include "base/span.h"
#include "dataplane/packet/wire/parse.h"

// What every host can receive: lower is never told (RFC 9293 section 3.7.1, RFC 8200 section 5).
#define WIRE_MSS_LEAST_V4 536
#define WIRE_MSS_LEAST_V6 1220

enum wire_mss {
    WIRE_MSS_KEPT,      // it tells none, or none above the limit
    WIRE_MSS_CLAMPED,   //
    WIRE_MSS_MALFORMED, // options that cannot be read; nothing has changed
};

// The largest segment that fits an IP packet of a size, without IP and TCP options.
uint16_t wire_mss_of(uint32_t ip_size, bool v4);

// Lowers the option in a TCP header, of which `tcp` holds at least WIRE_TCP_SIZE bytes, and changes
// the checksum by the difference. Where the option stands twice, both count.
enum wire_mss wire_mss_clamp(uint8_t *tcp, size_t size, uint16_t mss_max);
