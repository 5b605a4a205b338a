#include "dataplane/packet/wire/fragment.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/wire_priv.h"

#define IPV6_FRAGMENT_FIELD  2
#define IPV6_FRAGMENT_ID     4
#define IPV6_FRAGMENT_SIZE   8
#define IPV6_FRAGMENT_OFFSET 0xfff8 // in bytes, as it lies in the field
#define IPV6_FRAGMENT_MORE   1

void wire_fragment_read(const uint8_t *frame, const struct wire_packet *packet,
                        struct wire_fragment *fragment)
{
    DCHECK(packet->fragment);
    fragment->source = wire_source(frame, packet);
    fragment->destination = wire_destination(frame, packet);
    if (packet->kind == WIRE_IPV4) {
        const uint8_t *ip = frame + packet->l3_offset;
        uint16_t field = load_be16(ip + IPV4_FRAGMENT);
        fragment->id = load_be16(ip + IPV4_ID);
        fragment->protocol = packet->protocol;
        fragment->more = field & IPV4_MORE_FRAGMENTS;
        fragment->offset = (uint16_t)((field & IPV4_FRAGMENT_OFFSET) * 8u);
        fragment->size = (uint16_t)(packet->end - packet->l4_offset);
        return;
    }
    const uint8_t *header = frame + packet->fragment_offset;
    uint16_t field = load_be16(header + IPV6_FRAGMENT_FIELD);
    fragment->id = load_be32(header + IPV6_FRAGMENT_ID);
    fragment->protocol = 0;
    fragment->more = field & IPV6_FRAGMENT_MORE;
    fragment->offset = field & IPV6_FRAGMENT_OFFSET;
    fragment->size = (uint16_t)(packet->end - packet->fragment_offset - IPV6_FRAGMENT_SIZE);
}

bool wire_is_whole(const uint8_t *ip)
{
    return load_be16(ip + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT;
}

bool wire_may_split(const uint8_t *frame, const struct wire_packet *packet)
{
    const uint8_t *ip = frame + packet->l3_offset;
    return packet->kind == WIRE_IPV4 && ip[0] == IPV4_VERSION_AND_IHL && !wire_is_whole(ip);
}

bool wire_is_atomic(const uint8_t *frame, const struct wire_packet *packet)
{
    return !packet->fragment &&
           (packet->kind == WIRE_IPV6 || wire_is_whole(frame + packet->l3_offset));
}

void wire_identify(uint8_t *frame, const struct wire_packet *packet, uint32_t id)
{
    DCHECK(!wire_is_atomic(frame, packet));
    if (packet->kind == WIRE_IPV6) {
        store_be32(frame + packet->fragment_offset + IPV6_FRAGMENT_ID, id);
        return;
    }
    uint8_t *ip = frame + packet->l3_offset;
    uint16_t number;
    store_be16((uint8_t *)&number, (uint16_t)id);
    uint64_t difference = checksum_difference(0, ip + IPV4_ID, &number, sizeof(number));
    memcpy(ip + IPV4_ID, &number, sizeof(number));
    checksum_change(ip + IPV4_CHECKSUM, difference);
}

void wire_split_header(uint8_t *ip, uint32_t offset, uint32_t size, bool last)
{
    DCHECK(offset % 8 == 0 && (last || size % 8 == 0));
    uint8_t before[WIRE_IPV4_SIZE];
    memcpy(before, ip, sizeof(before));
    uint32_t field = load_be16(ip + IPV4_FRAGMENT) + offset / 8;
    if (!last)
        field |= IPV4_MORE_FRAGMENTS;
    store_be16(ip + IPV4_FRAGMENT, (uint16_t)field);
    store_be16(ip + IPV4_TOTAL_LENGTH, (uint16_t)(WIRE_IPV4_SIZE + size));
    checksum_change(ip + IPV4_CHECKSUM, checksum_difference(0, before, ip, IPV4_CHECKSUM));
}
