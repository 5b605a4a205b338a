// TCP flows whose handshake is not complete: at most so many as the set has slots are in the flow
// table, so that a flood of SYNs, or of made-up ACKs, cannot take the room of connections. One that
// begins where there is no slot left takes that of another, which leaves the flow table. Which one
// is random: who floods cannot make sure within a known time that a client's handshake is
// forgotten.
//
// A flow enters before it is inserted into the table, and leaves when it has earned its state
// (dataplane/packet/stage/tcp.h). Keys are compared in full, and one has one slot: an earned flow
// has none, so it cannot be chosen. One that ended leaves its slot behind, which is taken next once
// its time has passed.
//
// Eight slots to a bucket: their tags and times are one cache line, their keys lie apart.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "dataplane/packet/flow/flow.h"

// After a flow was forgotten, how long the set counts as pressed.
#define PROBATION_PRESSED_MS 10000u

struct probation;

// A set for `slots` flows, rounded down to whole buckets, at least one. ERROR_NO_MEMORY.
enum error probation_create(uint32_t slots, struct probation **probation);
void probation_destroy(struct probation *probation); // NULL is allowed

uint32_t probation_slots(const struct probation *probation);

// A flow with the key is about to begin; `hash` is flow_hash() of it. True: a live one was removed
// from `flows` for it, so that pointers to entries are to be asked for anew.
bool probation_enter(struct probation *probation, struct flow_table *flows,
                     const struct flow_key *key, uint64_t hash, uint32_t now_ms,
                     uint32_t expires_ms);

// The flow with the key has earned its state; it need not be in the set.
void probation_leave(struct probation *probation, const struct flow_key *key, uint64_t hash);

// Whether live flows were removed of late: those that begin now may not last until their handshake
// completes.
bool probation_is_pressed(const struct probation *probation, uint32_t now_ms);
