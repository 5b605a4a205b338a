// ICMP errors in the other version: RFC 7915 sections 4.2 and 4.3, 5.2 and 5.3. What an error
// quotes is short, so that the message is written anew, behind a checksum that was right.
#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/cross_priv.h"
#include "dataplane/packet/wire/wire_priv.h"

#define PROTOCOL_UNKNOWN  2 // code of ICMP_UNREACHABLE
#define NEXT_HEADER_WRONG 1 // code of ICMPV6_PARAMETER_PROBLEM
#define NONE              0xff

// A message's first eight bytes without checksum.
struct message {
    uint8_t type, code;
    uint32_t rest;
};

// Section 4.2, by the code of ICMP_UNREACHABLE. A protocol that is unknown and a packet too big are
// other types.
static const uint8_t unreachable_to_v6[] = {0, 0, NONE, 4, NONE, 0, 0,    0,
                                            0, 1, 1,    0, 0,    1, NONE, 1};
// Section 5.2, by the code of ICMPV6_UNREACHABLE.
static const uint8_t unreachable_to_v4[] = {1, 10, 1, 1, 3};

// Where in the other version's header lies what a parameter problem points to: figures 3 and 6.
static const uint8_t pointers_to_v6[WIRE_IPV4_SIZE] = {
    0, 1, 4, 4, NONE, NONE, NONE, NONE, 7, 6, NONE, NONE, 8, 8, 8, 8, 24, 24, 24, 24};

static uint32_t pointer_to_v4(uint32_t pointer)
{
    static const uint8_t first[] = {0, 1, NONE, NONE, 2, 2, 9, 8};
    if (pointer < sizeof(first))
        return first[pointer];
    return pointer < WIRE_IPV6_DESTINATION ? 12 : pointer < WIRE_IPV6_SIZE ? 16 : NONE;
}

// RFC 1191 section 7: what ways carry, for routers that do not say it. Less than `size`, which did
// not pass.
static uint32_t plateau_below(uint32_t size)
{
    static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508};
    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
        if (plateaus[i] < size)
            return plateaus[i];
    }
    return 0;
}

static bool unreachable_message_to_v6(struct message *message, uint32_t quoted_size)
{
    uint32_t mtu = message->rest & UINT16_MAX;
    if (message->code == ICMP_FRAGMENTATION_NEEDED) {
        mtu = (mtu ? mtu : plateau_below(quoted_size)) + WIRE_CROSS_GROWTH;
        *message = (struct message){.type = ICMPV6_TOO_BIG,
                                    .rest = mtu > WIRE_IPV6_MTU_LEAST ? mtu : WIRE_IPV6_MTU_LEAST};
        return true;
    }
    if (message->code == PROTOCOL_UNKNOWN) {
        *message = (struct message){
            .type = ICMPV6_PARAMETER_PROBLEM, .code = NEXT_HEADER_WRONG, .rest = IPV6_NEXT_HEADER};
        return true;
    }
    uint8_t code =
        message->code < sizeof(unreachable_to_v6) ? unreachable_to_v6[message->code] : NONE;
    *message = (struct message){.type = ICMPV6_UNREACHABLE, .code = code};
    return code != NONE;
}

static bool message_to_v6(struct message *message, uint32_t quoted_size)
{
    switch (message->type) {
    case ICMP_UNREACHABLE:
        return unreachable_message_to_v6(message, quoted_size);
    case ICMP_TIME_EXCEEDED:
        *message = (struct message){.type = ICMPV6_TIME_EXCEEDED, .code = message->code};
        return true;
    case ICMP_PARAMETER_PROBLEM: {
        uint32_t pointer = message->rest >> 24;
        bool possible = (message->code == 0 || message->code == 2) && pointer < WIRE_IPV4_SIZE &&
                        pointers_to_v6[pointer] != NONE;
        *message = (struct message){.type = ICMPV6_PARAMETER_PROBLEM};
        message->rest = possible ? pointers_to_v6[pointer] : 0;
        return possible;
    }
    default:
        return false;
    }
}

