// What a trial came to, for people and for programs. Pure: writes to the stream it is given.
#pragma once

#include <stdio.h>

#include "bench/pktgen/receiver.h"
#include "bench/pktgen/search.h"

struct result {
    double seconds;
    struct receiver receiver;
    // Between two looks at the devices of which the later one found packets. A packet's latency
    // begins up to a turn before it is sent, and ends up to a turn after it came.
    struct latency turns;
};

// Packets that were sent and did not come back.
uint64_t result_lost(const struct result *result);

struct report {
    const struct result *result; // borrowed
    const struct search *search; // borrowed; NULL: there was none
    uint64_t hz;                 // cycles a second
    bool interrupted;            // it ended before its time
};

// The form of both is told in docs/benchmarking.md.

void report_write(FILE *out, const struct report *report);
void report_write_json(FILE *out, const struct report *report);
