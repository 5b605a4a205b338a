// One hop of a router: TTL or hop limit less one (RFC 1812 section 5.3.1, RFC 8200 section 3), and
// the checksum of an IPv4 header with it. The caller has seen that it is above 1.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/packet/wire/load.h"

static inline void wire_hop(uint8_t *ip, bool v4)
{
    if (__builtin_expect(v4, 1)) {
        ip[8]--;
        // RFC 1624 equation 3, for a word that is less by one as it lies in memory: its sum's
        // complement is more by one.
        uint32_t checksum = wire_load16(ip + 10) + 1u;
        uint16_t value = (uint16_t)(checksum + (checksum >= 0xffff));
        memcpy(ip + 10, &value, sizeof(value));
        return;
    }
    // As a word, which others read next.
    uint16_t value = (uint16_t)(wire_load16(ip + 6) - 0x100);
    memcpy(ip + 6, &value, sizeof(value));
}
