// What the segments of a connection make of its flow. A middlebox cannot know what the ends accept,
// so a state that keeps a flow for long must be earned by both of them, and none that an outsider
// can bring about lets go of a connection (RFC 5961 tells what blind segments try).
#pragma once

#include "dataplane/packet/flow/flow.h"

// Where replies are not seen, what may be made up is believed so much later, if it still speaks.
#define TCP_TRIAL_MS 1000

// The state in which the segment with `flags` begins a flow.
enum flow_state tcp_first_state(uint8_t flags);

// The state after a segment. `both`: replies pass here too (NAT). `completes`: with both, of a flow
// that the member has answered, whether the segment shows that the client heard that. `age_ms`: of
// a state on trial, since it began.
enum flow_state tcp_next_state(enum flow_state state, enum flow_direction direction, uint8_t flags,
                               bool both, bool completes, int32_t age_ms);

// A flow that began in the middle, or of which a RST was seen: either may be made up. It stays for
// its timeout from then on, whatever it speaks, unless it comes to another state.
bool tcp_on_trial(enum flow_state state);

// Whether a segment of the client opens a new connection with the ports of one that both ends have
// closed: it gets a new choice, so that a drained member is not given connections for ever.
// `silent_ms`: since the last segment.
bool tcp_reopens(enum flow_state state, enum flow_direction direction, uint8_t flags, bool both,
                 int32_t silent_ms);
