// UDP flows that this member has served of late. UDP has no connections that the kernel could be
// asked for, so who delivered a flow's packet remembers it for a time. Of fixed size; where a
// bucket is full, the flow that was silent longest is forgotten, which is counted. One thread.
#pragma once

#include "base/error.h"
#include "base/siphash.h"
#include "member/connection.h"

struct flows;

// Room for `capacity` flows, above 0. The key is a secret: clients choose what is hashed.
enum error flows_create(uint32_t capacity, uint32_t timeout_ms, struct siphash_key key,
                        struct flows **flows);
void flows_destroy(struct flows *flows); // NULL is allowed

// Time is a clock of milliseconds that wraps.
bool flows_know(const struct flows *flows, const struct connection *connection, uint32_t now_ms);
void flows_remember(struct flows *flows, const struct connection *connection, uint32_t now_ms);

uint64_t flows_forgotten(const struct flows *flows); // for want of room
