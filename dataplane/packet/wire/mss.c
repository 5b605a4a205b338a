#include "dataplane/packet/wire/mss.h"

#include "base/byteorder.h"
#include "dataplane/packet/wire/options.h"

#define OPTION_MSS_SIZE 4

uint16_t wire_mss_of(uint32_t ip_size, bool v4)
{
    uint32_t headers = (v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE) + WIRE_TCP_SIZE;
    uint32_t least = v4 ? WIRE_MSS_LEAST_V4 : WIRE_MSS_LEAST_V6;
    return (uint16_t)(ip_size > headers + least ? ip_size - headers : least);
}

// Where MSS values stand: offsets from the header's start. False: the options cannot be read.
static bool find_values(const uint8_t *tcp, size_t header_size, uint8_t *found, uint32_t *count)
{
    struct cursor cursor = wire_options(tcp, header_size);
    struct wire_option option;
    *count = 0;
    while (wire_option_next(&cursor, header_size, &option)) {
        if (option.kind != WIRE_OPTION_MSS)
            continue;
        if (option.size != OPTION_MSS_SIZE)
            return false;
        found[(*count)++] = (uint8_t)(option.at + 2);
    }
    return cursor_ok(&cursor);
}

enum wire_mss wire_mss_clamp(uint8_t *tcp, size_t size, uint16_t mss_max)
{
    size_t header_size = wire_tcp_header_size(tcp, size);
    uint8_t found[WIRE_OPTIONS_MAX / OPTION_MSS_SIZE];
    uint32_t count;
    if (header_size == 0 || !find_values(tcp, header_size, found, &count))
        return WIRE_MSS_MALFORMED;
    enum wire_mss result = WIRE_MSS_KEPT;
    for (uint32_t i = 0; i < count; i++) {
        if (load_be16(tcp + found[i]) <= mss_max)
            continue;
        uint8_t value[2];
        store_be16(value, mss_max);
        wire_tcp_replace(tcp, found[i], value, sizeof(value));
        result = WIRE_MSS_CLAMPED;
    }
    return result;
}
