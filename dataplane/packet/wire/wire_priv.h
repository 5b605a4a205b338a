// Where the fields lie in the headers that this room reads and writes: bytes from the header's
// start. RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792 and RFC 4443.
#pragma once

#include <stdbool.h>
#include <string.h>

#include "dataplane/packet/wire/checksum.h"
#include "dataplane/packet/wire/parse.h"

enum {
    ETHERNET_DESTINATION = 0,
    ETHERNET_SOURCE = 6,
    ETHERNET_TYPE = 12,

    IPV4_TRAFFIC_CLASS = 1,
    IPV4_TOTAL_LENGTH = 2,
    IPV4_ID = 4,
    IPV4_FRAGMENT = 6,
    IPV4_TTL = 8,
    IPV4_PROTOCOL = 9,
    IPV4_CHECKSUM = 10,

    IPV6_PAYLOAD_LENGTH = 4,
    IPV6_NEXT_HEADER = 6,
    IPV6_HOP_LIMIT = 7,

    TCP_SEQUENCE = 4,
    TCP_ACKNOWLEDGED = 8,
    TCP_DATA_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_WINDOW = 14,
    TCP_CHECKSUM = 16,
    TCP_URGENT = 18,

    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,

    ICMP_SIZE = 8,
    ICMP_CODE = 1,
    ICMP_CHECKSUM = 2,
    ICMP_IDENTIFIER = 4, // of echo
};

#define IPV4_VERSION_AND_IHL 0x45 // without options
#define IPV4_DONT_FRAGMENT   0x4000
#define IPV4_MORE_FRAGMENTS  0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff // in units of 8 bytes
#define HOP_LIMIT_DEFAULT    64

#define ICMP_ECHO_ANSWER          0
#define ICMP_UNREACHABLE          3
#define ICMP_FRAGMENTATION_NEEDED 4 // its code
#define ICMP_ECHO_REQUEST         8
#define ICMP_TIME_EXCEEDED        11
#define ICMP_PARAMETER_PROBLEM    12

#define ICMPV6_UNREACHABLE       1
#define ICMPV6_TOO_BIG           2
#define ICMPV6_TIME_EXCEEDED     3
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST      128
#define ICMPV6_ECHO_ANSWER       129
#define ICMPV6_SOLICITATION      135 // neighbour solicitation and advertisement
#define ICMPV6_ADVERTISEMENT     136

// An IP header without options or extension headers.
struct ip_header {
    struct ip_address source, destination; // of one version
    uint32_t flow_label;                   // IPv6
    uint8_t traffic_class;
    uint8_t hop_limit;
    uint8_t protocol;
};

// Writes it in front of `size` bytes.
void wire_ip_write(uint8_t *ip, const struct ip_header *header, uint32_t size);

// A checksum field as it lies in memory.
static inline uint16_t checksum_load(const uint8_t *field)
{
    uint16_t value;
    memcpy(&value, field, sizeof(value));
    return value;
}

static inline void checksum_store(uint8_t *field, uint16_t value)
{
    memcpy(field, &value, sizeof(value));
}

// A checksum field after changes whose differences were summed, in place.
static inline void checksum_change(uint8_t *field, uint64_t difference)
{
    checksum_store(field, checksum_apply(checksum_load(field), difference));
}
