// Inside the balance room: how many points a ring has, for its builder and its tests.
#pragma once

#include "dataplane/balance/balance.h"

#define RING_POINTS_MAX        (1u << 20)
#define RING_MEMBER_POINTS_MAX 1024u // of the heaviest

// Points of the ring of a pool of members of whom none warms up: what building it costs.
uint64_t ring_points(const struct balance_member *members, uint32_t count);
