#include "dataplane/packet/wire/mss.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "base/cursor.h"
#include "dataplane/packet/wire/wire_priv.h"

enum {
    OPTION_END = 0,
    OPTION_NOTHING = 1,
    OPTION_MSS = 2,
};
#define OPTION_HEAD     2 // kind and length
#define OPTION_MSS_SIZE 4
#define OPTIONS_MAX     40

uint16_t wire_mss_of(uint32_t ip_size, bool v4)
{
    uint32_t headers = (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE) + WIRE_TCP_SIZE;
    uint32_t least = v4 ? WIRE_MSS_LEAST_V4 : WIRE_MSS_LEAST_V6;
    return (uint16_t)(ip_size > headers + least ? ip_size - headers : least);
}

// Where MSS values stand: offsets from the header's start. False: the options cannot be read.
static bool find_values(struct span header, uint8_t *found, uint32_t *count)
{
    struct cursor cursor = cursor_of(header);
    cursor_take(&cursor, WIRE_TCP_SIZE);
    *count = 0;
    while (cursor_left(&cursor) > 0) {
        size_t at = header.size - cursor_left(&cursor);
        uint8_t kind = cursor_u8(&cursor);
        if (kind == OPTION_END)
            break;
        if (kind == OPTION_NOTHING)
            continue;
        uint8_t size = cursor_u8(&cursor);
        if (size < OPTION_HEAD || (kind == OPTION_MSS && size != OPTION_MSS_SIZE))
            return false;
        cursor_take(&cursor, size - OPTION_HEAD);
        if (!cursor_ok(&cursor))
            return false;
        if (kind == OPTION_MSS)
            found[(*count)++] = (uint8_t)(at + OPTION_HEAD);
    }
    return true;
}

// A value may begin at an odd byte, a checksum's words do not.
static void set_value(uint8_t *tcp, uint32_t at, uint16_t value)
{
    uint8_t before[4];
    uint32_t word = at & ~1u;
    size_t size = at & 1 ? 4 : 2;
    memcpy(before, tcp + word, size);
    store_be16(tcp + at, value);
    checksum_change(tcp + TCP_CHECKSUM, checksum_difference(0, before, tcp + word, size));
}

enum wire_mss wire_mss_clamp(uint8_t *tcp, size_t size, uint16_t mss_max)
{
    DCHECK(size >= WIRE_TCP_SIZE);
    size_t header_size = (tcp[TCP_DATA_OFFSET] >> 4) * 4u;
    uint8_t found[OPTIONS_MAX / OPTION_MSS_SIZE];
    uint32_t count;
    if (header_size < WIRE_TCP_SIZE || header_size > size ||
        !find_values(span_of(tcp, header_size), found, &count))
        return WIRE_MSS_MALFORMED;
    enum wire_mss result = WIRE_MSS_KEPT;
    for (uint32_t i = 0; i < count; i++) {
        if (load_be16(tcp + found[i]) <= mss_max)
            continue;
        set_value(tcp, found[i], mss_max);
        result = WIRE_MSS_CLAMPED;
    }
    return result;
}
