#include "dataplane/packet/wire/options.h"

#include "base/check.h"
#include "dataplane/packet/wire/wire_priv.h"

#define OPTION_HEAD 2 // kind and length

size_t wire_tcp_header_size(const uint8_t *tcp, size_t size)
{
    DCHECK(size >= WIRE_TCP_SIZE);
    size_t header_size = (tcp[TCP_DATA_OFFSET] >> 4) * 4u;
    return header_size >= WIRE_TCP_SIZE && header_size <= size ? header_size : 0;
}

struct cursor wire_options(const uint8_t *tcp, size_t header_size)
{
    return cursor_of(span_of(tcp + WIRE_TCP_SIZE, header_size - WIRE_TCP_SIZE));
}

bool wire_option_next(struct cursor *cursor, size_t header_size, struct wire_option *option)
{
    while (cursor_left(cursor) > 0) {
        size_t at = header_size - cursor_left(cursor);
        uint8_t kind = cursor_u8(cursor);
        if (kind == WIRE_OPTION_END)
            return false;
        if (kind == WIRE_OPTION_NOTHING)
            continue;
        uint8_t size = cursor_u8(cursor);
        // What is left is asked for where the length is impossible, too: that fails.
        cursor_take(cursor, size < OPTION_HEAD ? SIZE_MAX : size - (size_t)OPTION_HEAD);
        *option = (struct wire_option){.kind = kind, .at = (uint8_t)at, .size = size};
        return cursor_ok(cursor);
    }
    return false;
}

// An option may begin at an odd byte, a checksum's words do not. A header has whole words.
void wire_tcp_replace(uint8_t *tcp, size_t at, const void *bytes, size_t size)
{
    uint8_t before[WIRE_OPTIONS_MAX];
    size_t from = at & ~(size_t)1, to = (at + size + 1) & ~(size_t)1;
    DCHECK(to - from <= sizeof(before));
    DCHECK(to <= TCP_CHECKSUM || from > TCP_CHECKSUM);
    memcpy(before, tcp + from, to - from);
    memcpy(tcp + at, bytes, size);
    checksum_change(tcp + TCP_CHECKSUM, checksum_difference(0, before, tcp + from, to - from));
}
