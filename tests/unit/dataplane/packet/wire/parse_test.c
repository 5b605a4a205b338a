#include "dataplane/packet/wire/parse.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/byteorder.h"
#include "tests/packet/frame.h"
#include "tests/test.h"

#define PORT(number) __builtin_bswap16(number)
#define V6           .source = "2001:db8::1"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct frame frame;

static enum drop_reason parse(struct wire_packet *packet)
{
    return wire_parse(span_of(frame.bytes, frame.size), (uint32_t)frame.size, WIRE_KNOWN_NOTHING,
                      packet);
}

// A frame whose bytes end where its memory does, so that the address sanitizer sees a step too far.
static enum drop_reason parse_first(size_t size, uint32_t frame_size, struct wire_packet *packet)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, frame.bytes, size);
    enum drop_reason reason =
        wire_parse(span_of(copy, size), frame_size, WIRE_KNOWN_NOTHING, packet);
    free(copy);
    return reason;
}

struct accepted {
    const char *name;
    struct frame_spec spec;
    struct wire_packet packet;
};

static const struct accepted accepted[] = {
    {.name = "TCP over IPv4",
     .spec = {.source_port = 40000, .destination_port = 80, .tcp_flags = WIRE_TCP_SYN, .ttl = 63},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_SYN,
                .ttl = 63,
                .l4_offset = 34,
                .end = 54,
                .source_port = PORT(40000),
                .destination_port = PORT(80)}},
    {.name = "TCP over IPv6 with padding, which is not in the packet",
     .spec = {V6, .source_port = 1, .destination_port = 65535, .padding_size = 6,
              .payload_size = 5},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_ACK,
                .ttl = 64,
                .l4_offset = 54,
                .end = 79,
                .source_port = PORT(1),
                .destination_port = PORT(65535)}},
    {.name = "TCP that is all options",
     .spec = {.tcp_options = {(const uint8_t[40]){0}, 40}},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_ACK,
                .ttl = 64,
                .l4_offset = 34,
                .end = 94}},
    {.name = "UDP over IPv4 with IP options",
     .spec = {.protocol = IPPROTO_UDP,
              .source_port = 53,
              .destination_port = 4242,
              .payload_size = 3,
              .ipv4_options = {(const uint8_t[]){1, 7, 3, 4, 1, 1, 1, 0}, 8}},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_UDP,
                .ttl = 64,
                .l4_offset = 42,
                .end = 53,
                .source_port = PORT(53),
                .destination_port = PORT(4242)}},
    {.name = "UDP over IPv6",
     .spec = {V6, .protocol = IPPROTO_UDP, .source_port = 7, .destination_port = 9},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_UDP,
                .ttl = 64,
                .l4_offset = 54,
                .end = 62,
                .source_port = PORT(7),
                .destination_port = PORT(9)}},
    {.name = "ICMP",
     .spec = {.protocol = IPPROTO_ICMP, .icmp_type = 8},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_ICMP,
                .ttl = 64,
                .icmp_type = 8,
                .l4_offset = 34,
                .end = 42}},
    {.name = "ICMPv6",
     .spec = {V6, .protocol = IPPROTO_ICMPV6, .icmp_type = 128},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_ICMPV6,
                .ttl = 64,
                .icmp_type = 128,
                .l4_offset = 54,
                .end = 62}},
    {.name = "ICMPv6 over IPv4 says nothing",
     .spec = {.protocol = IPPROTO_ICMPV6, .icmp_type = 135},
     .packet =
         {.kind = WIRE_IPV4, .protocol = IPPROTO_ICMPV6, .ttl = 64, .l4_offset = 34, .end = 42}},
    {.name = "ICMP over IPv6 says nothing",
     .spec = {V6, .protocol = IPPROTO_ICMP, .icmp_type = 8},
     .packet =
         {.kind = WIRE_IPV6, .protocol = IPPROTO_ICMP, .ttl = 64, .l4_offset = 54, .end = 62}},
    {.name = "SCTP is not read, not even that it is empty",
     .spec = {.protocol = IPPROTO_SCTP},
     .packet =
         {.kind = WIRE_IPV4, .protocol = IPPROTO_SCTP, .ttl = 64, .l4_offset = 34, .end = 34}},
    {.name = "no next header",
     .spec = {V6, .protocol = IPPROTO_NONE},
     .packet =
         {.kind = WIRE_IPV6, .protocol = IPPROTO_NONE, .ttl = 64, .l4_offset = 54, .end = 54}},
    {.name = "ESP ends the walk",
     .spec = {V6, .protocol = IPPROTO_ESP, .payload_size = 9, .extensions = {IPPROTO_DSTOPTS},
              .extension_count = 1},
     .packet = {.kind = WIRE_IPV6, .protocol = IPPROTO_ESP, .ttl = 64, .l4_offset = 62, .end = 71}},
    {.name = "all extension headers, and TCP behind them",
     .spec = {V6, .source_port = 5, .destination_port = 6,
              .extensions = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
                             IPPROTO_AH, IPPROTO_DSTOPTS},
              .extension_count = 6, .routing_type = 3},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_ACK,
                .ttl = 64,
                .l4_offset = 54 + 5 * 8 + 16,
                .end = 54 + 5 * 8 + 16 + 20,
                .source_port = PORT(5),
                .destination_port = PORT(6)}},
    {.name = "as many extension headers as are walked",
     .spec = {V6, .protocol = IPPROTO_UDP,
              .extensions = {IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
                             IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS},
              .extension_count = WIRE_IPV6_HEADERS_MAX},
     .packet =
         {.kind = WIRE_IPV6, .protocol = IPPROTO_UDP, .ttl = 64, .l4_offset = 118, .end = 126}},
    {.name = "a routing header with stops left ends the walk",
     .spec = {V6, .extensions = {IPPROTO_DSTOPTS, IPPROTO_ROUTING}, .extension_count = 2,
              .routing_type = 4, .routing_stops = 1},
     .packet =
         {.kind = WIRE_IPV6, .protocol = IPPROTO_ROUTING, .ttl = 64, .l4_offset = 62, .end = 90}},
    {.name = "the first fragment over IPv4",
     .spec = {.source_port = 5, .destination_port = 6, .more_fragments = true, .payload_size = 4},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_ACK,
                .fragment = true,
                .first_fragment = true,
                .ttl = 64,
                .l4_offset = 34,
                .end = 58,
                .source_port = PORT(5),
                .destination_port = PORT(6)}},
    {.name = "the last fragment over IPv4, which ends at the last byte there can be",
     .spec = {.protocol = IPPROTO_UDP, .fragment_offset = 65504, .payload_size = 11},
     .packet = {.kind = WIRE_IPV4,
                .protocol = IPPROTO_UDP,
                .fragment = true,
                .ttl = 64,
                .l4_offset = 34,
                .end = 45}},
    {.name = "the first fragment of a longer UDP message over IPv6",
     .spec = {V6, .protocol = IPPROTO_UDP, .source_port = 5, .destination_port = 6,
              .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1, .more_fragments = true,
              .payload_size = 16},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_UDP,
                .fragment_offset = 54,
                .fragment = true,
                .first_fragment = true,
                .ttl = 64,
                .l4_offset = 62,
                .end = 86,
                .source_port = PORT(5),
                .destination_port = PORT(6)}},
    {.name = "a middle fragment over IPv6, whose bytes look like headers to nobody",
     .spec = {V6, .protocol = IPPROTO_DSTOPTS, .extensions = {IPPROTO_HOPOPTS, IPPROTO_FRAGMENT},
              .extension_count = 2, .more_fragments = true, .fragment_offset = 1024,
              .payload_size = 8},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_DSTOPTS,
                .fragment_offset = 62,
                .fragment = true,
                .ttl = 64,
                .l4_offset = 70,
                .end = 78}},
    {.name = "an IPv6 packet in one fragment is whole",
     .spec = {V6, .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_TCP,
                .tcp_flags = WIRE_TCP_ACK,
                .ttl = 64,
                .l4_offset = 62,
                .end = 82}},
    {.name = "a probe for duplicates, from no address",
     .spec = {.source = "::",
              .destination = "ff02::1:ff00:1",
              .protocol = IPPROTO_ICMPV6,
              .icmp_type = 135,
              .nd_target = "fe80::1",
              .nd_without_option = true},
     .packet = {.kind = WIRE_IPV6,
                .protocol = IPPROTO_ICMPV6,
                .ttl = 255,
                .icmp_type = 135,
                .l4_offset = 54,
                .end = 78}},
    {.name = "a broadcast with a TTL of one is for others to judge",
     .spec = {.protocol = IPPROTO_UDP, .ttl = 1, .destination = "255.255.255.255"},
     .packet = {.kind = WIRE_IPV4, .protocol = IPPROTO_UDP, .ttl = 1, .l4_offset = 34, .end = 42}},
    {.name = "ARP, with padding",
     .spec = {.arp_operation = 1, .padding_size = 18},
     .packet = {.kind = WIRE_ARP, .end = 60}},
};

