// The straight way through this file is an IPv4 header without options, or an IPv6 header without
// extensions, that carries TCP or UDP; everything rarer is in functions kept out of its line.
#include "dataplane/packet/wire/parse.h"

#include <net/ethernet.h>
#include <netinet/in.h>

#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/wire_priv.h"

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD                __attribute__((noinline, cold))
#define HOT                 static inline __attribute__((always_inline))

#define IPV4_OPTION_END          0
#define IPV4_OPTION_NOTHING      1
#define IPV4_OPTION_LOOSE_SOURCE 131
#define IPV4_OPTION_STRICT       137

#define IPV6_FRAGMENT_OFFSET 0xfff8 // in bytes, as it lies in the field
#define IPV6_FRAGMENT_MORE   1

#define TCP_FLAGS_MEANT 0x3f // FIN to URG; ECN's flags say nothing of the state

// What the IP header and those after it say, on the way to a struct wire_packet.
struct network {
    uint32_t l4_offset;
    uint32_t end; // at most frame_size
    uint8_t protocol;
    uint8_t ttl;
    bool fragment;
    bool first_fragment;
    uint32_t fragment_offset; // IPv6
};

struct transport {
    uint8_t tcp_flags;
    uint8_t icmp_type;
    uint16_t source_port;
    uint16_t destination_port;
};

// What of the upper layer's header can be read: to the end of the packet, or of the first piece.
HOT struct cursor transport_cursor(struct span headers, const struct network *network)
{
    size_t readable = headers.size < network->end ? headers.size : network->end;
    return cursor_of(span_of(headers.data + network->l4_offset, readable - network->l4_offset));
}

HOT enum drop_reason read_tcp(struct cursor cursor, uint32_t size, struct transport *transport)
{
    const uint8_t *tcp = cursor_take(&cursor, WIRE_TCP_SIZE);
    if (UNLIKELY(!tcp))
        return DROP_TCP_MALFORMED;
    // RFC 9293 section 3.1: the data offset counts 32-bit words.
    uint32_t header_size = (tcp[TCP_DATA_OFFSET] >> 4) * 4u;
    if (UNLIKELY(header_size < WIRE_TCP_SIZE || header_size > size))
        return DROP_TCP_MALFORMED;
    uint8_t flags = tcp[TCP_FLAGS];
    bool opens_and_ends = (flags & WIRE_TCP_SYN) && (flags & (WIRE_TCP_FIN | WIRE_TCP_RST));
    if (UNLIKELY(opens_and_ends || !(flags & TCP_FLAGS_MEANT)))
        return DROP_TCP_FLAGS;
    transport->tcp_flags = flags;
    memcpy(&transport->source_port, tcp, sizeof(uint16_t));
    memcpy(&transport->destination_port, tcp + 2, sizeof(uint16_t));
    return DROP_NONE;
}

HOT enum drop_reason read_udp(struct cursor cursor, uint32_t size, bool fragment,
                              struct transport *transport)
{
    const uint8_t *udp = cursor_take(&cursor, WIRE_UDP_SIZE);
    if (UNLIKELY(!udp))
        return DROP_UDP_MALFORMED;
    // Shorter than the IP packet is legal: RFC 9868 puts options in what is left over. A length of
    // zero would be a jumbogram's (RFC 2675). The first fragment's length is that of the whole.
    uint32_t length = load_be16(udp + UDP_LENGTH);
    if (UNLIKELY(length < WIRE_UDP_SIZE || (length > size && !fragment)))
        return DROP_UDP_MALFORMED;
    memcpy(&transport->source_port, udp, sizeof(uint16_t));
    memcpy(&transport->destination_port, udp + 2, sizeof(uint16_t));
    return DROP_NONE;
}

