// The flow table of one worker: which member an established flow belongs to. One thread owns a
// table and alone touches it; nothing here locks or allocates after creation.
//
// A flow is a peer seen at an endpoint. An endpoint is an address, port and protocol of ours, or of
// a NAT member, which has a number (dataplane/packet/stage/endpoint.h); so the key of an IPv4 flow
// is exact and one word, that of an IPv6 flow three. One-way flows (direct return, tunnels) are one
// entry. Two-way flows (NAT) are two entries, as clients send and as members answer, whose values
// name one record of 64 bytes, a struct flow_pair: what changes with a packet is changed there once
// for both, and they live and die together.
//
// An entry is a key and eight bytes of value, four to a bucket: one cache line for IPv4, two for
// IPv6. A key may be in one of two buckets. It goes to the first while that has room; a bucket
// counts those that went on to their second, so a lookup ends in the first bucket in nearly all
// cases. Where both are full, neighbours move to other buckets of theirs.
//
// Expiry is lazy: an entry whose time has passed is not found, and its place is taken by the next
// insert that needs it or by flow_sweep(). A live entry is never evicted.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/error.h"
#include "base/fold.h"
#include "base/ip.h"
#include "base/pool.h"

#define FLOW_CAPACITY_MAX (1u << 27)
#define FLOW_BUCKET_SLOTS 4u

// What one flow_walk() reads at most.
#define FLOW_WALK_BUCKETS 512u

// All 24 bytes count: the unused ones must be zero. Of an IPv4 peer bytes 12 to 19 say all.
struct flow_key {
    struct ip_address peer; // who speaks with the endpoint
    uint16_t port;          // of the peer, network byte order; of ICMP echo the identifier
    uint16_t endpoint;      // number, never 0
    uint32_t zero;
};
_Static_assert(sizeof(struct flow_key) == 24, "a key is three words");

enum flow_state {
    FLOW_TCP_OPENING,       // the client's SYN was seen
    FLOW_TCP_PICKED_UP,     // began in the middle: its table was lost, or it is made up
    FLOW_TCP_ANSWERED,      // NAT: the member answered
    FLOW_TCP_ESTABLISHED,   // the client acknowledged
    FLOW_TCP_CLIENT_CLOSED, // NAT: the client's FIN was seen
    FLOW_TCP_MEMBER_CLOSED, // NAT: the member's FIN was seen
    FLOW_TCP_CLOSING,       // both ends' FINs, or without NAT the client's
    FLOW_TCP_RESET,         // a RST was seen, which may be made up
    FLOW_UDP_OPENING,       // a client's datagram was seen
    FLOW_UDP_ANSWERED,      // NAT: the member answered, and the client has not spoken since
    FLOW_UDP,               // somebody went on speaking
    FLOW_STATES,
};

static inline bool flow_is_udp(enum flow_state state)
{
    return state >= FLOW_UDP_OPENING;
}

// A state that both ends have earned, as far as both are heard, and that is kept for long. Until
// then a flow is on probation (dataplane/packet/flow/probation.h).
static inline bool flow_is_earned(enum flow_state state)
{
    return state == FLOW_TCP_ESTABLISHED || state == FLOW_TCP_CLIENT_CLOSED ||
           state == FLOW_TCP_MEMBER_CLOSED || state == FLOW_UDP;
}

enum flow_direction {
    FLOW_FORWARD, // client to vip
    FLOW_REPLY,   // member to client, two-way flows only
};

// Bits of struct flow's `flags`; the upper half of the byte is the table's own.
#define FLOW_TWO_WAY  0x01 // `pair` counts, and not `expires_ms` and `state`
#define FLOW_IS_REPLY 0x02

// The value of an entry. Time is a clock of milliseconds that wraps; all times of a table are
// compared by difference. So a timeout is below 2^31 ms (24.8 days), and a table is swept whole at
// least that often.
struct flow {
    union {
        uint32_t expires_ms; // the first millisecond at which it is no longer wanted
        uint32_t pair;       // FLOW_TWO_WAY: number of the record
    };
    uint16_t member; // slot of the member
    uint8_t state;   // enum flow_state
    uint8_t flags;
};
_Static_assert(sizeof(struct flow) == 8, "four values fill half a cache line");

