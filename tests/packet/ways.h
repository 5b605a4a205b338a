// From a client by a virtual address to a member, and back to the address that the member knows.
#pragma once

#include <stdbool.h>
#include <string.h>

#include "tests/packet/frame.h"
#include "tests/packet/stations.h"

#define CLIENT_PORT 40000
#define MEMBER_PORT 8080

struct way {
    const char *vip, *client, *member, *local; // `local`: whom the member answers
};

static const struct way fullnat_ways[] = {
    {"10.1.0.100", "10.1.0.10", "10.2.0.11", "10.2.0.200"},
    {"fd00:1::100", "fd00:1::10", "fd00:2::11", "fd00:2::200"},
    {"fd00:1::101", "fd00:1::10", "10.2.0.11", "10.2.0.200"}, // the member sees IPv4
};
#define FULLNAT_WAYS (sizeof(fullnat_ways) / sizeof(fullnat_ways[0]))

static inline bool is_v6(const char *address)
{
    return strchr(address, ':');
}

static inline struct frame_spec from_client_of(const struct way *way)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = way->client,
        .destination = way->vip,
        .source_port = CLIENT_PORT,
        .destination_port = 80,
    };
}

// `port`: that which the member answers.
static inline struct frame_spec from_member_of(const struct way *way, uint16_t port)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = way->member,
        .destination = way->local,
        .source_port = MEMBER_PORT,
        .destination_port = port,
    };
}
