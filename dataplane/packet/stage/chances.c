// A second chance (docs/decisions/0015-a-second-chance-by-the-ring.md): a packet of a flow that is
// not known here and does not begin a connection may belong to a member that had the flow before
// members changed, or before this appliance began. It carries a list of those, in the ring's order,
// which follows from the configuration alone; a member that does not know the connection sends the
// packet on. Such flows are not remembered here, since only their members know whose they are.
#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/vlan.h"

bool chances_wanted(const struct newcomer *newcomer, const struct tables_pool *pool)
{
    return pool->second_chance > 0 && !(newcomer->tcp_flags & WIRE_TCP_SYN);
}

// Who could have had it: the first members of the ring's order but the flow's own, which comes once
// more at the end. What nobody knows ends there, so that a UDP flow which begins is taken by its
// own member, and a segment of a connection that is none is refused by it.
void chances_find(struct stage *stage, const struct newcomer *newcomer, uint16_t member,
                  struct chances *chances)
{
    const struct tables *tables = stage->tables;
    const struct tables_pool *pool = tables->services[newcomer->endpoint].pool;
    uint32_t order[GUE_HOPS_MAX];
    uint32_t found = pool->balancer->ops->rank(pool->balancer, choose_hash(stage, newcomer, pool),
                                               order, pool->second_chance + 1);
    bool own_found = false;
    chances->count = 0;
    for (uint32_t i = 0; i < found; i++) {
        uint32_t slot = pool->members[order[i]];
        own_found |= slot == member;
        if (slot != member && chances->count < pool->second_chance)
            chances->hops[chances->count++] = tables->members[slot].address;
    }
    if (!own_found) // there may be more drained ones before it
        stats_add(stage->counters.second_chances_cut, 1);
    if (chances->count > 0)
        chances->hops[chances->count++] = tables->members[member].address;
    stats_add(stage->counters.second_chances, 1);
}

// Moves a packet back in its buffer, so that `room` bytes are free in front of `inner`. NULL:
// the buffer is full.
static uint8_t *make_room(struct rte_mbuf *mbuf, uint8_t *inner, uint32_t room)
{
    uint8_t *start = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint32_t there = rte_pktmbuf_headroom(mbuf) + (uint32_t)(inner - start);
    if (there >= room)
        return inner;
    uint32_t missing = room - there;
    if (rte_pktmbuf_tailroom(mbuf) < missing)
        return NULL;
    memmove(start + missing, start, rte_pktmbuf_data_len(mbuf));
    mbuf->data_off = (uint16_t)(mbuf->data_off + missing);
    return inner + missing;
}

uint8_t *chances_wrap(const struct stage *stage, struct rte_mbuf *mbuf, uint8_t *inner,
                      uint32_t inner_size, const struct tables_member *member,
                      const struct chances *chances)
{
    uint32_t list_size = gue_hops_size(chances->count, ip_is_v4(&member->address));
    inner = make_room(mbuf, inner, WIRE_VLAN_TAG_SIZE + WIRE_TUNNEL_ROOM + list_size);
    if (!inner)
        return NULL;
    bool device_sums = stage->ports[member->out_port]->tx_ipv4_checksum;
    const struct wire_tunnel_header *header = wire_tunnel_write_hops(
        inner, inner_size, &member->tunnel, chances->hops, chances->count, device_sums);
    return member_wrapped(mbuf, inner - list_size, header, device_sums);
}
