// Round robin: all members with weight take turns, each as often as any other.
#include <stdlib.h>

#include "dataplane/balance/members_priv.h"

struct round_robin {
    struct balancer base;
    uint32_t count;
    uint16_t indices[];
};

static enum error round_robin_create(const struct balance_member *members, uint32_t count,
                                     struct siphash_key key, struct balancer **balancer)
{
    struct live_member *live;
    uint32_t live_count;
    enum error error = members_live(members, count, &live, &live_count);
    if (error)
        return error;
    struct round_robin *made = malloc(sizeof(*made) + live_count * sizeof(made->indices[0]));
    if (!made) {
        free(live);
        return ERROR_NO_MEMORY;
    }
    made->base.ops = &balance_round_robin;
    made->count = live_count;
    for (uint32_t i = 0; i < live_count; i++)
        made->indices[i] = live[i].index;
    free(live);
    *balancer = &made->base;
    return ERROR_NONE;
}

static uint32_t round_robin_pick(const struct balancer *balancer, struct balance_cursor *cursor,
                                 uint64_t hash)
{
    const struct round_robin *self = (const struct round_robin *)balancer;
    if (self->count == 0)
        return BALANCE_NONE;
    // A cursor from a balancer of more members starts over.
    uint64_t at = cursor->next < self->count ? cursor->next : 0;
    cursor->next = at + 1;
    return self->indices[at];
}

static void round_robin_destroy(struct balancer *balancer)
{
    free(balancer);
}

const struct balancer_ops balance_round_robin = {
    .name = "round-robin",
    .create = round_robin_create,
    .pick = round_robin_pick,
    .destroy = round_robin_destroy,
};
