// The IP headers of packets that begin here. DF is set in all: nobody on the way splits them, so
// that IPv4's identification may stay 0 (RFC 6864 section 4.1).
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/wire_priv.h"

static void write_ipv4(uint8_t *ip, const struct ip_header *header, uint32_t size)
{
    memset(ip, 0, WIRE_IPV4_SIZE);
    ip[0] = IPV4_VERSION_AND_IHL;
    ip[IPV4_TRAFFIC_CLASS] = header->traffic_class;
    store_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(WIRE_IPV4_SIZE + size));
    store_be16(ip + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
    ip[IPV4_TTL] = header->hop_limit;
    ip[IPV4_PROTOCOL] = header->protocol;
    memcpy(ip + WIRE_IPV4_SOURCE, header->source.bytes + 12, 4);
    memcpy(ip + WIRE_IPV4_DESTINATION, header->destination.bytes + 12, 4);
    checksum_store(ip + IPV4_CHECKSUM,
                   checksum_finish(checksum_add(0, span_of(ip, WIRE_IPV4_SIZE))));
}

static void write_ipv6(uint8_t *ip, const struct ip_header *header, uint32_t size)
{
    store_be32(ip, 6u << 28 | (uint32_t)header->traffic_class << 20 | header->flow_label);
    store_be16(ip + IPV6_PAYLOAD_LENGTH, (uint16_t)size);
    ip[IPV6_NEXT_HEADER] = header->protocol;
    ip[IPV6_HOP_LIMIT] = header->hop_limit;
    memcpy(ip + WIRE_IPV6_SOURCE, header->source.bytes, 16);
    memcpy(ip + WIRE_IPV6_DESTINATION, header->destination.bytes, 16);
}

void wire_ip_write(uint8_t *ip, const struct ip_header *header, uint32_t size)
{
    if (ip_is_v4(&header->source))
        write_ipv4(ip, header, size);
    else
        write_ipv6(ip, header, size);
}
