#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#include "base/byteorder.h"

const uint64_t test_secrets[FOLD_SECRETS] = {0x0123456789abcdefu, 0xfedcba9876543211u,
                                             0x9e3779b97f4a7c15u, 0xd1b54a32d192ed03u};

struct flow_key key_of(uint32_t number)
{
    struct flow_key key = {.port = (uint16_t)(number >> 4),
                           .endpoint = (uint16_t)(1 + (number >> 20) + (number & 2) * 0x2000)};
    uint8_t low[4];
    store_be32(low, 0x0a000000u + (number & 0xf));
    key.peer = ip_from_v4(low);
    if (number & 1) {
        key.peer = (struct ip_address){.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = low[0]}};
        store_be32(key.peer.bytes + 8, number & 0xf);
    }
    return key;
}

struct flow_pair pair_of(uint32_t client, uint32_t member, uint32_t expires_ms)
{
    struct flow_key clients = key_of(client), members = key_of(member);
    return (struct flow_pair){
        .client = clients.peer,
        .answered = members.peer,
        .client_port = clients.port,
        .answered_port = members.port,
        .service = clients.endpoint,
        .member_endpoint = members.endpoint,
        .expires_ms = expires_ms,
        .member = (uint16_t)client,
    };
}
