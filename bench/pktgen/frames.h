// The frames of a profile: flows, sizes and protocol. Each is a template with the flow's address
// and port, the signature, and checksums changed by the difference these make.
#pragma once

#include <stdbool.h>

#include "bench/pktgen/signature.h"
#include "dataplane/packet/wire/parse.h"

#define FRAMES_FCS            4 // counted by sizes, as RFC 2544 does, and added by the device
#define FRAMES_SIZE_MIN       64
#define FRAMES_SIZE_MAX       1518
#define FRAMES_IMIX           0 // as a size: 7 of the least, 4 of 594, 1 of 1518 bytes
#define FRAMES_FLOWS_MAX      (1u << 24)
#define FRAMES_FLOWS_A_SOURCE 64512u // source ports 1024 to 65535; then the next address

struct profile {
    struct ip_address from; // of the first flow
    struct ip_address to;   // of the same version
    uint16_t port;          // destination
    uint8_t source_mac[WIRE_MAC_SIZE];
    uint8_t destination_mac[WIRE_MAC_SIZE];
    uint32_t flows;
    uint16_t size; // bytes, even, with FCS, or FRAMES_IMIX
    bool syn;      // TCP SYN instead of UDP
};

struct frame_template {
    uint16_t size; // bytes, without FCS
    uint8_t bytes[FRAMES_SIZE_MAX - FRAMES_FCS];
};

struct frames {
    struct frame_template templates[3];
    uint8_t order[12]; // templates in turn
    uint32_t order_count;
    uint32_t flows;
    uint32_t first; // the last four bytes of the first flow's address
    bool v4;
    uint16_t source; // offsets: of those bytes,
    uint16_t l4;
    uint16_t l4_checksum;
};

// The least size that holds all headers and the signature, with FCS.
uint16_t frames_size_min(bool v4, bool syn);

// Whether `address` is a source of the profile's flows.
bool frames_are_from(const struct profile *profile, const struct ip_address *address);

// The profile's size is at least frames_size_min().
void frames_init(struct frames *frames, const struct profile *profile);

// Writes the frame of a sequence to `out` (FRAMES_SIZE_MAX bytes). Returns its size without FCS.
uint16_t frames_write(const struct frames *frames, uint64_t sequence, uint16_t trial,
                      uint64_t cycles, uint8_t *out);
