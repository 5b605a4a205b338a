// How long handshakes take, by member: from the client's SYN to the ACK that completes it, as seen
// here. With NAT that is the member's answer and the client's; where replies pass us by, both as
// well.
//
// A worker remembers when the SYNs of its latest connections came, in a table of fixed size: a
// flood of SYNs costs samples and nothing else. Times are those of a worker's turns. Histograms are
// log-linear, four buckets an octave, in pages that exist only for members that were connected to.
#pragma once

#include <stdint.h>

#include "base/error.h"

#define HANDSHAKE_TICK_BITS 8 // a tick is so many cycles, as a power of two
#define HANDSHAKE_BUCKETS   124

struct handshake_open {
    uint32_t tag; // of the flow's hash; 0: free
    uint32_t began_ticks;
};

struct handshakes {
    struct handshake_open *open;              // owned
    uint32_t (*of_member)[HANDSHAKE_BUCKETS]; // owned; by slot; written by the worker
};

// ERROR_NO_MEMORY.
enum error handshakes_init(struct handshakes *handshakes);
void handshakes_fini(struct handshakes *handshakes);

// A SYN began the flow with this hash; an ACK of the client completed it.
void handshakes_begin(struct handshakes *handshakes, uint64_t hash, uint32_t now_ticks);
void handshakes_end(struct handshakes *handshakes, uint64_t hash, uint16_t member,
                    uint32_t now_ticks);

// Adds a member's counts to `sum`. Any thread.
void handshakes_add(const struct handshakes *handshakes, uint32_t member,
                    uint64_t sum[HANDSHAKE_BUCKETS]);

// A slot begins a new life: no worker knows it yet. Main thread.
void handshakes_forget(struct handshakes *handshakes, uint32_t member);

// The bucket of a time, and the longest time of a bucket, in ticks.
uint32_t handshake_bucket(uint32_t ticks);
uint32_t handshake_longest(uint32_t bucket);

// How long the fastest `share` (0 to 1) of them took at most, in ticks; 0: there are none.
uint32_t handshake_quantile(const uint64_t counts[HANDSHAKE_BUCKETS], double share);
