#include "dataplane/packet/wire/tunnel.h"

#include <net/ethernet.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/wire_priv.h"

static const uint8_t shim_sizes[] = {
    [WIRE_TUNNEL_IPIP] = 0,
    [WIRE_TUNNEL_GRE] = WIRE_GRE_SIZE,
    [WIRE_TUNNEL_GUE] = WIRE_UDP_SIZE + GUE_SIZE,
};

static const uint8_t protocols[] = {
    [WIRE_TUNNEL_GRE] = IPPROTO_GRE,
    [WIRE_TUNNEL_GUE] = IPPROTO_UDP,
};

uint32_t wire_tunnel_size(enum wire_tunnel_kind kind, const struct ip_address *member)
{
    return (uint32_t)(ip_is_v4(member) ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE) + shim_sizes[kind];
}

// What stands between the outer IP header and the inner packet.
static void write_shim(uint8_t *shim, enum wire_tunnel_kind kind, bool inner_v4)
{
    switch (kind) {
    case WIRE_TUNNEL_IPIP:
        return;
    case WIRE_TUNNEL_GRE: // RFC 2784 section 2.1: no flags, version 0
        store_be16(shim + 2, inner_v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
        return;
    case WIRE_TUNNEL_GUE: // variant 0, a data message, no optional fields: then its protocol
        store_be16(shim + 2, GUE_PORT);
        shim[WIRE_UDP_SIZE + 1] = inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
    }
}

static uint16_t sum_of(uint64_t sum)
{
    return (uint16_t)~checksum_finish(sum);
}

static struct wire_tunnel_header header_between(enum wire_tunnel_kind kind, bool inner_v4,
                                                const struct ip_address *source,
                                                const struct ip_address *destination)
{
    struct wire_tunnel_header header = {.v4 = ip_is_v4(destination),
                                        .size = (uint8_t)wire_tunnel_size(kind, destination)};
    CHECK(header.size + 2u <= WIRE_TUNNEL_COPY);
    uint8_t inner_protocol = inner_v4 ? IPPROTO_IPIP : IPPROTO_IPV6; // RFC 2003, RFC 2473
    uint8_t protocol = kind == WIRE_TUNNEL_IPIP ? inner_protocol : protocols[kind];
    uint8_t *ip = header.bytes + WIRE_TUNNEL_COPY - header.size;
    uint8_t *shim = header.bytes + WIRE_TUNNEL_COPY - shim_sizes[kind];
    store_be16(ip - 2, header.v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
    write_shim(shim, kind, inner_v4);
    const struct ip_header outer = {.source = *source,
                                    .destination = *destination,
                                    .hop_limit = HOP_LIMIT_DEFAULT,
                                    .protocol = protocol};
    wire_ip_write(ip, &outer, 0);
    if (header.v4) {
        // Both are each packet's own.
        memset(ip + IPV4_TOTAL_LENGTH, 0, 2);
        memset(ip + IPV4_CHECKSUM, 0, 2);
        header.sum = sum_of(checksum_add(0, span_of(ip, WIRE_IPV4_SIZE)));
        return header;
    }
    if (kind == WIRE_TUNNEL_GUE)
        header.udp6_sum = sum_of(checksum_add(checksum_pseudo(source, destination, protocol, 0),
                                              span_of(shim, shim_sizes[kind])));
    return header;
}

void wire_tunnel_between(enum wire_tunnel_kind kind, const struct ip_address *source,
                         const struct ip_address *destination, struct wire_tunnel *tunnel)
{
    for (int inner_v4 = 0; inner_v4 < 2; inner_v4++)
        tunnel->of[inner_v4] = header_between(kind, inner_v4, source, destination);
}

const struct wire_tunnel_header *wire_tunnel_write_hops(uint8_t *inner, uint32_t inner_size,
                                                        const struct wire_tunnel *tunnel,
                                                        const struct ip_address *hops,
                                                        uint32_t hop_count, bool checksum_by_device)
{
    uint32_t list_size = gue_hops_size(hop_count, ip_is_v4(&hops[0]));
    uint8_t *end = inner - list_size;
    uint32_t size = inner_size + list_size;
    const struct wire_tunnel_header *header =
        wire_tunnel_write_at(end, size, inner, tunnel, checksum_by_device);
    gue_write_hops(end, hops, hop_count);
    uint8_t words[2] = {(uint8_t)(list_size / 4)}; // in GUE's first byte
    end[-GUE_SIZE] = words[0];
    uint64_t between =
        checksum_add(checksum_add(0, span_of(words, sizeof(words))), span_of(end, list_size));
    wire_tunnel_write_udp_at(end, size, inner, header, between);
    return header;
}
