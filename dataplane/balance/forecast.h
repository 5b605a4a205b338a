// What a balancer would do with new flows, found by asking it: FORECAST_PICKS hashes spread evenly
// over all there are. For people who look before they change something; main thread.
#pragma once

#include "dataplane/balance/balance.h"

#define FORECAST_PICKS 65536u

// How many of FORECAST_PICKS new flows each of `count` members would get. `members` is what the
// balancer was built from. Policies that go by load give in proportion to weights, in the long run.
void forecast_shares(const struct balancer *balancer, const struct balance_member *members,
                     uint32_t count, uint32_t *shares);

// How many of FORECAST_PICKS flows that are not the leaver's would be another member's if `leaver`
// were drained: what a consistent policy keeps small. Only for those that go by hash
// (ops->by_hash). `key` is the balancer's. ERROR_NO_MEMORY.
enum error forecast_moves(const struct balancer *balancer, const struct balance_member *members,
                          uint32_t count, struct siphash_key key, uint32_t leaver, uint32_t *moves);
