// SipHash: a keyed hash that a peer who chooses the input but does not know the key cannot steer
// (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). Tables that are filled with
// what clients choose are hashed by it.
//
// siphash13_words() is the form for hot paths: whole 64-bit words, one compression round a word and
// three at the end, length folded in as in the standard. siphash24() is the standard SipHash-2-4.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0;
    uint64_t k1;
};

// SipHash-2-4 of `size` bytes at `data`.
uint64_t siphash24(struct siphash_key key, const void *data, size_t size);

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static inline void siphash_round(struct siphash_state *s)
{
    s->v0 += s->v1;
    s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
    s->v0 = siphash_rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
    s->v2 = siphash_rotate(s->v2, 32);
}

static inline struct siphash_state siphash_start(struct siphash_key key)
{
    return (struct siphash_state){
        .v0 = key.k0 ^ 0x736f6d6570736575u,
        .v1 = key.k1 ^ 0x646f72616e646f6du,
        .v2 = key.k0 ^ 0x6c7967656e657261u,
        .v3 = key.k1 ^ 0x7465646279746573u,
    };
}

// SipHash-1-3 of `count` 64-bit words, equal to SipHash-1-3 of their bytes on a little-endian
// machine.
static inline uint64_t siphash13_words(struct siphash_key key, const uint64_t *words, size_t count)
{
    struct siphash_state s = siphash_start(key);
    for (size_t i = 0; i < count; i++) {
        s.v3 ^= words[i];
        siphash_round(&s);
        s.v0 ^= words[i];
    }
    uint64_t length = (uint64_t)(count * 8) << 56;
    s.v3 ^= length;
    siphash_round(&s);
    s.v0 ^= length;
    s.v2 ^= 0xff;
    siphash_round(&s);
    siphash_round(&s);
    siphash_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