// Both directions of a two-way flow. The keys of its entries follow from it: as the client sends,
// (client, client_port, service); as the member answers, (answered, answered_port,
// member_endpoint).
struct flow_pair {
    _Alignas(64) struct ip_address client;
    struct ip_address answered; // whom the member answers: the client, or a local address (FullNAT)
    uint16_t client_port;       // network byte order
    uint16_t answered_port;     // network byte order
    uint16_t service;           // slot of the service, which is its endpoint's number
    uint16_t member_endpoint;   // number
    uint32_t expires_ms;        // as in struct flow, for both directions
    uint32_t way;               // the caller's: how replies reach the client, 0: not known yet
    uint8_t way_port;           // the caller's: the port `way` leads out of
    uint8_t way_routes;         // the caller's: the generation of the routes that led to `way`
    uint16_t member;            // slot of the member
    uint8_t state;              // enum flow_state
    uint8_t beyond;             // the caller's: what is done beyond rewriting
    uint16_t local;             // the caller's: which local address `answered` is
    uint32_t stream_begins;     // the caller's: sequence number of a stream's first byte
    uint16_t local_number;      // the caller's: which of its worker's ports there it has
    uint16_t client_begins;     // the caller's: of the client's first sequence number the low half
};
_Static_assert(sizeof(struct flow_pair) == 64, "a record is one cache line");

struct flow_table;

// A table for `capacity` entries of both versions together. Memory is taken here, once; pages lie
// on the NUMA node of the thread that first uses them, the worker, and cost nothing until then: who
// has no IPv6 clients has no IPv6 table. `secrets` are FOLD_SECRETS random words.
// ERROR_INVALID for a capacity of 0, ERROR_TOO_LARGE above FLOW_CAPACITY_MAX, ERROR_NO_MEMORY.
enum error flow_table_create(uint32_t capacity, const uint64_t *secrets, struct flow_table **table);
void flow_table_destroy(struct flow_table *table); // NULL is allowed; calls no flow_table_on_free

// The keyed hash of a key. The caller keeps it.
static inline uint64_t flow_hash(const struct flow_table *table, const struct flow_key *key);

// The live entry of a key, or NULL. It stays where it is until the next insert or removal.
struct flow *flow_find(struct flow_table *table, const struct flow_key *key, uint64_t hash,
                       uint32_t now_ms);

// The entry of a key, also one whose time has passed, or NULL.
struct flow *flow_entry(struct flow_table *table, const struct flow_key *key);

// The entry of a hash, expired or not, where its state is not earned; else NULL. Who has a hash for
// a key may be mistaken once in 2^64.
struct flow *flow_find_unearned(struct flow_table *table, uint64_t hash, bool v4);

// The same in its parts, for bursts: make the key's words and hash them, fetch the bucket in which
// the entry most likely is, look for it there, judge its time. An IPv4 key is one word, made of
// address and port as they lie in a packet; an IPv6 key is the three words of its struct.
static inline uint64_t flow_word_v4(uint32_t address, uint16_t port, uint16_t endpoint);
static inline uint64_t flow_hash_v4(const struct flow_table *table, uint64_t word);
static inline uint64_t flow_hash_v6(const struct flow_table *table, const uint64_t *words);
static inline void flow_prefetch_v4(const struct flow_table *table, uint64_t hash);
static inline void flow_prefetch_v6(const struct flow_table *table, uint64_t hash);
static inline struct flow *flow_match_v4(const struct flow_table *table, uint64_t word,
                                         uint64_t hash);
static inline struct flow *flow_match_v6(const struct flow_table *table, const uint64_t *words,
                                         uint64_t hash);
static inline bool flow_is_live(const struct flow_table *table, const struct flow *flow,
                                uint32_t now_ms);
// Whether an entry that was matched before inserts and removals is still that key's.
static inline bool flow_is_still_v4(const struct flow *flow, uint64_t word);
static inline bool flow_is_still_v6(const struct flow *flow, const uint64_t *words);

// The record of a two-way flow; of a one-way flow NULL.
static inline struct flow_pair *flow_pair_of(const struct flow_table *table,
                                             const struct flow *flow);

// State and time of a flow, wherever they are.
static inline enum flow_state flow_state_of(const struct flow_table *table,
                                            const struct flow *flow);
