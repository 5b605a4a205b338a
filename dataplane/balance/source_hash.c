// Source hash: a client always gets the same member, whatever its ports and whatever the service.
// The table is Maglev's, so that few clients move when members change, and appliances agree.
#include <stdlib.h>

#include "dataplane/balance/balance.h"

struct source_hash {
    struct balancer base;
    struct balancer *table; // owned
};

static enum error source_hash_create(const struct balance_member *members, uint32_t count,
                                     struct siphash_key key, struct balancer **balancer)
{
    struct source_hash *made = malloc(sizeof(*made));
    if (!made)
        return ERROR_NO_MEMORY;
    made->base.ops = &balance_source_hash;
    enum error error = balance_maglev.create(members, count, key, &made->table);
    if (error) {
        free(made);
        return error;
    }
    *balancer = &made->base;
    return ERROR_NONE;
}

static uint32_t source_hash_pick(const struct balancer *balancer,
                                 const struct balance_request *request)
{
    return balancer_pick(((const struct source_hash *)balancer)->table, request);
}

static void source_hash_destroy(struct balancer *balancer)
{
    balancer_destroy(((struct source_hash *)balancer)->table);
    free(balancer);
}

const struct balancer_ops balance_source_hash = {
    .name = "source-hash",
    .by_hash = true,
    .by_source = true,
    .create = source_hash_create,
    .pick = source_hash_pick,
    .destroy = source_hash_destroy,
};