static void assert_packets_equal(const char *name, const struct wire_packet *actual,
                                 const struct wire_packet *expected)
{
    struct wire_packet wanted = *expected;
    wanted.l3_offset = 14;
    if (memcmp(actual, &wanted, sizeof(wanted)) == 0)
        return;
    fail_msg(
        "%s: kind %u protocol %u flags %u fragment %u%u at %u ttl %u icmp %u l3 %u l4 %u end %u "
        "ports %u %u",
        name, actual->kind, actual->protocol, actual->tcp_flags, actual->fragment,
        actual->first_fragment, actual->fragment_offset, actual->ttl, actual->icmp_type,
        actual->l3_offset, actual->l4_offset, actual->end, PORT(actual->source_port),
        PORT(actual->destination_port));
}

static void reads_what_a_frame_is(void **state)
{
    for (size_t i = 0; i < COUNT(accepted); i++) {
        struct wire_packet packet;
        frame_build(&frame, &accepted[i].spec);
        enum drop_reason reason = parse(&packet);
        if (reason)
            fail_msg("%s: dropped as %s", accepted[i].name, drop_name(reason));
        assert_packets_equal(accepted[i].name, &packet, &accepted[i].packet);
    }
}

struct patch {
    size_t at;
    uint8_t value;
};

struct refused {
    const char *name;
    enum drop_reason reason;
    struct frame_spec spec;
    struct patch patches[3]; // after the frame was built; at 0: none
    size_t cut;              // bytes taken from the frame's end
    bool keep_checksums;     // else they are made right after the patches
};

