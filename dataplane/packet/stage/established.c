#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"

// What a segment of a known TCP flow makes of its state.
static enum flow_state next_state(const struct flow *flow, const struct wire_packet *wire)
{
    if (wire->protocol != IPPROTO_TCP)
        return FLOW_UDP;
    if (wire->tcp_flags & (WIRE_TCP_FIN | WIRE_TCP_RST))
        return FLOW_TCP_CLOSING;
    if (flow->state == FLOW_TCP_OPENING && flow->direction == FLOW_FORWARD &&
        (wire->tcp_flags & (WIRE_TCP_SYN | WIRE_TCP_ACK)) == WIRE_TCP_ACK)
        return FLOW_TCP_ESTABLISHED;
    return (enum flow_state)flow->state;
}

// A client that opens a connection anew from the port of one that is closing gets a new choice: a
// drained member must not be given connections for ever.
static bool reopens(const struct flow *flow, const struct wire_packet *wire)
{
    return flow->state == FLOW_TCP_CLOSING && flow->direction == FLOW_FORWARD &&
           wire->protocol == IPPROTO_TCP &&
           (wire->tcp_flags & (WIRE_TCP_SYN | WIRE_TCP_ACK)) == WIRE_TCP_SYN;
}

static void established_packet(struct stage *stage, struct packet *packet, struct flow *flow)
{
    enum flow_state state = next_state(flow, &packet->wire);
    uint32_t timeout_ms = stage->tables->timeouts_ms[state];
    if (state != flow->state)
        flow_set_state(stage->flows, flow, state, stage->now_ms, timeout_ms);
    else
        flow_touch(flow, stage->now_ms, timeout_ms);
    if (flow->direction == FLOW_REPLY)
        forward_reply(stage, packet, flow);
    else
        forward_to_member(stage, packet, flow->member, flow->service);
}

void stage_established(struct stage *stage, struct burst *burst)
{
    if (burst->key_count == 0)
        return;
    flow_lookup_burst(stage->flows, burst->keys, burst->hashes, burst->key_count, stage->now_ms,
                      burst->found);
    for (uint32_t k = 0; k < burst->key_count; k++) {
        struct flow *flow = burst->found[k];
        if (!flow)
            continue;
        struct packet *packet = &burst->packets[burst->packet_of[k]];
        if (reopens(flow, &packet->wire)) {
            // Two such segments in one burst would find the same flow: look again from here on.
            flow_remove(stage->flows, flow);
            for (uint32_t later = k; later < burst->key_count; later++)
                burst->found[later] = flow_lookup(stage->flows, &burst->keys[later],
                                                  burst->hashes[later], stage->now_ms);
            continue;
        }
        established_packet(stage, packet, flow);
    }
}
