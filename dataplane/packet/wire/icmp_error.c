#include "dataplane/packet/wire/icmp_error.h"

#include <netinet/in.h>

#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/wire_priv.h"

// What every error quotes of the upper layer at least.
#define QUOTED_L4_SIZE 8

#define IPV6_FRAGMENT_OFFSET 0xfff8

bool icmp_error_is(const struct wire_packet *packet)
{
    if (packet->fragment)
        return false;
    if (packet->kind == WIRE_IPV4)
        return packet->protocol == IPPROTO_ICMP &&
               (packet->icmp_type == ICMP_UNREACHABLE || packet->icmp_type == ICMP_TIME_EXCEEDED ||
                packet->icmp_type == ICMP_PARAMETER_PROBLEM);
    return packet->kind == WIRE_IPV6 && packet->protocol == IPPROTO_ICMPV6 &&
           packet->icmp_type >= ICMPV6_UNREACHABLE && packet->icmp_type <= ICMPV6_PARAMETER_PROBLEM;
}

// What a quoted header says, on the way to a struct icmp_error: sizes of the headers read, and of
// the packet that was sent.
struct quoted {
    uint32_t headers_size;
    uint32_t size;
    uint8_t protocol;
    bool later_fragment;
};

// TTL and checksum are those of a packet on its way, and say nothing here.
static enum drop_reason read_ipv4(struct cursor *cursor, struct icmp_error *error,
                                  struct quoted *quoted)
{
    const uint8_t *ip = cursor_take(cursor, WIRE_IPV4_SIZE);
    if (!ip)
        return DROP_ICMP_MALFORMED;
    uint32_t header_size = (ip[0] & 0x0f) * 4u;
    if (ip[0] >> 4 != 4 || header_size < WIRE_IPV4_SIZE ||
        !cursor_take(cursor, header_size - WIRE_IPV4_SIZE))
        return DROP_ICMP_MALFORMED;
    quoted->headers_size = header_size;
    quoted->size = load_be16(ip + IPV4_TOTAL_LENGTH);
    quoted->protocol = ip[IPV4_PROTOCOL];
    quoted->later_fragment = load_be16(ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_OFFSET;
    error->source = ip_from_v4(ip + WIRE_IPV4_SOURCE);
    error->destination = ip_from_v4(ip + WIRE_IPV4_DESTINATION);
    return DROP_NONE;
}

// Walks to the upper layer's header. What has a header that we do not read is of no flow of ours.
static enum drop_reason read_ipv6_extensions(struct cursor *cursor, struct quoted *quoted)
{
    for (unsigned count = 0; count < WIRE_IPV6_HEADERS_MAX; count++) {
        if (quoted->protocol != IPPROTO_HOPOPTS && quoted->protocol != IPPROTO_DSTOPTS &&
            quoted->protocol != IPPROTO_FRAGMENT)
            return DROP_NONE;
        const uint8_t *header = cursor_take(cursor, 8);
        if (!header)
            return DROP_ICMP_MALFORMED;
        bool fragment = quoted->protocol == IPPROTO_FRAGMENT;
        uint32_t size = fragment ? 8 : (header[1] + 1u) * 8;
        if (!cursor_take(cursor, size - 8))
            return DROP_ICMP_MALFORMED;
        quoted->headers_size += size;
        quoted->protocol = header[0];
        if (fragment && (load_be16(header + 2) & IPV6_FRAGMENT_OFFSET)) {
            quoted->later_fragment = true;
            return DROP_NONE;
        }
    }
    return DROP_ICMP_MALFORMED;
}

static enum drop_reason read_ipv6(struct cursor *cursor, struct icmp_error *error,
                                  struct quoted *quoted)
{
    const uint8_t *ip = cursor_take(cursor, WIRE_IPV6_SIZE);
    if (!ip || ip[0] >> 4 != 6)
        return DROP_ICMP_MALFORMED;
    quoted->headers_size = WIRE_IPV6_SIZE;
    quoted->size = WIRE_IPV6_SIZE + (uint32_t)load_be16(ip + IPV6_PAYLOAD_LENGTH);
    quoted->protocol = ip[IPV6_NEXT_HEADER];
    error->source = ip_from_v6(ip + WIRE_IPV6_SOURCE);
    error->destination = ip_from_v6(ip + WIRE_IPV6_DESTINATION);
    // In this form an address would pass for IPv4 with us.
    if (ip_is_v4(&error->source) || ip_is_v4(&error->destination))
        return DROP_ICMP_MALFORMED;
    return read_ipv6_extensions(cursor, quoted);
}

// The ports of whom the packet is from and to, in its first eight bytes. False: it has none.
static bool read_ports(const uint8_t *l4, bool v4, struct icmp_error *error)
{
    error->echo = ECHO_NONE;
    if (error->protocol == IPPROTO_TCP || error->protocol == IPPROTO_UDP) {
        memcpy(&error->source_port, l4, sizeof(uint16_t));
        memcpy(&error->destination_port, l4 + 2, sizeof(uint16_t));
        return true;
    }
    if (error->protocol != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return false;
    error->echo = (uint8_t)echo_read(l4, v4, &error->source_port, &error->destination_port);
    return error->echo != ECHO_NONE;
}

enum drop_reason icmp_error_read_quoted(struct span bytes, bool v4, struct icmp_error *error,
                                        uint32_t *size)
{
    struct cursor cursor = cursor_of(bytes);
    struct quoted quoted = {0};
    enum drop_reason reason =
        v4 ? read_ipv4(&cursor, error, &quoted) : read_ipv6(&cursor, error, &quoted);
    if (reason)
        return reason;
    if (quoted.later_fragment)
        return DROP_ICMP_NO_FLOW;
    const uint8_t *l4 = cursor_take(&cursor, QUOTED_L4_SIZE);
    if (!l4 || quoted.size < quoted.headers_size + QUOTED_L4_SIZE)
        return DROP_ICMP_MALFORMED;
    *size = quoted.size;
    error->ip_offset = 0;
    error->l4_offset = (uint16_t)quoted.headers_size;
    // Behind the packet: padding, or RFC 4884's objects.
    error->end = (uint16_t)(quoted.size < bytes.size ? quoted.size : bytes.size);
    error->protocol = quoted.protocol;
    return read_ports(l4, v4, error) ? DROP_NONE : DROP_ICMP_NO_FLOW;
}

enum drop_reason icmp_error_read(struct span frame, const struct wire_packet *packet,
                                 struct icmp_error *error)
{
    DCHECK(icmp_error_is(packet));
    uint32_t readable = frame.size < packet->end ? (uint32_t)frame.size : packet->end;
    uint32_t at = packet->l4_offset + (uint32_t)ICMP_SIZE, size;
    DCHECK(at <= readable); // wire_parse() has read it
    enum drop_reason reason = icmp_error_read_quoted(span_of(frame.data + at, readable - at),
                                                     packet->kind == WIRE_IPV4, error, &size);
    if (reason)
        return reason;
    error->ip_offset = (uint16_t)(error->ip_offset + at);
    error->l4_offset = (uint16_t)(error->l4_offset + at);
    error->end = (uint16_t)(error->end + at);
    return DROP_NONE;
}

// RFC 1812 section 4.3.2.5: internetwork control.
#define PRECEDENCE 0xc0

#define MESSAGE_IPV4_MAX 576
#define MESSAGE_IPV6_MAX 1280

// Type and code by kind, of both versions.
static const uint8_t messages[][2][2] = {
    [ICMP_ERROR_TOO_BIG] = {{ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED}, {ICMPV6_TOO_BIG, 0}},
    [ICMP_ERROR_TIME_EXCEEDED] = {{ICMP_TIME_EXCEEDED, 0}, {ICMPV6_TIME_EXCEEDED, 0}},
    [ICMP_ERROR_PORT_UNREACHABLE] = {{ICMP_UNREACHABLE, 3}, {ICMPV6_UNREACHABLE, 4}},
    [ICMP_ERROR_HOST_UNREACHABLE] = {{ICMP_UNREACHABLE, 1}, {ICMPV6_UNREACHABLE, 3}},
};

static uint32_t headers_size(bool v4)
{
    return (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE) + (uint32_t)ICMP_SIZE;
}

uint32_t icmp_error_quoted_max(bool v4)
{
    return (v4 ? MESSAGE_IPV4_MAX : MESSAGE_IPV6_MAX) - headers_size(v4);
}

uint8_t *icmp_error_wrap(uint8_t *quoted, uint32_t size, enum icmp_error_kind kind, uint32_t mtu,
                         const struct ip_address *source, const struct ip_address *destination)
{
    bool v4 = ip_is_v4(source);
    uint8_t *icmp = quoted - ICMP_SIZE;
    uint32_t icmp_size = ICMP_SIZE + size;
    memset(icmp, 0, ICMP_SIZE);
    memcpy(icmp, messages[kind][!v4], 2);
    if (kind == ICMP_ERROR_TOO_BIG)
        store_be16(icmp + 6, (uint16_t)mtu); // IPv6: the lower half of 32 bits
    uint64_t sum = v4 ? 0 : checksum_pseudo(source, destination, IPPROTO_ICMPV6, icmp_size);
    checksum_store(icmp + ICMP_CHECKSUM,
                   checksum_finish(checksum_add(sum, span_of(icmp, icmp_size))));
    uint8_t *ip = quoted - headers_size(v4);
    const struct ip_header header = {
        .source = *source,
        .destination = *destination,
        .traffic_class = v4 ? PRECEDENCE : 0,
        .hop_limit = HOP_LIMIT_DEFAULT,
        .protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
    };
    wire_ip_write(ip, &header, icmp_size);
    return ip;
}

uint32_t icmp_error_write(uint8_t *out, struct span frame, const struct wire_packet *packet,
                          enum icmp_error_kind kind, uint32_t mtu, const struct ip_address *source,
                          const uint8_t *mac)
{
    bool v4 = packet->kind == WIRE_IPV4;
    uint32_t room = icmp_error_quoted_max(v4);
    uint32_t end = frame.size < packet->end ? (uint32_t)frame.size : packet->end;
    uint32_t quoted_size = end - packet->l3_offset < room ? end - packet->l3_offset : room;

    memcpy(out + ETHERNET_DESTINATION, frame.data + ETHERNET_SOURCE, WIRE_MAC_SIZE);
    memcpy(out + ETHERNET_SOURCE, mac, WIRE_MAC_SIZE);
    memcpy(out + ETHERNET_TYPE, frame.data + packet->l3_offset - 2, 2);
    uint8_t *quoted = out + WIRE_ETHERNET_SIZE + headers_size(v4);
    memcpy(quoted, frame.data + packet->l3_offset, quoted_size);
    struct ip_address destination = wire_source(frame.data, packet);
    icmp_error_wrap(quoted, quoted_size, kind, mtu, source, &destination);
    return WIRE_ETHERNET_SIZE + headers_size(v4) + quoted_size;
}

// Replaces bytes, and adds to both differences what that makes.
static void replace(uint8_t *at, const void *by, size_t size, uint64_t *one, uint64_t *other)
{
    uint64_t difference = checksum_difference(0, at, by, size);
    memcpy(at, by, size);
    *one += difference;
    *other += difference;
}

static void replace_address(uint8_t *ip, bool v4, bool source, const struct ip_address *address,
                            uint64_t *one, uint64_t *other)
{
    if (v4)
        replace(ip + (source ? WIRE_IPV4_SOURCE : WIRE_IPV4_DESTINATION), address->bytes + 12, 4,
                one, other);
    else
        replace(ip + (source ? WIRE_IPV6_SOURCE : WIRE_IPV6_DESTINATION), address->bytes, 16, one,
                other);
}

// Changes a checksum field that is itself under another one, whose difference is `outer`.
static void change_field(uint8_t *field, uint64_t difference, bool udp, uint64_t *outer)
{
    uint16_t before = checksum_load(field);
    if (udp && before == 0)
        return; // there is none: RFC 768
    uint16_t after = checksum_apply(before, difference);
    if (udp && after == 0)
        after = 0xffff;
    *outer += checksum_difference(0, &before, &after, sizeof(after));
    checksum_store(field, after);
}

// The port of one side, where it has one.
static void replace_port(uint8_t *l4, const struct icmp_error *error, bool source,
                         const uint16_t *port, uint64_t *one, uint64_t *other)
{
    if (error->echo == ECHO_NONE)
        replace(l4 + (source ? 0 : 2), port, sizeof(*port), one, other);
    else if (source == (error->echo == ECHO_ASKS))
        replace(l4 + ICMP_IDENTIFIER, port, sizeof(*port), one, other);
}

// Changes the checksum of the quoted header behind the IP header, if it is there.
static void change_quoted_field(uint8_t *l4, bool v4, const struct icmp_error *error,
                                uint64_t addresses, uint64_t ports, uint64_t *message)
{
    bool udp = error->protocol == IPPROTO_UDP, echo = error->echo != ECHO_NONE;
    uint32_t field = echo ? ICMP_CHECKSUM : udp ? UDP_CHECKSUM : TCP_CHECKSUM;
    if (echo && v4)
        addresses = 0; // RFC 792: it is over the message alone
    if (error->l4_offset + field + 2u <= error->end)
        change_field(l4 + field, addresses + ports, udp, message);
}

// The quoted packet. Returns what its changes make of the message's sum.
static uint64_t translate_quoted(uint8_t *frame, bool v4, const struct icmp_error *error,
                                 const struct icmp_error_change *change)
{
    uint8_t *ip = frame + error->ip_offset;
    uint8_t *l4 = frame + error->l4_offset;
    uint64_t message = 0, addresses = 0, ports = 0;
    if (change->quoted_source) {
        replace_address(ip, v4, true, change->quoted_source, &addresses, &message);
        replace_port(l4, error, true, &change->quoted_source_port, &ports, &message);
    }
    if (change->quoted_destination) {
        replace_address(ip, v4, false, change->quoted_destination, &addresses, &message);
        replace_port(l4, error, false, &change->quoted_destination_port, &ports, &message);
    }
    if (change->quoted_addition && error->protocol == IPPROTO_TCP) {
        uint8_t sequence[4];
        store_be32(sequence,
                   wire_stream_unshifted(wire_stream_sequence(l4), change->quoted_addition));
        replace(l4 + TCP_SEQUENCE, sequence, sizeof(sequence), &ports, &message);
    }
    if (v4)
        change_field(ip + IPV4_CHECKSUM, addresses, false, &message);
    change_quoted_field(l4, v4, error, addresses, ports, &message);
    return message;
}

void icmp_error_translate(uint8_t *frame, const struct wire_packet *packet,
                          const struct icmp_error *error, const struct icmp_error_change *change)
{
    bool v4 = packet->kind == WIRE_IPV4;
    uint8_t *ip = frame + packet->l3_offset;
    uint64_t message = translate_quoted(frame, v4, error, change);
    uint64_t header = 0, pseudo = 0;
    if (change->source)
        replace_address(ip, v4, true, change->source, &header, &pseudo);
    if (change->destination)
        replace_address(ip, v4, false, change->destination, &header, &pseudo);
    if (v4)
        checksum_change(ip + IPV4_CHECKSUM, header);
    else
        message += pseudo; // RFC 4443 section 2.3
    checksum_change(frame + packet->l4_offset + ICMP_CHECKSUM, message);
}
