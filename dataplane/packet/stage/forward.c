#include "dataplane/packet/stage/stage_priv.h"

#include "dataplane/packet/wire/fragment.h"
#include "dataplane/packet/wire/mss.h"
#include "dataplane/packet/wire/rewrite.h"

static uint32_t ip_size(const struct packet *packet)
{
    return (uint32_t)packet->wire.end - packet->wire.l3_offset;
}

void forward_send(struct stage *stage, struct packet *packet, uint16_t out_port,
                  struct neighbour_view next_hop)
{
    const struct port *port = stage->ports[out_port];
    packet->out_port = out_port;
    switch (next_hop.state) {
    case NEIGHBOUR_REACHABLE:
        wire_set_macs(packet->frame, next_hop.mac, port->mac.addr_bytes);
        packet->verdict = VERDICT_SEND;
        return;
    case NEIGHBOUR_FAILED:
        packet_drop(packet, DROP_NEIGHBOUR_FAILED);
        return;
    default:
        packet->verdict = VERDICT_HOLD;
    }
}

// A fragment holds eight bytes at least (RFC 791).
#define SPLIT_LEAST (WIRE_IPV4_SIZE + 8)

// What does not fit goes in pieces of `split_size` bytes (0: it may not), or its sender is told
// what fits, and it is dropped.
static bool fits_in_pieces(struct stage *stage, struct packet *packet, uint32_t split_size,
                           uint32_t tell)
{
    if (split_size >= SPLIT_LEAST && !packet->about) {
        packet->size_max = (uint16_t)split_size;
        return true;
    }
    answer_too_big(stage, packet, tell);
    packet_drop(packet, DROP_MTU);
    return false;
}

// Whether a packet fits a way for IP packets of `size_max` bytes, if need be in fragments.
static bool fits(struct stage *stage, struct packet *packet, uint32_t size_max)
{
    if (ip_size(packet) <= size_max)
        return true;
    bool may_split = wire_may_split(packet->frame, &packet->wire);
    return fits_in_pieces(stage, packet, may_split ? size_max : 0, size_max);
}

// The same of a two-way flow's packet. An ICMP error that becomes one of the other version is
// written anew, and short enough.
static bool fits_towards(struct stage *stage, struct packet *packet, uint32_t size_max,
                         const struct ip_address *destination)
{
    if (!crosses(packet, destination))
        return fits(stage, packet, size_max);
    struct cross_fit fit = cross_fits(packet, size_max);
    return packet->about || fit.fits || fits_in_pieces(stage, packet, fit.split_size, fit.tell);
}

// We are a hop ourselves.
static bool has_hops(struct stage *stage, struct packet *packet)
{
    if (packet->wire.ttl > 1)
        return true;
    answer_time_exceeded(stage, packet);
    packet_drop(packet, DROP_TTL);
    return false;
}

// A hop of our own: TTL, and what the way out can carry.
static bool route_through(struct stage *stage, struct packet *packet, uint32_t size_max,
                          const struct ip_address *destination)
{
    if (!has_hops(stage, packet))
        return false;
    if (!fits_towards(stage, packet, size_max, destination))
        return false;
    wire_decrement_ttl(packet->frame, &packet->wire);
    return true;
}

void clamp_mss(struct stage *stage, const struct rte_mbuf *mbuf, uint8_t *tcp, uint16_t mss_max)
{
    size_t there = (size_t)(rte_pktmbuf_mtod(mbuf, uint8_t *) + rte_pktmbuf_data_len(mbuf) - tcp);
    switch (wire_mss_clamp(tcp, there, mss_max)) {
    case WIRE_MSS_KEPT:
        return;
    case WIRE_MSS_CLAMPED:
        stats_add(stage->counters.mss_clamped, 1);
        return;
    case WIRE_MSS_MALFORMED:
        stats_add(stage->counters.mss_malformed, 1);
    }
}

