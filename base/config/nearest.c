#include "base/config/nearest_priv.h"

#include <stdint.h>
#include <string.h>

#define NEAREST_LENGTH_MAX 63

struct nearest nearest_start(const char *given)
{
    // More than half of the letters wrong is another word, not a slip.
    return (struct nearest){.given = given, .distance = strlen(given) / 2 + 1};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Letters inserted, left out, replaced, or two neighbours swapped ("optimal string alignment").
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint8_t rows[3][NEAREST_LENGTH_MAX + 1];
    uint8_t *before_last = rows[0], *last = rows[1], *current = rows[2];
    for (size_t j = 0; j <= b_length; j++)
        last[j] = (uint8_t)j;
    for (size_t i = 1; i <= a_length; i++) {
        current[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            size_t cheapest = least(last[j - 1] + cost, least(last[j], current[j - 1]) + 1u);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cheapest = least(cheapest, before_last[j - 2] + 1u);
            current[j] = (uint8_t)cheapest;
        }
        uint8_t *spare = before_last;
        before_last = last;
        last = current;
        current = spare;
    }
    return last[b_length];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t given_length = strlen(nearest->given);
    size_t length = strlen(candidate);
    size_t gap = given_length > length ? given_length - length : length - given_length;
    if (gap >= nearest->distance || given_length > NEAREST_LENGTH_MAX ||
        length > NEAREST_LENGTH_MAX)
        return;
    size_t distance = edit_distance(nearest->given, given_length, candidate, length);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->best = candidate;
    }
}