static bool problem_to_v4(struct message *message)
{
    if (message->code == NEXT_HEADER_WRONG) {
        *message = (struct message){.type = ICMP_UNREACHABLE, .code = PROTOCOL_UNKNOWN};
        return true;
    }
    uint32_t pointer = pointer_to_v4(message->rest);
    bool possible = message->code == 0 && pointer != NONE;
    *message = (struct message){.type = ICMP_PARAMETER_PROBLEM, .rest = pointer << 24};
    return possible;
}

static bool message_to_v4(struct message *message)
{
    switch (message->type) {
    case ICMPV6_UNREACHABLE: {
        bool possible = message->code < sizeof(unreachable_to_v4);
        *message = (struct message){.type = ICMP_UNREACHABLE,
                                    .code = possible ? unreachable_to_v4[message->code] : 0};
        return possible;
    }
    case ICMPV6_TOO_BIG: {
        uint32_t mtu = message->rest < UINT16_MAX ? message->rest : UINT16_MAX;
        *message = (struct message){.type = ICMP_UNREACHABLE,
                                    .code = ICMP_FRAGMENTATION_NEEDED,
                                    .rest = mtu > WIRE_CROSS_GROWTH ? mtu - WIRE_CROSS_GROWTH : 0};
        return true;
    }
    case ICMPV6_TIME_EXCEEDED:
        *message = (struct message){.type = ICMP_TIME_EXCEEDED, .code = message->code};
        return true;
    case ICMPV6_PARAMETER_PROBLEM:
        return problem_to_v4(message);
    default:
        return false;
    }
}

static bool message_checksum_is_right(const uint8_t *frame, const struct wire_packet *packet)
{
    uint32_t size = (uint32_t)packet->end - packet->l4_offset;
    uint64_t sum = 0;
    if (packet->kind == WIRE_IPV6) {
        struct ip_address source = wire_source(frame, packet);
        struct ip_address destination = wire_destination(frame, packet);
        sum = checksum_pseudo(&source, &destination, IPPROTO_ICMPV6, size);
    }
    return checksum_finish(checksum_add(sum, span_of(frame + packet->l4_offset, size))) == 0;
}

// The quoted packet's header as it was sent, however little of it is quoted. An echo message has
// the other version's protocol.
static struct cross_header quoted_header(const uint8_t *frame, bool v4,
                                         const struct icmp_error *error)
{
    const uint8_t *ip = frame + error->ip_offset;
    uint32_t size = v4 ? load_be16(ip + IPV4_TOTAL_LENGTH)
                       : WIRE_IPV6_SIZE + (uint32_t)load_be16(ip + IPV6_PAYLOAD_LENGTH);
    uint32_t headers_size = (uint32_t)error->l4_offset - error->ip_offset;
    size = size > headers_size ? size - headers_size : 0;
    uint32_t size_max = UINT16_MAX - WIRE_IPV4_SIZE; // what both versions' lengths can say
    uint8_t icmp_protocol = v4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP; // in the other version
    return cross_header_of(ip, v4, error->echo == ECHO_NONE ? error->protocol : icmp_protocol,
                           size < size_max ? size : size_max);
}

