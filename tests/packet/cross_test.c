// FullNAT from clients of IPv6 to members of IPv4, packets in and packets out: headers of the other
// version, what is too large for it, fragments both ways, ICMP errors, and the header that tells
// members their clients' addresses. What is expected is built by the tests' own frames.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "dataplane/packet/wire/proxy.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define CLIENT "fd00:1::10"
#define VIP    "fd00:1::100"
#define LOCAL  "10.2.0.200"
#define MEMBER "10.2.0.11"

#define CONFIGURATION(front_mtu, back_mtu, told)                                              \
    "node: {name: test, cores: [0], flows: {per-worker: 4096}}\n"                             \
    "ports:\n"                                                                                \
    "  - {name: front, device: net_null0, mtu: " front_mtu ",\n"                              \
    "     addresses: [10.1.0.1/24, fd00:1::1/64]}\n"                                          \
    "  - {name: back, device: net_null1, mtu: " back_mtu ", addresses: [10.2.0.1/24],\n"      \
    "     local-addresses: [10.2.0.200]}\n"                                                   \
    "pools:\n"                                                                                \
    "  - {name: t, forward: fullnat, client-address: " told ",\n"                             \
    "     members: [{name: m, address: 10.2.0.11, port: 8080}]}\n"                            \
    "  - {name: u, forward: fullnat, members: [{name: m, address: 10.2.0.11, port: 8080}]}\n" \
    "vips:\n"                                                                                 \
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: t}\n"              \
    "  - {name: u6, address: 'fd00:1::100', port: 80, protocol: udp, pool: u}\n"              \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: t}\n"

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    rig_neighbour(&rig, FRONT, CLIENT, client_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, BACK, MEMBER, member_mac);
}

static int open_rig(void **state)
{
    open_with(CONFIGURATION("1500", "1500", "none"));
    return 0;
}

static void reopen(const char *yaml)
{
    rig_close(&rig);
    open_with(yaml);
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

// A packet of the client's that is `size` bytes from the IP header on, without options.
static struct frame_spec request_of(uint8_t protocol, uint16_t size)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = CLIENT,
        .destination = VIP,
        .protocol = protocol,
        .source_port = 40000,
        .destination_port = 80,
        .tcp_flags = ACK,
        .traffic_class = 0x2e,
        .payload_size = (uint16_t)(size - 40 - (protocol == IPPROTO_TCP ? 20 : 8)),
    };
}

static struct frame_spec reply_of(uint8_t protocol, uint16_t local_port, uint16_t size)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = MEMBER,
        .destination = LOCAL,
        .protocol = protocol,
        .source_port = 8080,
        .destination_port = local_port,
        .tcp_flags = ACK,
        .traffic_class = 0x2e,
        .payload_size = (uint16_t)(size - 20 - (protocol == IPPROTO_TCP ? 20 : 8)),
    };
}

// As the member must see a request, and the client a reply.
static struct frame_spec at_member(struct frame_spec request, uint16_t local_port, uint16_t id)
{
    request.destination_mac = member_mac;
    request.source_mac = back_mac;
    request.source = LOCAL;
    request.source_port = local_port;
    request.destination = MEMBER;
    request.destination_port = 8080;
    request.ttl = 63;
    request.ipv4_id = id;
    request.extension_count = 0;
    return request;
}

static struct frame_spec at_client(struct frame_spec reply)
{
    reply.destination_mac = client_mac;
    reply.source_mac = front_mac;
    reply.source = VIP;
    reply.source_port = 80;
    reply.destination = CLIENT;
    reply.destination_port = 40000;
    reply.ttl = 63;
    reply.udp_without_checksum = false;
    return reply;
}

static uint16_t id_of(const struct frame *frame)
{
    return load_be16(frame->bytes + FRAME_IP_AT + 4);
}

// Begins a flow, and returns its local port.
static uint16_t begin(uint8_t protocol)
{
    struct frame_spec request = request_of(protocol, 80);
    request.tcp_flags = SYN;
    struct outcome outcome = put(FRONT, request);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    return load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
}

// With options that say nothing: such a packet walks the general stages.
static struct frame_spec generally(struct frame_spec spec)
{
    spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    spec.extensions[0] = IPPROTO_DSTOPTS;
    spec.extension_count = strchr(spec.source, ':') ? 1 : 0;
    return spec;
}