// All messages that are defined for ICMP and ICMPv6 have eight bytes or more.
static COLD enum drop_reason read_icmp(struct cursor cursor, uint8_t protocol,
                                       struct transport *transport)
{
    const uint8_t *icmp = cursor_take(&cursor, ICMP_SIZE);
    if (!icmp)
        return DROP_ICMP_MALFORMED;
    transport->icmp_type = icmp[0];
    echo_read(icmp, protocol == IPPROTO_ICMP, &transport->source_port,
              &transport->destination_port);
    return DROP_NONE;
}

HOT enum drop_reason read_transport(struct span headers, const struct network *network,
                                    uint8_t icmp_protocol, struct transport *transport)
{
    struct cursor cursor = transport_cursor(headers, network);
    uint32_t size = network->end - network->l4_offset;
    if (UNLIKELY(network->fragment && !network->first_fragment))
        return DROP_NONE;
    if (LIKELY(network->protocol == IPPROTO_TCP))
        return read_tcp(cursor, size, transport);
    if (LIKELY(network->protocol == IPPROTO_UDP))
        return read_udp(cursor, size, network->fragment, transport);
    if (network->protocol == icmp_protocol)
        return read_icmp(cursor, icmp_protocol, transport);
    return DROP_NONE;
}

// Whether a fragment of `size` bytes at `offset` can be part of a packet, `around` being the bytes
// of the packet that are not in fragments: it has some, all but the last end at a multiple of eight
// (RFC 791 section 3.2, RFC 8200 section 4.5), and the whole is no longer than its length field can
// tell.
static bool fragment_is_possible(uint32_t offset, uint32_t size, uint32_t around, bool more)
{
    return size > 0 && (!more || size % 8 == 0) && around + offset + size <= UINT16_MAX;
}

static COLD enum drop_reason read_ipv4_fragment(const uint8_t *ip, uint32_t header_size,
                                                struct network *network)
{
    uint16_t field = load_be16(ip + IPV4_FRAGMENT);
    uint32_t offset = (field & IPV4_FRAGMENT_OFFSET) * 8u;
    uint32_t size = network->end - network->l4_offset;
    if (!fragment_is_possible(offset, size, header_size, field & IPV4_MORE_FRAGMENTS))
        return DROP_IPV4_MALFORMED;
    // RFC 1858 section 4: it would overwrite the flags of a header that was judged without them.
    if (network->protocol == IPPROTO_TCP && offset == 8)
        return DROP_IPV4_MALFORMED;
    network->fragment = true;
    network->first_fragment = offset == 0;
    return DROP_NONE;
}

// Options must fill the header without running over its end (RFC 791 section 3.1). Source routes
// are refused, as RFC 7126 section 4.3 and 4.4 advise: the checksums of TCP and UDP are not over
// the addresses of such a header, so that no rewrite could keep them right.
static COLD bool ipv4_options_are_possible(struct span options)
{
    struct cursor cursor = cursor_of(options);
    while (cursor_left(&cursor) > 0) {
        uint8_t type = cursor_u8(&cursor);
        if (type == IPV4_OPTION_END)
            return true;
        if (type == IPV4_OPTION_NOTHING)
            continue;
        if (type == IPV4_OPTION_LOOSE_SOURCE || type == IPV4_OPTION_STRICT)
            return false;
        uint8_t length = cursor_u8(&cursor);
        if (length < 2 || !cursor_take(&cursor, length - 2u))
            return false;
    }
    return true;
}

// An IPv4 header that is not the usual 20 bytes. `cursor` stands behind those.
static COLD enum drop_reason read_ipv4_options(struct cursor *cursor, const uint8_t *ip,
                                               uint32_t *header_size)
{
    uint32_t size = (ip[0] & 0x0f) * 4u;
    if (ip[0] >> 4 != 4 || size < WIRE_IPV4_SIZE)
        return DROP_IPV4_MALFORMED;
    size_t options_size = size - WIRE_IPV4_SIZE;
    const uint8_t *options = cursor_take(cursor, options_size);
    if (!options)
        return DROP_IPV4_TRUNCATED;
    if (!ipv4_options_are_possible(span_of(options, options_size)))
        return DROP_IPV4_MALFORMED;
    *header_size = size;
    return DROP_NONE;
}

