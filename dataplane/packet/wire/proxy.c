#include "dataplane/packet/wire/proxy.h"

#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"

enum {
    PROXY_COMMAND = 12, // bytes from the header's start
    PROXY_FAMILY = 13,
    PROXY_LENGTH = 14,
    PROXY_ADDRESSES = 16,
};

#define PROXY_VERSION_2_PROXY 0x21
#define PROXY_TCP_OVER_IPV4   0x11
#define PROXY_TCP_OVER_IPV6   0x21

static const uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                    0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

uint32_t wire_proxy_write(uint8_t *out, const struct wire_proxy *proxy)
{
    bool v4 = ip_is_v4(proxy->client);
    DCHECK(ip_is_v4(proxy->service) == v4);
    uint32_t size = wire_proxy_size(v4);
    uint32_t address_size = v4 ? 4 : 16, address_at = 16 - address_size;
    memcpy(out, signature, sizeof(signature));
    out[PROXY_COMMAND] = PROXY_VERSION_2_PROXY;
    out[PROXY_FAMILY] = v4 ? PROXY_TCP_OVER_IPV4 : PROXY_TCP_OVER_IPV6;
    store_be16(out + PROXY_LENGTH, (uint16_t)(size - PROXY_ADDRESSES));
    uint8_t *at = out + PROXY_ADDRESSES;
    memcpy(at, proxy->client->bytes + address_at, address_size);
    memcpy(at + address_size, proxy->service->bytes + address_at, address_size);
    at += (size_t)2 * address_size;
    memcpy(at, &proxy->client_port, sizeof(proxy->client_port));
    memcpy(at + 2, &proxy->service_port, sizeof(proxy->service_port));
    return size;
}
