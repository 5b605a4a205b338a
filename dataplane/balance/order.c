#include <stdlib.h>

#include "dataplane/balance/order_priv.h"

struct order *order_create(const struct balancer_ops *ops, uint32_t count)
{
    struct order *order = malloc(sizeof(*order) + count * sizeof(order->indices[0]));
    if (!order)
        return NULL;
    order->base.ops = ops;
    order->count = count;
    return order;
}

uint32_t order_pick(const struct balancer *balancer, const struct balance_request *request)
{
    const struct order *order = (const struct order *)balancer;
    struct balance_cursor *cursor = request->cursor;
    if (order->count == 0)
        return BALANCE_NONE;
    // A cursor from a balancer with a longer order starts over.
    uint64_t at = cursor->next < order->count ? cursor->next : 0;
    cursor->next = at + 1;
    return order->indices[at];
}

void order_destroy(struct balancer *balancer)
{
    free(balancer);
}
