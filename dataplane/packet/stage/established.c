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

// It has come from `before` to `after`, which it has earned.
static void end_probation(struct stage *stage, struct flow *flow, enum flow_state before,
                          enum flow_state after, uint16_t endpoint, uint64_t hash)
{
    if (flow->flags & FLOW_IS_REPLY) {
        struct flow_key client = flow_client_key(stage->flows, flow);
        hash = flow_hash(stage->flows, &client);
        endpoint = client.endpoint;
    }
    if (after == FLOW_TCP_ESTABLISHED && !tcp_on_trial(before))
        handshakes_end(&stage->handshakes, hash, flow->member, stage->now_ticks);
    probation_leave(stage->probations[flow_is_udp(after) ? PROBATION_UDP : PROBATION_TCP], hash);
    stats_add(&stage->counters.vip_flows_earned[endpoint], 1);
}

// What a client who ends the handshake may acknowledge beyond it: with Fast Open (RFC 7413) a
// member sends data before.
#define AHEAD_MAX 65535u

// Whether a segment shows that the client heard the member's answer, which who made up his address
// did not: by the number that it acknowledges; or as the member sends data, which it does only over
// a connection that it has, or (with a PROXY header) acknowledges what went with the client's
// acknowledgement. Where no answer with SYN was seen, as of a connection that is older than the
// flow, all do.
static bool completes(const struct flow_pair *pair, enum flow_direction direction,
                      const struct wire_segment *says)
{
    bool by_header = introduction_reached(pair) > INTRODUCTION_AWAITED;
    if (direction == FLOW_REPLY)
        return !(says->flags & WIRE_TCP_SYN) &&
               (says->has_data || (by_header && introduction_takes(pair, says->acknowledged)));
    if (by_header)
        return introduction_reached(pair) == INTRODUCTION_TAKEN;
    return pair->stream_begins == 0 || says->acknowledged - pair->stream_begins <= AHEAD_MAX;
}

// The member's answer to a SYN of a flow that has earned nothing. With a PROXY header
// `stream_begins` is the client's, and introduce.c's; once in 2^32 it is 0, and nothing is asked.
static void remember_answer(struct flow_pair *pair, const struct wire_segment *says)
{
    if ((says->flags & WIRE_TCP_SYN) && introduction_reached(pair) < INTRODUCTION_AWAITED)
        pair->stream_begins = says->sequence + 1;
}

static enum flow_state next_tcp_state(const struct stage *stage, const struct flow *flow,
                                      enum flow_state before, const struct wire_segment *says,
                                      int32_t age_ms)
{
    enum flow_direction direction = direction_of(flow);
    struct flow_pair *pair = flow_pair_of(stage->flows, flow);
    bool complete = pair && completes(pair, direction, says);
    enum flow_state after =
        tcp_next_state(before, direction, says->flags, pair != NULL, complete, age_ms);
    if (pair && direction == FLOW_REPLY && after == FLOW_TCP_ANSWERED)
        remember_answer(pair, says);
    // From then on it is not asked, whatever comes between.
    if (pair && flow_is_earned(after) && introduction_reached(pair) == INTRODUCTION_NONE)
        pair->stream_begins = 0;
    return after;
}

void flow_follow(struct stage *stage, struct flow *flow, const struct wire_segment *says,
                 uint16_t endpoint, uint64_t hash)
{
    enum flow_state before = flow_state_of(stage->flows, flow);
    bool udp = flow_is_udp(before), both = flow->flags & FLOW_TWO_WAY;
    int32_t age_ms = silent_ms(stage, flow, before);
    enum flow_state after = udp ? udp_next_state(before, direction_of(flow), both, age_ms)
                                : next_tcp_state(stage, flow, before, says, age_ms);
    if (flow_is_earned(after) && !flow_is_earned(before))
        end_probation(stage, flow, before, after, endpoint, hash);
    bool on_trial = udp ? udp_on_trial(after, both) : tcp_on_trial(after);
    if (after != before || !on_trial)
        flow_set(stage->flows, flow, after, stage->now_ms + stage->tables->timeouts_ms[after]);
}

void forward_established(struct stage *stage, struct packet *packet, struct flow *flow,
                         uint16_t service, uint64_t hash)
{
    struct wire_segment says = {.flags = 0};
    if (packet->wire.protocol == IPPROTO_TCP)
        says = wire_segment_read(packet->frame + packet->wire.l4_offset,
                                 (size_t)packet->wire.end - packet->wire.l4_offset);
    flow_follow(stage, flow, &says, service, hash);
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
