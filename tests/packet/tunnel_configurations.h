// Every tunnel, in and around each IP version: `<kind>44` is a service over IPv4 whose member is
// reached over IPv4, `<kind>64` one over IPv6 with the same member, and so on.
#pragma once

#define TUNNEL_POOL(kind)                                                                   \
    "  - {name: " kind "4, forward: " kind ", members: [{name: m4, address: 10.2.0.31}]}\n" \
    "  - {name: " kind "6, forward: " kind ", members: [{name: m6, address: 'fd00:2::31'}]}\n"
#define TUNNEL_VIPS(kind, host)                                                                  \
    "  - {name: " kind "44, address: 10.1.0.1" host "4, port: 80, protocol: tcp, pool: " kind    \
    "4}\n"                                                                                       \
    "  - {name: " kind "46, address: 10.1.0.1" host "6, port: 80, protocol: tcp, pool: " kind    \
    "6}\n"                                                                                       \
    "  - {name: " kind "64, address: 'fd00:1::1" host "4', port: 80, protocol: tcp, pool: " kind \
    "4}\n"                                                                                       \
    "  - {name: " kind "66, address: 'fd00:1::1" host "6', port: 80, protocol: tcp, pool: " kind \
    "6}\n"
