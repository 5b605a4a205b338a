// The options of a TCP header, one after the other (RFC 9293 section 3.2), and bytes of the header
// changed in place. Who reads them holds the header as far as its data offset says.
#pragma once

#include "base/cursor.h"
#include "dataplane/packet/wire/parse.h"

enum {
    WIRE_OPTION_END = 0,
    WIRE_OPTION_NOTHING = 1,
    WIRE_OPTION_MSS = 2,
    WIRE_OPTION_WINDOW_SCALE = 3,   // RFC 7323
    WIRE_OPTION_SACK_PERMITTED = 4, // RFC 2018
    WIRE_OPTION_SACK = 5,           //
    WIRE_OPTION_TIMESTAMPS = 8,     // RFC 7323
};

#define WIRE_OPTIONS_MAX 40 // bytes of all of them

struct wire_option {
    uint8_t kind;
    uint8_t at;   // bytes from the TCP header's start
    uint8_t size; // kind and length included
};

// A header's size by its data offset, or 0 where it is impossible or more than `size` bytes.
size_t wire_tcp_header_size(const uint8_t *tcp, size_t size);

// Begins to read the options of a header of that size.
struct cursor wire_options(const uint8_t *tcp, size_t header_size);

// The next option that is not WIRE_OPTION_NOTHING. False: there is none, or none that can be read;
// then cursor_ok() is false.
bool wire_option_next(struct cursor *cursor, size_t header_size, struct wire_option *option);

// Replaces bytes of a TCP header other than its checksum, which changes by the difference.
void wire_tcp_replace(uint8_t *tcp, size_t at, const void *bytes, size_t size);
