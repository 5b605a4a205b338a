#include "dataplane/packet/wire/stream.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/options.h"
#include "dataplane/packet/wire/wire_priv.h"

#define TCP_PUSH       0x08
#define TCP_HEADER_MAX (WIRE_TCP_SIZE + WIRE_OPTIONS_MAX)
#define SACK_BLOCK     8 // bytes: two edges

uint32_t wire_stream_sequence(const uint8_t *tcp)
{
    return load_be32(tcp + TCP_SEQUENCE);
}

uint32_t wire_stream_acknowledged(const uint8_t *tcp)
{
    return load_be32(tcp + TCP_ACKNOWLEDGED);
}

struct wire_segment wire_segment_read(const uint8_t *tcp, size_t size)
{
    return (struct wire_segment){
        .sequence = wire_stream_sequence(tcp),
        .acknowledged = wire_stream_acknowledged(tcp),
        .flags = tcp[TCP_FLAGS],
        .has_data = size > wire_tcp_header_size(tcp, size),
    };
}

// wire_parse() has seen that it is all there.
static uint32_t header_size_of(const uint8_t *frame, const struct wire_packet *packet)
{
    return (uint32_t)wire_tcp_header_size(frame + packet->l4_offset,
                                          (size_t)packet->end - packet->l4_offset);
}

uint32_t wire_stream_occupies(const uint8_t *frame, const struct wire_packet *packet)
{
    uint32_t header_size = header_size_of(frame, packet);
    uint32_t data = (uint32_t)packet->end - packet->l4_offset - header_size;
    return data + (packet->tcp_flags & WIRE_TCP_FIN ? 1 : 0);
}

static void put_be32(uint8_t *tcp, size_t at, uint32_t value)
{
    uint8_t bytes[4];
    store_be32(bytes, value);
    wire_tcp_replace(tcp, at, bytes, sizeof(bytes));
}

void wire_stream_shift(uint8_t *tcp, uint32_t added)
{
    put_be32(tcp, TCP_SEQUENCE, wire_stream_sequence(tcp) + added);
}

uint32_t wire_stream_unshifted(uint32_t number, const struct wire_addition *addition)
{
    int32_t offset = wire_stream_offset(addition, number);
    if (addition->taken || offset >= (int32_t)addition->size)
        return number - addition->size;
    return offset > 0 ? addition->begins : number;
}

static void unshift_at(uint8_t *tcp, size_t at, const struct wire_addition *addition)
{
    put_be32(tcp, at, wire_stream_unshifted(load_be32(tcp + at), addition));
}

void wire_stream_unshift(uint8_t *tcp, size_t size, const struct wire_addition *addition)
{
    unshift_at(tcp, TCP_ACKNOWLEDGED, addition);
    size_t header_size = wire_tcp_header_size(tcp, size);
    if (header_size <= WIRE_TCP_SIZE)
        return;
    // No more of options that cannot be read than was understood.
    struct cursor cursor = wire_options(tcp, header_size);
    struct wire_option option;
    while (wire_option_next(&cursor, header_size, &option)) {
        if (option.kind != WIRE_OPTION_SACK)
            continue;
        for (size_t edge = 2; edge + SACK_BLOCK / 2 <= option.size; edge += SACK_BLOCK / 2)
            unshift_at(tcp, option.at + edge, addition);
    }
}

void wire_stream_narrow(uint8_t *tcp, uint32_t added)
{
    uint8_t narrowed[2];
    uint32_t window = load_be16(tcp + TCP_WINDOW);
    store_be16(narrowed, (uint16_t)(window > added ? window - added : 0));
    wire_tcp_replace(tcp, TCP_WINDOW, narrowed, sizeof(narrowed));
}

void wire_stream_calm(uint8_t *frame, struct wire_packet *packet)
{
    uint8_t *tcp = frame + packet->l4_offset;
    packet->tcp_flags &= (uint8_t)~WIRE_TCP_URG;
    wire_tcp_replace(tcp, TCP_FLAGS, &packet->tcp_flags, 1);
    wire_tcp_replace(tcp, TCP_URGENT, "\0", 2);
}

static bool every_connection_has(uint8_t kind)
{
    return kind == WIRE_OPTION_MSS || kind == WIRE_OPTION_WINDOW_SCALE ||
           kind == WIRE_OPTION_SACK_PERMITTED || kind == WIRE_OPTION_TIMESTAMPS;
}

static void blank(uint8_t *tcp, size_t at, size_t size)
{
    uint8_t nothing[WIRE_OPTIONS_MAX];
    memset(nothing, WIRE_OPTION_NOTHING, size);
    wire_tcp_replace(tcp, at, nothing, size);
}

static void plain_options(uint8_t *tcp, size_t header_size)
{
    struct cursor cursor = wire_options(tcp, header_size);
    struct wire_option option;
    while (wire_option_next(&cursor, header_size, &option)) {
        if (!every_connection_has(option.kind))
            blank(tcp, option.at, option.size);
    }
    if (!cursor_ok(&cursor))
        blank(tcp, WIRE_TCP_SIZE, header_size - WIRE_TCP_SIZE);
}