void member_clamp_mss(struct stage *stage, const struct rte_mbuf *mbuf, uint8_t *tcp, bool v4,
                      const struct tables_member *member)
{
    if (config_forward_tunnels((enum config_forward)member->forward))
        clamp_mss(stage, mbuf, tcp, wire_mss_of(member->ip_size_max, v4));
}

// Puts outer headers between the Ethernet header and the packet.
static bool encapsulate(struct stage *stage, struct packet *packet,
                        const struct tables_member *member)
{
    uint8_t *inner = packet->frame + packet->wire.l3_offset;
    uint8_t *frame = packet->chances ? chances_wrap(stage, packet->mbuf, inner, ip_size(packet),
                                                    member, packet->chances)
                                     : member_wrap(stage, packet->mbuf, inner, ip_size(packet),
                                                   member, member->forward == CONFIG_FORWARD_GUE);
    if (!frame) {
        packet_drop(packet, DROP_HEADROOM);
        return false;
    }
    packet->frame = frame;
    return true;
}

// An ICMP error, as both it and what it quotes are to be. Where they are of the other version then,
// the change is of both sides.
static bool translate_error(struct stage *stage, struct packet *packet,
                            const struct icmp_error_change *change, bool crossing)
{
    if (!crossing) {
        icmp_error_translate(packet->frame, &packet->wire, packet->about, change);
        return true;
    }
    const struct icmp_error_crossing both = {
        .message = {.source = change->source, .destination = change->destination},
        .quoted = {.source = change->quoted_source,
                   .source_port = change->quoted_source_port,
                   .destination = change->quoted_destination,
                   .destination_port = change->quoted_destination_port},
        .quoted_addition = change->quoted_addition,
    };
    return cross_error(stage, packet, &both);
}

// A datagram that comes in fragments, or may, gets an identification of ours; its first fragment
// tells the others.
static void identify(struct stage *stage, struct packet *packet, bool v4)
{
    const struct wire_packet *wire = &packet->wire;
    if (wire_is_atomic(packet->frame, wire))
        return;
    if (!wire->fragment || wire->first_fragment)
        packet->identification = fullnat_identify(stage, packet->member, v4 ? 16 : 32);
    wire_identify(packet->frame, wire, packet->identification);
}

// NAT towards a member, with FullNAT of both sides. Of an error, the packet that it quotes came
// from there. False: it has been dropped.
static bool translate_to_member(struct stage *stage, struct packet *packet,
                                const struct ip_address *address, uint16_t port)
{
    const struct flow_pair *pair = is_fullnat(packet->pair) ? packet->pair : NULL;
    bool crossing = crosses(packet, address);
    DCHECK(pair || !crossing);
    if (packet->about) {
        struct icmp_error_change change = {
            .destination = address, .quoted_source = address, .quoted_source_port = port};
        if (pair) {
            change.source = change.quoted_destination = &pair->answered;
            change.quoted_destination_port = pair->answered_port;
        }
        return translate_error(stage, packet, &change, crossing);
    }
    if (pair) {
        packet->local = pair->local;
        packet->far_side = pair->answered;
        identify(stage, packet, ip_is_v4(address));
    }
    if (crossing) {
        const struct wire_sides sides = {
            .source = &pair->answered,
            .source_port = pair->answered_port,
            .destination = address,
            .destination_port = port,
        };
        return cross(stage, packet, &sides);
    }
    wire_rewrite_destination(packet->frame, &packet->wire, address, port);
    if (pair)
        wire_rewrite_source(packet->frame, &packet->wire, &pair->answered, pair->answered_port);
    return true;
}

