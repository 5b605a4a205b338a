// Round robin: all members with weight take turns, each as often as any other.
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"
#include "dataplane/balance/order_priv.h"

static enum error round_robin_create(const struct balance_member *members, uint32_t count,
                                     struct siphash_key key, struct balancer **balancer)
{
    struct live_member *live;
    uint32_t live_count;
    enum error error = members_live(members, count, &live, &live_count);
    if (error)
        return error;
    struct order *made = order_create(&balance_round_robin, live_count);
    if (!made) {
        free(live);
        return ERROR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < live_count; i++)
        made->indices[i] = live[i].index;
    free(live);
    *balancer = &made->base;
    return ERROR_NONE;
}

const struct balancer_ops balance_round_robin = {
    .name = "round-robin",
    .create = round_robin_create,
    .pick = order_pick,
    .destroy = order_destroy,
};