#define IP FRAME_IP_AT
#define L4 FRAME_IPV4_L4

static const struct refused refused[] = {
    {.name = "an IPv4 packet longer than its frame",
     .reason = DROP_IPV4_TRUNCATED,
     .spec = {.payload_size = 9},
     .cut = 1},
    {.name = "half an IPv4 header", .reason = DROP_IPV4_TRUNCATED, .cut = 30},
    {.name = "IPv4 options cut short",
     .reason = DROP_IPV4_TRUNCATED,
     .spec = {.protocol = IPPROTO_SCTP, .ipv4_options = {(const uint8_t[8]){0}, 8}},
     .cut = 1},
    {.name = "version 5 where 4 should be", .reason = DROP_IPV4_MALFORMED, .patches = {{IP, 0x55}}},
    {.name = "version 6 where 4 should be", .reason = DROP_IPV4_MALFORMED, .patches = {{IP, 0x65}}},
    {.name = "an IPv4 header of 16 bytes", .reason = DROP_IPV4_MALFORMED, .patches = {{IP, 0x44}}},
    {.name = "a total length that ends in the header",
     .reason = DROP_IPV4_MALFORMED,
     .patches = {{IP + 3, 19}}},
    {.name = "a total length that ends in the options",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[4]){1, 1, 1, 1}, 4}},
     .patches = {{IP + 3, 23}}},
    {.name = "an option that runs over the header's end",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[4]){7, 5, 4, 0}, 4}}},
    {.name = "an option of no length",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[4]){7, 0, 0, 0}, 4}}},
    {.name = "an option that is only a type",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[4]){1, 1, 1, 7}, 4}}},
    {.name = "a loose source route",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[8]){131, 7, 4, 192, 0, 2, 9, 0}, 8}}},
    {.name = "a strict source route",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.ipv4_options = {(const uint8_t[8]){137, 7, 4, 192, 0, 2, 9, 0}, 8}}},
    {.name = "an IPv4 checksum that is wrong",
     .reason = DROP_IPV4_CHECKSUM,
     .patches = {{IP + 8, 63}},
     .keep_checksums = true},
    {.name = "an IPv4 checksum that is wrong in the options",
     .reason = DROP_IPV4_CHECKSUM,
     .spec = {.ipv4_options = {(const uint8_t[4]){1, 1, 1, 1}, 4}},
     .patches = {{IP + 20, 0}},
     .keep_checksums = true},
    {.name = "a fragment that ends past the longest packet",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.protocol = IPPROTO_UDP, .fragment_offset = 65504, .payload_size = 12}},
    {.name = "a fragment of nothing",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.fragment_offset = 1024}},
    {.name = "a fragment that is not the last and ends askew",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.more_fragments = true, .payload_size = 3}},
    {.name = "a fragment that would overwrite TCP's flags",
     .reason = DROP_IPV4_MALFORMED,
     .spec = {.fragment_offset = 8, .payload_size = 8}},
    {.name = "a first fragment without all of the TCP header",
     .reason = DROP_TCP_MALFORMED,
     .spec = {.more_fragments = true},
     .patches = {{IP + 3, 36}},
     .cut = 4},
    {.name = "an IPv6 packet longer than its frame",
     .reason = DROP_IPV6_TRUNCATED,
     .spec = {V6, .payload_size = 9},
     .cut = 1},
    {.name = "half an IPv6 header", .reason = DROP_IPV6_TRUNCATED, .spec = {V6}, .cut = 30},
    {.name = "version 4 where 6 should be",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6},
     .patches = {{IP, 0x45}}},
    {.name = "a hop-by-hop header that is not the first",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_DSTOPTS, IPPROTO_HOPOPTS}, .extension_count = 2}},
    {.name = "a routing header of type 0",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_ROUTING}, .extension_count = 1}},
    {.name = "a fragment of a fragment",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_FRAGMENT, IPPROTO_FRAGMENT}, .extension_count = 2}},
    {.name = "an extension header longer than the packet",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_DSTOPTS}, .extension_count = 1},
     .patches = {{FRAME_IPV6_L4 + 1, 3}}},
    {.name = "an extension header behind the packet's end",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_DSTOPTS}, .extension_count = 1},
     .patches = {{IP + 5, 7}}},
    {.name = "an authentication header of 12 bytes",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_AH}, .extension_count = 1},
     .patches = {{FRAME_IPV6_L4 + 1, 1}}},
    {.name = "a jumbogram",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_HOPOPTS}, .extension_count = 1},
     .patches = {{IP + 5, 0}}},
    {.name = "one extension header more than are walked",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6,
              .extensions = {IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
                             IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
                             IPPROTO_DSTOPTS},
              .extension_count = WIRE_IPV6_HEADERS_MAX + 1}},
    {.name = "an IPv6 fragment that ends past the longest packet",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1, .fragment_offset = 65528,
              .payload_size = 8}},
    {.name = "an IPv6 fragment that with the headers before it ends past the longest packet",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_HOPOPTS, IPPROTO_FRAGMENT}, .extension_count = 2,
              .fragment_offset = 65520, .payload_size = 8}},
    {.name = "an IPv6 fragment that is not the last and ends askew",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1, .more_fragments = true,
              .payload_size = 1}},
    {.name = "an IPv6 fragment of nothing",
     .reason = DROP_IPV6_MALFORMED,
     .spec = {V6, .extensions = {IPPROTO_FRAGMENT}, .extension_count = 1, .fragment_offset = 8}},
    {.name = "an IPv6 first fragment without all of the UDP header",
     .reason = DROP_UDP_MALFORMED,
     .spec = {V6, .protocol = IPPROTO_UDP,
              .extensions = {IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_DSTOPTS},
              .extension_count = 3, .more_fragments = true},
     .patches = {{IP + 5, 24}}},
    {.name = "a multicast source", .reason = DROP_IP_ADDRESS, .spec = {.source = "224.0.0.1"}},
    {.name = "a loopback source", .reason = DROP_IP_ADDRESS, .spec = {.source = "127.0.0.1"}},
    {.name = "a source of class E", .reason = DROP_IP_ADDRESS, .spec = {.source = "240.0.0.1"}},
    {.name = "a broadcast source",
     .reason = DROP_IP_ADDRESS,
     .spec = {.source = "255.255.255.255"}},
    {.name = "no IPv4 source", .reason = DROP_IP_ADDRESS, .spec = {.source = "0.0.0.0"}},
    {.name = "a source in the network that names no other",
     .reason = DROP_IP_ADDRESS,
     .spec = {.source = "0.1.2.3"}},
    {.name = "a loopback destination",
     .reason = DROP_IP_ADDRESS,
     .spec = {.destination = "127.1.2.3"}},
    {.name = "no IPv4 destination", .reason = DROP_IP_ADDRESS, .spec = {.destination = "0.0.0.0"}},
    {.name = "an IPv6 multicast source", .reason = DROP_IP_ADDRESS, .spec = {.source = "ff02::1"}},
    {.name = "an IPv6 loopback source", .reason = DROP_IP_ADDRESS, .spec = {.source = "::1"}},
    {.name = "an IPv6 loopback destination",
     .reason = DROP_IP_ADDRESS,
     .spec = {V6, .destination = "::1"}},
    {.name = "no IPv6 destination", .reason = DROP_IP_ADDRESS, .spec = {V6, .destination = "::"}},
    {.name = "no IPv6 source with TCP", .reason = DROP_IP_ADDRESS, .spec = {.source = "::"}},
    {.name = "no IPv6 source with UDP",
     .reason = DROP_IP_ADDRESS,
     .spec = {.source = "::", .protocol = IPPROTO_UDP}},
    {.name = "an IPv4-mapped source",
     .reason = DROP_IP_ADDRESS,
     .spec = {.source = "::ffff:192.0.2.1"}},
    {.name = "an IPv4-mapped source with ICMPv6",
     .reason = DROP_IP_ADDRESS,
     .spec = {.source = "::ffff:192.0.2.1", .protocol = IPPROTO_ICMPV6, .icmp_type = 128}},
    {.name = "an IPv4-mapped destination",
     .reason = DROP_IP_ADDRESS,
     .spec = {V6, .destination = "::ffff:192.0.2.2"}},
    {.name = "a TCP header of 19 bytes", .reason = DROP_TCP_MALFORMED, .patches = {{IP + 3, 39}}},
    {.name = "a TCP data offset of 4 words",
     .reason = DROP_TCP_MALFORMED,
     .patches = {{L4 + 12, 0x40}}},
    {.name = "a TCP header longer than the packet",
     .reason = DROP_TCP_MALFORMED,
     .spec = {.payload_size = 3, .padding_size = 20},
     .patches = {{L4 + 12, 0x60}}},
    {.name = "TCP over IPv6 without a header",
     .reason = DROP_TCP_MALFORMED,
     .spec = {V6},
     .patches = {{IP + 5, 0}}},
    {.name = "a UDP header of 7 bytes",
     .reason = DROP_UDP_MALFORMED,
     .spec = {.protocol = IPPROTO_UDP},
     .patches = {{IP + 3, 27}}},
    {.name = "a UDP length of 7",
     .reason = DROP_UDP_MALFORMED,
     .spec = {.protocol = IPPROTO_UDP, .payload_size = 20},
     .patches = {{L4 + 5, 7}}},
    {.name = "a UDP length of zero over IPv6",
     .reason = DROP_UDP_MALFORMED,
     .spec = {V6, .protocol = IPPROTO_UDP, .payload_size = 20},
     .patches = {{FRAME_IPV6_L4 + 5, 0}}},
    {.name = "a UDP length that reaches into the padding",
     .reason = DROP_UDP_MALFORMED,
     .spec = {.protocol = IPPROTO_UDP, .payload_size = 20, .padding_size = 10},
     .patches = {{L4 + 5, 29}}},
    {.name = "seven bytes of ICMP",
     .reason = DROP_ICMP_MALFORMED,
     .spec = {.protocol = IPPROTO_ICMP},
     .patches = {{IP + 3, 27}}},
    {.name = "seven bytes of ICMPv6",
     .reason = DROP_ICMP_MALFORMED,
     .spec = {V6, .protocol = IPPROTO_ICMPV6},
     .patches = {{IP + 5, 7}}},
};