// The packet's length and the checksums that are over it, where the packet has become longer by
// `size` bytes or (`shorter`) shorter. `difference`: what the bytes make of the TCP checksum.
static void change_length(uint8_t *frame, const struct wire_packet *packet, uint32_t size,
                          bool shorter, uint64_t difference)
{
    uint8_t *ip = frame + packet->l3_offset;
    bool v4 = packet->kind == WIRE_IPV4;
    uint8_t *field = ip + (v4 ? IPV4_TOTAL_LENGTH : IPV6_PAYLOAD_LENGTH);
    uint8_t before[2];
    memcpy(before, field, sizeof(before));
    uint32_t length = load_be16(field);
    store_be16(field, (uint16_t)(shorter ? length - size : length + size));
    // The pseudo-header's length, without what stands in front of TCP, changes by the same.
    difference = checksum_difference(difference, before, field, sizeof(before));
    checksum_change(frame + packet->l4_offset + TCP_CHECKSUM, difference);
    if (v4)
        checksum_change(ip + IPV4_CHECKSUM, checksum_difference(0, before, field, sizeof(before)));
}

void wire_stream_blank_option(uint8_t *frame, const struct wire_packet *packet, uint8_t kind)
{
    uint8_t *tcp = frame + packet->l4_offset;
    uint32_t header_size = header_size_of(frame, packet);
    struct cursor cursor = wire_options(tcp, header_size);
    struct wire_option option;
    while (wire_option_next(&cursor, header_size, &option)) {
        if (option.kind == kind)
            blank(tcp, option.at, option.size);
    }
}

uint8_t *wire_stream_insert_option(uint8_t *frame, struct wire_packet *packet, struct span option)
{
    uint32_t size = (uint32_t)option.size, in_front = packet->l4_offset + (uint32_t)WIRE_TCP_SIZE;
    uint8_t *begins = frame - size, *tcp = begins + packet->l4_offset, before[2];
    DCHECK(size % 4 == 0 && header_size_of(frame, packet) + size <= TCP_HEADER_MAX);
    memmove(begins, frame, in_front);
    memcpy(begins + in_front, option.data, size);
    memcpy(before, tcp + TCP_DATA_OFFSET, sizeof(before));
    tcp[TCP_DATA_OFFSET] = (uint8_t)(tcp[TCP_DATA_OFFSET] + (size / 4 << 4));
    uint64_t difference =
        checksum_difference(checksum_add(0, option), before, tcp + TCP_DATA_OFFSET, sizeof(before));
    change_length(begins, packet, size, false, difference);
    packet->end = (uint16_t)(packet->end + size);
    return begins;
}

uint32_t wire_stream_plain_syn(uint8_t *frame, const struct wire_packet *packet)
{
    uint8_t *tcp = frame + packet->l4_offset;
    uint32_t header_size = header_size_of(frame, packet);
    plain_options(tcp, header_size);
    uint32_t data = (uint32_t)packet->end - packet->l4_offset - header_size;
    if (data == 0)
        return 0;
    // Less a sum is more by its complement.
    uint16_t gone = checksum_finish(checksum_add(0, span_of(tcp + header_size, data)));
    change_length(frame, packet, data, true, gone);
    return data;
}

void wire_stream_append(uint8_t *frame, struct wire_packet *packet, const uint8_t *bytes,
                        uint32_t size)
{
    DCHECK(size % 2 == 0 && wire_stream_occupies(frame, packet) == 0);
    memcpy(frame + packet->end, bytes, size);
    change_length(frame, packet, size, false, checksum_add(0, span_of(bytes, size)));
    packet->end = (uint16_t)(packet->end + size);
}

// The header of a packet, for another of the same flow.
static struct ip_header header_like(const uint8_t *frame, const struct wire_packet *packet)
{
    const uint8_t *ip = frame + packet->l3_offset;
    bool v4 = packet->kind == WIRE_IPV4;
    uint32_t first = load_be32(ip);
    return (struct ip_header){
        .source = wire_source(frame, packet),
        .destination = wire_destination(frame, packet),
        .flow_label = v4 ? 0 : first & 0xfffff,
        .traffic_class = (uint8_t)(first >> (v4 ? 16 : 20)),
        .hop_limit = ip[v4 ? IPV4_TTL : IPV6_HOP_LIMIT],
        .protocol = packet->protocol,
    };
}

uint32_t wire_stream_write(uint8_t *out, const uint8_t *frame, const struct wire_packet *packet,
                           uint32_t sequence, struct span data, struct wire_packet *written)
{
    bool v4 = packet->kind == WIRE_IPV4;
    const uint8_t *like = frame + packet->l4_offset;
    uint32_t tcp_size = header_size_of(frame, packet);
    uint32_t ip_size = v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE;
    uint32_t l4_size = tcp_size + (uint32_t)data.size;
    uint8_t *ip = out + WIRE_ETHERNET_SIZE, *tcp = ip + ip_size;
    const struct ip_header header = header_like(frame, packet);
    memcpy(out, frame, WIRE_ETHERNET_SIZE);
    wire_ip_write(ip, &header, l4_size);
    memcpy(tcp, like, tcp_size);
    memcpy(tcp + tcp_size, data.data, data.size);
    store_be32(tcp + TCP_SEQUENCE, sequence);
    tcp[TCP_FLAGS] = WIRE_TCP_ACK | TCP_PUSH;
    memset(tcp + TCP_URGENT, 0, 2);
    memset(tcp + TCP_CHECKSUM, 0, 2);
    *written = *packet;
    written->tcp_flags = tcp[TCP_FLAGS];
    written->fragment = written->first_fragment = false;
    written->l3_offset = WIRE_ETHERNET_SIZE;
    written->l4_offset = (uint16_t)(WIRE_ETHERNET_SIZE + ip_size);
    written->end = (uint16_t)(WIRE_ETHERNET_SIZE + ip_size + l4_size);
    uint64_t sum = checksum_pseudo(&header.source, &header.destination, IPPROTO_TCP, l4_size);
    checksum_store(tcp + TCP_CHECKSUM, checksum_finish(checksum_add(sum, span_of(tcp, l4_size))));
    return written->end;
}
