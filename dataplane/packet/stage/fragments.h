// Fragments of datagrams on their way through: only the first one has the ports, and the others
// follow it, whatever the order they come in. One worker's memory of datagrams whose fragments have
// not all been seen: what became of the first, and those that came before it, which wait. Nothing
// is put together here.
//
// Pieces of one datagram never overlap on the way out: one that does spoils its datagram, of which
// nothing more passes (RFC 5722, RFC 1858, RFC 3128), so that no member can put together anything
// else than what was judged. First fragments without a whole TCP or UDP header wire_parse()
// refuses.
//
// All is bounded: datagrams, pieces of one, packets that wait, and time. Who sends only later
// fragments fills the places of those that wait, and keeps out others that come out of order, but
// none that come in order; who sends only first ones pushes out the oldest datagrams. One thread
// owns a table. It knows packets as pointers only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"
#include "base/siphash.h"
#include "dataplane/packet/wire/drop.h"
#include "dataplane/packet/wire/fragment.h"

#define FRAGMENTS_DATAGRAMS 1024
#define FRAGMENTS_HELD      256  // packets that wait, less than datagrams
#define FRAGMENTS_PIECES    64   // of a datagram: 64 KiB in packets of 1280 bytes have 54
#define FRAGMENTS_MS        1000 // from the first that came, and again from the first fragment on

struct fragments;

// A packet as the table keeps it.
struct fragments_packet {
    void *packet; // the table's while it waits
    uint16_t port;
    bool handed;
};

// What became of a first fragment, the caller's words.
struct fragments_way {
    uint8_t kind;
    uint8_t reason;
    uint16_t owner;
    uint16_t service;
    uint16_t member;
    uint16_t local;             // FullNAT: slot of the local address, else 0
    struct ip_address far_side; // FullNAT: what takes the sender's or the receiver's place
    uint32_t identification;    // FullNAT: what the datagram has at its member
    uint64_t revision;          // of the tables whose slots these are
};

// Where packets go that waited: they are the function's then.
struct fragments_actions {
    void (*follow)(void *context, const struct fragments_packet *packet,
                   const struct fragments_way *way);
    void (*drop)(void *context, const struct fragments_packet *packet, enum drop_reason reason);
    void *context;
};

// `key` is secret: senders choose addresses and identifications. ERROR_NO_MEMORY.
enum error fragments_create(struct siphash_key key, struct fragments_actions actions,
                            struct fragments **fragments);
// Drops what waits. NULL is allowed.
void fragments_destroy(struct fragments *fragments);

enum fragments_answer {
    FRAGMENTS_FIRST,   // find out its way, then fragments_decide()
    FRAGMENTS_FOLLOW,  // it goes `way`
    FRAGMENTS_WAIT,    // the packet is the table's now
    FRAGMENTS_REFUSED, // for `reason`: DROP_FRAGMENT_*
};

// A fragment has come.
enum fragments_answer fragments_take(struct fragments *fragments, const struct wire_fragment *piece,
                                     const struct fragments_packet *packet, uint32_t now_ms,
                                     struct fragments_way *way, enum drop_reason *reason);

// The way of the first fragment that fragments_take() let through: those that wait go it at once.
void fragments_decide(struct fragments *fragments, const struct wire_fragment *first,
                      const struct fragments_way *way, uint32_t now_ms);

// Drops what has waited too long, and forgets datagrams whose time is over.
void fragments_expire(struct fragments *fragments, uint32_t now_ms);

uint32_t fragments_datagrams(const struct fragments *fragments); // up to FRAGMENTS_DATAGRAMS
uint32_t fragments_waiting(const struct fragments *fragments);   // packets, up to FRAGMENTS_HELD
uint64_t fragments_evicted(const struct fragments *fragments);   // datagrams, since the start
