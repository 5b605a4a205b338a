#include "dataplane/packet/stage/udp.h"

enum flow_state udp_next_state(enum flow_state state, enum flow_direction direction, bool both,
                               int32_t age_ms)
{
    if (!both)
        return age_ms >= UDP_TRIAL_MS ? FLOW_UDP : state;
    if (state == FLOW_UDP_OPENING && direction == FLOW_REPLY)
        return FLOW_UDP_ANSWERED;
    if (state == FLOW_UDP_ANSWERED && (direction == FLOW_FORWARD || age_ms >= UDP_STREAM_MS))
        return FLOW_UDP;
    return state;
}

bool udp_on_trial(enum flow_state state, bool both)
{
    return state == FLOW_UDP_ANSWERED || (state == FLOW_UDP_OPENING && !both);
}
