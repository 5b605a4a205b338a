// Any bytes as a frame with a TCP segment whose stream something is added to: numbers are shifted
// and come back, SACK edges with them, a SYN becomes a plain one. The segment must read back as
// before but for what changes, and its checksums must be as right as they were. Each input runs as
// it is, and with its checksums made right, in memory of exactly its size.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/options.h"
#include "dataplane/packet/wire/stream.h"
#include "tests/fuzz/frames.h"

#define ADDED 52

static bool parse(const uint8_t *frame, size_t size, struct wire_packet *packet)
{
    return wire_parse(span_of(frame, size), (uint32_t)size, WIRE_KNOWN_NOTHING, packet) ==
               DROP_NONE &&
           packet->protocol == IPPROTO_TCP && wire_has_ports(packet);
}

static void check_same(const uint8_t *frame, size_t size, const struct wire_packet *packet,
                       bool right)
{
    struct wire_packet again;
    CHECK(parse(frame, size, &again) && memcmp(&again, packet, sizeof(again)) == 0);
    CHECK(frame_checksums_are_right(frame, size) == right);
}

static void check_shift(uint8_t *frame, size_t size, const struct wire_packet *packet)
{
    bool right = frame_checksums_are_right(frame, size);
    uint8_t *tcp = frame + packet->l4_offset;
    uint32_t sequence = wire_stream_sequence(tcp), acknowledged = wire_stream_acknowledged(tcp);
    wire_stream_shift(tcp, ADDED);
    CHECK(wire_stream_sequence(tcp) == sequence + ADDED);
    check_same(frame, size, packet, right);
    struct wire_addition addition = {.begins = acknowledged - ADDED, .size = ADDED};
    wire_stream_unshift(tcp, size - packet->l4_offset, &addition);
    CHECK(wire_stream_acknowledged(tcp) == acknowledged - ADDED);
    check_same(frame, size, packet, right);
    addition.taken = true;
    wire_stream_unshift(tcp, size - packet->l4_offset, &addition);
    CHECK(wire_stream_acknowledged(tcp) == acknowledged - 2 * ADDED);
    wire_stream_narrow(tcp, ADDED);
    check_same(frame, size, packet, right);
}

static void check_calm(uint8_t *frame, size_t size, struct wire_packet packet)
{
    if (!(packet.tcp_flags & 0x1f))
        return; // without any flag it would be no segment
    bool right = frame_checksums_are_right(frame, size);
    wire_stream_calm(frame, &packet);
    CHECK(!(packet.tcp_flags & WIRE_TCP_URG));
    check_same(frame, size, &packet, right);
}

static void check_plain_syn(uint8_t *frame, size_t size, struct wire_packet *packet)
{
    bool right = frame_checksums_are_right(frame, size);
    uint32_t cut = wire_stream_plain_syn(frame, packet);
    CHECK(packet->l4_offset + cut < packet->end);
    packet->end = (uint16_t)(packet->end - cut);
    // A checksum over bytes that are gone may have been wrong by them alone: both zeros are one.
    check_same(frame, size, packet,
               packet->fragment ? frame_checksums_are_right(frame, size) : right);
    const uint8_t *tcp = frame + packet->l4_offset;
    size_t header_size = wire_tcp_header_size(tcp, packet->end - packet->l4_offset);
    CHECK(header_size >= WIRE_TCP_SIZE && wire_stream_occupies(frame, packet) <= 1);
    struct cursor cursor = wire_options(tcp, header_size);
    struct wire_option option;
    while (wire_option_next(&cursor, header_size, &option))
        CHECK(option.kind == WIRE_OPTION_MSS || option.kind == WIRE_OPTION_WINDOW_SCALE ||
              option.kind == WIRE_OPTION_SACK_PERMITTED || option.kind == WIRE_OPTION_TIMESTAMPS);
    CHECK(cursor_ok(&cursor));
}

static void check_write(const uint8_t *frame, const struct wire_packet *packet)
{
    static const uint8_t data[ADDED] = {1, 2, 3};
    uint8_t *out = malloc(WIRE_STREAM_FRAME_MAX(ADDED));
    CHECK(out);
    struct wire_packet written, read;
    uint32_t size =
        wire_stream_write(out, frame, packet, 0xfffffff0, span_of(data, ADDED), &written);
    CHECK(size <= WIRE_STREAM_FRAME_MAX(ADDED) && size == written.end);
    CHECK(parse(out, size, &read) && memcmp(&read, &written, sizeof(read)) == 0);
    CHECK(wire_stream_occupies(out, &read) == ADDED && frame_checksums_are_right(out, size));
    CHECK(memcmp(out + size - ADDED, data, ADDED) == 0);
    free(out);
}

static void check_append(const uint8_t *data, size_t size, struct wire_packet packet)
{
    static const uint8_t more[ADDED] = {1, 2, 3};
    if (wire_stream_occupies(data, &packet) > 0 || packet.fragment)
        return;
    uint8_t *frame = copy_of(data, packet.end, packet.end + (size_t)ADDED);
    bool right = frame_checksums_are_right(data, size);
    wire_stream_append(frame, &packet, more, ADDED);
    check_same(frame, packet.end, &packet, right);
    free(frame);
}

// An option in front of the others, and out again: what the client wrote of that kind is gone.
static void check_option(const uint8_t *data, size_t size, struct wire_packet packet)
{
    static const uint8_t option[20] = {254, 20, 1, 2, 3};
    size_t header_size = (data[packet.l4_offset + 12u] >> 4) * 4u;
    if (packet.fragment || header_size + sizeof(option) > 60)
        return;
    uint8_t *memory = calloc(1, size + sizeof(option)), *frame = memory + sizeof(option);
    CHECK(memory);
    memcpy(frame, data, size);
    bool right = frame_checksums_are_right(frame, size);
    wire_stream_blank_option(frame, &packet, 254);
    check_same(frame, size, &packet, right);
    CHECK(wire_stream_insert_option(frame, &packet, span_of(option, sizeof(option))) == memory);
    check_same(memory, size + sizeof(option), &packet, right);
    CHECK(memcmp(memory + packet.l4_offset + WIRE_TCP_SIZE, option, sizeof(option)) == 0);
    struct cursor cursor = wire_options(memory + packet.l4_offset, header_size + sizeof(option));
    struct wire_option found;
    uint32_t count = 0;
    while (wire_option_next(&cursor, header_size + sizeof(option), &found))
        count += found.kind == 254;
    CHECK(count == 1);
    free(memory);
}

static void check_frame(const uint8_t *data, size_t size)
{
    struct wire_packet packet;
    if (size > UINT16_MAX - ADDED || !parse(data, size, &packet))
        return;
    check_write(data, &packet);
    check_append(data, size, packet);
    check_option(data, size, packet);
    uint8_t *frame = copy_of(data, size, size);
    check_shift(frame, size, &packet);
    memcpy(frame, data, size);
    check_calm(frame, size, packet);
    memcpy(frame, data, size);
    check_plain_syn(frame, size, &packet);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return check_frames(data, size, check_frame);
}
