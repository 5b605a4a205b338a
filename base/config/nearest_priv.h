// "Did you mean": the candidate with the smallest edit distance to what was written.
#pragma once

#include <stddef.h>

struct nearest {
    const char *given; // borrowed
    const char *best;  // borrowed; NULL: none offered is near
    size_t distance;   // of the best, or the first that is too far
};

struct nearest nearest_start(const char *given);
void nearest_offer(struct nearest *nearest, const char *candidate);
