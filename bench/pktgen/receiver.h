// What came back of a trial: how many packets, which of them twice or out of order, and how long
// they took. Pure: it is given frames and the time.
#pragma once

#include "base/span.h"
#include "bench/pktgen/latency.h"
#include "dataplane/packet/wire/parse.h"

// A packet that comes so many packets late counts as reordered, and is not known as a duplicate.
#define RECEIVER_WINDOW 8192u

struct receiver {
    uint16_t trial;
    uint64_t sent;                       // sequences below are under way
    uint64_t next;                       // one past the highest sequence that came
    uint64_t received;                   // without duplicates
    uint64_t duplicates;                 //
    uint64_t reordered;                  // came after a packet that was sent later
    uint64_t foreign;                    // not of this trial
    uint64_t seen[RECEIVER_WINDOW / 64]; // bit: sequence modulo the window
    struct latency latency;
};

enum received {
    RECEIVED_PACKET,
    RECEIVED_NEIGHBOUR, // of ARP or neighbour discovery; `packet` describes it
    RECEIVED_FOREIGN,   //
};

struct receiver receiver_start(uint16_t trial);

// Takes one frame, at `now` of the time-stamp counter. `packet` is filled for a neighbour's only.
enum received receiver_take(struct receiver *receiver, struct span frame, uint64_t now,
                            struct wire_packet *packet);
