#include "dataplane/packet/wire/echo.h"

#include <netinet/in.h>

#include "base/check.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/wire_priv.h"

static void swap(uint8_t *a, uint8_t *b, size_t size)
{
    uint8_t kept[16];
    DCHECK(size <= sizeof(kept));
    memcpy(kept, a, size);
    memcpy(a, b, size);
    memcpy(b, kept, size);
}

static enum echo echo_of(uint8_t icmp_type, bool v4)
{
    if (icmp_type == (v4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST))
        return ECHO_ASKS;
    return icmp_type == (v4 ? ICMP_ECHO_ANSWER : ICMPV6_ECHO_ANSWER) ? ECHO_ANSWERS : ECHO_NONE;
}

enum echo echo_read(const uint8_t *icmp, bool v4, uint16_t *source_port, uint16_t *destination_port)
{
    enum echo echo = echo_of(icmp[0], v4);
    *source_port = *destination_port = 0;
    if (echo != ECHO_NONE)
        memcpy(echo == ECHO_ASKS ? source_port : destination_port, icmp + ICMP_IDENTIFIER,
               sizeof(uint16_t));
    return echo;
}

static enum echo echo_of_packet(const struct wire_packet *packet)
{
    bool v4 = packet->kind == WIRE_IPV4;
    if ((!v4 && packet->kind != WIRE_IPV6) || (packet->fragment && !packet->first_fragment) ||
        packet->protocol != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
        return ECHO_NONE;
    return echo_of(packet->icmp_type, v4);
}

bool echo_asks(const struct wire_packet *packet)
{
    return echo_of_packet(packet) == ECHO_ASKS;
}

bool echo_answers(const struct wire_packet *packet)
{
    return echo_of_packet(packet) == ECHO_ANSWERS;
}

bool echo_is_request(const struct wire_packet *packet)
{
    if (packet->fragment)
        return false;
    uint32_t l3_size = packet->l4_offset - (uint32_t)packet->l3_offset;
    return echo_asks(packet) &&
           l3_size == (packet->kind == WIRE_IPV4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE);
}

enum drop_reason echo_answer(uint8_t *frame, const struct wire_packet *packet)
{
    DCHECK(echo_is_request(packet));
    uint8_t *ip = frame + packet->l3_offset;
    uint8_t *icmp = frame + packet->l4_offset;
    uint32_t size = packet->end - (uint32_t)packet->l4_offset;
    bool v4 = packet->kind == WIRE_IPV4;

    uint64_t pseudo = 0;
    if (!v4) {
        struct ip_address source = wire_source(frame, packet);
        struct ip_address destination = wire_destination(frame, packet);
        pseudo = checksum_pseudo(&source, &destination, IPPROTO_ICMPV6, size);
    }
    // All but type, code and checksum is the same in request and reply.
    uint64_t rest = checksum_add(pseudo, span_of(icmp + 4, size - 4));
    if (checksum_finish(checksum_add(rest, span_of(icmp, 4))) != 0)
        return DROP_L4_CHECKSUM;
    if (icmp[ICMP_CODE] != 0)
        return DROP_ICMP_MALFORMED;

    // Addresses that trade places leave the sum alone. From the sum again and not by difference,
    // which would take the wrong one of two zeros for an ICMP reply that is all zeros.
    icmp[0] = v4 ? ICMP_ECHO_ANSWER : ICMPV6_ECHO_ANSWER;
    checksum_store(icmp + ICMP_CHECKSUM, 0);
    checksum_store(icmp + ICMP_CHECKSUM, checksum_finish(checksum_add(rest, span_of(icmp, 4))));

    swap(frame + ETHERNET_DESTINATION, frame + ETHERNET_SOURCE, WIRE_MAC_SIZE);
    if (!v4) {
        swap(ip + WIRE_IPV6_SOURCE, ip + WIRE_IPV6_DESTINATION, 16);
        ip[IPV6_HOP_LIMIT] = HOP_LIMIT_DEFAULT;
        return DROP_NONE;
    }
    swap(ip + WIRE_IPV4_SOURCE, ip + WIRE_IPV4_DESTINATION, 4);
    const uint8_t hop[2] = {HOP_LIMIT_DEFAULT, ip[IPV4_PROTOCOL]};
    uint64_t difference = checksum_difference(0, ip + IPV4_TTL, hop, sizeof(hop));
    ip[IPV4_TTL] = HOP_LIMIT_DEFAULT;
    checksum_change(ip + IPV4_CHECKSUM, difference);
    return DROP_NONE;
}
