// The short way: what most packets are, read and changed in as few steps as being right allows. A
// plain packet is an untagged frame to one MAC address with an IPv4 header without options, or an
// IPv6 header without extensions, and a whole TCP or UDP header that is sane. What is plain here is
// accepted by wire_parse() with the same result (tests/fuzz/packet_parse_fuzz.c); what is not says
// nothing: it goes the general way. Offsets are constants, words are loaded as they lie in memory.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/load.h"
#include "dataplane/packet/wire/parse.h"

// Bytes from a plain frame's start.
enum {
    WIRE_SHORT_IP = WIRE_ETHERNET_SIZE,
    WIRE_SHORT_V4_SOURCE = WIRE_SHORT_IP + WIRE_IPV4_SOURCE,
    WIRE_SHORT_V4_DESTINATION = WIRE_SHORT_IP + WIRE_IPV4_DESTINATION,
    WIRE_SHORT_V6_SOURCE = WIRE_SHORT_IP + WIRE_IPV6_SOURCE,
    WIRE_SHORT_V6_DESTINATION = WIRE_SHORT_IP + WIRE_IPV6_DESTINATION,
    WIRE_SHORT_V4_L4 = WIRE_SHORT_IP + WIRE_IPV4_SIZE,
    WIRE_SHORT_V6_L4 = WIRE_SHORT_IP + WIRE_IPV6_SIZE,
};

// What a plain packet says besides its addresses.
struct wire_short {
    uint16_t source_port;      // network byte order
    uint16_t destination_port; //
    uint16_t ip_size;          // bytes of the IP packet
    uint8_t protocol;          // IPPROTO_TCP or IPPROTO_UDP
    uint8_t tcp_flags;         // TCP only, else 0
    uint8_t ttl;               // or hop limit
    bool v4;
};

// A MAC address as wire_short_parse() takes it.
static inline uint64_t wire_mac_word(const uint8_t *mac)
{
    return wire_load32(mac) | (uint64_t)wire_load16(mac + 4) << 32;
}

// The fields up to the ports, the TCP and UDP headers being at `l4`, `size` bytes to the packet's
// end. True where they are sane: the same conditions as in parse.c.
static inline bool wire_short_transport(const uint8_t *l4, uint32_t size, struct wire_short *packet)
{
    packet->source_port = wire_load16(l4);
    packet->destination_port = wire_load16(l4 + 2);
    if (packet->protocol == IPPROTO_TCP) {
        uint32_t header_size = (l4[12] >> 4) * 4u;
        uint8_t flags = l4[13];
        packet->tcp_flags = flags;
        bool opens_and_ends = (flags & WIRE_TCP_SYN) && (flags & (WIRE_TCP_FIN | WIRE_TCP_RST));
        return header_size >= WIRE_TCP_SIZE && header_size <= size && (flags & 0x3f) != 0 &&
               !opens_and_ends;
    }
    packet->tcp_flags = 0;
    uint32_t length = __builtin_bswap16(wire_load16(l4 + 4));
    return packet->protocol == IPPROTO_UDP && length >= WIRE_UDP_SIZE && length <= size;
}

static inline bool wire_short_v4_checksum_is_right(const uint8_t *ip)
{
    uint64_t sum = (uint64_t)wire_load32(ip) + wire_load32(ip + 4) + wire_load32(ip + 8) +
                   wire_load32(ip + 12) + wire_load32(ip + 16);
    return checksum_finish(sum) == 0;
}

