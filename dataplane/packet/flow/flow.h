// The flow table of one worker: which member an established flow belongs to. One thread owns a
// table and alone touches it; nothing here locks or allocates after creation.
//
// An entry is one direction of a flow, one cache line. A NAT flow has two that name each other by
// `peer`: as clients send it (client to vip) and as members answer it (member to client). Buckets
// are one cache line of eight 16-bit tags and eight entry numbers; a key may be in one of two
// buckets, and goes to the emptier. Where both are full, a neighbour that has room in its own
// second bucket moves there; entries themselves never move while they live.
//
// Expiry is lazy: an entry whose time has passed is not found, and its place is taken by the next
// insert that needs it or by flow_sweep(). Two that are peers live and die together: they are
// expired when the times of both have passed, and freeing one frees the other. So a packet
// refreshes only the entry it found (flow_touch(), one cache line), and a download whose every
// packet is a reply keeps its client's direction alive. What makes a time shorter must do so in
// both entries: flow_set_state().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/siphash.h"

#define FLOW_BURST_MAX    64
#define FLOW_CAPACITY_MAX (1u << 27)
#define FLOW_NONE         0u // entry number 0 is never used

// What one flow_walk() reads at most.
#define FLOW_WALK_BUCKETS 256u

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
    FLOW_TCP_OPENING,       // the client's SYN was seen
    FLOW_TCP_PICKED_UP,     // began in the middle: its table was lost, or it is made up
    FLOW_TCP_ANSWERED,      // NAT: the member answered
    FLOW_TCP_ESTABLISHED,   // the client acknowledged
    FLOW_TCP_CLIENT_CLOSED, // NAT: the client's FIN was seen
    FLOW_TCP_MEMBER_CLOSED, // NAT: the member's FIN was seen
    FLOW_TCP_CLOSING,       // both ends' FINs, or without NAT the client's
    FLOW_TCP_RESET,         // a RST was seen, which may be made up
    FLOW_UDP,
    FLOW_STATES,
};

enum flow_direction {
    FLOW_FORWARD, // client to vip
    FLOW_REPLY,   // member to client, NAT only
};

// Time is a clock of milliseconds that wraps; all times of a table are compared by difference. So
// a timeout is below 2^31 ms (24.8 days), and a table is swept whole at least that often.
struct flow {
    struct flow_key key;
    uint32_t peer;       // the other direction's entry, or FLOW_NONE
    uint32_t expires_ms; // the first millisecond at which it is no longer wanted
    uint32_t service;    // slot of the service
    uint32_t member;     // slot of the member
    uint32_t way;        // the caller's: how to reach where it goes, 0: not known yet
    uint8_t state;       // enum flow_state; of a NAT flow both entries bear the same
    uint8_t direction;   // enum flow_direction
    uint8_t way_port;    // the caller's: the port `way` leads out of
    uint8_t way_routes;  // the caller's: the generation of the routes that led to `way`
};
_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");

struct flow_table;

// A table for `capacity` entries. Memory is taken here, once, and lies on the NUMA node of the
// thread that first uses it: the worker. ERROR_INVALID for a capacity of 0, ERROR_TOO_LARGE above
// FLOW_CAPACITY_MAX, ERROR_NO_MEMORY.
enum error flow_table_create(uint32_t capacity, struct siphash_key key, struct flow_table **table);
void flow_table_destroy(struct flow_table *table); // NULL is allowed; calls no flow_table_on_free

// The keyed hash of a key: two words for IPv4, five for IPv6 (SipHash-1-3). The caller keeps it.
uint64_t flow_hash(const struct flow_table *table, const struct flow_key *key);

// Looks up `count` (at most FLOW_BURST_MAX) keys at once, prefetching buckets, then entries.
// found[i] is the entry or NULL. Expired entries are not found. What was found stays valid through
// inserts at the same `now_ms`; flow_remove() ends it, and its peer.
void flow_lookup_burst(struct flow_table *table, const struct flow_key *keys,
                       const uint64_t *hashes, uint32_t count, uint32_t now_ms,
                       struct flow **found);

struct flow *flow_lookup(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                         uint32_t now_ms);

// Adds an entry; its key and its time are filled, the rest is zero. ERROR_FULL where no entry is
// left, or (below capacity all but impossible) both buckets hold only live entries that cannot
// move; ERROR_EXISTS for a key that is there. A live entry is never evicted. When entries run out,
// expired ones are looked for in the key's buckets and then in a few more, not in the whole table.
enum error flow_insert(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                       uint32_t now_ms, uint32_t expires_ms, struct flow **flow);

// Makes two entries, neither of which has a peer, the two directions of one flow.
void flow_pair(struct flow_table *table, struct flow *forward, struct flow *reply);

// Forgets an entry and its peer.
void flow_remove(struct flow_table *table, struct flow *flow);

// The number of an entry and back.
uint32_t flow_number(const struct flow_table *table, const struct flow *flow);
struct flow *flow_at(struct flow_table *table, uint32_t number);

// A packet was seen: keeps the entry, and with it its peer, for `timeout_ms` from now.
static inline void flow_touch(struct flow *flow, uint32_t now_ms, uint32_t timeout_ms)
{
    DCHECK(timeout_ms <= INT32_MAX);
    flow->expires_ms = now_ms + timeout_ms;
}

// The flow passed to another state, whose timeout may be shorter: sets state and time of the entry
// and of its peer.
void flow_set_state(struct flow_table *table, struct flow *flow, enum flow_state state,
                    uint32_t now_ms, uint32_t timeout_ms);

// Visits up to `buckets` buckets from where the last call stopped and frees expired entries, so
// that an idle worker's counts come true. Returns how many it freed.
uint32_t flow_sweep(struct flow_table *table, uint32_t buckets, uint32_t now_ms);

// How many buckets a whole turn of flow_sweep() has.
uint32_t flow_table_buckets(const struct flow_table *table);

// Called for an entry that is about to be freed, by expiry or by flow_remove(); may count it. Peers
// are told one after the other, while both can still be read.
void flow_table_on_free(struct flow_table *table, void (*freed)(void *context, const struct flow *),
                        void *context);

uint32_t flow_table_used(const struct flow_table *table);     // entries, expired ones included
uint32_t flow_table_capacity(const struct flow_table *table); // entries
uint64_t flow_table_bytes(const struct flow_table *table);    // memory

// Walks the live entries from `*position` (0 at first) and calls `visit` until it returns false,
// `limit` were visited or FLOW_WALK_BUCKETS buckets were read, so that a worker's packets do not
// wait for a big table. Returns true while there is more, also when this call found none. An entry
// that is in the table all along is visited once, unless an insert between two calls moved it to
// its other bucket.
bool flow_walk(struct flow_table *table, uint32_t *position, uint32_t limit, uint32_t now_ms,
               bool (*visit)(void *context, const struct flow *), void *context);
