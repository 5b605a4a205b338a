// Generic UDP Encapsulation (draft-ietf-intarea-gue-09, variant 0), as far as a balancer and its
// members need it: a header of four bytes and the inner packet, or in between, as private data, a
// list of hops for a second chance (docs/decisions/0015-a-second-chance-by-the-ring.md). Who
// receives such a packet and does not know its connection sends it to the next hop; the index of
// that one grows with each, so a packet visits at most as many hosts as its list has entries.
//
//     0                   1                   2                   3
//    |0|C|  length  |   protocol    |           flags (none)        |   length: of what follows in
//    |      type of private data    |   next hop    |     hops      |   words, up to the packet
//    |  hop 0, hop 1 ...: type 0: 4 bytes each, type 1: 16 bytes    |
//
// The list of IPv4 hops is that of the GLB director; that of IPv6 hops is ours.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"
#include "base/span.h"

#define GUE_PORT        6080 // UDP
#define GUE_SIZE        4    // without optional fields
#define GUE_HOPS_HEAD   4
#define GUE_WORDS_MAX   31 // of optional fields and private data
#define GUE_HOPS_MAX_V4 30
#define GUE_HOPS_MAX_V6 7
#define GUE_HOPS_MAX    GUE_HOPS_MAX_V4

struct gue {
    uint8_t protocol; // of the inner packet: 4 or 41
    bool hops_v4;
    uint8_t hop_next;    // the one to try next
    uint8_t hop_count;   // 0: no list
    const uint8_t *hops; // borrowed
    struct span inner;   // borrowed
};

// Reads a datagram to GUE_PORT. ERROR_TRUNCATED; ERROR_UNSUPPORTED for control messages, other
// variants, flags, and protocols other than IP; ERROR_INVALID for a list that is none. Private data
// of another type is skipped.
enum error gue_read(struct span datagram, struct gue *gue);

// Hop `index`, below hop_count.
struct ip_address gue_hop(const struct gue *gue, uint32_t index);

// Makes the hop after the next one the next one, in the datagram that was read.
void gue_advance(uint8_t *datagram);

// Between members: whether the other one is there. Control messages of GUE_SIZE bytes, of types
// that are nobody's; a question is answered, an answer is not.
enum gue_probe {
    GUE_PROBE_NONE, // something else
    GUE_PROBE_QUESTION,
    GUE_PROBE_ANSWER,
};
enum gue_probe gue_probe_read(struct span datagram);
void gue_probe_write(uint8_t *datagram, enum gue_probe probe);

static inline uint32_t gue_hops_max(bool v4)
{
    return v4 ? GUE_HOPS_MAX_V4 : GUE_HOPS_MAX_V6;
}

// Bytes of a list, and the list: hops of one version, at least one and at most gue_hops_max().
static inline uint32_t gue_hops_size(uint32_t count, bool v4)
{
    return GUE_HOPS_HEAD + count * (v4 ? 4 : 16);
}
void gue_write_hops(uint8_t *out, const struct ip_address *hops, uint32_t count);