static void headers_are_of_the_receivers_version(void **state)
{
    for (int i = 0; i < 4; i++) {
        uint8_t protocol = i & 1 ? IPPROTO_UDP : IPPROTO_TCP;
        uint16_t port = begin(protocol), last_id = 0;
        for (uint16_t size = 60; size < 200; size++) {
            struct frame_spec request = request_of(protocol, size);
            struct outcome outcome = put(FRONT, i & 2 ? generally(request) : request);
            uint16_t id = id_of(&outcome.frame);
            assert_int_not_equal(id, last_id);
            last_id = id;
            assert_frame(&outcome, BACK, at_member(request, port, id));
            struct frame_spec reply = reply_of(protocol, port, size);
            outcome = put(BACK, i & 2 ? generally(reply) : reply);
            assert_frame(&outcome, FRONT, at_client(reply));
            reply.padding_size = 6;
            reply.dont_fragment = true;
            outcome = put(BACK, reply);
            assert_frame(&outcome, FRONT, at_client(reply));
        }
        struct frame_spec full = request_of(protocol, 1500), expected = at_member(full, port, 0);
        expected.dont_fragment = true;
        struct outcome outcome = put(FRONT, i & 2 ? generally(full) : full);
        if (!(i & 2))
            assert_frame(&outcome, BACK, expected);
    }
    assert_int_equal(rig.stage.counters.vips[1].flows_created, 1);
    assert_int_equal(rig.stage.counters.vips[2].flows_created, 1);
    assert_int_equal(rig.stage.counters.local_ports[1], 2);
}

static void a_burst_is_as_its_packets(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    uint16_t port = begin(IPPROTO_UDP);
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        struct frame_spec spec = request_of(IPPROTO_UDP, (uint16_t)(60 + i));
        spec = i % 3 == 0 ? generally(spec) : spec;
        frame_build(&frames[i], &spec);
    }
    rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
    assert_int_equal(sent.count, STAGE_BURST);
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        struct outcome outcome = {.kind = OUTCOME_SENT, .port = sent.packets[i].port};
        outcome.frame = sent.packets[i].frame;
        uint16_t id = id_of(&outcome.frame);
        assert_frame(&outcome, BACK,
                     at_member(request_of(IPPROTO_UDP, (uint16_t)(60 + i)), port, id));
    }
}

// One pool behind addresses of both versions: each client is answered in its own.
static void clients_of_both_versions_share_a_member(void **state)
{
    uint16_t port = begin(IPPROTO_TCP);
    struct frame_spec request = request_of(IPPROTO_TCP, 80);
    request.source = "10.1.0.10";
    request.destination = "10.1.0.100";
    request.tcp_flags = SYN;
    request.dont_fragment = true;
    struct outcome outcome = put(FRONT, request);
    uint16_t other = load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
    assert_int_not_equal(port, other);
    assert_frame(&outcome, BACK, at_member(request, other, 0));
    struct frame_spec reply = reply_of(IPPROTO_TCP, port, 80);
    outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, at_client(reply));
    reply.destination_port = other;
    outcome = put(BACK, reply);
    reply = at_client(reply);
    reply.source = "10.1.0.100";
    reply.destination = "10.1.0.10";
    assert_frame(&outcome, FRONT, reply);
}

static void a_udp_checksum_is_made_for_the_client(void **state)
{
    uint16_t port = begin(IPPROTO_UDP);
    for (int way = 0; way < 2; way++) {
        struct frame_spec reply = reply_of(IPPROTO_UDP, port, 77);
        reply.udp_without_checksum = true;
        struct outcome outcome = put(BACK, way ? generally(reply) : reply);
        assert_frame(&outcome, FRONT, at_client(reply));
    }
}

static void hops_are_counted_before(void **state)
{
    uint16_t port = begin(IPPROTO_TCP);
    struct frame_spec request = request_of(IPPROTO_TCP, 80),
                      reply = reply_of(IPPROTO_TCP, port, 80);
    request.ttl = reply.ttl = 1;
    struct outcome outcome = put(FRONT, request);
    assert_dropped(outcome, DROP_TTL);
    assert_true(outcome.answered);
    assert_int_equal(outcome.frame.bytes[FRAME_IPV6_L4], 3);
    outcome = put(BACK, reply);
    assert_dropped(outcome, DROP_TTL);
    assert_int_equal(outcome.frame.bytes[FRAME_IPV4_L4], 11);
}

