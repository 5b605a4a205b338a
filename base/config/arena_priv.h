// An arena: memory that is taken piece by piece and freed as a whole. The model of one
// configuration lives in one arena, what reading it needs besides in another. One thread.
#pragma once

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *newest; // owned, with all before it
};

// Zeroed and aligned for any type. Never NULL: what a file can ask for is bounded by the file's own
// limit, so that memory running out here is not something a configuration can bring about.
void *arena_take(struct arena *arena, size_t size);

// A terminated copy.
char *arena_copy(struct arena *arena, const char *text, size_t length);

void arena_fini(struct arena *arena);
