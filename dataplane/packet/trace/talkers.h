// Who sends and gets most of late: the space-saving sketch of Metwally, Agrawal and El Abbadi
// ("Efficient computation of frequent and top-k elements in data streams", 2005), of fixed size.
// Every client that has more than 1/TALKERS of all packets is in it, and no count is too high by
// more than that; `too_high` says by how much it may be. Counts are halved from time to time, so
// that what was long ago fades. Pure.
#pragma once

#include <stdint.h>

#include "base/ip.h"

#define TALKERS 128

struct talker {
    struct ip_address client;
    uint64_t packets, bytes;
    uint64_t too_high; // packets: it may have had so many fewer
};

struct talkers {
    uint32_t count;
    uint64_t packets, bytes; // of all clients
    struct talker items[TALKERS];
};

void talkers_add(struct talkers *talkers, const struct ip_address *client, uint64_t packets,
                 uint64_t bytes);

// Everything counts half from now on; who falls to nothing is forgotten.
void talkers_halve(struct talkers *talkers);
