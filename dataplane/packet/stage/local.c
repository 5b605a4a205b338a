#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/echo.h"
#include "dataplane/packet/wire/neighbourhood.h"

// Whether this port answers for an address: its own, or a vip on its link.
static bool answers_for(const struct stage *stage, uint16_t port, const struct ip_address *address)
{
    if (ip_is_of_a_link(address))
        return port_owns(stage, port, address);
    const struct endpoint *endpoint = endpoint_find(stage->tables->endpoints, address, 0, 0);
    return endpoint && endpoint->value == port;
}

static bool on_link(const struct stage *stage, uint16_t port, const struct ip_address *address)
{
    if (ip_is_of_a_link(address))
        return true;
    const struct tables_port *own = &stage->tables->ports[port];
    for (uint32_t i = 0; i < own->address_count; i++) {
        if (ip_prefix_contains(&own->addresses[i], address))
            return true;
    }
    return false;
}

// Whether what a message tells is news: the main thread is not troubled by every broadcast.
static bool is_news(const struct stage *stage, uint16_t port,
                    const struct neighbourhood_message *message, bool for_us)
{
    if (message->reply)
        return true;
    uint32_t slot = neighbour_find(stage->neighbours, port, &message->sender);
    if (slot == NEIGHBOUR_NONE)
        return for_us;
    struct neighbour_view view = neighbour_view(stage->neighbours, slot);
    return view.state != NEIGHBOUR_REACHABLE ||
           memcmp(view.mac, message->sender_mac, sizeof(view.mac)) != 0;
}

// Tells the main thread. Where the mailbox is full this one piece of news is lost: who needs an
// answer asks again, and who asks us speaks again.
static void learn(struct stage *stage, uint16_t port, const struct neighbourhood_message *message,
                  bool for_us)
{
    if (!message->sender_known || !ip_is_unicast(&message->sender) ||
        !on_link(stage, port, &message->sender))
        return;
    bool conflict = answers_for(stage, port, &message->sender);
    if (!conflict && !is_news(stage, port, message, for_us))
        return;
    struct news_message news = {
        .solicited = message->solicited,
        .override = message->override || message->request,
        .create = for_us,
        .conflict = conflict,
        .port = port,
        .address = message->sender,
    };
    memcpy(news.mac, message->sender_mac, sizeof(news.mac));
    send_news(stage, &news);
}

// Nobody is at a network's own address or its broadcast. Who speaks from ours is told of.
static bool speaker_is_possible(const struct stage *stage,
                                const struct neighbourhood_message *message)
{
    return !message->sender_known || can_be_sender(stage, &message->sender) ||
           endpoint_find(stage->tables->endpoints, &message->sender, 0, 0);
}

static void answer_neighbour(struct stage *stage, struct packet *packet,
                             const struct neighbourhood_message *message)
{
    struct rte_mbuf *mbuf = packet->mbuf;
    uint32_t room = rte_pktmbuf_data_len(mbuf) + rte_pktmbuf_tailroom(mbuf);
    uint32_t size = neighbourhood_answer(packet->frame, room, &packet->wire, message,
                                         stage->ports[packet->in_port]->mac.addr_bytes);
    if (size == 0) {
        packet_drop(packet, DROP_HEADROOM);
        return;
    }
    mbuf->data_len = (uint16_t)size;
    mbuf->pkt_len = size;
    packet->out_port = packet->in_port;
    packet->verdict = VERDICT_SEND;
}

static void local_neighbour(struct stage *stage, struct packet *packet)
{
    struct neighbourhood_message message;
    struct span frame = span_of(packet->frame, rte_pktmbuf_data_len(packet->mbuf));
    enum drop_reason reason = neighbourhood_read(frame, &packet->wire, &message);
    if (reason == DROP_NONE && !speaker_is_possible(stage, &message))
        reason = DROP_IP_ADDRESS;
    if (reason != DROP_NONE) {
        packet_drop(packet, reason);
        return;
    }
    bool for_us = message.request && answers_for(stage, packet->in_port, &message.target);
    learn(stage, packet->in_port, &message, for_us);
    // The kernel hears the rest: questions for addresses it may have, answers to its own questions.
    if (for_us)
        answer_neighbour(stage, packet, &message);
    else if (message.reply && !stage->ports[packet->in_port]->punts)
        packet->verdict = VERDICT_CONSUMED;
    else
        packet->verdict = VERDICT_PUNT_NEIGHBOUR;
}

