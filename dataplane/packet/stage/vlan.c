// Ports that share a device: what it received is dealt out by VLAN, and what they send gets their
// tag. Between the two there are no tags: the stages, the kernel and those who watch see plain
// frames. A tag is taken off before all else and put on last, when packets are given to the device
// by the worker that does so, so that none gets two.
#include "dataplane/packet/wire/vlan.h"

#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "dataplane/packet/stage/stage_priv.h"

_Static_assert(WIRE_TUNNEL_ROOM + WIRE_VLAN_TAG_SIZE <= RTE_PKTMBUF_HEADROOM,
               "a tunnelled packet has room for its tag");

// Takes the tag off, where the device has not.
static enum drop_reason untag(struct rte_mbuf *mbuf, uint16_t *id)
{
    if (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
        *id = mbuf->vlan_tci & WIRE_VLAN_ID_MASK;
        return DROP_NONE;
    }
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    bool tagged;
    enum drop_reason reason =
        wire_vlan_read(span_of(frame, rte_pktmbuf_data_len(mbuf)), id, &tagged);
    if (reason == DROP_NONE && tagged) {
        wire_vlan_remove(frame);
        rte_pktmbuf_adj(mbuf, WIRE_VLAN_TAG_SIZE);
    }
    return reason;
}

bool vlan_untag_priority(struct packet *packet)
{
    uint16_t id;
    bool tagged;
    struct span headers = span_of(packet->frame, rte_pktmbuf_data_len(packet->mbuf));
    if (wire_vlan_read(headers, &id, &tagged) != DROP_NONE || !tagged || id != 0)
        return false;
    packet->frame = wire_vlan_remove(packet->frame);
    rte_pktmbuf_adj(packet->mbuf, WIRE_VLAN_TAG_SIZE);
    return true;
}

// Passes on, in their order, those that are for the first one's port, and keeps the others. Returns
// how many it kept.
static uint32_t pass_on(struct stage *stage, struct rte_mbuf **packets, uint8_t *ports,
                        uint32_t count)
{
    struct rte_mbuf *passed[STAGE_BURST];
    uint8_t port = ports[0];
    uint32_t passes = 0, kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ports[i] == port) {
            passed[passes++] = packets[i];
            continue;
        }
        ports[kept] = ports[i];
        packets[kept++] = packets[i];
    }
    stage_receive(stage, port, passed, passes);
    return kept;
}

void stage_receive_tagged(struct stage *stage, const struct port_vlans *vlans,
                          struct rte_mbuf **packets, uint32_t count)
{
    uint8_t ports[STAGE_BURST];
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
    for (uint32_t i = 0; i < count; i++) {
        uint16_t id;
        enum drop_reason reason = untag(packets[i], &id);
        if (reason == DROP_NONE && vlans->ports[id] == PORT_VLAN_NONE)
            reason = DROP_VLAN_UNKNOWN;
        if (reason != DROP_NONE) {
            stage_drop(stage, packets[i], reason);
            continue;
        }
        ports[known] = vlans->ports[id];
        packets[known++] = packets[i];
    }
    meter_lap(&stage->meter, METER_RX, 0, 0);
    while (known > 0)
        known = pass_on(stage, packets, ports, known);
}

uint32_t vlan_tag(struct stage *stage, const struct port *port, struct outbox *box)
{
    if (port->tx_inserts_vlan) {
        for (uint32_t i = 0; i < box->count; i++) {
            box->packets[i]->ol_flags |= RTE_MBUF_F_TX_VLAN;
            box->packets[i]->vlan_tci = port->vlan;
        }
        return 0;
    }
    uint32_t tagged = 0;
    for (uint32_t i = 0; i < box->count; i++) {
        struct rte_mbuf *mbuf = box->packets[i];
        uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
        if (__builtin_expect(!rte_pktmbuf_prepend(mbuf, WIRE_VLAN_TAG_SIZE), 0)) {
            stage_drop(stage, mbuf, DROP_HEADROOM);
            continue;
        }
        wire_vlan_insert(frame, port->vlan);
        if (mbuf->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
            mbuf->l2_len += WIRE_VLAN_TAG_SIZE;
        box->packets[tagged++] = mbuf;
    }
    box->count = tagged;
    return WIRE_VLAN_TAG_SIZE;
}
