// Where a packet goes next: connected networks, static routes and gateways. A table is built from
// the configuration, never changes, is read by all workers, and is replaced as a whole.
//
// The versions never mix, although addresses share one shape: an IPv6 prefix short enough to cover
// ::ffff:0:0/96 (the default ::/0, say) does not hold an IPv4 address. Nor does one shorter than
// /10 hold a link-local one: which link is meant, a destination does not say.
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/ip.h"

#define ROUTES_MAX 2048

struct route {
    struct ip_prefix to;
    bool on_link;          // the destination itself is the neighbour
    struct ip_address via; // the neighbour otherwise
    uint32_t port;         // index of the port
};

struct route_table;

// `routes` is copied; host bits of a prefix are ignored. Of two equal prefixes the first wins.
// ERROR_NO_MEMORY, ERROR_TOO_LARGE, ERROR_INVALID for a length over 128.
enum error route_table_create(const struct route *routes, uint32_t count,
                              struct route_table **table);
void route_table_destroy(struct route_table *table);

// The route with the longest prefix that holds the address, or NULL. It lives as long as the table.
const struct route *route_lookup(const struct route_table *table,
                                 const struct ip_address *destination);