static void refuses_by_the_name_of_the_fault(void **state)
{
    for (size_t i = 0; i < COUNT(refused); i++) {
        const struct refused *row = &refused[i];
        frame_build(&frame, &row->spec);
        for (size_t j = 0; j < COUNT(row->patches) && row->patches[j].at > 0; j++)
            frame.bytes[row->patches[j].at] = row->patches[j].value;
        frame.size -= row->cut;
        if (!row->keep_checksums)
            frame_fix_checksums(&frame);

        struct wire_packet packet;
        memset(&packet, 0xa5, sizeof(packet));
        enum drop_reason reason = parse(&packet);
        if (reason != row->reason)
            fail_msg("%s: %s", row->name, drop_name(reason));
        for (size_t j = 0; j < sizeof(packet); j++)
            assert_int_equal(((const uint8_t *)&packet)[j], 0xa5);
    }
}

static void refuses_frames_of_impossible_size(void **state)
{
    struct wire_packet packet;
    frame_build(&frame, &(struct frame_spec){0});
    for (size_t size = 0; size < WIRE_ETHERNET_SIZE; size++)
        assert_int_equal(parse_first(size, (uint32_t)size, &packet), DROP_ETHERNET_TRUNCATED);
    struct span headers = span_of(frame.bytes, frame.size);
    assert_int_equal(wire_parse(headers, 65535, 0, &packet), DROP_NONE);
    assert_int_equal(wire_parse(headers, 65536, 0, &packet), DROP_ETHERNET_OVERSIZE);
    assert_int_equal(wire_parse(headers, UINT32_MAX, 0, &packet), DROP_ETHERNET_OVERSIZE);
}

