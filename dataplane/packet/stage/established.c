#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

static enum flow_direction direction_of(const struct flow *flow)
{
    return flow->flags & FLOW_IS_REPLY ? FLOW_REPLY : FLOW_FORWARD;
}

void flow_follow(struct stage *stage, struct flow *flow, uint8_t tcp_flags)
{
    const uint32_t *timeouts_ms = stage->tables->timeouts_ms;
    enum flow_state before = flow_state_of(stage->flows, flow);
    enum flow_state after = before;
    if (before != FLOW_UDP) {
        uint32_t seen_ms = flow_expires_ms(stage->flows, flow) - timeouts_ms[before];
        after = tcp_next_state(before, direction_of(flow), tcp_flags, flow->flags & FLOW_TWO_WAY,
                               stage->now_ms - seen_ms);
    }
    flow_set(stage->flows, flow, after, stage->now_ms + timeouts_ms[after]);
}

void forward_established(struct stage *stage, struct packet *packet, struct flow *flow,
                         uint16_t service)
{
    flow_follow(stage, flow, packet->wire.tcp_flags);
    struct flow_pair *pair = flow_pair_of(stage->flows, flow);
    if (flow->flags & FLOW_IS_REPLY)
        forward_reply(stage, packet, pair);
    else
        forward_to_member(stage, packet, flow->member, service);
}

void stage_established(struct stage *stage, struct burst *burst)
{
    for (uint32_t k = 0; k < burst->key_count; k++) {
        struct packet *packet = &burst->packets[burst->packet_of[k]];
        struct flow *flow =
            flow_find(stage->flows, &burst->keys[k], burst->hashes[k], stage->now_ms);
        if (!flow)
            continue;
        if (tcp_reopens(flow_state_of(stage->flows, flow), direction_of(flow),
                        packet->wire.tcp_flags))
            flow_remove(stage->flows, flow); // admit begins it anew
        else
            forward_established(stage, packet, flow, burst->keys[k].endpoint);
    }
}