// Echo to an address of ours goes back by the way it came: to a station, not to a group.
static void local_echo(struct stage *stage, struct packet *packet)
{
    enum drop_reason reason = DROP_IP_ADDRESS;
    if (sender_is_possible(stage, packet) && !is_group_mac(packet->frame + WIRE_MAC_SIZE))
        reason =
            answer_echo_is_due(stage) ? echo_answer(packet->frame, &packet->wire) : DROP_ICMP_RATE;
    if (reason != DROP_NONE) {
        packet_drop(packet, reason);
        return;
    }
    packet->out_port = packet->in_port;
    packet->verdict = VERDICT_SEND;
}

static bool is_icmp(const struct wire_packet *wire)
{
    return wire->protocol == IPPROTO_ICMP || wire->protocol == IPPROTO_ICMPV6;
}

// Whether the rules let a packet that no service takes reach a virtual address.
static bool may_reach(struct stage *stage, const struct packet *packet)
{
    if (!stage->tables->rules)
        return true;
    const struct access_key key = {
        .protocol = packet->wire.protocol,
        .source = wire_source(packet->frame, &packet->wire),
        .destination = wire_destination(packet->frame, &packet->wire),
        .source_port = packet->wire.source_port,
        .destination_port = packet->wire.destination_port,
    };
    return rules_apply(stage, rules_decide(stage->tables->rules, &key));
}

// A packet to a local address that belongs to no flow here: a member's may belong to another
// worker's, which admit finds out.
static bool is_stray(const struct stage *stage, const struct packet *packet)
{
    const struct wire_packet *wire = &packet->wire;
    struct ip_address source = wire_source(packet->frame, wire);
    return (!wire_has_ports(wire) && !echo_answers(wire)) ||
           endpoint_number(stage->tables->endpoints, ENDPOINT_MEMBER, &source, wire->source_port,
                           wire->protocol) == 0;
}

static void no_service(struct stage *stage, struct packet *packet)
{
    if (packet->wire.protocol == IPPROTO_UDP)
        answer_port_unreachable(stage, packet);
    packet_drop(packet, is_icmp(&packet->wire) ? DROP_ICMP : DROP_NO_SERVICE);
}

// A packet to an address of ours that no service takes.
static void local_address(struct stage *stage, struct packet *packet,
                          const struct endpoint *endpoint)
{
    const struct wire_packet *wire = &packet->wire;
    if (endpoint->kind == ENDPOINT_VIP && !may_reach(stage, packet))
        packet_drop(packet, DROP_ACCESS);
    else if (echo_is_request(wire) && !wire->fragment)
        local_echo(stage, packet);
    else if (endpoint->kind == ENDPOINT_OWN)
        packet->verdict = VERDICT_PUNT;
    else if (endpoint->kind == ENDPOINT_LOCAL && !is_stray(stage, packet))
        return;
    else if (!sender_is_possible(stage, packet))
        packet_drop(packet, DROP_IP_ADDRESS);
    else if (wire->fragment && !wire_has_ports(wire))
        packet_drop(packet, DROP_FRAGMENT);
    else
        no_service(stage, packet);
}

static void local_packet(struct stage *stage, struct packet *packet)
{
    const struct wire_packet *wire = &packet->wire;
    if (neighbourhood_is_message(wire)) {
        local_neighbour(stage, packet);
        return;
    }
    if (wire->kind == WIRE_OTHER) {
        packet->verdict = VERDICT_PUNT;
        return;
    }
    struct ip_address destination = wire_destination(packet->frame, wire);
    if (is_group_mac(packet->frame)) {
        if (ip_is_unicast(&destination) &&
            memcmp(packet->frame, "\xff\xff\xff\xff\xff\xff", 6) != 0)
            packet_drop(packet, DROP_ETHERNET_FOREIGN);
        else
            packet->verdict = VERDICT_PUNT;
        return;
    }
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    if ((wire_has_ports(wire) || echo_asks(wire)) &&
        endpoint_find(endpoints, &destination, wire->destination_port, wire->protocol))
        return; // a service's: admit decides
    const struct endpoint *endpoint = endpoint_find(endpoints, &destination, 0, 0);
    bool elsewhere =
        ip_is_of_a_link(&destination) && !port_owns(stage, packet->in_port, &destination);
    if (endpoint && !elsewhere)
        local_address(stage, packet, endpoint);
}

void stage_local(struct stage *stage, struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        struct packet *packet = &burst->packets[i];
        if (packet->verdict == VERDICT_NONE)
            local_packet(stage, packet);
    }
}