// `size` bytes lie in one piece, `frame_size` is the whole frame's. `mac` is ours. False: not
// plain.
static inline bool wire_short_parse(const uint8_t *frame, uint32_t size, uint32_t frame_size,
                                    unsigned known, uint64_t mac, struct wire_short *packet)
{
    if (__builtin_expect(size < WIRE_SHORT_V4_L4 + WIRE_TCP_SIZE || size != frame_size, 0))
        return false;
    uint64_t type = wire_load64(frame + 8) >> 32; // EtherType, first two bytes of the IP header
    bool ours = wire_mac_word(frame) == mac;
    const uint8_t *ip = frame + WIRE_SHORT_IP;
    if (__builtin_expect((type & 0xffffff) == 0x450008, 1)) {
        uint64_t head = wire_load64(ip + 2); // total length, ID, fragment, TTL, protocol
        uint32_t total = __builtin_bswap16((uint16_t)head);
        uint8_t source = ip[WIRE_IPV4_SOURCE], destination = ip[WIRE_IPV4_DESTINATION];
        packet->v4 = true;
        packet->ip_size = (uint16_t)total;
        packet->ttl = (uint8_t)(head >> 48);
        packet->protocol = (uint8_t)(head >> 56);
        bool whole = WIRE_SHORT_IP + total <= frame_size && total >= WIRE_IPV4_SIZE &&
                     !(head >> 32 & 0xff3f); // 0x3fff: more fragments, or an offset
        bool possible =
            (uint8_t)(source - 1) < 223 && source != 127 && destination != 0 && destination != 127;
        if (__builtin_expect(!ours || !whole || !possible, 0))
            return false;
        if (!(known & WIRE_KNOWN_IPV4_CHECKSUM_GOOD) &&
            __builtin_expect(!wire_short_v4_checksum_is_right(ip), 0))
            return false;
        return wire_short_transport(ip + WIRE_IPV4_SIZE, total - WIRE_IPV4_SIZE, packet);
    }
    if ((type & 0xf0ffff) != 0x60dd86 || size < WIRE_SHORT_V6_L4 + WIRE_TCP_SIZE)
        return false;
    uint32_t payload = __builtin_bswap16(wire_load16(ip + 4));
    packet->v4 = false;
    packet->ip_size = (uint16_t)(WIRE_IPV6_SIZE + payload);
    packet->protocol = ip[6];
    packet->ttl = ip[7];
    // Addresses that begin with 64 zero bits, or a group's as source, are judged the general way.
    bool usual = ip[WIRE_IPV6_SOURCE] != 0xff && wire_load64(ip + WIRE_IPV6_SOURCE) != 0 &&
                 wire_load64(ip + WIRE_IPV6_DESTINATION) != 0;
    return ours && usual && WIRE_SHORT_V6_L4 + payload <= frame_size &&
           wire_short_transport(ip + WIRE_IPV6_SIZE, payload, packet);
}

// The addresses of a plain IPv4 packet, as they lie there.
static inline uint32_t wire_short_v4_source(const uint8_t *frame)
{
    return wire_load32(frame + WIRE_SHORT_V4_SOURCE);
}

static inline uint32_t wire_short_v4_destination(const uint8_t *frame)
{
    return wire_load32(frame + WIRE_SHORT_V4_DESTINATION);
}

// What wire_is_atomic() says of a plain packet.
static inline bool wire_short_is_atomic(const uint8_t *frame, const struct wire_short *packet)
{
    return !packet->v4 || frame[WIRE_SHORT_IP + 6] & 0x40;
}

// Changes the checksum field at `at` by a difference of less than 2^40: RFC 1624, equation 3.
static inline void wire_short_checksum(uint8_t *at, uint64_t difference)
{
    uint64_t sum = (uint16_t)~wire_load16(at) + difference;
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    uint16_t value = (uint16_t)~sum;
    memcpy(at, &value, sizeof(value));
}

// What wire_identify() does to a plain packet that is not atomic.
static inline void wire_short_identify(uint8_t *frame, uint16_t id)
{
    uint8_t *ip = frame + WIRE_SHORT_IP;
    id = __builtin_bswap16(id);
    wire_short_checksum(ip + 10, (uint64_t)(uint16_t)~wire_load16(ip + 4) + id);
    memcpy(ip + 4, &id, sizeof(id));
}

