// What the ways to tunnelled members take, where a router has said that it is less than their port
// does: path MTU discovery (RFC 1191, RFC 8201) of the appliance's own packets. Bounded and timed:
// what was told is forgotten after PATHS_KEEP_NS, and learned anew if it is so still, since ways
// change. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/ip.h"

#define PATHS_MAX     1024u
#define PATHS_KEEP_NS (600ull * NANOSECONDS_PER_SECOND) // RFC 1191 section 6.3

struct path {
    struct ip_address member;
    uint64_t until_ns; // 0: free
    uint16_t mtu;
};

// Zero is empty.
struct paths {
    uint32_t count; // of items that were ever used
    struct path items[PATHS_MAX];
};

// A router said so of the way to a member. True: it is news. Larger than what is known is not: who
// says the least is believed until then. Of more than PATHS_MAX the one that would be forgotten
// first is.
bool paths_learn(struct paths *paths, const struct ip_address *member, uint16_t mtu,
                 uint64_t now_ns);

// What is known of the way, and until when; 0: nothing.
uint16_t paths_mtu(const struct paths *paths, const struct ip_address *member, uint64_t now_ns,
                   uint64_t *until_ns);
