#include "base/config/arena_priv.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define ARENA_CHUNK_BYTES (16u << 10)

struct arena_chunk {
    struct arena_chunk *older;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_chunk *chunk = arena->newest;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > ARENA_CHUNK_BYTES ? size : ARENA_CHUNK_BYTES;
        chunk = calloc(1, sizeof(*chunk) + room);
        CHECK(chunk);
        chunk->size = room;
        chunk->older = arena->newest;
        arena->newest = chunk;
    }
    void *taken = chunk->bytes + chunk->used;
    chunk->used += size;
    return taken;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
    char *copy = arena_take(arena, length + 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

void arena_fini(struct arena *arena)
{
    while (arena->newest) {
        struct arena_chunk *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
}
