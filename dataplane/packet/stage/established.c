#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"
#include "dataplane/packet/stage/udp.h"

static enum flow_direction direction_of(const struct flow *flow)
{
    return flow->flags & FLOW_IS_REPLY ? FLOW_REPLY : FLOW_FORWARD;
}

// Since the flow was last touched. Below 0 where a change of configuration made its timeout
// shorter.
static int32_t silent_ms(const struct stage *stage, const struct flow *flow, enum flow_state state)
{
    uint32_t timeout_ms = stage->tables->timeouts_ms[state];
    return (int32_t)(stage->now_ms - (flow_expires_ms(stage->flows, flow) - timeout_ms));
}

bool flow_reopens(const struct stage *stage, const struct flow *flow, uint8_t tcp_flags)
{
    enum flow_state state = flow_state_of(stage->flows, flow);
    return tcp_reopens(state, direction_of(flow), tcp_flags, flow->flags & FLOW_TWO_WAY,
                       silent_ms(stage, flow, state));
}

static void end_probation(struct stage *stage, struct flow *flow, enum probation_set set,
                          uint16_t endpoint, uint64_t hash)
{
    if (flow->flags & FLOW_IS_REPLY) {
        struct flow_key client = flow_client_key(stage->flows, flow);
        hash = flow_hash(stage->flows, &client);
        endpoint = client.endpoint;
    }
    probation_leave(stage->probations[set], hash);
    stats_add(&stage->counters.vip_flows_earned[endpoint], 1);
}

void flow_follow(struct stage *stage, struct flow *flow, uint8_t tcp_flags, uint16_t endpoint,
                 uint64_t hash)
{
    enum flow_state before = flow_state_of(stage->flows, flow);
    enum flow_direction direction = direction_of(flow);
    bool udp = flow_is_udp(before), both = flow->flags & FLOW_TWO_WAY;
    int32_t age_ms = silent_ms(stage, flow, before);
    enum flow_state after = udp ? udp_next_state(before, direction, both, age_ms)
                                : tcp_next_state(before, direction, tcp_flags, both, age_ms);
    if (after == FLOW_TCP_ESTABLISHED && before != after && !tcp_on_trial(before))
        handshakes_end(&stage->handshakes, hash, flow->member, stage->now_ticks);
    if (flow_is_earned(after) && !flow_is_earned(before))
        end_probation(stage, flow, udp ? PROBATION_UDP : PROBATION_TCP, endpoint, hash);
    bool on_trial = udp ? udp_on_trial(after, both) : tcp_on_trial(after);
    if (after != before || !on_trial)
        flow_set(stage->flows, flow, after, stage->now_ms + stage->tables->timeouts_ms[after]);
}

void forward_established(struct stage *stage, struct packet *packet, struct flow *flow,
                         uint16_t service, uint64_t hash)
{
    flow_follow(stage, flow, packet->wire.tcp_flags, service, hash);
    struct flow_pair *pair = flow_pair_of(stage->flows, flow);
    packet->pair = pair;
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
        if (flow_reopens(stage, flow, packet->wire.tcp_flags))
            flow_remove(stage->flows, flow); // admit begins it anew
        else
            forward_established(stage, packet, flow, burst->keys[k].endpoint, burst->hashes[k]);
    }
}
