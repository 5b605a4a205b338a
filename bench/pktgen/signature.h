// What the generator writes into the last bytes of each packet, so that it is found again behind
// whatever headers the device under test has rewritten or put before it. It fits the smallest
// frame.
#pragma once

#include "base/cursor.h"

#define SIGNATURE_SIZE  18
#define SIGNATURE_MAGIC 0x57656972u

struct signature {
    uint16_t trial;    // packets of an earlier one may still be under way
    uint32_t sequence; // the lower half
    uint64_t cycles;   // when the packet was made, of the time-stamp counter
};

static inline void signature_write(const struct signature *signature, uint8_t *out)
{
    store_be32(out, SIGNATURE_MAGIC);
    store_be16(out + 4, signature->trial);
    store_be32(out + 6, signature->sequence);
    store_be32(out + 10, (uint32_t)(signature->cycles >> 32));
    store_be32(out + 14, (uint32_t)signature->cycles);
}

// Reads the end of `packet`. False for a packet that is not of a generator.
static inline bool signature_read(struct span packet, struct signature *signature)
{
    if (packet.size < SIGNATURE_SIZE)
        return false;
    struct cursor cursor =
        cursor_of(span_of(packet.data + packet.size - SIGNATURE_SIZE, SIGNATURE_SIZE));
    bool ours = cursor_be32(&cursor) == SIGNATURE_MAGIC;
    signature->trial = cursor_be16(&cursor);
    signature->sequence = cursor_be32(&cursor);
    signature->cycles = cursor_be64(&cursor);
    return ours;
}
