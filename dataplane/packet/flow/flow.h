// The flow table of one worker: which member an established flow belongs to. One thread owns a
// table and alone touches it; nothing here locks or allocates after creation.
//
// An entry is one direction of a flow, one cache line. A NAT flow has two that name each other by
// `peer`: as clients send it (client to vip) and as members answer it (member to client). Buckets
// are one cache line of eight 16-bit tags and eight entry numbers; a key may be in one of two
// buckets. Expiry is lazy: an entry whose time has passed is not found, and its place is taken by
// the next insert into its bucket or by flow_sweep().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/siphash.h"

#define FLOW_BURST_MAX 64
#define FLOW_NONE      0u // entry number 0 is never used

// All 40 bytes count: the unused ones must be zero. Ports in network byte order.
struct flow_key {
    struct ip_address source;
    struct ip_address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol; // IPPROTO_TCP or IPPROTO_UDP
    uint8_t zero[3];
};

enum flow_state {
    FLOW_TCP_OPENING,     // a SYN was seen
    FLOW_TCP_ESTABLISHED, // the client acknowledged
    FLOW_TCP_CLOSING,     // a FIN or RST was seen
    FLOW_UDP,
    FLOW_STATES,
};

enum flow_direction {
    FLOW_FORWARD, // client to vip
    FLOW_REPLY,   // member to client, NAT only
};

struct flow {
    struct flow_key key;
    uint32_t peer;       // the other direction's entry, or FLOW_NONE
    uint32_t expires_ms; // the table's clock, wrapping: compare by difference
    uint32_t service;    // slot of the service
    uint32_t member;     // slot of the member
    uint32_t neighbour;  // cached next hop of a reply, 0: none yet
    uint8_t state;       // enum flow_state; of a NAT flow both entries bear the same
    uint8_t direction;   // enum flow_direction
    uint16_t generation; // of `neighbour`
};
_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");

struct flow_table;

// A table for `capacity` entries, on the memory of NUMA node `socket` (-1: any). Memory comes from
// the general heap, once. ERROR_NO_MEMORY; ERROR_TOO_LARGE above 2^27.
enum error flow_table_create(uint32_t capacity, struct siphash_key key, struct flow_table **table);
void flow_table_destroy(struct flow_table *table);

// The keyed hash of a key: two words for IPv4, five for IPv6 (SipHash-1-3). The caller keeps it.
uint64_t flow_hash(const struct flow_table *table, const struct flow_key *key);

// Looks up `count` (at most FLOW_BURST_MAX) keys at once, prefetching buckets, then entries.
// found[i] is the entry or NULL. Expired entries are not found.
void flow_lookup_burst(struct flow_table *table, const struct flow_key *keys,
                       const uint64_t *hashes, uint32_t count, uint32_t now_ms,
                       struct flow **found);

struct flow *flow_lookup(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                         uint32_t now_ms);

// Adds an entry; only its key is filled, the rest is zero. ERROR_FULL where both buckets hold only
// live entries (or no entry is left); ERROR_EXISTS for a key that is there. A live entry is never
// evicted.
enum error flow_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                       uint32_t now_ms, uint32_t expires_ms, struct flow **flow);

// Forgets an entry and its peer.
void flow_remove(struct flow_table *table, struct flow *flow);

// The number of an entry and back.
uint32_t flow_number(const struct flow_table *table, const struct flow *flow);
struct flow *flow_at(struct flow_table *table, uint32_t number);

// Visits up to `buckets` buckets from where the last call stopped and frees expired entries, so
// that an idle worker's counts come true. Returns how many it freed.
uint32_t flow_sweep(struct flow_table *table, uint32_t buckets, uint32_t now_ms);

// Called for an entry that is about to be freed, by expiry or by flow_remove(); may count it.
void flow_table_on_free(struct flow_table *table, void (*freed)(void *context, const struct flow *),
                        void *context);

uint32_t flow_table_used(const struct flow_table *table);     // entries, expired ones included
uint32_t flow_table_capacity(const struct flow_table *table); // entries
uint64_t flow_table_bytes(const struct flow_table *table);    // memory

// Walks the live entries from `*position` (0 at first) and calls `visit` until it returns false or
// `limit` were visited. Returns true while there is more.
bool flow_walk(struct flow_table *table, uint32_t *position, uint32_t limit, uint32_t now_ms,
               bool (*visit)(void *context, const struct flow *), void *context);
