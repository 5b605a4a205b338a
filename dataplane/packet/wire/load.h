// Words as they lie in a packet's memory, at any address. For bytes that a parser has accepted.
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t wire_load16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint32_t wire_load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

static inline uint64_t wire_load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}
