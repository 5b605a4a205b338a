// Internet addresses. Both versions are one 16-byte value: an IPv4 address is held as the
// IPv4-mapped IPv6 address ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that keys and tables have
// one shape.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

struct ip_address {
    uint8_t bytes[16]; // network byte order
};

// A network. `length` counts bits of the 16-byte form: an IPv4 /24 is 96 + 24 = 120.
struct ip_prefix {
    struct ip_address address;
    uint8_t length;
};

// The longest text of an address, or of a prefix, with its terminator.
#define IP_TEXT_SIZE 52

static inline bool ip_is_v4(const struct ip_address *address)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

static inline bool ip_same_version(const struct ip_address *a, const struct ip_address *b)
{
    return ip_is_v4(a) == ip_is_v4(b);
}

static inline bool ip_equal(const struct ip_address *a, const struct ip_address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// An IPv4 address from its four bytes in network order.
static inline struct ip_address ip_from_v4(const void *four_bytes)
{
    struct ip_address address = {.bytes = {[10] = 0xff, [11] = 0xff}};
    memcpy(address.bytes + 12, four_bytes, 4);
    return address;
}

// An IPv6 address from its sixteen bytes in network order.
static inline struct ip_address ip_from_v6(const void *sixteen_bytes)
{
    struct ip_address address;
    memcpy(address.bytes, sixteen_bytes, 16);
    return address;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address);

// The first address of a network, which is its own, or with `ones` the last: of IPv4 the broadcast.
struct ip_address ip_prefix_edge(const struct ip_prefix *prefix, bool ones);

// Unspecified (0.0.0.0, ::), loopback, multicast and the IPv4 broadcast are not unicast.
bool ip_is_unicast(const struct ip_address *address);

// fe80::/10 or 169.254.0.0/16.
bool ip_is_link_local(const struct ip_address *address);
// fe80::/10, of which every link has its own (RFC 4291 section 2.1): who names one means a link.
bool ip_is_of_a_link(const struct ip_address *address);

// Of our addresses on a link, each with its network, the one from which to speak to `target`: of
// its version, link-local to link-local ones only; in its network, of several in the longest; else
// the first (RFC 6724 section 5). NULL: there is none. It is one of `own`.
const struct ip_address *ip_source_towards(const struct ip_prefix *own, uint32_t count,
                                           const struct ip_address *target);

// Reads "192.0.2.1" or "2001:db8::1". ERROR_INVALID for anything else, IPv4-mapped text included.
enum error ip_parse(const char *text, struct ip_address *address);

// Reads "192.0.2.0/24" or "2001:db8::/32". The host bits may be set (an interface's address).
enum error ip_prefix_parse(const char *text, struct ip_prefix *prefix);

// Writes the text form into `out` (at least IP_TEXT_SIZE bytes) and returns it.
const char *ip_format(const struct ip_address *address, char *out);
const char *ip_prefix_format(const struct ip_prefix *prefix, char *out);
