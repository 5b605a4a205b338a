#include "base/siphash.h"

#include <string.h>

static void compress(struct siphash_state *s, uint64_t word)
{
    s->v3 ^= word;
    siphash_round(s);
    siphash_round(s);
    s->v0 ^= word;
}

uint64_t siphash24(struct siphash_key key, const void *data, size_t size)
{
    struct siphash_state s = siphash_start(key);
    const uint8_t *bytes = data;
    size_t whole = size & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        compress(&s, word);
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = whole; i < size; i++)
        last |= (uint64_t)bytes[i] << (8 * (i - whole));
    compress(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