// An error towards a client may come from any router on the members' side, whose address means
// nothing to a client (RFC 5508 section 4.2.2): it comes from the service as all else does.
static bool translate_error_to_client(struct stage *stage, struct packet *packet,
                                      const struct tables_service *service,
                                      const struct flow_pair *pair)
{
    struct icmp_error_change change = {.source = &service->address,
                                       .quoted_destination = &service->address,
                                       .quoted_destination_port = service->port};
    struct wire_addition addition;
    if (is_fullnat(pair)) {
        change.destination = change.quoted_source = &pair->client;
        change.quoted_source_port = pair->client_port;
    }
    if (introduction_reached(pair) > INTRODUCTION_AWAITED) {
        addition = introduction_addition(pair);
        change.quoted_addition = &addition;
    }
    return translate_error(stage, packet, &change, crosses(packet, &pair->client));
}

// NAT towards a client. False: it has been dropped.
static bool translate_to_client(struct stage *stage, struct packet *packet,
                                const struct tables_service *service, struct flow_pair *pair)
{
    if (packet->about)
        return translate_error_to_client(stage, packet, service, pair);
    if (introduction_reached(pair))
        introduction_answered(packet, pair);
    if (is_fullnat(pair)) {
        packet->local = pair->local;
        packet->far_side = pair->client;
    }
    if (crosses(packet, &pair->client)) {
        const struct wire_sides sides = {
            .source = &service->address,
            .source_port = service->port,
            .destination = &pair->client,
            .destination_port = pair->client_port,
        };
        return cross(stage, packet, &sides);
    }
    wire_rewrite_source(packet->frame, &packet->wire, &service->address, service->port);
    if (is_fullnat(pair))
        wire_rewrite_destination(packet->frame, &packet->wire, &pair->client, pair->client_port);
    return true;
}

// Direct return and tunnels: these take the hop when they put the packet in.
static bool prepare_one_way(struct stage *stage, struct packet *packet,
                            const struct tables_member *member)
{
    if (!has_hops(stage, packet))
        return false;
    if (packet->wire.tcp_flags & WIRE_TCP_SYN)
        member_clamp_mss(stage, packet->mbuf, packet->frame + packet->wire.l4_offset,
                         packet->wire.kind == WIRE_IPV4, member);
    if (!fits(stage, packet, member->ip_size_max))
        return false;
    if (member->forward == CONFIG_FORWARD_DIRECT)
        wire_decrement_ttl(packet->frame, &packet->wire);
    return true;
}

static bool prepare_for_member(struct stage *stage, struct packet *packet,
                               const struct tables_member *member,
                               const struct tables_service *service)
{
    if (!config_forward_two_way((enum config_forward)member->forward))
        return prepare_one_way(stage, packet, member);
    if (!route_through(stage, packet, member->ip_size_max, &member->address) ||
        !translate_to_member(stage, packet, &member->address, tables_member_port(member, service)))
        return false;
    return !introduction_reached(packet->pair) || packet->about ||
           introduce(stage, packet, packet->pair);
}

// What is to be split gets its outer headers afterwards.
static void go_out(struct stage *stage, struct packet *packet, uint16_t out_port,
                   struct neighbour_view hop, uint16_t tunnel)
{
    if (packet->size_max) {
        packet->out_port = out_port;
        packet->hop = hop;
        packet->tunnel = tunnel;
        packet->verdict = VERDICT_SPLIT;
        return;
    }
    if (!tunnel || encapsulate(stage, packet, &stage->tables->members[tunnel]))
        forward_send(stage, packet, out_port, hop);
}

void forward_piece(struct stage *stage, struct packet *piece)
{
    if (!piece->crosses || cross_piece(stage, piece))
        go_out(stage, piece, piece->out_port, piece->hop, piece->tunnel);
}

void forward_tally(struct stage *stage, const struct packet *packet, uint32_t bytes)
{
    tally_packet(&stage->counters.members[packet->member], bytes);
    tally_packet(&stage->counters.vips[packet->service], bytes);
}

