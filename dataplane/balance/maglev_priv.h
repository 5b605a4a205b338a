// Inside the balance room: the size of a Maglev table, for its builder and its tests.
#pragma once

#include "dataplane/balance/balance.h"

// Entries of the table of a pool of members: a prime, or 0 where none gets anything new.
uint32_t maglev_size(const struct balance_member *members, uint32_t count);
