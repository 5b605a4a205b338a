// A pool of objects of one size: all memory is taken once, objects are named by 32-bit indices that
// take half the room of a pointer, and the one released last is the next acquired, since its cache
// lines are warm. Index 0 is never handed out, so that zeroed memory names nothing. One thread owns
// a pool.
//
// The list of free objects runs through their own first four bytes, and what was never acquired is
// not on it: memory is touched only when it is first used.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/error.h"

#define POOL_NONE        0u
#define POOL_OBJECT_UNIT 64u // objects begin at cache lines

struct pool {
    uint8_t *objects;     // owned; objects[0 .. object_size) is never used
    uint32_t object_size; // bytes, a multiple of POOL_OBJECT_UNIT
    uint32_t capacity;    // objects
    uint32_t used;        //
    uint32_t free_head;   // released last, or POOL_NONE
    uint32_t touched;     // indices 1..touched were acquired at least once
};

// ERROR_NO_MEMORY, ERROR_TOO_LARGE: a size rounded up to cache lines that 32 bits do not hold.
enum error pool_init(struct pool *pool, uint32_t capacity, size_t object_size);
void pool_fini(struct pool *pool);

// Bytes of memory, touched or not.
static inline uint64_t pool_bytes(const struct pool *pool)
{
    return ((uint64_t)pool->capacity + 1) * pool->object_size;
}

// The object of an index that is in use.
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    DCHECK(index != POOL_NONE && index <= pool->touched);
    return pool->objects + (size_t)index * pool->object_size;
}

static inline uint32_t pool_index(const struct pool *pool, const void *object)
{
    return (uint32_t)((size_t)((const uint8_t *)object - pool->objects) / pool->object_size);
}

// The index of an object that is now the caller's, or POOL_NONE when all are in use. The object
// holds whatever its last owner left.
static inline uint32_t pool_acquire(struct pool *pool)
{
    uint32_t index = pool->free_head;
    if (index != POOL_NONE)
        pool->free_head = *(const uint32_t *)pool_at(pool, index);
    else if (pool->touched < pool->capacity)
        index = ++pool->touched;
    else
        return POOL_NONE;
    pool->used++;
    return index;
}

// Gives back an index that is in use.
static inline void pool_release(struct pool *pool, uint32_t index)
{
    DCHECK(pool->used > 0);
    *(uint32_t *)pool_at(pool, index) = pool->free_head;
    pool->free_head = index;
    pool->used--;
}
