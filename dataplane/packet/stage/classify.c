#include <netinet/in.h>
#include <rte_prefetch.h>
#include <string.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/echo.h"

#define PREFETCH_AHEAD 4

// A frame for us bears our MAC or a group's; a bridge floods others to us too.
static bool frame_is_ours(const struct stage *stage, const struct packet *packet)
{
    const struct rte_ether_addr *own = &stage->ports[packet->in_port]->mac;
    return memcmp(packet->frame, own->addr_bytes, WIRE_MAC_SIZE) == 0 ||
           is_group_mac(packet->frame);
}

// The key of the flow that a packet may belong to: a client at a service, or one that a member
// answers. False: at none of our endpoints.
static bool key_of(const struct stage *stage, const struct packet *packet, struct flow_key *key)
{
    const struct wire_packet *wire = &packet->wire;
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    struct ip_address source = wire_source(packet->frame, wire);
    struct ip_address destination = wire_destination(packet->frame, wire);
    uint16_t number = 0;
    if (!echo_answers(wire))
        number = endpoint_number(endpoints, ENDPOINT_SERVICE, &destination, wire->destination_port,
                                 wire->protocol);
    if (number != 0) {
        *key = (struct flow_key){.peer = source, .port = wire->source_port, .endpoint = number};
        return true;
    }
    if (echo_asks(wire))
        return false;
    number =
        endpoint_number(endpoints, ENDPOINT_MEMBER, &source, wire->source_port, wire->protocol);
    *key =
        (struct flow_key){.peer = destination, .port = wire->destination_port, .endpoint = number};
    return number != 0;
}

static bool may_have_flow(const struct wire_packet *wire)
{
    return wire_has_ports(wire) || echo_asks(wire) || echo_answers(wire);
}

static void add_key(const struct stage *stage, struct burst *burst, uint32_t index)
{
    struct flow_key key;
    if (!key_of(stage, &burst->packets[index], &key))
        return;
    if (key.endpoint < ENDPOINT_NUMBER_MEMBERS)
        burst->packets[index].service = key.endpoint;
    uint32_t k = burst->key_count++;
    burst->packet_of[k] = (uint8_t)index;
    burst->keys[k] = key;
    burst->hashes[k] = flow_hash(stage->flows, &key);
}

// A buffer has room for a frame of the MTU, but some devices scatter what would fit (memif, by the
// peer's buffers). The stages see whole frames only.
static enum drop_reason make_whole(struct rte_mbuf *mbuf)
{
    if (rte_pktmbuf_pkt_len(mbuf) > UINT16_MAX)
        return DROP_ETHERNET_OVERSIZE;
    return rte_pktmbuf_linearize(mbuf) == 0 ? DROP_NONE : DROP_ETHERNET_PIECES;
}

static enum drop_reason parse(struct packet *packet)
{
    const struct rte_mbuf *mbuf = packet->mbuf;
    return wire_parse(span_of(packet->frame, rte_pktmbuf_data_len(mbuf)), rte_pktmbuf_pkt_len(mbuf),
                      mbuf_known(mbuf), &packet->wire);
}

static void classify_packet(const struct stage *stage, struct packet *packet)
{
    struct rte_mbuf *mbuf = packet->mbuf;
    enum drop_reason reason = mbuf_found_faulty(mbuf);
    if (reason == DROP_NONE && mbuf->nb_segs > 1)
        reason = make_whole(mbuf);
    if (reason == DROP_NONE)
        reason = parse(packet);
    if (reason == DROP_NONE && packet->wire.kind == WIRE_OTHER && vlan_untag_priority(packet))
        reason = parse(packet);
    if (reason == DROP_NONE && !frame_is_ours(stage, packet))
        reason = DROP_ETHERNET_FOREIGN;
    if (reason != DROP_NONE)
        packet_drop(packet, reason);
}

void stage_classify(struct stage *stage, struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count && i < PREFETCH_AHEAD; i++)
        rte_prefetch0(burst->packets[i].frame);
    for (uint32_t i = 0; i < burst->count; i++) {
        if (i + PREFETCH_AHEAD < burst->count)
            rte_prefetch0(burst->packets[i + PREFETCH_AHEAD].frame);
        struct packet *packet = &burst->packets[i];
        classify_packet(stage, packet);
        if (packet->verdict == VERDICT_NONE && packet->wire.fragment)
            fragment_arrives(stage, packet);
        // A unicast packet to a group's MAC is nobody's (RFC 1122 section 3.3.6): no key for it.
        if (packet->verdict == VERDICT_NONE && may_have_flow(&packet->wire) &&
            !is_group_mac(packet->frame))
            add_key(stage, burst, i);
    }
}
