#include "base/pool.h"

#include "base/pages.h"

enum error pool_init(struct pool *pool, uint32_t capacity, size_t object_size)
{
    CHECK(capacity > 0 && object_size > 0);
    if (capacity == UINT32_MAX || object_size > UINT32_MAX - POOL_OBJECT_UNIT)
        return ERROR_TOO_LARGE;
    size_t rounded = (object_size + POOL_OBJECT_UNIT - 1) & ~(size_t)(POOL_OBJECT_UNIT - 1);
    struct pool made = {.object_size = (uint32_t)rounded, .capacity = capacity};
    void *objects;
    enum error error = pages_map(pool_bytes(&made), &objects);
    if (error)
        return error;
    made.objects = objects;
    *pool = made;
    return ERROR_NONE;
}

void pool_fini(struct pool *pool)
{
    pages_unmap(pool->objects, pool_bytes(pool));
    *pool = (struct pool){.objects = NULL};
}