// A SYN's maximum segment size, by the way back. MSS 8960.
static void segments_are_told_to_fit_the_way_back(void **state)
{
    static const uint8_t jumbo[] = {2, 4, 0x23, 0x00}, small[] = {2, 4, 0x03, 0xe8};
    static const uint8_t front[] = {2, 4, 0x05, 0xa0}, back[] = {2, 4, 0x05, 0x50};
    reopen(CONFIGURATION("1500", "1400", "none"));
    struct frame_spec syn = request_of(IPPROTO_TCP, 80);
    syn.tcp_flags = SYN;
    syn.tcp_options = span_of(jumbo, sizeof(jumbo));
    struct outcome outcome = put(FRONT, syn);
    uint16_t port = load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
    struct frame_spec expected = at_member(syn, port, id_of(&outcome.frame));
    expected.tcp_options = span_of(front, sizeof(front)); // 1500 less 60
    assert_frame(&outcome, BACK, expected);
    struct frame_spec answer = reply_of(IPPROTO_TCP, port, 80);
    answer.tcp_flags = SYN | ACK;
    answer.tcp_options = span_of(jumbo, sizeof(jumbo));
    outcome = put(BACK, answer);
    expected = at_client(answer);
    expected.tcp_options = span_of(back, sizeof(back)); // 1400 less 40
    assert_frame(&outcome, FRONT, expected);
    assert_int_equal(*rig.stage.counters.mss_clamped, 2);
    syn.tcp_options = span_of(small, sizeof(small));
    outcome = put(FRONT, syn);
    assert_frame(&outcome, BACK, at_member(syn, port, id_of(&outcome.frame)));
}

static void assert_told(struct outcome outcome, uint16_t port, uint32_t mtu)
{
    assert_dropped(outcome, DROP_MTU);
    assert_true(outcome.answered);
    assert_int_equal(outcome.port, port);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
    bool v6 = outcome.frame.bytes[12] == 0x86;
    const uint8_t *icmp = outcome.frame.bytes + (v6 ? FRAME_IPV6_L4 : FRAME_IPV4_L4);
    assert_int_equal(icmp[0], v6 ? 2 : 3);
    assert_int_equal(icmp[1], v6 ? 0 : 4);
    assert_int_equal(load_be32(icmp + 4), mtu);
}

static void who_sends_too_much_is_told_what_fits_beyond(void **state)
{
    reopen(CONFIGURATION("1500", "1400", "none"));
    uint16_t port = begin(IPPROTO_TCP);
    assert_int_equal(put(FRONT, request_of(IPPROTO_TCP, 1420)).kind, OUTCOME_SENT);
    assert_told(put(FRONT, request_of(IPPROTO_TCP, 1421)), FRONT, 1420);
    reopen(CONFIGURATION("1400", "1500", "none"));
    port = begin(IPPROTO_TCP);
    struct frame_spec reply = reply_of(IPPROTO_TCP, port, 1380);
    reply.dont_fragment = true;
    assert_int_equal(put(BACK, reply).kind, OUTCOME_SENT);
    reply.payload_size++;
    assert_told(put(BACK, reply), BACK, 1380);
}

// Frames in, and all of what comes of them.
static struct sent pieces;

static void put_frames(uint16_t port, const struct frame *frames, uint32_t count)
{
    rig_burst(&rig, port, frames, count, &pieces);
}

static void assert_arrives(uint16_t port, struct frame_spec expected)
{
    static struct frame whole, wanted;
    const struct frame *parts[2 * STAGE_BURST];
    for (uint32_t i = 0; i < pieces.count; i++) {
        parts[i] = &pieces.packets[i].frame;
        assert_int_equal(pieces.packets[i].port, port);
        assert_in_range(parts[i]->size - FRAME_IP_AT, 1, rig.ports[port].mtu);
        assert_memory_equal(parts[i]->bytes, expected.destination_mac, 6);
        assert_memory_equal(parts[i]->bytes + 6, expected.source_mac, 6);
        assert_int_equal(parts[i]->bytes[FRAME_IP_AT + (port == FRONT ? 7 : 8)], 63);
    }
    assert_true(frame_put_together(parts, pieces.count, 0, &whole));
    frame_build(&wanted, &expected);
    assert_int_equal(whole.size, wanted.size);
    assert_memory_equal(whole.bytes, wanted.bytes, wanted.size);
}

