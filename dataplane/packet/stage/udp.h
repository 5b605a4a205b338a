// What datagrams make of their flow. Anyone can make one up, with any source, and members answer
// such ones as well: so a flow is kept for long only once somebody has gone on speaking, and is on
// probation until then.
#pragma once

#include "dataplane/packet/flow/flow.h"

// Where replies are not seen, the client's next datagram counts so much later: what one burst
// brings may be one datagram's copies.
#define UDP_TRIAL_MS 10

// A member that goes on answering one datagram counts so much later.
#define UDP_STREAM_MS 1000

// The state after a datagram. `both`: replies pass here too (NAT). `age_ms`: of a state on trial,
// since it began.
enum flow_state udp_next_state(enum flow_state state, enum flow_direction direction, bool both,
                               int32_t age_ms);

// Whether a flow stays for its timeout from when the state began, whatever it speaks, unless it
// comes to another state.
bool udp_on_trial(enum flow_state state, bool both);
