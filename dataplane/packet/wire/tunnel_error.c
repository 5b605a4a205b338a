#include "dataplane/packet/wire/tunnel_error.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/wire_priv.h"

// Routers from before RFC 1191 name no size: then it is the next of those that are common (its
// section 7.1).
static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};

static uint32_t plateau_below(uint32_t size)
{
    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
        if (plateaus[i] < size)
            return plateaus[i];
    }
    return TUNNEL_MTU_LEAST_V4;
}

static bool checksum_is_right(const uint8_t *frame, const struct wire_packet *packet)
{
    uint32_t size = (uint32_t)packet->end - packet->l4_offset;
    struct ip_address source = wire_source(frame, packet);
    struct ip_address destination = wire_destination(frame, packet);
    uint64_t sum = packet->kind == WIRE_IPV4
                       ? 0
                       : checksum_pseudo(&source, &destination, IPPROTO_ICMPV6, size);
    return checksum_finish(checksum_add(sum, span_of(frame + packet->l4_offset, size))) == 0;
}

static enum tunnel_error_says says(const uint8_t *icmp, bool v4)
{
    if (v4 ? icmp[0] == ICMP_UNREACHABLE && icmp[ICMP_CODE] == ICMP_FRAGMENTATION_NEEDED
           : icmp[0] == ICMPV6_TOO_BIG)
        return TUNNEL_ERROR_TOO_BIG;
    if (v4 ? icmp[0] == ICMP_UNREACHABLE || icmp[0] == ICMP_TIME_EXCEEDED
           : icmp[0] == ICMPV6_UNREACHABLE || icmp[0] == ICMPV6_TIME_EXCEEDED)
        return TUNNEL_ERROR_UNREACHABLE;
    return TUNNEL_ERROR_MALFORMED;
}

// What we do not send, options and extension headers, is nothing of ours. Returns the protocol, or
// -1.
static int read_outer(struct cursor *cursor, bool v4, struct tunnel_error *error)
{
    const uint8_t *ip = cursor_take(cursor, v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE);
    if (!ip)
        return -1;
    if (v4) {
        error->source = ip_from_v4(ip + WIRE_IPV4_SOURCE);
        error->destination = ip_from_v4(ip + WIRE_IPV4_DESTINATION);
        error->size = load_be16(ip + IPV4_TOTAL_LENGTH);
        bool whole = load_be16(ip + IPV4_FRAGMENT) == IPV4_DONT_FRAGMENT;
        return ip[0] == IPV4_VERSION_AND_IHL && whole ? ip[IPV4_PROTOCOL] : -1;
    }
    error->source = ip_from_v6(ip + WIRE_IPV6_SOURCE);
    error->destination = ip_from_v6(ip + WIRE_IPV6_DESTINATION);
    error->size = WIRE_IPV6_SIZE + (uint32_t)load_be16(ip + IPV6_PAYLOAD_LENGTH);
    // In this form an address would pass for IPv4 with us.
    bool right = ip[0] >> 4 == 6 && !ip_is_v4(&error->source) && !ip_is_v4(&error->destination);
    return right ? ip[IPV6_NEXT_HEADER] : -1;
}

// What stands between the outer header and the packet inside. False: nothing of ours. Where it is
// cut short, which eight bytes behind the outer header may be, nothing of the packet is quoted.
static bool read_shim(struct cursor *cursor, int protocol, struct tunnel_error *error)
{
    const uint8_t *shim;
    switch (protocol) {
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
        error->kind = WIRE_TUNNEL_IPIP;
        error->inner_v4 = protocol == IPPROTO_IPIP;
        return true;
    case IPPROTO_GRE:
        error->kind = WIRE_TUNNEL_GRE;
        shim = cursor_take(cursor, WIRE_GRE_SIZE);
        if (!shim || load_be16(shim) != 0)
            return false;
        error->inner_v4 = load_be16(shim + 2) == ETHERTYPE_IP;
        return error->inner_v4 || load_be16(shim + 2) == ETHERTYPE_IPV6;
    case IPPROTO_UDP:
        error->kind = WIRE_TUNNEL_GUE;
        shim = cursor_take(cursor, WIRE_UDP_SIZE);
        if (!shim || load_be16(shim) < WIRE_TUNNEL_PORT_LEAST || load_be16(shim + 2) != GUE_PORT)
            return false;
        break;
    default:
        return false;
    }
    // Variant 0, data, no flags; what optional words there are is a list of hops.
    shim = cursor_take(cursor, GUE_SIZE);
    if (!shim || !cursor_take(cursor, shim[0] * 4u))
        return true;
    error->inner_v4 = shim[1] == IPPROTO_IPIP;
    return shim[0] <= GUE_WORDS_MAX && load_be16(shim + 2) == 0 &&
           (error->inner_v4 || shim[1] == IPPROTO_IPV6);
}

// Whether what it says of a size may be so.
static bool is_believable(const uint8_t *icmp, bool v4, struct tunnel_error *error)
{
    if (error->says != TUNNEL_ERROR_TOO_BIG)
        return true;
    error->mtu = v4 ? load_be16(icmp + 6) : load_be32(icmp + 4);
    if (v4 && error->mtu == 0)
        error->mtu = plateau_below(error->size);
    return error->mtu >= (v4 ? TUNNEL_MTU_LEAST_V4 : TUNNEL_MTU_LEAST_V6) &&
           error->mtu < error->size;
}

bool tunnel_error_read(struct span frame, const struct wire_packet *packet,
                       struct tunnel_error *error)
{
    DCHECK(icmp_error_is(packet));
    if (frame.size < packet->end)
        return false;
    *error = (struct tunnel_error){.mtu = 0};
    bool v4 = packet->kind == WIRE_IPV4;
    const uint8_t *icmp = frame.data + packet->l4_offset;
    uint32_t at = packet->l4_offset + (uint32_t)ICMP_SIZE, left = packet->end - at;
    struct cursor cursor = cursor_of(span_of(frame.data + at, left));
    int protocol = read_outer(&cursor, v4, error);
    if (protocol < 0 || !read_shim(&cursor, protocol, error))
        return false;
    error->says = says(icmp, v4);
    if (!is_believable(icmp, v4, error) || !checksum_is_right(frame.data, packet))
        return false;
    uint32_t end = at + error->size;
    error->inner = (uint16_t)(packet->end - cursor_left(&cursor));
    // Behind the packet: padding, or RFC 4884's objects.
    error->inner_end = (uint16_t)(end < packet->end ? end : packet->end);
    if (!cursor_ok(&cursor) || error->inner_end < error->inner)
        error->inner_end = error->inner;
    return true;
}
