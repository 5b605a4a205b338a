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
    if (state == FLOW_TCP_CLOSING || state == FLOW_TCP_RESET)
        return state;
    // Where replies are not seen, the client's FIN is all there is to see.
    return !both || state == closed_there ? FLOW_TCP_CLOSING : closed_here;
}

enum flow_state tcp_next_state(enum flow_state state, enum flow_direction direction, uint8_t flags,
                               bool both, uint32_t silent_ms)
{
    if (flags & WIRE_TCP_RST)
        return state == FLOW_TCP_CLOSING ? FLOW_TCP_CLOSING : FLOW_TCP_RESET;
    if (flags & WIRE_TCP_FIN)
        return after_fin(state, direction, both);
    switch (state) {
    case FLOW_TCP_OPENING:
        if (both)
            return direction == FLOW_REPLY ? FLOW_TCP_ANSWERED : state;
        return acknowledges(flags) ? FLOW_TCP_ESTABLISHED : state;
    case FLOW_TCP_PICKED_UP:
        if (both)
            return direction == FLOW_REPLY ? FLOW_TCP_ANSWERED : state;
        return silent_ms >= TCP_PICK_UP_MS ? FLOW_TCP_ESTABLISHED : state;
    case FLOW_TCP_ANSWERED:
        return direction == FLOW_FORWARD && acknowledges(flags) ? FLOW_TCP_ESTABLISHED : state;
    default:
        return state;
    }
}

bool tcp_reopens(enum flow_state state, enum flow_direction direction, uint8_t flags)
{
    return state == FLOW_TCP_CLOSING && direction == FLOW_FORWARD && opens(flags);
}
