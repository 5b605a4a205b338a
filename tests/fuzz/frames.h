// Frames for fuzz targets, in memory of exactly their size, so that a byte read or written beyond
// is seen.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/packet/frame.h"

// A copy in `room` bytes, at least `size`; what is behind the copy is zero. The caller frees it.
static inline uint8_t *copy_of(const uint8_t *bytes, size_t size, size_t room)
{
    uint8_t *copy = calloc(1, room > 0 ? room : 1);
    CHECK(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

// Checks an input as it is, and with its checksums made right, which the fuzzer then need not
// guess.
static inline int check_frames(const uint8_t *data, size_t size,
                               void (*check)(const uint8_t *frame, size_t size))
{
    static struct frame fixed;
    uint8_t *frame = copy_of(data, size, size);
    check(frame, size);
    if (size > 0 && size <= sizeof(fixed.bytes)) {
        memcpy(fixed.bytes, data, size);
        fixed.size = size;
        frame_fix_checksums(&fixed);
        memcpy(frame, fixed.bytes, size);
        check(frame, size);
    }
    free(frame);
    return 0;
}
