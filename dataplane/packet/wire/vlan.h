// VLAN tags (IEEE 802.1Q): a frame's is read and taken off, or put in front. Of a tag's sixteen
// bits only the VLAN counts: priorities are not ours to keep, and the rest says nothing here.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "dataplane/packet/wire/drop.h"
#include "dataplane/packet/wire/load.h"
#include "dataplane/packet/wire/parse.h"

#define WIRE_VLAN_TAG_SIZE 4
#define WIRE_VLAN_TYPE     0x8100
#define WIRE_VLAN_ID_MASK  0x0fffu

// The VLAN of a frame of which `headers` lies in one piece of memory: 0 for a frame without a tag,
// or with one that names no VLAN (a priority alone), and `tagged` tells them apart. DROP_NONE, or
// why to drop the frame: its tag is cut short.
static inline enum drop_reason wire_vlan_read(struct span headers, uint16_t *id, bool *tagged)
{
    struct cursor cursor = cursor_of(headers);
    cursor_take(&cursor, 2 * WIRE_MAC_SIZE);
    *id = 0;
    *tagged = cursor_be16(&cursor) == WIRE_VLAN_TYPE;
    if (!*tagged)
        return DROP_NONE;
    *id = cursor_be16(&cursor) & WIRE_VLAN_ID_MASK;
    cursor_take(&cursor, sizeof(uint16_t)); // the EtherType
    return cursor_ok(&cursor) ? DROP_NONE : DROP_ETHERNET_TRUNCATED;
}

// The frame without its tag: it begins so many bytes later.
static inline uint8_t *wire_vlan_remove(uint8_t *frame)
{
    uint64_t first = wire_load64(frame);
    uint32_t last = wire_load32(frame + sizeof(first));
    frame += WIRE_VLAN_TAG_SIZE;
    memcpy(frame, &first, sizeof(first));
    memcpy(frame + sizeof(first), &last, sizeof(last));
    return frame;
}

// The frame with a tag: it begins so many bytes earlier, which must be there.
static inline uint8_t *wire_vlan_insert(uint8_t *frame, uint16_t id)
{
    uint64_t first = wire_load64(frame);
    uint32_t last = wire_load32(frame + sizeof(first));
    uint32_t tag = __builtin_bswap32((uint32_t)WIRE_VLAN_TYPE << 16 | id);
    frame -= WIRE_VLAN_TAG_SIZE;
    memcpy(frame, &first, sizeof(first));
    memcpy(frame + sizeof(first), &last, sizeof(last));
    memcpy(frame + 2 * WIRE_MAC_SIZE, &tag, sizeof(tag));
    return frame;
}