void forward_to_member(struct stage *stage, struct packet *packet, uint32_t member_slot,
                       uint32_t service_slot)
{
    // The compiler keeps members and services in the tables while flows go to them.
    DCHECK(member_slot < stage->tables->member_limit);
    DCHECK(service_slot < stage->tables->service_limit);
    const struct tables_member *member = &stage->tables->members[member_slot];
    const struct tables_service *service = &stage->tables->services[service_slot];
    DCHECK(member->used && service->used);
    packet->service = (uint16_t)service_slot;
    packet->member = (uint16_t)member_slot;

    packet->next_hop = member->next_hop;
    uint32_t bytes = rte_pktmbuf_pkt_len(packet->mbuf);
    if (!prepare_for_member(stage, packet, member, service))
        return;
    go_out(stage, packet, member->out_port, neighbour_view(stage->neighbours, member->neighbour),
           config_forward_tunnels((enum config_forward)member->forward) ? (uint16_t)member_slot
                                                                        : 0);
    if (packet->verdict == VERDICT_DROP)
        return;
    if (packet->about) {
        stats_add(stage->counters.icmp_relayed, 1);
        return;
    }
    if (packet->verdict != VERDICT_SPLIT)
        forward_tally(stage, packet, bytes);
}

struct way {
    uint16_t out_port;
    uint32_t neighbour; // slot, or NEIGHBOUR_NONE
    struct neighbour_view view;
};

// Where a packet to an address goes. DROP_NONE: `way` is filled, its view may be of no known
// neighbour.
static enum drop_reason way_find(const struct stage *stage, const struct ip_address *destination,
                                 struct packet *packet, struct way *way)
{
    const struct route *route = route_lookup(stage->tables->routes, destination);
    if (!route)
        return DROP_NO_ROUTE;
    packet->next_hop = route->on_link ? *destination : route->via;
    way->out_port = (uint16_t)route->port;
    way->neighbour = neighbour_find(stage->neighbours, route->port, &packet->next_hop);
    way->view = (struct neighbour_view){.state = NEIGHBOUR_INCOMPLETE};
    if (way->neighbour != NEIGHBOUR_NONE)
        way->view = neighbour_view(stage->neighbours, way->neighbour);
    return DROP_NONE;
}

static void way_remember(const struct stage *stage, const struct way *way, struct flow_pair *pair)
{
    if (way->view.state != NEIGHBOUR_REACHABLE)
        return;
    pair->way = way_pack(way->neighbour, way->view.generation);
    pair->way_port = (uint8_t)way->out_port;
    pair->way_routes = stage->tables->route_generation;
}

void forward_own(struct stage *stage, struct packet *packet, const struct ip_address *destination)
{
    struct way way;
    enum drop_reason reason = way_find(stage, destination, packet, &way);
    if (reason == DROP_NONE && ip_size(packet) > stage->tables->ports[way.out_port].mtu)
        reason = DROP_MTU;
    if (reason == DROP_NONE)
        forward_send(stage, packet, way.out_port, way.view);
    else
        packet_drop(packet, reason);
}

void forward_reply(struct stage *stage, struct packet *packet, struct flow_pair *pair)
{
    DCHECK(pair->service < stage->tables->service_limit);
    const struct tables_service *service = &stage->tables->services[pair->service];
    DCHECK(service->used);
    packet->reply = true;
    packet->service = pair->service;
    packet->member = pair->member;
    struct way way = {.out_port = pair->way_port};
    if (!way_recall(stage, pair, &way.view) || way.view.state != NEIGHBOUR_REACHABLE) {
        enum drop_reason reason = way_find(stage, &pair->client, packet, &way);
        if (reason != DROP_NONE) {
            packet_drop(packet, reason);
            return;
        }
        way_remember(stage, &way, pair);
    }
    if (!route_through(stage, packet, stage->tables->ports[way.out_port].mtu, &pair->client) ||
        !translate_to_client(stage, packet, service, pair))
        return;
    go_out(stage, packet, way.out_port, way.view, 0);
    if (packet->about && packet->verdict != VERDICT_DROP)
        stats_add(stage->counters.icmp_relayed, 1);
}