// Members' datagrams that are a little too large for the client's header, and not to be kept whole.
static void what_does_not_fit_the_client_goes_in_fragments(void **state)
{
    static struct frame frame;
    uint16_t port = begin(IPPROTO_UDP);
    for (uint16_t size = 1481; size <= 1500; size++) {
        for (int none = 0; none < 2; none++) {
            struct frame_spec reply = reply_of(IPPROTO_UDP, port, size);
            reply.udp_without_checksum = none;
            frame_build(&frame, &reply);
            put_frames(BACK, &frame, 1);
            assert_int_equal(pieces.count, 2);
            assert_arrives(FRONT, at_client(reply));
        }
    }
    struct frame_spec fits = reply_of(IPPROTO_UDP, port, 1480);
    struct outcome outcome = put(BACK, fits);
    assert_frame(&outcome, FRONT, at_client(fits));
    assert_int_equal(*rig.stage.counters.split, 40);
}

// An IPv6 host sends 1280 bytes whatever it is told.
static void small_ways_to_members_are_passed_in_fragments(void **state)
{
    static struct frame frame;
    reopen(CONFIGURATION("1500", "1000", "none"));
    uint16_t port = begin(IPPROTO_UDP);
    struct frame_spec request = request_of(IPPROTO_UDP, 1280);
    frame_build(&frame, &request);
    put_frames(FRONT, &frame, 1);
    assert_int_equal(pieces.count, 2);
    assert_arrives(BACK, at_member(request, port, 0));
    assert_told(put(FRONT, request_of(IPPROTO_UDP, 1281)), FRONT, 1280);
}

static uint32_t cut(const struct frame *whole, uint32_t id, size_t size, struct frame *fragments)
{
    size_t total = whole->size - (whole->bytes[12] == 0x86 ? FRAME_IPV6_L4 : FRAME_IPV4_L4);
    uint32_t count = 0;
    for (size_t offset = 0; offset < total; offset += size)
        frame_fragment(&fragments[count++], whole, id, offset,
                       offset + size < total ? size : total - offset);
    return count;
}

static void swap(struct frame *a, struct frame *b)
{
    static struct frame kept;
    kept = *a;
    *a = *b;
    *b = kept;
}

// In order, the other way round, and members' so large that they are cut again.
static void fragments_cross_in_any_order(void **state)
{
    static struct frame whole, fragments[8];
    uint16_t port = begin(IPPROTO_UDP);
    struct frame_spec request = request_of(IPPROTO_UDP, 4000);
    struct frame_spec reply = reply_of(IPPROTO_UDP, port, 4000);
    for (uint32_t i = 0; i < 4; i++) {
        bool backwards = i & 1;
        frame_build(&whole, &request);
        uint32_t count = cut(&whole, 7000 + i, 1448, fragments);
        assert_int_equal(count, 3);
        if (backwards)
            swap(&fragments[0], &fragments[2]);
        put_frames(FRONT, fragments, count);
        assert_int_equal(pieces.count, 3);
        assert_arrives(BACK, at_member(request, port, 0));
        frame_build(&whole, &reply);
        count = cut(&whole, 7000 + i, i & 2 ? 1480 : 1448, fragments);
        if (backwards)
            swap(&fragments[0], &fragments[2]);
        put_frames(BACK, fragments, count);
        assert_int_equal(pieces.count, i & 2 ? 5 : 3);
        assert_arrives(FRONT, at_client(reply));
    }
}

// All of a datagram, by one name.
static void fragments_that_cannot_cross_are_dropped_by_name(void **state)
{
    static struct frame whole, fragments[8];
    uint16_t port = begin(IPPROTO_UDP);
    struct frame_spec reply = reply_of(IPPROTO_UDP, port, 4000);
    reply.udp_without_checksum = true;
    frame_build(&whole, &reply);
    uint32_t count = cut(&whole, 7, 1448, fragments);
    put_frames(BACK, fragments, count);
    assert_int_equal(pieces.count, 0);
    assert_int_equal(rig_drops(&rig, DROP_VERSION_FRAGMENT), 3);
}

