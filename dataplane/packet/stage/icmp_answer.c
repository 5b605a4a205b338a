// ICMP errors of our own: to the sender of a packet that is too big for its way, whose hops ran
// out, or that is for a port which no service has. They go back by the way the packet came, and are
// few: a flood of what cannot be delivered costs its sender the answers, and nobody else anything.
// What does not fit has a budget apart from all that anybody can provoke, since connections hang
// that are not told.
#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"

// A second and worker (RFC 4443 section 2.4 f, RFC 1812 section 4.3.2.8).
static const struct {
    uint32_t rate, burst;
} limits[ANSWER_KINDS] = {
    [ANSWER_TOO_BIG] = {1000, 64},
    [ANSWER_UNDELIVERABLE] = {1000, 64},
    [ANSWER_ECHO] = {10000, 1000},
};

// Of errors, to one receiver.
#define SHARE_RATE  100
#define SHARE_BURST 16

// RFC 1122 section 3.2.2, RFC 4443 section 2.4 e: never about an ICMP error, nor a packet to a
// group or from one, nor (IPv4) a fragment that is not the first; nor to a broadcast or to
// ourselves.
static bool may_answer(const struct stage *stage, const struct packet *packet)
{
    const struct wire_packet *wire = &packet->wire;
    if (packet->about || is_group_mac(packet->frame) || is_group_mac(packet->frame + WIRE_MAC_SIZE))
        return false;
    if (wire->kind == WIRE_IPV4 && wire->fragment && !wire->first_fragment)
        return false;
    return sender_is_possible(stage, packet);
}

// Our address on the port that a packet came by, towards its sender.
static bool own_address(const struct stage *stage, const struct packet *packet,
                        struct ip_address *address)
{
    const struct tables_port *port = &stage->tables->ports[packet->in_port];
    struct ip_address sender = wire_source(packet->frame, &packet->wire);
    const struct ip_address *own = ip_source_towards(port->addresses, port->address_count, &sender);
    if (own)
        *address = *own;
    return own != NULL;
}

// The virtual address that a packet is to.
static bool vip_address(const struct stage *stage, const struct packet *packet,
                        struct ip_address *address)
{
    *address = wire_destination(packet->frame, &packet->wire);
    const struct endpoint *endpoint = endpoint_find(stage->tables->endpoints, address, 0, 0);
    return endpoint && endpoint->kind == ENDPOINT_VIP;
}

static bool is_within(struct stage *stage, enum answer_kind kind)
{
    return budget_take(&stage->answers[kind], limits[kind].rate, limits[kind].burst, stage->now_ms);
}

static struct budget *share_of(struct stage *stage, const struct ip_address *receiver)
{
    uint64_t words[2];
    memcpy(words, receiver->bytes, sizeof(words));
    uint64_t hash = siphash13_words(stage->owner_key, words, 2);
    return &stage->answer_shares[hash % ANSWER_SHARES];
}

bool answer_is_due(struct stage *stage, enum answer_kind kind, const struct ip_address *receiver)
{
    if (budget_take(share_of(stage, receiver), SHARE_RATE, SHARE_BURST, stage->now_ms) &&
        is_within(stage, kind))
        return true;
    stats_add(kind == ANSWER_TOO_BIG ? stage->counters.too_big_suppressed
                                     : stage->counters.icmp_suppressed,
              1);
    return false;
}

bool answer_echo_is_due(struct stage *stage)
{
    return is_within(stage, ANSWER_ECHO);
}

static void answer(struct stage *stage, const struct packet *packet, enum icmp_error_kind kind,
                   uint32_t mtu, const struct ip_address *source)
{
    const struct port *port = stage->ports[packet->in_port];
    struct ip_address receiver = wire_source(packet->frame, &packet->wire);
    if (!answer_is_due(stage, kind == ICMP_ERROR_TOO_BIG ? ANSWER_TOO_BIG : ANSWER_UNDELIVERABLE,
                       &receiver))
        return;
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->buffers);
    if (!mbuf || rte_pktmbuf_tailroom(mbuf) < ICMP_ERROR_FRAME_MAX) {
        stats_add(stage->counters.icmp_suppressed, 1);
        rte_pktmbuf_free(mbuf);
        return;
    }
    struct span frame = span_of(packet->frame, rte_pktmbuf_data_len(packet->mbuf));
    uint32_t size = icmp_error_write(rte_pktmbuf_mtod(mbuf, uint8_t *), frame, &packet->wire, kind,
                                     mtu, source, port->mac.addr_bytes);
    rte_pktmbuf_append(mbuf, (uint16_t)size);
    stats_add(stage->counters.icmp_sent, 1);
    stage_transmit(stage, packet->in_port, mbuf);
}

// From the virtual address where the packet was to it (RFC 4443 section 2.2 a): firewalls on the
// way know that address as the connection's, and let an error of it pass. The members' packets are
// answered by the address that is their gateway.
void answer_too_big(struct stage *stage, const struct packet *packet, uint32_t mtu)
{
    struct ip_address source;
    if (may_answer(stage, packet) &&
        (vip_address(stage, packet, &source) || own_address(stage, packet, &source)))
        answer(stage, packet, ICMP_ERROR_TOO_BIG, mtu, &source);
}

// From the port's address, which is a hop before the virtual one: who traces a route must be able
// to tell them apart.
void answer_time_exceeded(struct stage *stage, const struct packet *packet)
{
    struct ip_address source;
    if (may_answer(stage, packet) &&
        (own_address(stage, packet, &source) || vip_address(stage, packet, &source)))
        answer(stage, packet, ICMP_ERROR_TIME_EXCEEDED, 0, &source);
}

// RFC 1122 section 4.1.3.1, and RFC 4443 section 3.1: only the address that was asked can say so.
void answer_port_unreachable(struct stage *stage, const struct packet *packet)
{
    struct ip_address source;
    if (may_answer(stage, packet) && vip_address(stage, packet, &source))
        answer(stage, packet, ICMP_ERROR_PORT_UNREACHABLE, 0, &source);
}
