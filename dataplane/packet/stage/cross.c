// FullNAT between IP versions: a client of IPv6 and a member of IPv4. Both sides are rewritten in
// any case, so that the header may as well be one of the other version. What differs is the size: a
// packet grows by 20 bytes on its way to the client, a fragment by 28.
// docs/decisions/0025-fullnat-crosses-versions.md
#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/fragment.h"
#include "dataplane/packet/wire/mss.h"

#define FRAGMENT_GROWTH ((uint32_t)(WIRE_CROSS_GROWTH + WIRE_CROSS_FRAGMENT_SIZE))

bool crosses(const struct packet *packet, const struct ip_address *destination)
{
    return ip_is_v4(destination) != (packet->wire.kind == WIRE_IPV4);
}

// What a sender is to know of a way for IP packets of `size` bytes behind the crossing. Less than
// 1280 nobody tells an IPv6 host (RFC 8200 section 5): what it sends then may be split behind us.
static uint32_t as_the_sender_counts(const struct packet *packet, uint32_t size)
{
    if (packet->wire.kind == WIRE_IPV6)
        return RTE_MAX(size + WIRE_CROSS_GROWTH, (uint32_t)WIRE_IPV6_MTU_LEAST);
    uint32_t more = packet->wire.fragment ? FRAGMENT_GROWTH : WIRE_CROSS_GROWTH;
    return size > more ? size - more : 0;
}

struct cross_fit cross_fits(const struct packet *packet, uint32_t size_max)
{
    const struct wire_packet *wire = &packet->wire;
    int32_t size = wire->end - wire->l3_offset + wire_cross_growth(wire);
    struct cross_fit fit = {.fits = size <= (int32_t)size_max,
                            .tell = as_the_sender_counts(packet, size_max)};
    if (wire->kind == WIRE_IPV6 && size <= WIRE_CROSS_SPLIT_MAX)
        fit.split_size = size_max; // once it is of IPv4
    else if (wire->kind == WIRE_IPV4 && size_max > FRAGMENT_GROWTH &&
             wire_may_split(packet->frame, wire))
        fit.split_size = size_max - FRAGMENT_GROWTH;
    return fit;
}

// The start of the mbuf goes where the frame will begin.
static bool make_room(struct packet *packet, int32_t growth)
{
    struct rte_mbuf *mbuf = packet->mbuf;
    DCHECK(packet->frame == rte_pktmbuf_mtod(mbuf, uint8_t *));
    return growth > 0 ? rte_pktmbuf_prepend(mbuf, (uint16_t)growth) != NULL
                      : rte_pktmbuf_adj(mbuf, (uint16_t)-growth) != NULL;
}

// What a packet to a member of IPv4 is called there.
static uint16_t identification_of(struct stage *stage, const struct packet *packet)
{
    return packet->wire.kind == WIRE_IPV6 ? (uint16_t)fullnat_identify(stage, packet->member, 16)
                                          : 0;
}

static bool cross_header(struct stage *stage, struct packet *packet,
                         const struct ip_address *source, const struct ip_address *destination)
{
    if (!make_room(packet, wire_cross_growth(&packet->wire))) {
        packet_drop(packet, DROP_HEADROOM);
        return false;
    }
    packet->frame = wire_cross_header(packet->frame, &packet->wire, source, destination,
                                      identification_of(stage, packet));
    return true;
}

// So that what comes back fits: to the client by the way from which its SYN came, and to the
// member.
static void clamp(struct stage *stage, const struct packet *packet)
{
    if (!(packet->wire.tcp_flags & WIRE_TCP_SYN) || !wire_has_ports(&packet->wire))
        return;
    const struct tables *tables = stage->tables;
    uint16_t mss = packet->reply ? wire_mss_of(tables->members[packet->member].ip_size_max, true)
                                 : wire_mss_of(tables->ports[packet->in_port].mtu, false);
    clamp_mss(stage, packet->mbuf, packet->frame + packet->wire.l4_offset, mss);
}

bool cross(struct stage *stage, struct packet *packet, const struct wire_sides *sides)
{
    clamp(stage, packet);
    if (!wire_cross_transport(packet->frame, &packet->wire, sides)) {
        packet_drop(packet, DROP_VERSION_FRAGMENT);
        return false;
    }
    packet->crosses = packet->size_max && packet->wire.kind == WIRE_IPV4;
    return packet->crosses || cross_header(stage, packet, sides->source, sides->destination);
}

bool cross_piece(struct stage *stage, struct packet *piece)
{
    DCHECK(piece->reply && piece->wire.fragment);
    const struct tables_service *service = &stage->tables->services[piece->service];
    return cross_header(stage, piece, &service->address, &piece->far_side);
}

bool cross_error(struct stage *stage, struct packet *packet,
                 const struct icmp_error_crossing *crossing)
{
    uint8_t out[ICMP_ERROR_FRAME_MAX];
    struct wire_packet written;
    uint32_t size = icmp_error_cross(out, packet->frame, &packet->wire, packet->about, crossing,
                                     identification_of(stage, packet), &written);
    if (size == 0) {
        packet_drop(packet, DROP_VERSION_ICMP);
        return false;
    }
    memcpy(out, packet->frame, 2 * WIRE_MAC_SIZE);
    rte_pktmbuf_reset(packet->mbuf);
    packet->frame = (uint8_t *)rte_pktmbuf_append(packet->mbuf, (uint16_t)size);
    if (!packet->frame) {
        packet_drop(packet, DROP_NO_BUFFER);
        return false;
    }
    memcpy(packet->frame, out, size);
    packet->wire = written;
    return true;
}
