// A span is a borrowed run of bytes: where it starts and how long it is. It owns nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct span {
    const uint8_t *data; // borrowed
    size_t size;         // bytes
};

static inline struct span span_of(const void *data, size_t size)
{
    return (struct span){.data = data, .size = size};
}