// An ICMP error about a packet, which quotes `size` bytes of it.
static void build_error(struct frame *frame, struct frame_spec error, struct frame_spec about,
                        uint16_t size)
{
    static struct frame quoted;
    frame_build(&quoted, &about);
    error.protocol = strchr(error.source, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    error.payload = quoted.bytes + FRAME_IP_AT;
    error.payload_size = size;
    frame_build(frame, &error);
}

static struct outcome put_frame(uint16_t port, const struct frame *frame)
{
    static struct outcome outcome;
    rig_packet(&rig, port, frame, &outcome);
    return outcome;
}

static void assert_same_frame(const struct outcome *outcome, uint16_t port,
                              const struct frame *expected)
{
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    assert_int_equal(outcome->port, port);
    assert_int_equal(outcome->frame.size, expected->size);
    assert_memory_equal(outcome->frame.bytes, expected->bytes, expected->size);
}

// A router between us and the client speaks of what the member sent.
static void errors_reach_the_member(void **state)
{
    static struct frame frame, expected;
    for (int i = 0; i < 2; i++) {
        uint8_t protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
        uint16_t port = begin(protocol);
        struct frame_spec reply = reply_of(protocol, port, 1480);
        reply.dont_fragment = true;
        struct frame_spec error = {.destination_mac = front_mac,
                                   .source_mac = client_mac,
                                   .source = "2001:db8::9",
                                   .destination = VIP,
                                   .icmp_type = 2,
                                   .icmp_rest = 1400};
        build_error(&frame, error, at_client(reply), 1232);
        struct outcome outcome = put_frame(FRONT, &frame);
        reply.ttl = 63;
        error = (struct frame_spec){.destination_mac = member_mac,
                                    .source_mac = back_mac,
                                    .source = LOCAL,
                                    .destination = MEMBER,
                                    .ttl = 63,
                                    .icmp_type = 3,
                                    .icmp_code = 4,
                                    .icmp_rest = 1380,
                                    .ipv4_id = id_of(&outcome.frame)};
        build_error(&expected, error, reply, 548);
        assert_same_frame(&outcome, BACK, &expected);
    }
    assert_int_equal(*rig.stage.counters.icmp_relayed, 2);
}

// A router between us and the member, or that itself, speaks of what the client sent.
static void errors_reach_the_client(void **state)
{
    static struct frame frame, expected;
    for (int i = 0; i < 2; i++) {
        uint8_t protocol = i ? IPPROTO_UDP : IPPROTO_TCP;
        uint16_t port = begin(protocol);
        struct frame_spec request = request_of(protocol, 1500);
        struct frame_spec seen = at_member(request, port, 0);
        seen.dont_fragment = true;
        struct frame_spec error = {.destination_mac = back_mac,
                                   .source_mac = member_mac,
                                   .source = i ? MEMBER : "10.2.0.254",
                                   .destination = LOCAL,
                                   .icmp_type = 3,
                                   .icmp_code = i ? 3 : 4,
                                   .icmp_rest = i ? 0 : 1400};
        build_error(&frame, error, seen, 548);
        struct outcome outcome = put_frame(BACK, &frame);
        request.ttl = 63;
        error = (struct frame_spec){.destination_mac = client_mac,
                                    .source_mac = front_mac,
                                    .source = VIP,
                                    .destination = CLIENT,
                                    .ttl = 63,
                                    .icmp_type = i ? 1 : 2,
                                    .icmp_code = i ? 4 : 0,
                                    .icmp_rest = i ? 0 : 1420};
        build_error(&expected, error, request, 568);
        assert_same_frame(&outcome, FRONT, &expected);
        // That such an error can not be said in IPv6 has a name.
        error = (struct frame_spec){.destination_mac = back_mac,
                                    .source_mac = member_mac,
                                    .source = MEMBER,
                                    .destination = LOCAL,
                                    .icmp_type = 3,
                                    .icmp_code = 14};
        build_error(&frame, error, seen, 548);
        assert_dropped(put_frame(BACK, &frame), DROP_VERSION_ICMP);
    }
}

// The member is told an address of IPv6 in a stream over IPv4.
static void the_header_has_the_clients_true_address(void **state)
{
    static const uint8_t header[] = {
        0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21,
        0x21, 0x00, 0x24, 0xfd, 0,    0,    1,    0,    0,    0,    0,    0,    0,
        0,    0,    0,    0,    0,    0x10, 0xfd, 0,    0,    1,    0,    0,    0,
        0,    0,    0,    0,    0,    0,    0,    0x01, 0x00, 0x9c, 0x40, 0x00, 0x50};
    reopen(CONFIGURATION("1500", "1500", "proxy-v2"));
    struct frame_spec request = request_of(IPPROTO_TCP, 60);
    request.tcp_numbers = true;
    request.tcp_sequence = 999;
    request.tcp_flags = SYN;
    struct outcome outcome = put(FRONT, request);
    uint16_t port = load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
    struct frame_spec reply = reply_of(IPPROTO_TCP, port, 40);
    reply.tcp_numbers = true;
    reply.tcp_sequence = 5000;
    reply.tcp_acknowledged = 1000;
    reply.tcp_flags = SYN | ACK;
    reply.tcp_window = 1000;
    outcome = put(BACK, reply);
    struct frame_spec expected = at_client(reply);
    expected.tcp_window = 1000 - sizeof(header);
    assert_frame(&outcome, FRONT, expected);

    request.tcp_flags = ACK;
    request.tcp_sequence = 1000;
    request.tcp_acknowledged = 5001;
    outcome = put(FRONT, request);
    expected = at_member(request, port, id_of(&outcome.frame));
    expected.payload = header;
    expected.payload_size = sizeof(header);
    assert_frame(&outcome, BACK, expected);

    reply.tcp_flags = ACK;
    reply.tcp_sequence = 5001;
    reply.tcp_acknowledged = 1000 + sizeof(header);
    outcome = put(BACK, reply);
    expected = at_client(reply);
    expected.tcp_acknowledged = 1000;
    assert_frame(&outcome, FRONT, expected);

    // From now on numbers are shifted, by the short way and the general one.
    for (int way = 0; way < 2; way++) {
        request = request_of(IPPROTO_TCP, 160);
        request.tcp_numbers = true;
        request.tcp_sequence = 1000;
        request.tcp_acknowledged = 5001;
        outcome = put(FRONT, way ? generally(request) : request);
        expected = at_member(request, port, id_of(&outcome.frame));
        expected.tcp_sequence = 1000 + sizeof(header);
        assert_frame(&outcome, BACK, expected);
        reply.tcp_acknowledged = 1100 + sizeof(header);
        outcome = put(BACK, way ? generally(reply) : reply);
        expected = at_client(reply);
        expected.tcp_acknowledged = 1100;
        assert_frame(&outcome, FRONT, expected);
    }
}

// Where the client is not known yet, what waits for it is of its version.
static void what_waits_for_a_neighbour_has_crossed(void **state)
{
    struct frame_spec request = request_of(IPPROTO_UDP, 80);
    request.source = "fd00:1::77";
    struct outcome outcome = put(FRONT, request);
    uint16_t port = load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
    outcome = put(BACK, reply_of(IPPROTO_UDP, port, 80));
    assert_int_equal(outcome.kind, OUTCOME_HELD);
    assert_int_equal(load_be16(outcome.frame.bytes + 12), 0x86dd);
    assert_int_equal(outcome.frame.size, FRAME_IP_AT + 100);
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(headers_are_of_the_receivers_version),
        RIG_TEST(a_burst_is_as_its_packets),
        RIG_TEST(clients_of_both_versions_share_a_member),
        RIG_TEST(a_udp_checksum_is_made_for_the_client),
        RIG_TEST(hops_are_counted_before),
        RIG_TEST(segments_are_told_to_fit_the_way_back),
        RIG_TEST(who_sends_too_much_is_told_what_fits_beyond),
        RIG_TEST(what_does_not_fit_the_client_goes_in_fragments),
        RIG_TEST(small_ways_to_members_are_passed_in_fragments),
        RIG_TEST(fragments_cross_in_any_order),
        RIG_TEST(fragments_that_cannot_cross_are_dropped_by_name),
        RIG_TEST(errors_reach_the_member),
        RIG_TEST(errors_reach_the_client),
        RIG_TEST(the_header_has_the_clients_true_address),
        RIG_TEST(what_waits_for_a_neighbour_has_crossed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
