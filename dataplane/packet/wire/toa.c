#include "dataplane/packet/wire/toa.h"

#include <string.h>

uint32_t wire_toa_write(uint8_t *out, const struct ip_address *client, uint16_t port)
{
    uint32_t size = wire_toa_size(ip_is_v4(client)), address_size = size - 4;
    out[0] = WIRE_OPTION_TOA;
    out[1] = (uint8_t)size;
    memcpy(out + 2, &port, sizeof(port));
    memcpy(out + 4, client->bytes + sizeof(client->bytes) - address_size, address_size);
    return size;
}
