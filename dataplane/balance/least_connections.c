// Weighted least connections: the member that carries least for its share. Exact, so it looks at
// every member; equal ones take turns. For many members two random choices are nearly as even at a
// constant cost.
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"

struct least_connections {
    struct balancer base;
    uint32_t count;
    struct live_member *live; // owned
};

static enum error least_connections_create(const struct balance_member *members, uint32_t count,
                                           struct siphash_key key, struct balancer **balancer)
{
    struct least_connections *made = malloc(sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->base.ops = &balance_least_connections;
    enum error error = members_live(members, count, &made->live, &made->count);
    if (error) {
        free(made);
        return error;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

static uint32_t least_connections_pick(const struct balancer *balancer,
                                       const struct balance_request *request)
{
    const struct least_connections *least = (const struct least_connections *)balancer;
    if (least->count == 0)
        return BALANCE_NONE;
    uint32_t begin = (uint32_t)(request->cursor->next++ % least->count);
    uint32_t best = begin;
    for (uint32_t i = 1; i < least->count; i++) {
        uint32_t at = begin + i < least->count ? begin + i : begin + i - least->count;
        if (carries_less(&request->loads, &least->live[at], &least->live[best]))
            best = at;
    }
    return least->live[best].index;
}

static void least_connections_destroy(struct balancer *balancer)
{
    free(((struct least_connections *)balancer)->live);
    free(balancer);
}

const struct balancer_ops balance_least_connections = {
    .name = "least-connections",
    .by_load = true,
    .create = least_connections_create,
    .pick = least_connections_pick,
    .destroy = least_connections_destroy,
};
