#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

// splitmix64 spreads one seed over the whole state (Steele, Lea and Flood, 2014).
static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

struct random random_from_seed(uint64_t seed)
{
    struct random random;
    for (int i = 0; i < 4; i++)
        random.state[i] = splitmix(&seed);
    return random;
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    CHECK(bound > 0);
    __extension__ typedef unsigned __int128 wide;
    uint64_t threshold = -bound % bound;
    for (;;) {
        wide product = (wide)random_next(random) * bound;
        if ((uint64_t)product >= threshold)
            return (uint64_t)(product >> 64);
    }
}

void random_os_bytes(void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        // Up to 256 bytes come at once and whole; longer reads may be interrupted (getrandom(2)).
        ssize_t got = getrandom(at, size < 256 ? size : 256, 0);
        CHECK(got > 0);
        at += got;
        size -= (size_t)got;
    }
}
