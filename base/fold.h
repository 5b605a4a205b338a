// A keyed hash of a few cycles, for tables whose slots nobody outside can see or count: each word
// is mixed with a secret one, multiplied by another to 128 bits, and the halves are folded. Two
// rounds, since one leaves arithmetic progressions what they are, and clients' ports and addresses
// are such. It is no pseudo-random function: what clients choose and can watch the outcome of
// belongs to base/siphash.h (docs/decisions/0011-a-flow-is-a-peer-at-an-endpoint.md).
#pragma once

#include <stdint.h>

__extension__ typedef unsigned __int128 fold_product;

static inline uint64_t fold_multiply(uint64_t a, uint64_t b)
{
    fold_product product = (fold_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define FOLD_SECRETS 4 // random words

// The hash of one word.
static inline uint64_t fold_word(const uint64_t *secrets, uint64_t word)
{
    return fold_multiply(fold_multiply(word ^ secrets[0], secrets[1]) ^ secrets[2], secrets[3]);
}

// The hash of three words.
static inline uint64_t fold_words3(const uint64_t *secrets, const uint64_t *words)
{
    uint64_t first = fold_multiply(words[0] ^ secrets[0], words[1] ^ secrets[1]);
    return fold_multiply(first ^ words[2] ^ secrets[2], secrets[3]);
}
