// The Internet checksum (RFC 1071), whole and by difference (RFC 1624, equation 3). Sums are kept
// in network byte order as they lie in memory: the algorithm does not care (RFC 1071 section 2 B).
//
// A running sum grows by 32-bit words in 64 bits, so it holds the bytes of any packet without a
// carry; 2^32 - 1 is a multiple of 2^16 - 1, so folding at the end gives the 16-bit sum.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/ip.h"
#include "base/span.h"

// Adds bytes to a running sum; only the last span may have an odd size.
uint64_t checksum_add(uint64_t sum, struct span bytes);

// Folds a sum and complements it: the value for a header's checksum field, as it lies in memory.
static inline uint16_t checksum_finish(uint64_t sum)
{
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffffffffu) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

// The sum of a pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1) for both versions:
// `length` is that of the upper-layer packet in bytes.
uint64_t checksum_pseudo(const struct ip_address *source, const struct ip_address *destination,
                         uint8_t protocol, uint32_t length);

// The difference a change of `size` bytes (even, at an even offset) makes: sum it over all changes,
// then checksum_apply(). Inline, since on hot paths the size is a constant.
static inline uint64_t checksum_difference(uint64_t difference, const void *before,
                                           const void *after, size_t size)
{
    const uint8_t *old = before;
    const uint8_t *new = after;
    for (; size >= 4; old += 4, new += 4, size -= 4) {
        uint32_t old_word;
        uint32_t new_word;
        memcpy(&old_word, old, sizeof(old_word));
        memcpy(&new_word, new, sizeof(new_word));
        difference += (uint64_t)(uint32_t)~old_word + new_word;
    }
    if (size >= 2) {
        uint16_t old_word;
        uint16_t new_word;
        memcpy(&old_word, old, sizeof(old_word));
        memcpy(&new_word, new, sizeof(new_word));
        difference += (uint64_t)(uint16_t)~old_word + new_word;
    }
    return difference;
}

// A checksum field after changes whose differences were summed.
static inline uint16_t checksum_apply(uint16_t checksum, uint64_t difference)
{
    return checksum_finish((uint64_t)(uint16_t)~checksum + difference);
}
