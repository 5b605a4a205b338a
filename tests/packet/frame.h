// Frames for tests, built from what a reader wants to say about them: addresses as text, ports as
// numbers, and everything left out has a sensible value. All lengths and checksums come out right;
// a test that wants a fault puts it in afterwards. The code here shares nothing with the packet
// plane, so that it can judge it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define FRAME_SIZE_MAX       10000
#define FRAME_EXTENSIONS_MAX 12

// Where the headers lie in frames without IP options and extension headers.
#define FRAME_IP_AT    14
#define FRAME_IPV4_L4  34
#define FRAME_IPV6_L4  54
#define FRAME_MAC_SIZE 6

// The Ethernet addresses of frames that name none: from the peer to us.
extern const uint8_t frame_mac_ours[FRAME_MAC_SIZE];
extern const uint8_t frame_mac_peers[FRAME_MAC_SIZE];

struct frame {
    uint8_t bytes[FRAME_SIZE_MAX];
    size_t size;
};

// What a frame is. The version follows the addresses' text.
struct frame_spec {
    const uint8_t *destination_mac; // NULL: frame_mac_ours
    const uint8_t *source_mac;      // NULL: frame_mac_peers
    const char *source;             // NULL: 192.0.2.1
    const char *destination;        // NULL: 192.0.2.2

    uint8_t protocol; // IPPROTO_*; 0: TCP
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t tcp_flags; // 0: ACK
    bool tcp_numbers;  // the next two count; else it acknowledges a SYN without them
    uint32_t tcp_sequence;
    uint32_t tcp_acknowledged;
    uint16_t tcp_window; // 0: 0xffff
    uint16_t tcp_urgent; // the pointer, which counts with URG in tcp_flags
    bool udp_without_checksum;
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint32_t icmp_rest;       // the four bytes after the checksum
    const void *payload;      // NULL: bytes that count up
    uint16_t payload_size;    // bytes behind the upper layer's header
    struct span tcp_options;  // a multiple of four bytes
    uint16_t padding_size;    // zero bytes behind the IP packet
    uint8_t ttl;              // 0: 64, ND: 255
    uint8_t traffic_class;    // DSCP and ECN
    uint16_t ipv4_id;         //
    bool dont_fragment;       //
    bool more_fragments;      // IPv6: needs IPPROTO_FRAGMENT in `extensions`
    uint16_t fragment_offset; // bytes; past 0 the payload stands alone, without L4 header
    struct span ipv4_options; // a multiple of four bytes

    // IPv6 extension headers by protocol number, in order: eight bytes each (AH: 16).
    uint8_t extensions[FRAME_EXTENSIONS_MAX];
    uint8_t extension_count;
    uint8_t routing_type;
    uint8_t routing_stops; // "segments left"

    // ARP, if not 0: the operation; `source` and `destination` are the protocol addresses.
    uint16_t arp_operation;
    const uint8_t *arp_target_mac; // NULL: zeros

    // Neighbour discovery, if not NULL; icmp_type is 135 or 136, icmp_rest has the flags.
    const char *nd_target;
    bool nd_without_option; // else: the link-layer address of the type's kind, source_mac
};

void frame_build(struct frame *frame, const struct frame_spec *spec);

// The part of a whole IP packet without options or extension headers that lies `size` bytes from
// `offset` on behind its IP header, as a fragment: of IPv6 with a fragment header.
void frame_fragment(struct frame *fragment, const struct frame *whole, uint32_t id, size_t offset,
                    size_t size);

// Puts fragments together again, in whatever order they come: each has its IP header `skip` bytes
// behind the Ethernet header. False: they are not one whole packet, each part of it once.
bool frame_put_together(const struct frame *const *fragments, size_t count, size_t skip,
                        struct frame *whole);

// Makes the checksums right again after a test has changed bytes: the IPv4 header's, and that of a
// TCP, UDP (if it has one), ICMP or ICMPv6 message that directly follows the IP header and is
// whole.
void frame_fix_checksums(struct frame *frame);

// What a router makes of the IP header at `ip`: a hop less, and the IPv4 header's checksum with it.
void frame_hop(uint8_t *ip);

// Whether those checksums are right (in a tunnel: the outer header's only).
bool frame_checksums_are_right(const uint8_t *bytes, size_t size);

// The Internet checksum, one byte pair after the other, as a number.
uint16_t frame_checksum(const uint8_t *bytes, size_t size, uint32_t sum);
