// How many packets are due, by the time-stamp counter.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PACE_MAX    UINT64_MAX // as a rate: as many as the device takes
#define PACE_BEHIND 1024u      // packets that are made up for after a stall, no more

struct pace {
    uint64_t rate; // packets a second
    uint64_t hz;   // cycles a second
    uint64_t began;
    uint64_t forgiven; // packets that were due in a stall and will not be sent
};

// Packets that are due at `now`, when `sent` were sent since the beginning.
static inline uint64_t pace_due(struct pace *pace, uint64_t now, uint64_t sent)
{
    if (pace->rate == PACE_MAX)
        return PACE_BEHIND;
    uint64_t total = (uint64_t)((__uint128_t)(now - pace->began) * pace->rate / pace->hz);
    uint64_t due = total - pace->forgiven - sent;
    if (due > PACE_BEHIND) {
        pace->forgiven += due - PACE_BEHIND;
        due = PACE_BEHIND;
    }
    return due;
}
