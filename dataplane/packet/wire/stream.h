// A TCP stream to which bytes of ours are added at its beginning, on its way: the sender's sequence
// numbers grow by so many, and what the receiver acknowledges, also selectively (RFC 2018), is that
// much less to the sender. Checksums change by difference.
#pragma once

#include "base/span.h"
#include "dataplane/packet/wire/parse.h"

// What was added to a stream.
struct wire_addition {
    uint32_t begins; // sequence number of the stream's first byte, as its sender counts
    uint32_t size;   // bytes that were added in front of it
    bool taken;      // the receiver has acknowledged all of them: they are long past
};

// What a segment says of its connection.
struct wire_segment {
    uint32_t sequence, acknowledged;
    uint8_t flags;
    bool has_data;
};

// Of a header of WIRE_TCP_SIZE bytes at least, with `size` to the end of the packet.
struct wire_segment wire_segment_read(const uint8_t *tcp, size_t size);

uint32_t wire_stream_sequence(const uint8_t *tcp);
uint32_t wire_stream_acknowledged(const uint8_t *tcp);

// How far a sequence number is behind the stream's beginning; below 0: in front of it.
static inline int32_t wire_stream_offset(const struct wire_addition *addition, uint32_t sequence)
{
    return (int32_t)(sequence - addition->begins);
}

// Bytes of the stream, or of a fragment of it, that a segment which wire_parse() accepted has, and
// one for its FIN.
uint32_t wire_stream_occupies(const uint8_t *frame, const struct wire_packet *packet);

// The sender's segment, from behind the addition.
void wire_stream_shift(uint8_t *tcp, uint32_t added);

// The receiver's number as the sender counts: what lies within the addition is its beginning.
uint32_t wire_stream_unshifted(uint32_t number, const struct wire_addition *addition);

// The receiver's segment: what it acknowledges, and its SACK option, of a header of which `tcp`
// holds `size` bytes, WIRE_TCP_SIZE at least.
void wire_stream_unshift(uint8_t *tcp, size_t size, const struct wire_addition *addition);

// Lowers the window of a SYN-ACK, which is not scaled (RFC 7323 section 2.2), by what is added.
void wire_stream_narrow(uint8_t *tcp, uint32_t added);

// Makes a SYN one that nothing can come in front of us with: without data, and without options but
// those that every connection has. Fast Open (RFC 7413) would carry data past us, and Multipath TCP
// (RFC 8684) counts the stream's bytes itself. Options that are taken out become
// WIRE_OPTION_NOTHING; where they cannot be read, all do. Returns how many bytes the packet is
// shorter by, at its end.
uint32_t wire_stream_plain_syn(uint8_t *frame, const struct wire_packet *packet);

// Makes a segment one without urgent data. What its pointer leads to, receivers take out of the
// stream (RFC 6093 section 3.1).
void wire_stream_calm(uint8_t *frame, struct wire_packet *packet);

// Makes every option of a kind WIRE_OPTION_NOTHING.
void wire_stream_blank_option(uint8_t *frame, const struct wire_packet *packet, uint8_t kind);

// Puts an option of whole words in front of all others. The frame then begins so many bytes before
// `frame`, where there is room, and that is returned; packet->end follows. The caller has seen that
// the header does not grow beyond 60 bytes.
uint8_t *wire_stream_insert_option(uint8_t *frame, struct wire_packet *packet, struct span option);

// Appends an even number of bytes to a segment without data, in the room behind it; packet->end
// follows.
void wire_stream_append(uint8_t *frame, struct wire_packet *packet, const uint8_t *bytes,
                        uint32_t size);

// Bytes of the largest frame that wire_stream_write() makes of so many bytes of data.
#define WIRE_STREAM_FRAME_MAX(size) (WIRE_ETHERNET_SIZE + WIRE_IPV6_SIZE + 60u + (size))

// Writes a segment of its own with a sequence number and data, in front of one of the same sender:
// with that one's addresses, ports and TCP options, and what it acknowledges. Returns the frame's
// size, and fills `written`.
uint32_t wire_stream_write(uint8_t *out, const uint8_t *frame, const struct wire_packet *packet,
                           uint32_t sequence, struct span data, struct wire_packet *written);
