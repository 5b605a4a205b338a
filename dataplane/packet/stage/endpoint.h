// What an address and port of ours mean: the first question about any packet. Services' and NAT
// members' endpoints have a number of 16 bits that stays theirs while flows need it, over reloads:
// a flow's key is a peer and such a number (dataplane/packet/flow/flow.h). A service's number is
// its slot; members' are given out above ENDPOINT_NUMBER_MEMBERS by a registry.
// The set is built with the tables, never changes, and is read by all workers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"
#include "base/fold.h"
#include "base/ip.h"

enum endpoint_kind {
    ENDPOINT_SERVICE, // a vip's address, port and protocol; value: service slot
    ENDPOINT_MEMBER,  // a NAT or FullNAT member's address, port and protocol; value: member slot. A
                      // second one with port 0 and protocol IPPROTO_FRAGMENT stands for its
                      // fragments.
    ENDPOINT_VIP,     // a vip's address with any port; value: the port index that answers for it
    ENDPOINT_OWN,     // a port's own address; value: the port's index
    ENDPOINT_TUNNEL,  // a tunnelled member's address, with port 0 and the outer header's protocol,
                      // IPIP for both inner versions; value: a member's slot
    ENDPOINT_LOCAL,   // a local address, which FullNAT sends from; value: the port's index
    // An address from which nobody sends to us, with port 0 and protocol IPPROTO_RAW, so that it is
    // found by its number only: one of ours, but for link-local ones of IPv6, or an edge of a
    // connected IPv4 network.
    ENDPOINT_NO_SENDER,
};

// A vip whose address lies in no connected network: no port answers ARP or ND for it.
#define ENDPOINT_NO_PORT UINT32_MAX

struct endpoint {
    struct ip_address address;
    uint16_t port;    // network byte order; 0 where any
    uint8_t protocol; // 0 where any
    uint8_t kind;     // enum endpoint_kind
    bool kept;        // no longer configured, but flows may need it
    uint16_t number;  // ENDPOINT_SERVICE, ENDPOINT_MEMBER of TCP or UDP; ENDPOINT_LOCAL: its
                      // slot; ENDPOINT_NO_SENDER: 1; else 0
    uint32_t value;
};

// Numbers of members' endpoints lie above services' slots.
#define ENDPOINT_NUMBER_MEMBERS (2 * CONFIG_VIPS_MAX + 1)
#define ENDPOINT_NUMBERS        (UINT16_MAX - ENDPOINT_NUMBER_MEMBERS) // how many there are

struct endpoint_set;

// `endpoints` is copied; of equal ones the first counts.
enum error endpoint_set_create(const struct endpoint *endpoints, uint32_t count,
                               struct endpoint_set **set);
void endpoint_set_destroy(struct endpoint_set *set);

// All of them, in the order given: `*count` items, borrowed.
const struct endpoint *endpoint_items(const struct endpoint_set *set, uint32_t *count);

// The endpoint of exactly that address, port and protocol, or NULL.
const struct endpoint *endpoint_find(const struct endpoint_set *set,
                                     const struct ip_address *address, uint16_t port,
                                     uint8_t protocol);

// Whether the set has one of that address, port, protocol, kind and value.
bool endpoint_is_in(const struct endpoint_set *set, const struct endpoint *endpoint);

// The number of a service's (ENDPOINT_SERVICE) or member's (ENDPOINT_MEMBER) endpoint, or of a
// local address (ENDPOINT_LOCAL, with port and protocol 0); 0: there is none. Address and port as
// they lie in a packet. One address and port may be both: a member that is another service of ours.
static inline uint16_t endpoint_number_v4(const struct endpoint_set *set, enum endpoint_kind kind,
                                          uint32_t address, uint16_t port, uint8_t protocol);
uint16_t endpoint_number_v6(const struct endpoint_set *set, enum endpoint_kind kind,
                            const void *address, uint16_t port, uint8_t protocol);
uint16_t endpoint_number(const struct endpoint_set *set, enum endpoint_kind kind,
                         const struct ip_address *address, uint16_t port, uint8_t protocol);

// The body of endpoint_number_v4(), which is on the way of every packet, and what it reads of a
// set: open addressing, at most a quarter full.
struct endpoint_word {
    uint64_t key; // 0: free
    uint64_t number;
};
struct endpoint_words {
    uint64_t factor; // odd, random
    uint32_t shift;
    uint32_t mask;               // slots less one
    struct endpoint_word *slots; // owned
};

static inline uint64_t endpoint_key_v4(enum endpoint_kind kind, uint32_t address, uint16_t port,
                                       uint8_t protocol)
{
    return address | (uint64_t)port << 32 | (uint64_t)protocol << 48 | (uint64_t)(kind + 1) << 56;
}

static inline uint16_t endpoint_number_v4(const struct endpoint_set *set, enum endpoint_kind kind,
                                          uint32_t address, uint16_t port, uint8_t protocol)
{
    const struct endpoint_words *words = (const struct endpoint_words *)set;
    uint64_t key = endpoint_key_v4(kind, address, port, protocol);
    for (uint64_t at = key * words->factor >> words->shift;; at++) {
        const struct endpoint_word *word = &words->slots[at & words->mask];
        if (__builtin_expect(word->key == key, 1))
            return (uint16_t)word->number;
        if (word->key == 0)
            return 0;
    }
}
