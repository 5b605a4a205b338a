// Random numbers as a value: a generator is a struct that its owner seeds, so that a test can
// repeat a run. xoshiro256** (Blackman and Vigna, 2018); not for secrets: keys come from
// random_os_bytes().
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

// A generator whose sequence follows from `seed` alone.
struct random random_from_seed(uint64_t seed);

uint64_t random_next(struct random *random);

// A number in [0, bound), bound > 0, without modulo bias (Lemire, 2019).
uint64_t random_below(struct random *random, uint64_t bound);

// Fills `out` with the kernel's random bytes; they are fit for keys.
void random_os_bytes(void *out, size_t size);
