#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

static enum flow_direction direction_of(const struct flow *flow)
{
    return (enum flow_direction)flow->direction;
}

// Since the flow was last touched. Below 0 where a change of configuration made its timeout
// shorter.
static int32_t silent_ms(const struct stage *stage, const struct flow *flow)
{
    uint32_t timeout_ms = stage->tables->timeouts_ms[flow->state];
    return (int32_t)(stage->now_ms - (flow->expires_ms - timeout_ms));
}

// Keeps the flow for its state's time, and the state for what the packet says.
static void refresh(struct stage *stage, const struct packet *packet, struct flow *flow)
{
    const uint32_t *timeouts_ms = stage->tables->timeouts_ms;
    enum flow_state before = (enum flow_state)flow->state;
    enum flow_state after = before;
    if (before != FLOW_UDP)
        after = tcp_next_state(before, direction_of(flow), packet->wire.tcp_flags,
                               flow->peer != FLOW_NONE, silent_ms(stage, flow));
    if (after != before)
        flow_set_state(stage->flows, flow, after, stage->now_ms, timeouts_ms[after]);
    else if (!tcp_on_trial(after))
        flow_touch(flow, stage->now_ms, timeouts_ms[after]);
}

void forward_established(struct stage *stage, struct packet *packet, struct flow *flow)
{
    refresh(stage, packet, flow);
    if (flow->direction == FLOW_REPLY)
        forward_reply(stage, packet, flow);
    else
        forward_to_member(stage, packet, flow->member, flow->service);
}

// Forgets a flow that later packets of the burst may have found too, and its peer.
static void forget(struct stage *stage, struct burst *burst, uint32_t k)
{
    struct flow *flow = burst->found[k];
    struct flow *peer = flow->peer == FLOW_NONE ? NULL : flow_at(stage->flows, flow->peer);
    flow_remove(stage->flows, flow);
    for (uint32_t later = k; later < burst->key_count; later++) {
        if (burst->found[later] == flow || burst->found[later] == peer)
            burst->found[later] = NULL; // admit looks again
    }
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
        if (tcp_reopens((enum flow_state)flow->state, direction_of(flow), packet->wire.tcp_flags,
                        flow->peer != FLOW_NONE, silent_ms(stage, flow)))
            forget(stage, burst, k);
        else
            forward_established(stage, packet, flow);
    }
}
