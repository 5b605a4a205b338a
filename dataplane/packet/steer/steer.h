// Where a device puts a packet that it spreads by the Toeplitz hash (RSS), and which ports to send
// from so that the answer comes to a certain worker. A device hashes addresses and ports with a key
// (ours), and the low bits of that choose an entry of a table (ours), which names a queue, and so a
// worker. All of it is arithmetic: nothing here knows a device.
//
// The hash is linear over XOR: it is the sum of what each part of a packet gives alone. Keys are
// made so that the low bits of a destination port, alone, reach every entry exactly once: then each
// block of `entries` ports has as many for a worker as the worker has entries, whatever the
// addresses are, and the n-th of them is computed, not searched.
//
// The main thread makes it; after that it never changes, and all workers read it.
// docs/decisions/0022-replies-come-back-by-the-hash.md
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/ip.h"

#define STEER_KEY_BYTES   52u // the longest that devices want; they take the first 40, or all
#define STEER_ENTRIES_MAX 512u
#define STEER_WORKERS_MAX 64u
#define STEER_PORTS_FIRST 1024u // as the ports below are never given out

// Both addresses and both ports, of IPv6.
#define STEER_NIBBLES 72u

struct steer {
    uint32_t workers;
    uint32_t entries;                     // a power of two
    uint8_t key[STEER_KEY_BYTES];         //
    uint8_t worker_of[STEER_ENTRIES_MAX]; // by entry
    // What a nibble of a packet's addresses and ports, as they lie behind each other, gives.
    uint32_t nibbles[STEER_NIBBLES][16];
    uint16_t port_of[2][STEER_ENTRIES_MAX]; // by `v4`: the low bits of a port that give an entry
};

// Changes the few bits of a random key (STEER_KEY_BYTES) that ports must reach every entry, for
// every number of entries.
void steer_key_fit(uint8_t *key);

// For a key that steer_key_fit() made; `entries` is a power of two from 2 to STEER_ENTRIES_MAX and
// at least `workers`.
void steer_init(struct steer *steer, const uint8_t *key, uint32_t entries, uint32_t workers);

// What a packet's source, and its destination, give; the hash is one XOR the other. Both are of one
// IP version. Ports in network byte order; 0 gives nothing.
uint32_t steer_source(const struct steer *steer, const struct ip_address *address, uint16_t port);
uint32_t steer_destination(const struct steer *steer, const struct ip_address *address,
                           uint16_t port);

// Whose an entry of a device's table, and so a packet of that hash, is.
static inline uint32_t steer_worker_of_entry(const struct steer *steer, uint32_t entry)
{
    return steer->worker_of[entry & (steer->entries - 1)];
}

// How many ports a worker has towards any one address and port.
uint32_t steer_ports(const struct steer *steer, uint32_t worker);

// The port (host byte order) of that number, below steer_ports(), of a worker's: what is sent there
// comes to it. `hash` is that of a packet to port 0, `v4` its version.
uint16_t steer_port(const struct steer *steer, bool v4, uint32_t hash, uint32_t worker,
                    uint32_t number);
