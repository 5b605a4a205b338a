#include "base/gue.h"

#include <netinet/in.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/cursor.h"

#define CONTROL        0x20
#define WORDS          0x1f
#define NEXT_HOP_AT    (GUE_SIZE + 2)
#define HOPS_OF_IPV4   0
#define HOPS_OF_IPV6   1
#define PROBE_QUESTION 254
#define PROBE_ANSWER   255

static enum error read_hops(struct span private, struct gue *gue)
{
    struct cursor cursor = cursor_of(private);
    uint16_t type = cursor_be16(&cursor);
    gue->hop_next = cursor_u8(&cursor);
    gue->hop_count = cursor_u8(&cursor);
    gue->hops_v4 = type == HOPS_OF_IPV4;
    if (type != HOPS_OF_IPV4 && type != HOPS_OF_IPV6) {
        gue->hop_next = gue->hop_count = 0;
        return ERROR_NONE;
    }
    gue->hops = cursor_take(&cursor, gue->hop_count * (gue->hops_v4 ? 4u : 16u));
    if (!cursor_ok(&cursor) || cursor_left(&cursor) > 0 || gue->hop_next > gue->hop_count)
        return ERROR_INVALID;
    return ERROR_NONE;
}

enum error gue_read(struct span datagram, struct gue *gue)
{
    *gue = (struct gue){.protocol = 0};
    struct cursor cursor = cursor_of(datagram);
    uint8_t head = cursor_u8(&cursor);
    gue->protocol = cursor_u8(&cursor);
    uint16_t flags = cursor_be16(&cursor);
    struct span private = {.size = (head & WORDS) * 4u};
    private.data = cursor_take(&cursor, private.size);
    if (!cursor_ok(&cursor))
        return ERROR_TRUNCATED;
    if (head & ~WORDS || flags != 0 ||
        (gue->protocol != IPPROTO_IPIP && gue->protocol != IPPROTO_IPV6))
        return ERROR_UNSUPPORTED;
    gue->inner = span_of(cursor.at, cursor_left(&cursor));
    return private.size > 0 ? read_hops(private, gue) : ERROR_NONE;
}

enum gue_probe gue_probe_read(struct span datagram)
{
    struct cursor cursor = cursor_of(datagram);
    uint8_t head = cursor_u8(&cursor);
    uint8_t type = cursor_u8(&cursor);
    uint16_t flags = cursor_be16(&cursor);
    if (!cursor_ok(&cursor) || cursor_left(&cursor) > 0 || head != CONTROL || flags != 0)
        return GUE_PROBE_NONE;
    return type == PROBE_QUESTION ? GUE_PROBE_QUESTION
           : type == PROBE_ANSWER ? GUE_PROBE_ANSWER
                                  : GUE_PROBE_NONE;
}

void gue_probe_write(uint8_t *datagram, enum gue_probe probe)
{
    datagram[0] = CONTROL;
    datagram[1] = probe == GUE_PROBE_QUESTION ? PROBE_QUESTION : PROBE_ANSWER;
    store_be16(datagram + 2, 0);
}

struct ip_address gue_hop(const struct gue *gue, uint32_t index)
{
    CHECK(index < gue->hop_count);
    return gue->hops_v4 ? ip_from_v4(gue->hops + index * 4) : ip_from_v6(gue->hops + index * 16);
}

void gue_advance(uint8_t *datagram)
{
    datagram[NEXT_HOP_AT]++;
}

void gue_write_hops(uint8_t *out, const struct ip_address *hops, uint32_t count)
{
    bool v4 = ip_is_v4(&hops[0]);
    CHECK(count > 0 && count <= gue_hops_max(v4));
    store_be16(out, v4 ? HOPS_OF_IPV4 : HOPS_OF_IPV6);
    out[2] = 0;
    out[3] = (uint8_t)count;
    uint8_t *at = out + GUE_HOPS_HEAD;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = v4 ? 4 : 16;
        memcpy(at, hops[i].bytes + (v4 ? 12 : 0), size);
        at += size;
    }
}