// RFC 1122 section 3.2.1.3: loopback never leaves a host, 0/8 names no host from outside, 224/4 and
// 240/4 (with the limited broadcast) are no host's address.
HOT bool ipv4_addresses_are_possible(const uint8_t *ip)
{
    uint8_t source = ip[WIRE_IPV4_SOURCE];
    uint8_t destination = ip[WIRE_IPV4_DESTINATION];
    return source != 0 && source != 127 && source < 224 && destination != 0 && destination != 127;
}

HOT void fill(struct wire_packet *packet, enum wire_kind kind, const struct network *network,
              const struct transport *transport)
{
    *packet = (struct wire_packet){
        .kind = (uint8_t)kind,
        .protocol = network->protocol,
        .tcp_flags = transport->tcp_flags,
        .fragment = network->fragment,
        .first_fragment = network->first_fragment,
        .ttl = network->ttl,
        .icmp_type = transport->icmp_type,
        .l3_offset = WIRE_ETHERNET_SIZE,
        .l4_offset = (uint16_t)network->l4_offset,
        .fragment_offset = (uint16_t)network->fragment_offset,
        .end = (uint16_t)network->end,
        .source_port = transport->source_port,
        .destination_port = transport->destination_port,
    };
}

// Straight over the 20 bytes that all IPv4 headers have: this is on the way of every packet whose
// checksum no device has seen to.
HOT bool ipv4_checksum_is_right(const uint8_t *ip, uint32_t header_size)
{
    uint32_t words[WIRE_IPV4_SIZE / 4];
    memcpy(words, ip, sizeof(words));
    uint64_t sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
    if (UNLIKELY(header_size > WIRE_IPV4_SIZE))
        sum = checksum_add(sum, span_of(ip + WIRE_IPV4_SIZE, header_size - WIRE_IPV4_SIZE));
    return checksum_finish(sum) == 0;
}

HOT enum drop_reason parse_ipv4(struct span headers, struct cursor cursor, uint32_t frame_size,
                                unsigned known, struct wire_packet *packet)
{
    const uint8_t *ip = cursor_take(&cursor, WIRE_IPV4_SIZE);
    if (UNLIKELY(!ip))
        return DROP_IPV4_TRUNCATED;
    uint32_t header_size = WIRE_IPV4_SIZE;
    enum drop_reason reason = DROP_NONE;
    if (UNLIKELY(ip[0] != IPV4_VERSION_AND_IHL)) {
        reason = read_ipv4_options(&cursor, ip, &header_size);
        if (reason)
            return reason;
    }

    uint32_t total_length = load_be16(ip + IPV4_TOTAL_LENGTH);
    struct network network = {
        .l4_offset = WIRE_ETHERNET_SIZE + header_size,
        .end = WIRE_ETHERNET_SIZE + total_length,
        .protocol = ip[IPV4_PROTOCOL],
        .ttl = ip[IPV4_TTL],
    };
    if (UNLIKELY(total_length < header_size))
        return DROP_IPV4_MALFORMED;
    if (UNLIKELY(network.end > frame_size))
        return DROP_IPV4_TRUNCATED;
    if (!(known & WIRE_KNOWN_IPV4_CHECKSUM_GOOD) &&
        UNLIKELY(!ipv4_checksum_is_right(ip, header_size)))
        return DROP_IPV4_CHECKSUM;
    if (UNLIKELY(!ipv4_addresses_are_possible(ip)))
        return DROP_IP_ADDRESS;
    if (UNLIKELY(load_be16(ip + IPV4_FRAGMENT) & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))) {
        reason = read_ipv4_fragment(ip, header_size, &network);
        if (reason)
            return reason;
    }

    struct transport transport = {0};
    reason = read_transport(headers, &network, IPPROTO_ICMP, &transport);
    if (UNLIKELY(reason))
        return reason;
    fill(packet, WIRE_IPV4, &network, &transport);
    return DROP_NONE;
}