static inline void wire_short_l4_checksum(uint8_t *l4, uint8_t protocol, uint64_t difference)
{
    if (__builtin_expect(protocol == IPPROTO_TCP, 1)) {
        wire_short_checksum(l4 + 16, difference);
        return;
    }
    if (wire_load16(l4 + 6) == 0)
        return; // there is none: RFC 768, and RFC 6935 section 5 for tunnels over IPv6
    wire_short_checksum(l4 + 6, difference);
    if (wire_load16(l4 + 6) == 0)
        memset(l4 + 6, 0xff, 2); // RFC 768: zero would say that there is none
}

// Network address translation of one side, and one hop of TTL: what wire_rewrite_source() or
// wire_rewrite_destination() and wire_decrement_ttl() do to a plain packet.
static inline void wire_short_translate(uint8_t *frame, const struct wire_short *packet,
                                        bool source, const struct ip_address *address,
                                        uint16_t port)
{
    uint8_t *ip = frame + WIRE_SHORT_IP;
    uint64_t difference;
    uint8_t *l4;
    if (__builtin_expect(packet->v4, 1)) {
        uint8_t *at = ip + (source ? WIRE_IPV4_SOURCE : WIRE_IPV4_DESTINATION);
        uint32_t word = wire_load32(address->bytes + 12);
        difference = (uint64_t)(uint32_t)~wire_load32(at) + word;
        memcpy(at, &word, sizeof(word));
        // One less in the low byte of the word of TTL and protocol: ~m + m' is 0xfffe.
        ip[8]--;
        wire_short_checksum(ip + 10, difference + 0xfffe);
        l4 = frame + WIRE_SHORT_V4_L4;
    } else {
        uint8_t *at = ip + (source ? WIRE_IPV6_SOURCE : WIRE_IPV6_DESTINATION);
        difference = checksum_difference(0, at, address->bytes, sizeof(address->bytes));
        memcpy(at, address->bytes, sizeof(address->bytes));
        ip[7]--;
        l4 = frame + WIRE_SHORT_V6_L4;
    }
    uint8_t *at = l4 + (source ? 0 : 2);
    difference += (uint64_t)(uint16_t)~wire_load16(at) + port;
    memcpy(at, &port, sizeof(port));
    wire_short_l4_checksum(l4, packet->protocol, difference);
}

// What both sides of a packet become: ports in network byte order, addresses of the packet's
// version.
struct wire_sides {
    const struct ip_address *source;
    const struct ip_address *destination;
    uint16_t source_port;
    uint16_t destination_port;
};

// The same translation of both sides at once.
static inline void wire_short_translate_both(uint8_t *frame, const struct wire_short *packet,
                                             const struct wire_sides *sides)
{
    uint8_t *ip = frame + WIRE_SHORT_IP;
    uint64_t difference;
    uint8_t *l4;
    if (__builtin_expect(packet->v4, 1)) {
        uint8_t *at = ip + WIRE_IPV4_SOURCE;
        uint32_t source = wire_load32(sides->source->bytes + 12);
        uint32_t destination = wire_load32(sides->destination->bytes + 12);
        difference = (uint64_t)(uint32_t)~wire_load32(at) + source;
        difference += (uint64_t)(uint32_t)~wire_load32(at + 4) + destination;
        memcpy(at, &source, sizeof(source));
        memcpy(at + 4, &destination, sizeof(destination));
        ip[8]--;
        wire_short_checksum(ip + 10, difference + 0xfffe); // as above
        l4 = frame + WIRE_SHORT_V4_L4;
    } else {
        uint8_t *at = ip + WIRE_IPV6_SOURCE;
        difference = checksum_difference(0, at, sides->source->bytes, 16);
        difference = checksum_difference(difference, at + 16, sides->destination->bytes, 16);
        memcpy(at, sides->source->bytes, 16);
        memcpy(at + 16, sides->destination->bytes, 16);
        ip[7]--;
        l4 = frame + WIRE_SHORT_V6_L4;
    }
    uint32_t ports = sides->source_port | (uint32_t)sides->destination_port << 16;
    difference += (uint64_t)(uint32_t)~wire_load32(l4) + ports;
    memcpy(l4, &ports, sizeof(ports));
    wire_short_l4_checksum(l4, packet->protocol, difference);
}
