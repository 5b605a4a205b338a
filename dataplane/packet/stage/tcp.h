// What the segments of a connection make of its flow. A middlebox cannot know what the ends accept,
// so a state that keeps a flow for long must be earned by both of them, and none that an outsider
// can bring about lets go of a connection (RFC 5961 tells what blind segments try).
#pragma once

#include "dataplane/packet/flow/flow.h"

// A flow that begins without a SYN (its table was lost, or it is made up) is believed after it has
// spoken again so much later, where replies are not seen.
#define TCP_PICK_UP_MS 1000

// The state in which the segment with `flags` begins a flow.
enum flow_state tcp_first_state(uint8_t flags);

// The state after a segment. `both`: replies pass here too (NAT). `silent_ms`: since the segment
// before it in this direction.
enum flow_state tcp_next_state(enum flow_state state, enum flow_direction direction, uint8_t flags,
                               bool both, uint32_t silent_ms);

// Whether a segment of the client opens a new connection with the ports of one that both ends have
// closed: it gets a new choice, so that a drained member is not given connections for ever.
bool tcp_reopens(enum flow_state state, enum flow_direction direction, uint8_t flags);