// The header that is quoted, in place behind its new IP header; of an echo message all of which,
// as it was sent, `sent_size` are the bytes. A checksum counts only where it is quoted.
static void cross_quoted(uint8_t *l4, uint32_t size, uint32_t sent_size,
                         const struct icmp_error *error, const struct icmp_error_crossing *crossing)
{
    if (error->echo != ECHO_NONE) {
        const struct wire_sides before = {.source = &error->source,
                                          .destination = &error->destination};
        cross_echo(l4, !ip_is_v4(&error->source), (enum echo)error->echo, sent_size, &before,
                   &crossing->quoted);
        return;
    }
    uint64_t sum = cross_difference(&error->source, &error->destination, l4, &crossing->quoted);
    cross_ports(l4, &crossing->quoted);
    bool udp = error->protocol == IPPROTO_UDP;
    if (!udp && crossing->quoted_addition) {
        uint8_t sequence[4];
        store_be32(sequence,
                   wire_stream_unshifted(wire_stream_sequence(l4), crossing->quoted_addition));
        sum = checksum_difference(sum, l4 + TCP_SEQUENCE, sequence, sizeof(sequence));
        memcpy(l4 + TCP_SEQUENCE, sequence, sizeof(sequence));
    }
    uint8_t *field = l4 + (udp ? UDP_CHECKSUM : TCP_CHECKSUM);
    if ((udp ? UDP_CHECKSUM : TCP_CHECKSUM) + 2u > size || (udp && checksum_load(field) == 0))
        return;
    checksum_change(field, sum);
    if (udp && checksum_load(field) == 0)
        checksum_store(field, 0xffff);
}

// Writes the message behind its IP header, and the checksum.
static void write_message(uint8_t *icmp, uint32_t size, bool to_v4, const struct message *message,
                          const struct wire_sides *sides)
{
    icmp[0] = message->type;
    icmp[ICMP_CODE] = message->code;
    memset(icmp + ICMP_CHECKSUM, 0, 2);
    store_be32(icmp + 4, message->rest);
    uint64_t sum =
        to_v4 ? 0 : checksum_pseudo(sides->source, sides->destination, IPPROTO_ICMPV6, size);
    checksum_store(icmp + ICMP_CHECKSUM, checksum_finish(checksum_add(sum, span_of(icmp, size))));
}

uint32_t icmp_error_cross(uint8_t *out, const uint8_t *frame, const struct wire_packet *packet,
                          const struct icmp_error *error,
                          const struct icmp_error_crossing *crossing, uint16_t id,
                          struct wire_packet *written)
{
    bool to_v4 = packet->kind == WIRE_IPV6;
    const uint8_t *from = frame + packet->l4_offset;
    struct message message = {
        .type = from[0], .code = from[ICMP_CODE], .rest = load_be32(from + 4)};
    struct cross_header quoted = quoted_header(frame, !to_v4, error);
    bool possible =
        to_v4 ? message_to_v4(&message) : message_to_v6(&message, quoted.size + WIRE_IPV4_SIZE);
    if (!possible || !message_checksum_is_right(frame, packet))
        return 0;
    uint32_t ip_size = to_v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE;
    uint32_t room = icmp_error_quoted_max(to_v4) - ip_size;
    uint32_t l4_size = (uint32_t)error->end - error->l4_offset;
    l4_size = l4_size < room ? l4_size : room;
    uint32_t message_size = ICMP_SIZE + ip_size + l4_size;
    uint8_t *ip = out + WIRE_ETHERNET_SIZE, *icmp = ip + ip_size, *l4 = icmp + ICMP_SIZE + ip_size;
    struct cross_header outer = cross_header_of(
        frame + packet->l3_offset, !to_v4, to_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, message_size);
    outer.id = id;
    // The last one's Ethernet header lies where the ICMP header goes, and in front of it.
    cross_header_write(l4 - ip_size, to_v4, &quoted, crossing->quoted.source,
                       crossing->quoted.destination);
    cross_header_write(ip, to_v4, &outer, crossing->message.source, crossing->message.destination);
    memcpy(l4, frame + error->l4_offset, l4_size);
    cross_quoted(l4, l4_size, quoted.size, error, crossing);
    write_message(icmp, message_size, to_v4, &message, &crossing->message);
    *written = (struct wire_packet){
        .kind = to_v4 ? WIRE_IPV4 : WIRE_IPV6,
        .protocol = outer.protocol,
        .ttl = outer.hops,
        .icmp_type = message.type,
        .l3_offset = WIRE_ETHERNET_SIZE,
        .l4_offset = (uint16_t)(WIRE_ETHERNET_SIZE + ip_size),
        .end = (uint16_t)(WIRE_ETHERNET_SIZE + ip_size + message_size),
    };
    return written->end;
}
