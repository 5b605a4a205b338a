#include "dataplane/packet/wire/rewrite.h"

#include <netinet/in.h>

#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/hop.h"
#include "dataplane/packet/wire/wire_priv.h"

// Which address and port: how far into the headers those of one side lie.
struct side {
    uint8_t ipv4_address;
    uint8_t ipv6_address;
    uint8_t port;
};

// RFC 792, and RFC 4443 section 2.3: the checksum is over the addresses with IPv6 alone.
static void rewrite_echo(uint8_t *icmp, const struct wire_packet *packet, bool source,
                         uint64_t difference, uint16_t identifier)
{
    if (packet->kind == WIRE_IPV4)
        difference = 0;
    if (source == echo_asks(packet)) {
        difference = checksum_difference(difference, icmp + ICMP_IDENTIFIER, &identifier,
                                         sizeof(identifier));
        memcpy(icmp + ICMP_IDENTIFIER, &identifier, sizeof(identifier));
    }
    checksum_change(icmp + ICMP_CHECKSUM, difference);
}

static inline __attribute__((always_inline)) void
rewrite(uint8_t *frame, const struct wire_packet *packet, struct side side,
        const struct ip_address *address, uint16_t port)
{
    bool has_port = !packet->fragment || packet->first_fragment;
    DCHECK(!has_port || wire_has_ports(packet) || echo_asks(packet) || echo_answers(packet));
    DCHECK(ip_is_v4(address) == (packet->kind == WIRE_IPV4));
    uint8_t *ip = frame + packet->l3_offset;
    uint8_t *transport = frame + packet->l4_offset;

    uint64_t difference;
    if (packet->kind == WIRE_IPV4) {
        const uint8_t *new_address = address->bytes + 12;
        difference = checksum_difference(0, ip + side.ipv4_address, new_address, 4);
        memcpy(ip + side.ipv4_address, new_address, 4);
        checksum_change(ip + IPV4_CHECKSUM, difference);
    } else {
        difference = checksum_difference(0, ip + side.ipv6_address, address->bytes, 16);
        memcpy(ip + side.ipv6_address, address->bytes, 16);
    }
    if (!has_port)
        return;
    if (!wire_has_ports(packet)) {
        rewrite_echo(transport, packet, side.port == 0, difference, port);
        return;
    }
    difference = checksum_difference(difference, transport + side.port, &port, sizeof(port));
    memcpy(transport + side.port, &port, sizeof(port));

    if (packet->protocol == IPPROTO_TCP) {
        checksum_change(transport + TCP_CHECKSUM, difference);
        return;
    }
    uint8_t *field = transport + UDP_CHECKSUM;
    if (checksum_load(field) == 0)
        return; // there is none: RFC 768, and RFC 6935 section 5 for tunnels over IPv6
    checksum_change(field, difference);
    if (checksum_load(field) == 0)
        checksum_store(field, 0xffff); // RFC 768: zero would say that there is none
}

void wire_rewrite_source(uint8_t *frame, const struct wire_packet *packet,
                         const struct ip_address *address, uint16_t port)
{
    struct side side = {WIRE_IPV4_SOURCE, WIRE_IPV6_SOURCE, .port = 0};
    rewrite(frame, packet, side, address, port);
}

void wire_rewrite_destination(uint8_t *frame, const struct wire_packet *packet,
                              const struct ip_address *address, uint16_t port)
{
    struct side side = {WIRE_IPV4_DESTINATION, WIRE_IPV6_DESTINATION, .port = 2};
    rewrite(frame, packet, side, address, port);
}

void wire_decrement_ttl(uint8_t *frame, const struct wire_packet *packet)
{
    wire_hop(frame + packet->l3_offset, packet->kind == WIRE_IPV4);
}
