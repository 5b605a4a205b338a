#include "dataplane/packet/stage/tcp.h"

#include "dataplane/packet/wire/parse.h"

static bool opens(uint8_t flags)
{
    return (flags & (WIRE_TCP_SYN | WIRE_TCP_ACK)) == WIRE_TCP_SYN;
}

static bool acknowledges(uint8_t flags)
{
    return (flags & (WIRE_TCP_SYN | WIRE_TCP_ACK)) == WIRE_TCP_ACK;
}

enum flow_state tcp_first_state(uint8_t flags)
{
    return opens(flags) ? FLOW_TCP_OPENING : FLOW_TCP_PICKED_UP;
}

// One end has closed; the other may go on sending for long (RFC 9293 section 3.6, half-close).
static enum flow_state after_fin(enum flow_state state, enum flow_direction direction, bool both)
{
    enum flow_state closed_here =
        direction == FLOW_FORWARD ? FLOW_TCP_CLIENT_CLOSED : FLOW_TCP_MEMBER_CLOSED;
    enum flow_state closed_there =
        direction == FLOW_FORWARD ? FLOW_TCP_MEMBER_CLOSED : FLOW_TCP_CLIENT_CLOSED;
    // Where replies are not seen, the client's FIN is all there is to see.
    return !both || state == closed_there || state == FLOW_TCP_CLOSING ? FLOW_TCP_CLOSING
                                                                       : closed_here;
}

// Of a flow that only the client's side has spoken for since it began or was reset: nothing but the
// member's word makes more of it.
static enum flow_state after_answer(enum flow_state state, enum flow_direction direction,
                                    uint8_t flags)
{
    if (direction == FLOW_FORWARD)
        return state;
    return flags & WIRE_TCP_FIN ? FLOW_TCP_MEMBER_CLOSED : FLOW_TCP_ANSWERED;
}

// Of a flow whose member has answered: the client's word makes more of it if he cannot have made it
// up, and the member's if it gives away that he has.
static enum flow_state after_completion(enum flow_state state, enum flow_direction direction,
                                        uint8_t flags, bool completes)
{
    if ((flags & WIRE_TCP_FIN) && (completes || direction == FLOW_REPLY))
        return after_fin(state, direction, true);
    return completes && acknowledges(flags) ? FLOW_TCP_ESTABLISHED : state;
}

// The same where the member's word is not heard: time must do.
static enum flow_state after_trial(enum flow_state state, uint8_t flags, int32_t age_ms)
{
    if (state == FLOW_TCP_RESET && opens(flags))
        return FLOW_TCP_OPENING;
    if (state == FLOW_TCP_PICKED_UP && (flags & WIRE_TCP_FIN))
        return FLOW_TCP_CLOSING;
    return acknowledges(flags) && !(flags & WIRE_TCP_FIN) && age_ms >= TCP_TRIAL_MS
               ? FLOW_TCP_ESTABLISHED
               : state;
}

enum flow_state tcp_next_state(enum flow_state state, enum flow_direction direction, uint8_t flags,
                               bool both, bool completes, int32_t age_ms)
{
    // Who has earned nothing has nothing to lose.
    if (flags & WIRE_TCP_RST)
        return state == FLOW_TCP_CLOSING || (both && !flow_is_earned(state)) ? state
                                                                             : FLOW_TCP_RESET;
    if (tcp_on_trial(state))
        return both ? after_answer(state, direction, flags) : after_trial(state, flags, age_ms);
    if (state == FLOW_TCP_OPENING && both)
        return after_answer(state, direction, flags);
    if (state == FLOW_TCP_ANSWERED)
        return after_completion(state, direction, flags, completes);
    if (flags & WIRE_TCP_FIN)
        return after_fin(state, direction, both);
    return state == FLOW_TCP_OPENING && acknowledges(flags) ? FLOW_TCP_ESTABLISHED : state;
}

bool tcp_on_trial(enum flow_state state)
{
    return state == FLOW_TCP_PICKED_UP || state == FLOW_TCP_RESET;
}

bool tcp_reopens(enum flow_state state, enum flow_direction direction, uint8_t flags, bool both,
                 int32_t silent_ms)
{
    return state == FLOW_TCP_CLOSING && direction == FLOW_FORWARD && opens(flags) &&
           (both || silent_ms >= TCP_TRIAL_MS);
}
