// ICMP errors about what we put in tunnels: they come to the address of ours that the outer header
// names. What one says about the size of packets on the way to a member goes to the main thread,
// which has the tables say so from then on (docs/decisions/0024-what-a-way-to-a-member-takes.md).
// And the client, whose packet was lost, is told in terms of its own packet, where enough of it is
// quoted: too big, or host unreachable for all else that ends the way (RFC 2003 section 4, RFC 2473
// section 8.2).
#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/tunnel_error.h"

static const uint8_t protocols[] = {
    [WIRE_TUNNEL_IPIP] = IPPROTO_IPIP,
    [WIRE_TUNNEL_GRE] = IPPROTO_GRE,
    [WIRE_TUNNEL_GUE] = IPPROTO_UDP,
};

// The member to whom the quoted packet was on its way, or NULL: it cannot be ours.
static const struct tables_member *member_of(const struct stage *stage, const struct packet *packet,
                                             const struct tunnel_error *error)
{
    const struct tables *tables = stage->tables;
    struct ip_address destination = wire_destination(packet->frame, &packet->wire);
    const struct endpoint *endpoint =
        endpoint_find(tables->endpoints, &error->destination, 0, protocols[error->kind]);
    if (!endpoint || endpoint->kind != ENDPOINT_TUNNEL || !ip_equal(&destination, &error->source))
        return NULL;
    const struct tables_member *member = &tables->members[endpoint->value];
    bool sent = wire_tunnel_is_from(&member->tunnel, &error->source) &&
                error->size <= tables->ports[member->out_port].mtu;
    return sent ? member : NULL;
}

static uint32_t outer_size(const struct tables_member *member, const struct tunnel_error *error)
{
    return wire_tunnel_size(error->kind, &member->address) + member->list_size;
}

// News once: what is known already is not sent any more.
static void learn(struct stage *stage, const struct tables_member *member,
                  const struct tunnel_error *error)
{
    if (error->says != TUNNEL_ERROR_TOO_BIG ||
        error->mtu >= member->ip_size_max + outer_size(member, error))
        return;
    const struct news_message news = {.path_mtu = (uint16_t)error->mtu, .address = member->address};
    send_news(stage, &news); // where that fails, the next error tells it again
}

// The service to which the packet inside was, 0: it tells us nothing.
static uint16_t service_of(const struct stage *stage, const struct icmp_error *inner)
{
    const struct tables *tables = stage->tables;
    uint16_t service = endpoint_number(tables->endpoints, ENDPOINT_SERVICE, &inner->destination,
                                       inner->destination_port, inner->protocol);
    const struct tables_pool *pool = service ? tables->services[service].pool : NULL;
    return pool && config_forward_tunnels(pool->forward) && ip_is_unicast(&inner->source) ? service
                                                                                          : 0;
}

// Makes the error one about the packet inside, in its place: there is room in front of it, since
// the outer headers, their error's and an Ethernet header of its own are at least as long. False:
// it says nothing that a client could use.
static bool rewrite(struct stage *stage, struct packet *packet, const struct tunnel_error *error,
                    uint32_t mtu)
{
    uint8_t *inner = packet->frame + error->inner;
    struct span bytes = span_of(inner, (size_t)error->inner_end - error->inner);
    struct icmp_error about;
    uint32_t size;
    if (icmp_error_read_quoted(bytes, error->inner_v4, &about, &size) != DROP_NONE)
        return false;
    packet->service = service_of(stage, &about);
    bool too_big = error->says == TUNNEL_ERROR_TOO_BIG;
    // Who let it be fragmented need not know: from now on it is.
    if (packet->service == 0 ||
        (too_big && (size <= mtu || (error->inner_v4 && !wire_is_whole(inner)))))
        return false;
    uint32_t quoted = RTE_MIN(about.end, icmp_error_quoted_max(error->inner_v4));
    uint8_t *ip =
        icmp_error_wrap(inner, quoted, too_big ? ICMP_ERROR_TOO_BIG : ICMP_ERROR_HOST_UNREACHABLE,
                        mtu, &about.destination, &about.source);
    uint8_t *frame = ip - WIRE_ETHERNET_SIZE;
    DCHECK(frame >= packet->frame);
    wire_set_type(frame, error->inner_v4);
    rte_pktmbuf_adj(packet->mbuf, (uint16_t)(frame - packet->frame));
    uint32_t frame_size = (uint32_t)(inner + quoted - frame);
    rte_pktmbuf_trim(packet->mbuf, (uint16_t)(rte_pktmbuf_pkt_len(packet->mbuf) - frame_size));
    packet->frame = frame;
    enum drop_reason reason = wire_parse(span_of(frame, frame_size), frame_size,
                                         WIRE_KNOWN_IPV4_CHECKSUM_GOOD, &packet->wire);
    CHECK(reason == DROP_NONE);
    return true;
}

bool tunnel_error(struct stage *stage, struct packet *packet)
{
    struct tunnel_error error;
    struct span frame = span_of(packet->frame, rte_pktmbuf_data_len(packet->mbuf));
    if (packet->mbuf->nb_segs > 1 || !tunnel_error_read(frame, &packet->wire, &error))
        return false;
    const struct tables_member *member = member_of(stage, packet, &error);
    if (!member)
        return false;
    stats_add(stage->counters.tunnel_errors, 1);
    learn(stage, member, &error);
    packet->verdict = VERDICT_CONSUMED;
    if (error.says == TUNNEL_ERROR_MALFORMED)
        return true;
    uint32_t outer = outer_size(member, &error);
    uint32_t mtu = error.mtu > outer ? error.mtu - outer : 0;
    if (!rewrite(stage, packet, &error, mtu))
        return true;
    struct ip_address client = wire_destination(packet->frame, &packet->wire);
    if (!answer_is_due(stage, ANSWER_TOO_BIG, &client))
        return true;
    forward_own(stage, packet, &client);
    stats_add(stage->counters.icmp_relayed, packet->verdict != VERDICT_DROP);
    return true;
}
