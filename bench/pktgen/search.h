// The search for a device's throughput: the highest rate at which no more packets are lost than
// tolerated (RFC 2544 section 26.1), by halving. Pure: the shell runs a trial at the rate it is
// given and reports what was sent and what came back.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct search {
    uint64_t passed;         // packets a second; 0: none has passed yet
    uint64_t failed;         // packets a second, the lowest that failed; above the highest: none
    uint64_t rate;           // of the trial that is due
    uint64_t resolution;     // packets a second: the search ends when the bounds are so close
    uint32_t loss_tolerated; // lost packets in a million; 0 is RFC 2544's throughput
};

// A search from `rate_max` (tried first, greater than 0) downwards. `resolution` is at least 1.
struct search search_start(uint64_t rate_max, uint64_t resolution, uint32_t loss_tolerated);

// Whether a trial is due, at search->rate. When none is, search->passed is the throughput.
bool search_is_due(const struct search *search);

// What the trial at search->rate came to. A trial that sent nothing has failed.
void search_report(struct search *search, uint64_t sent, uint64_t received);
