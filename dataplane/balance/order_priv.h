// A fixed order of members that repeats: what both round robins are once they are built. Private to
// dataplane/balance.
#pragma once

#include "dataplane/balance/balance.h"

struct order {
    struct balancer base;
    uint32_t count;     // picks until the order repeats
    uint16_t indices[]; // in that order
};

// An order of `count` picks, its indices not yet filled; NULL without memory. For order_destroy().
struct order *order_create(const struct balancer_ops *ops, uint32_t count);

uint32_t order_pick(const struct balancer *balancer, const struct balance_request *request);
void order_destroy(struct balancer *balancer);