static void leaves_other_ethertypes_unread(void **state)
{
    static const uint16_t types[] = {0x8100, 0x88a8, 0x88cc, 0x8847, 0x05dc, 0x0000};
    for (size_t i = 0; i < COUNT(types); i++) {
        struct wire_packet packet;
        frame_build(&frame, &(struct frame_spec){0});
        store_be16(frame.bytes + 12, types[i]);
        assert_int_equal(parse(&packet), DROP_NONE);
        assert_packets_equal("other", &packet,
                             &(struct wire_packet){.kind = WIRE_OTHER, .end = 54});
    }
}

static void judges_every_combination_of_tcp_flags(void **state)
{
    for (unsigned flags = 0; flags < 256; flags++) {
        bool syn = flags & 0x02;
        bool fin = flags & 0x01;
        bool rst = flags & 0x04;
        bool null = (flags & 0x3f) == 0;
        struct wire_packet packet;
        frame_build(&frame, &(struct frame_spec){0});
        frame.bytes[FRAME_IPV4_L4 + 13] = (uint8_t)flags;
        bool bad = null || (syn && fin) || (syn && rst);
        assert_int_equal(parse(&packet), bad ? DROP_TCP_FLAGS : DROP_NONE);
    }
}

static void believes_the_device_about_the_ipv4_checksum(void **state)
{
    struct wire_packet packet;
    frame_build(&frame, &(struct frame_spec){0});
    frame.bytes[FRAME_IP_AT + 10] ^= 1;
    assert_int_equal(parse(&packet), DROP_IPV4_CHECKSUM);
    assert_int_equal(wire_parse(span_of(frame.bytes, frame.size), (uint32_t)frame.size,
                                WIRE_KNOWN_IPV4_CHECKSUM_GOOD, &packet),
                     DROP_NONE);
}

