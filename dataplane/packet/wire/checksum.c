#include "dataplane/packet/wire/checksum.h"

#include "base/byteorder.h"

uint64_t checksum_add(uint64_t sum, struct span bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        sum += (word & 0xffffffffu) + (word >> 32);
    }
    // What is left of the last word reads as zeros: a missing byte of a pair is the low one on the
    // wire (RFC 1071 section 1), the high one in memory.
    uint64_t last = 0;
    if (left > 0)
        memcpy(&last, at, left);
    return sum + (last & 0xffffffffu) + (last >> 32);
}

uint64_t checksum_pseudo(const struct ip_address *source, const struct ip_address *destination,
                         uint8_t protocol, uint32_t length)
{
    // The prefix of an IPv4-mapped address sums to 0xffff, one of the two zeros of this arithmetic:
    // it may stay in, since the protocol keeps the sum from being the other zero.
    uint8_t rest[8] = {[7] = protocol};
    store_be32(rest, length);
    uint64_t sum = checksum_add(0, span_of(source->bytes, sizeof(source->bytes)));
    sum = checksum_add(sum, span_of(destination->bytes, sizeof(destination->bytes)));
    return checksum_add(sum, span_of(rest, sizeof(rest)));
}
