// Ordered failover: all goes to the first member that has weight, the next ones stand by.
#include <stdlib.h>

#include "dataplane/balance/balance.h"

struct failover {
    struct balancer base;
    uint32_t first; // or BALANCE_NONE
};

static enum error failover_create(const struct balance_member *members, uint32_t count,
                                  struct siphash_key key, struct balancer **balancer)
{
    if (count > BALANCE_MEMBERS_MAX)
        return ERROR_INVALID;
    struct failover *made = malloc(sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    *made = (struct failover){.base = {&balance_failover}, .first = BALANCE_NONE};
    for (uint32_t i = count; i > 0; i--) {
        if (members[i - 1].weight > 0)
            made->first = i - 1;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

static uint32_t failover_pick(const struct balancer *balancer,
                              const struct balance_request *request)
{
    return ((const struct failover *)balancer)->first;
}

static void failover_destroy(struct balancer *balancer)
{
    free(balancer);
}

const struct balancer_ops balance_failover = {
    .name = "failover",
    .create = failover_create,
    .pick = failover_pick,
    .destroy = failover_destroy,
};
