// Writes captures in the pcapng format (draft-ietf-opsawg-pcapng): one section, its interfaces,
// then packets with nanosecond time stamps, direction and a comment. Native byte order, as readers
// take either. Pure but for the stream; a write that fails sticks to it (ferror).
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/span.h"

enum pcapng_direction { // of the flags' lowest two bits
    PCAPNG_INBOUND = 1,
    PCAPNG_OUTBOUND = 2,
};

struct pcapng_packet {
    uint32_t interface; // in the order in which they were written, from 0
    uint64_t time_ns;   // since 1970
    struct span frame;  // what was kept of it
    uint32_t size;      // of the whole frame
    enum pcapng_direction direction;
    const char *comment; // UTF-8; NULL: none
};

// Each returns how many bytes it wrote. A comment or name is cut off at PCAPNG_TEXT_MAX bytes.
#define PCAPNG_TEXT_MAX 4096
size_t pcapng_section(FILE *out, const char *application);
size_t pcapng_interface(FILE *out, const char *name, uint32_t snap);
size_t pcapng_packet(FILE *out, const struct pcapng_packet *packet);