static inline uint32_t flow_expires_ms(const struct flow_table *table, const struct flow *flow);
static inline void flow_set(struct flow_table *table, struct flow *flow, enum flow_state state,
                            uint32_t expires_ms);

// The key by which the client's direction of a flow is found.
struct flow_key flow_client_key(struct flow_table *table, struct flow *flow);

// Adds a one-way flow, its member, state and time from `value`. ERROR_EXISTS for a key that is
// there and live: `*flow` is that entry then. ERROR_FULL where `capacity` entries are in use and no
// expired one is near, or (below capacity all but impossible) no neighbour could move.
enum error flow_insert_v4(struct flow_table *table, uint64_t word, uint64_t hash, uint32_t now_ms,
                          struct flow value, struct flow **flow);
enum error flow_insert_v6(struct flow_table *table, const uint64_t *words, uint64_t hash,
                          uint32_t now_ms, struct flow value, struct flow **flow);

// Adds a two-way flow: two entries, or none, whose keys are what `values` says, which is copied to
// the new record. `hash` is that of the client's direction. ERROR_FULL, and ERROR_EXISTS where
// either key is there: `*flow` is that entry, else the client's direction's.
enum error flow_insert_pair(struct flow_table *table, const struct flow_pair *values, uint64_t hash,
                            uint32_t now_ms, struct flow **flow);

// Fetches where flow_insert_pair() will put the member's direction.
void flow_prefetch_member(const struct flow_table *table, const struct flow_pair *values);

// Fetches the record of a two-way flow, whose bucket is there already: `hash` is that of the
// client's direction. Returns it, unread, or NULL where the first bucket of the hash has no such
// flow.
const struct flow_pair *flow_prefetch_pair(const struct flow_table *table, uint64_t hash, bool v4);

// Forgets a live entry; of a two-way flow both, and the record.
void flow_remove(struct flow_table *table, struct flow *flow);

// Visits up to `buckets` buckets (or as many records of two-way flows) from where the last call
// stopped and frees expired entries, so that an idle worker's counts come true. Returns how many
// entries it freed.
uint32_t flow_sweep(struct flow_table *table, uint32_t buckets, uint32_t now_ms);

// The same of two-way flows' records alone, from where its own last call stopped: for who needs
// what those flows hold.
uint32_t flow_sweep_two_way(struct flow_table *table, uint32_t records, uint32_t now_ms);

// How many buckets and records a whole turn of flow_sweep() has.
uint32_t flow_table_buckets(const struct flow_table *table);

// Called once for a flow that is about to be freed, by expiry or by flow_remove(); `pair` is NULL
// for a one-way flow. May count, and give back what the flow held.
void flow_table_on_free(struct flow_table *table,
                        void (*freed)(void *context, uint16_t service, uint16_t member,
                                      const struct flow_pair *pair),
                        void *context);

uint32_t flow_table_used(const struct flow_table *table);     // entries, expired ones included
uint32_t flow_table_capacity(const struct flow_table *table); // entries
static inline uint32_t flow_table_two_way(const struct flow_table *table); // flows of two entries
uint64_t flow_table_bytes(const struct flow_table *table);                 // memory, touched or not

// A live entry, told to people.
struct flow_view {
    struct ip_address client;
    uint16_t client_port; // network byte order
    uint16_t service, member;
    uint8_t state;     // enum flow_state
    uint8_t direction; // enum flow_direction
    uint32_t expires_ms;
};

// Walks the live entries from `*position` (0 at first) and calls `visit` until it returns false,
// `limit` were visited or FLOW_WALK_BUCKETS buckets were read, so that a worker's packets do not
// wait for a big table. Returns true while there is more, also when this call found none. An entry
// that is in the table all along is visited once, unless an insert between two calls moved it.
bool flow_walk(struct flow_table *table, uint32_t *position, uint32_t limit, uint32_t now_ms,
               bool (*visit)(void *context, const struct flow_view *flow), void *context);

// Called for an entry that an insert moved, for walks that must not miss one; NULL: nobody any
// more. Must not change the table.
void flow_table_on_move(struct flow_table *table,
                        void (*moved)(void *context, const struct flow_view *flow), void *context);

#include "dataplane/packet/flow/flow_inline.h"
