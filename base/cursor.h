// The only way to read bytes that come from outside. A cursor walks a span; a read past the end
// yields zero (or NULL) and makes the cursor fail, and a failed cursor stays failed, so a parser
// may read a whole header and ask once, at its end, whether all of it was there.
#pragma once

#include <stdbool.h>

#include "base/byteorder.h"
#include "base/span.h"

struct cursor {
    const uint8_t *at;  // borrowed
    const uint8_t *end; // one past the last byte
    bool failed;        // sticky
};

static inline struct cursor cursor_of(struct span bytes)
{
    // Nothing is added to the NULL of an empty span: in C even NULL + 0 is undefined.
    const uint8_t *end = bytes.size ? bytes.data + bytes.size : bytes.data;
    return (struct cursor){.at = bytes.data, .end = end, .failed = false};
}

static inline size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static inline bool cursor_ok(const struct cursor *cursor)
{
    return !cursor->failed;
}

// Takes the next `size` bytes. Returns where they start (borrowed from the span) or NULL.
static inline const uint8_t *cursor_take(struct cursor *cursor, size_t size)
{
    if (__builtin_expect(cursor->failed || cursor_left(cursor) < size, 0)) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *taken = cursor->at;
    cursor->at += size;
    return taken;
}

static inline uint8_t cursor_u8(struct cursor *cursor)
{
    const uint8_t *taken = cursor_take(cursor, 1);
    return taken ? *taken : 0;
}

static inline uint16_t cursor_be16(struct cursor *cursor)
{
    const uint8_t *taken = cursor_take(cursor, 2);
    return taken ? load_be16(taken) : 0;
}

static inline uint32_t cursor_be32(struct cursor *cursor)
{
    const uint8_t *taken = cursor_take(cursor, 4);
    return taken ? load_be32(taken) : 0;
}

static inline uint64_t cursor_be64(struct cursor *cursor)
{
    const uint8_t *taken = cursor_take(cursor, 8);
    return taken ? load_be64(taken) : 0;
}
