// ICMP errors about tunnelled packets of ours, which routers on the way to a member send (RFC 2003
// section 4, RFC 2473 section 8, RFC 4459): what they say about the way, and the client's packet
// inside, as far as it is quoted. Bytes of anybody; all is read through cursors.
#pragma once

#include "dataplane/packet/wire/icmp_error.h"
#include "dataplane/packet/wire/tunnel.h"

// What an error says of the way to a member.
enum tunnel_error_says {
    TUNNEL_ERROR_TOO_BIG,     // for packets of more than `mtu` bytes
    TUNNEL_ERROR_UNREACHABLE, // it ends before the member, for whatever reason
    TUNNEL_ERROR_MALFORMED,   // a router did not like our packet
};

// Smaller values are not believed (RFC 5927 section 7, RFC 8201 section 4): who can make errors up
// could have us send next to nothing a packet.
#define TUNNEL_MTU_LEAST_V4 576u
#define TUNNEL_MTU_LEAST_V6 1280u

struct tunnel_error {
    enum tunnel_error_says says;
    enum wire_tunnel_kind kind;
    struct ip_address source;      // of the quoted outer packet
    struct ip_address destination; //
    uint32_t size;                 // its bytes as it was sent
    uint32_t mtu;                  // of TUNNEL_ERROR_TOO_BIG: believable, below `size`
    uint16_t inner;                // bytes from the frame's start to the packet inside
    uint16_t inner_end;            // one past the last byte of it that is quoted; `inner`: none is
    bool inner_v4;
};

// Reads an error that icmp_error_is(). Its checksum is held against all of it, which must lie in
// `frame`. False: it is not about such a packet, not right, or not believable.
bool tunnel_error_read(struct span frame, const struct wire_packet *packet,
                       struct tunnel_error *error);