// Reads a fragment header; `fragment` is its eight bytes, network->l4_offset what follows it.
static COLD enum drop_reason read_ipv6_fragment(const uint8_t *fragment, struct network *network)
{
    uint16_t field = load_be16(fragment + 2);
    uint32_t offset = field & IPV6_FRAGMENT_OFFSET;
    bool more = field & IPV6_FRAGMENT_MORE;
    if (offset == 0 && !more)
        return DROP_NONE; // RFC 6946: the only fragment is handled as a whole packet
    // The payload length of the whole counts the extension headers before this one.
    uint32_t before = network->l4_offset - 8 - WIRE_ETHERNET_SIZE - WIRE_IPV6_SIZE;
    if (!fragment_is_possible(offset, network->end - network->l4_offset, before, more))
        return DROP_IPV6_MALFORMED;
    network->fragment = true;
    network->first_fragment = offset == 0;
    network->fragment_offset = network->l4_offset - 8;
    return DROP_NONE;
}

// Walks the extension headers from network->l4_offset, where the one that network->protocol names
// begins, to the upper layer's. RFC 8200 section 4.
static COLD enum drop_reason read_ipv6_extensions(struct span headers, struct network *network)
{
    struct cursor cursor = transport_cursor(headers, network);
    bool fragment_seen = false;
    for (unsigned count = 0; count <= WIRE_IPV6_HEADERS_MAX; count++) {
        uint8_t type = network->protocol;
        bool known_type = type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING ||
                          type == IPPROTO_FRAGMENT || type == IPPROTO_AH || type == IPPROTO_DSTOPTS;
        if (!known_type)
            return DROP_NONE;

        const uint8_t *header = cursor_take(&cursor, 8);
        if (!header)
            return DROP_IPV6_MALFORMED;
        uint32_t size = type == IPPROTO_FRAGMENT ? 8
                        : type == IPPROTO_AH     ? (header[1] + 2u) * 4 // RFC 4302 section 2.2
                                                 : (header[1] + 1u) * 8;
        if (type == IPPROTO_HOPOPTS && count > 0)
            return DROP_IPV6_MALFORMED; // RFC 8200 section 4.1: only right after the IPv6 header
        if (type == IPPROTO_ROUTING && header[2] == 0)
            return DROP_IPV6_MALFORMED; // RFC 5095: type 0 is no more
        if (type == IPPROTO_ROUTING && header[3] > 0)
            return DROP_NONE; // stops left: what follows is for another node to read
        // RFC 4302 section 2.6: AH is padded to eight bytes over IPv6.
        if (size % 8 != 0 || !cursor_take(&cursor, size - 8))
            return DROP_IPV6_MALFORMED;
        network->protocol = header[0];
        network->l4_offset += size;

        if (type != IPPROTO_FRAGMENT)
            continue;
        if (fragment_seen)
            return DROP_IPV6_MALFORMED; // a fragment of a fragment
        fragment_seen = true;
        enum drop_reason reason = read_ipv6_fragment(header, network);
        if (reason)
            return reason;
        if (network->fragment && !network->first_fragment)
            return DROP_NONE; // the rest is in the middle of something
    }
    return DROP_IPV6_MALFORMED;
}

static bool ipv6_address_is_mapped_ipv4(const uint8_t *address)
{
    struct ip_address value = ip_from_v6(address);
    return ip_is_v4(&value);
}

