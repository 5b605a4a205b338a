// Who got what last: a client's new flows stay with one member. A fixed table of one worker, keyed
// by a hash of client and pool; what it holds is a caller's number of a member, which it does not
// judge. One thread owns a table; nothing here allocates after creation.
//
// A bucket is one cache line of four clients. Where all four are wanted, the one that would be
// forgotten first makes room: a client that is pushed out is placed anew by its balancer, which by
// hash is the same member unless members changed meanwhile.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define AFFINITY_NONE UINT32_MAX

struct affinity_table;

// A table for `capacity` clients, rounded up to a power of two. ERROR_NO_MEMORY.
enum error affinity_create(uint32_t capacity, struct affinity_table **table);
void affinity_destroy(struct affinity_table *table); // NULL is allowed

// The member that a client has, or AFFINITY_NONE. `hash` is 64 bits of a keyed hash of the client
// and what else tells it apart: two that are alike are one client. `now_ms` is a clock that may
// wrap; a timeout is below 2^31 ms.
uint32_t affinity_find(const struct affinity_table *table, uint64_t hash, uint32_t now_ms);

// Frees what expired in the next `buckets` buckets. A table is to be swept whole in 2^31 ms, or its
// clients' times would seem to come again.
void affinity_sweep(struct affinity_table *table, uint32_t buckets, uint32_t now_ms);

// Remembers a client's member until `expires_ms`. True: another client, not yet expired, was
// forgotten for it.
bool affinity_set(struct affinity_table *table, uint64_t hash, uint16_t member, uint32_t now_ms,
                  uint32_t expires_ms);
