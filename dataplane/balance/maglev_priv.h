// Inside the balance room: the size of a Maglev table, for its builder and its tests.
#pragma once

#include "dataplane/balance/members_priv.h"

// Entries of the table of a pool of `count` members, of which the live ones are given: a prime.
uint32_t maglev_size(const struct live_member *live, uint32_t live_count, uint32_t count);