// RFC 9868: what UDP's length leaves over may be options.
static void accepts_udp_shorter_than_its_packet(void **state)
{
    struct wire_packet packet;
    frame_build(&frame, &(struct frame_spec){.protocol = IPPROTO_UDP, .payload_size = 20});
    frame.bytes[FRAME_IPV4_L4 + 5] = 8;
    assert_int_equal(parse(&packet), DROP_NONE);
    assert_int_equal(packet.end, frame.size);
}

static void refuses_every_frame_cut_short(void **state)
{
    for (size_t i = 0; i < COUNT(accepted); i++) {
        if (accepted[i].packet.kind == WIRE_ARP)
            continue;
        frame_build(&frame, &accepted[i].spec);
        for (size_t size = 0; size < accepted[i].packet.end; size++) {
            struct wire_packet packet;
            enum drop_reason reason = parse_first(size, (uint32_t)size, &packet);
            bool v4 = accepted[i].packet.kind == WIRE_IPV4;
            assert_int_equal(reason, size < WIRE_ETHERNET_SIZE ? DROP_ETHERNET_TRUNCATED
                                     : v4                      ? DROP_IPV4_TRUNCATED
                                                               : DROP_IPV6_TRUNCATED);
        }
    }
}

static uint32_t upper_header_size(const struct wire_packet *packet)
{
    if (packet->fragment && !packet->first_fragment)
        return 0;
    if (packet->protocol == IPPROTO_TCP)
        return WIRE_TCP_SIZE;
    if (packet->protocol == IPPROTO_ROUTING)
        return 8;
    return packet->protocol == IPPROTO_UDP || packet->icmp_type ? 8 : 0;
}

