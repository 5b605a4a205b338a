// What an address and port of ours mean: the first question about a packet that belongs to no flow.
// The set is built with the tables, never changes, and is read by all workers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"

enum endpoint_kind {
    ENDPOINT_SERVICE, // a vip's address, port and protocol; value: service slot
    ENDPOINT_MEMBER,  // a NAT member's address, port and protocol; value: member slot. A second one
                      // with port 0 and protocol IPPROTO_FRAGMENT stands for its fragments.
    ENDPOINT_VIP,     // a vip's address with any port; value: the port index that answers for it
    ENDPOINT_OWN,     // a port's own address; value: the port's index
};

// A vip whose address lies in no connected network: no port answers ARP or ND for it.
#define ENDPOINT_NO_PORT UINT32_MAX

struct endpoint {
    struct ip_address address;
    uint16_t port;    // network byte order; 0 where any
    uint8_t protocol; // 0 where any
    uint8_t kind;     // enum endpoint_kind
    bool kept;        // no longer configured, but flows may need it
    uint32_t value;
};

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
