#include "dataplane/packet/wire/fragment.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "dataplane/packet/wire/wire_priv.h"

bool wire_may_split(const uint8_t *frame, const struct wire_packet *packet)
{
    const uint8_t *ip = frame + packet->l3_offset;
    return packet->kind == WIRE_IPV4 && ip[0] == IPV4_VERSION_AND_IHL &&
           !(load_be16(ip + IPV4_FRAGMENT) & IPV4_DONT_FRAGMENT);
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