static void needs_only_the_headers_in_one_piece(void **state)
{
    for (size_t i = 0; i < COUNT(accepted); i++) {
        const struct wire_packet *expected = &accepted[i].packet;
        if (expected->kind == WIRE_ARP)
            continue;
        frame_build(&frame, &accepted[i].spec);
        uint32_t enough = expected->l4_offset + upper_header_size(expected);
        for (uint32_t size = 0; size <= frame.size; size++) {
            struct wire_packet packet;
            enum drop_reason reason = parse_first(size, (uint32_t)frame.size, &packet);
            assert_int_equal(reason == DROP_NONE, size >= enough);
            if (reason == DROP_NONE)
                assert_packets_equal(accepted[i].name, &packet, expected);
        }
    }
}

static void tells_addresses_in_one_form(void **state)
{
    static const struct {
        const char *source;
        const char *destination;
    } rows[] = {
        {"198.51.100.7", "203.0.113.255"},
        {"2001:db8:1::7", "2001:db8:2::9"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct frame_spec spec = {.source = rows[i].source, .destination = rows[i].destination};
        frame_build(&frame, &spec);
        struct wire_packet packet;
        assert_int_equal(parse(&packet), DROP_NONE);
        struct ip_address source = wire_source(frame.bytes, &packet);
        struct ip_address destination = wire_destination(frame.bytes, &packet);
        char text[IP_TEXT_SIZE];
        assert_string_equal(ip_format(&source, text), rows[i].source);
        assert_string_equal(ip_format(&destination, text), rows[i].destination);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_frame_is),
        cmocka_unit_test(refuses_by_the_name_of_the_fault),
        cmocka_unit_test(refuses_frames_of_impossible_size),
        cmocka_unit_test(leaves_other_ethertypes_unread),
        cmocka_unit_test(judges_every_combination_of_tcp_flags),
        cmocka_unit_test(believes_the_device_about_the_ipv4_checksum),
        cmocka_unit_test(accepts_udp_shorter_than_its_packet),
        cmocka_unit_test(refuses_every_frame_cut_short),
        cmocka_unit_test(needs_only_the_headers_in_one_piece),
        cmocka_unit_test(tells_addresses_in_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