// Both addresses, of a packet where one begins with 64 zero bits or the source is multicast.
static COLD bool ipv6_addresses_are_possible(const uint8_t *ip, uint8_t protocol)
{
    const uint8_t *source = ip + WIRE_IPV6_SOURCE;
    const uint8_t *destination = ip + WIRE_IPV6_DESTINATION;
    if (source[0] == 0xff)
        return false; // RFC 4291 section 2.7
    // RFC 4291 section 2.5.5.2: a form for programs. On a wire it would pass for IPv4 with us.
    if (ipv6_address_is_mapped_ipv4(source) || ipv6_address_is_mapped_ipv4(destination))
        return false;
    struct ip_address unspecified = {0};
    struct ip_address loopback = {.bytes = {[15] = 1}};
    if (memcmp(destination, &unspecified, sizeof(unspecified)) == 0)
        return false; // section 2.5.2
    if (memcmp(source, &loopback, sizeof(loopback)) == 0 ||
        memcmp(destination, &loopback, sizeof(loopback)) == 0)
        return false; // section 2.5.3
    // Who has no address yet may ask whether one is taken (RFC 4862 section 5.4.2), ask for routers
    // and report groups.
    return memcmp(source, &unspecified, sizeof(unspecified)) != 0 || protocol == IPPROTO_ICMPV6;
}

HOT enum drop_reason parse_ipv6(struct span headers, struct cursor cursor, uint32_t frame_size,
                                struct wire_packet *packet)
{
    const uint8_t *ip = cursor_take(&cursor, WIRE_IPV6_SIZE);
    if (UNLIKELY(!ip))
        return DROP_IPV6_TRUNCATED;
    if (UNLIKELY(ip[0] >> 4 != 6))
        return DROP_IPV6_MALFORMED;
    // A payload length of zero with a header to follow (a jumbogram, RFC 2675) fails where that
    // header is read.
    struct network network = {
        .l4_offset = WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE,
        .end = WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + load_be16(ip + IPV6_PAYLOAD_LENGTH),
        .protocol = ip[IPV6_NEXT_HEADER],
        .ttl = ip[IPV6_HOP_LIMIT],
    };
    if (UNLIKELY(network.end > frame_size))
        return DROP_IPV6_TRUNCATED;
    enum drop_reason reason = DROP_NONE;
    if (UNLIKELY(network.protocol != IPPROTO_TCP && network.protocol != IPPROTO_UDP)) {
        reason = read_ipv6_extensions(headers, &network);
        if (reason)
            return reason;
    }
    bool unusual = ip[WIRE_IPV6_SOURCE] == 0xff || load_be64(ip + WIRE_IPV6_SOURCE) == 0 ||
                   load_be64(ip + WIRE_IPV6_DESTINATION) == 0;
    if (UNLIKELY(unusual) && !ipv6_addresses_are_possible(ip, network.protocol))
        return DROP_IP_ADDRESS;

    struct transport transport = {0};
    reason = read_transport(headers, &network, IPPROTO_ICMPV6, &transport);
    if (UNLIKELY(reason))
        return reason;
    fill(packet, WIRE_IPV6, &network, &transport);
    return DROP_NONE;
}

enum drop_reason wire_parse(struct span headers, uint32_t frame_size, unsigned known,
                            struct wire_packet *packet)
{
    DCHECK(headers.size <= frame_size);
    if (UNLIKELY(frame_size > UINT16_MAX))
        return DROP_ETHERNET_OVERSIZE;
    struct cursor cursor = cursor_of(headers);
    const uint8_t *ethernet = cursor_take(&cursor, WIRE_ETHERNET_SIZE);
    if (UNLIKELY(!ethernet))
        return DROP_ETHERNET_TRUNCATED;
    uint16_t type = load_be16(ethernet + ETHERNET_TYPE);
    if (LIKELY(type == ETHERTYPE_IP))
        return parse_ipv4(headers, cursor, frame_size, known, packet);
    if (LIKELY(type == ETHERTYPE_IPV6))
        return parse_ipv6(headers, cursor, frame_size, packet);
    *packet = (struct wire_packet){
        .kind = type == ETHERTYPE_ARP ? WIRE_ARP : WIRE_OTHER,
        .l3_offset = WIRE_ETHERNET_SIZE,
        .end = (uint16_t)frame_size,
    };
    return DROP_NONE;
}
