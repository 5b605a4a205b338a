#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#include <netinet/in.h>

#include "base/byteorder.h"

struct flow_key key_of(uint32_t number)
{
    struct flow_key key = {.source_port = (uint16_t)(number >> 4),
                           .destination_port = (uint16_t)(number >> 20),
                           .protocol = number & 2 ? IPPROTO_UDP : IPPROTO_TCP};
    uint8_t low[4];
    store_be32(low, 0x0a000000u + (number & 0xf));
    key.source = ip_from_v4(low);
    store_be32(low, 0xc0000201u);
    key.destination = ip_from_v4(low);
    if (number & 1) {
        key.source = (struct ip_address){.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = low[0]}};
        store_be32(key.source.bytes + 8, number & 0xf);
        key.destination = (struct ip_address){.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    }
    return key;
}
