// Packet in, tunnelled packet out: each tunnel, in and around either IP version.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/tunnel_configurations.h"
#include "tests/test.h"

#define MTU 1500

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define VIPS(kind, host)                                                                          \
    TUNNEL_VIPS(kind, host)                                                                       \
    "  - {name: " kind "u, address: 10.1.0.1" host "4, port: 53, protocol: udp, pool: " kind "4}" \
    "\n"

static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, mtu: 1500, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"
    "  - {name: back, device: net_null1, mtu: 1500, addresses: [10.9.0.1/24, fe80::1/64,\n"
    "     fd00:9::1/64, 10.2.0.1/24, fd00:2::1/64]}\n"
    "pools:\n" TUNNEL_POOL("ipip") TUNNEL_POOL("gre") TUNNEL_POOL("gue") "vips:\n" VIPS("ipip", "1")
        VIPS("gre", "2") VIPS("gue", "3");

// What carries what in what.
static const struct way {
    const char *vip;
    bool outer_v4;
    uint8_t protocol;   // in the outer header
    uint8_t shim[4];    // right before the inner packet
    uint32_t shim_size; // without GUE's UDP header
} ways[] = {
    {"10.1.0.114", true, 4, {0}, 0},
    {"10.1.0.116", false, 4, {0}, 0},
    {"fd00:1::114", true, 41, {0}, 0},
    {"fd00:1::116", false, 41, {0}, 0},
    {"10.1.0.124", true, IPPROTO_GRE, {0, 0, 8, 0}, 4},
    {"10.1.0.126", false, IPPROTO_GRE, {0, 0, 8, 0}, 4},
    {"fd00:1::124", true, IPPROTO_GRE, {0, 0, 0x86, 0xdd}, 4},
    {"fd00:1::126", false, IPPROTO_GRE, {0, 0, 0x86, 0xdd}, 4},
    {"10.1.0.134", true, IPPROTO_UDP, {0, 4}, 4},
    {"10.1.0.136", false, IPPROTO_UDP, {0, 4}, 4},
    {"fd00:1::134", true, IPPROTO_UDP, {0, 41}, 4},
    {"fd00:1::136", false, IPPROTO_UDP, {0, 41}, 4},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, BACK, "10.2.0.31", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::31", member_mac);
    return 0;
}

static struct frame_spec to(const char *vip, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = strchr(vip, ':') ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = 80,
        .tcp_flags = flags,
        .payload_size = 32,
    };
}

static struct outcome put(struct frame_spec spec)
{
    return rig_put(&rig, FRONT, spec);
}

static uint32_t overhead(const struct way *way)
{
    return (way->outer_v4 ? 20 : 40) + way->shim_size + (way->protocol == IPPROTO_UDP ? 8 : 0);
}

// The frame that must come out for `spec`, of which only GUE's source port is taken from ours.
static void build_expected(const struct way *way, const struct frame_spec *spec,
                           const struct frame *ours, struct frame *expected)
{
    static struct frame inner;
    static uint8_t payload[FRAME_SIZE_MAX];
    frame_build(&inner, spec);
    frame_hop(inner.bytes + FRAME_IP_AT);
    memcpy(payload, way->shim, way->shim_size);
    memcpy(payload + way->shim_size, inner.bytes + FRAME_IP_AT, inner.size - FRAME_IP_AT);
    size_t udp = way->outer_v4 ? FRAME_IPV4_L4 : FRAME_IPV6_L4;
    struct frame_spec outer = {
        .destination_mac = member_mac,
        .source_mac = back_mac,
        .source = way->outer_v4 ? "10.2.0.1" : "fd00:2::1",
        .destination = way->outer_v4 ? "10.2.0.31" : "fd00:2::31",
        .protocol = way->protocol,
        .dont_fragment = true,
        .source_port = load_be16(ours->bytes + udp),
        .destination_port = 6080,
        .udp_without_checksum = way->outer_v4,
        .traffic_class = spec->traffic_class,
        .payload = payload,
        .payload_size = (uint16_t)(way->shim_size + inner.size - FRAME_IP_AT),
    };
    frame_build(expected, &outer);
}

static void assert_wrapped(const struct way *way, struct frame_spec spec)
{
    static struct frame expected;
    struct outcome outcome = put(spec);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, BACK);
    build_expected(way, &spec, &outcome.frame, &expected);
    assert_int_equal(outcome.frame.size, expected.size);
    assert_memory_equal(outcome.frame.bytes, expected.bytes, expected.size);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

// The first packet of a flow, further ones, and one that walks the stages: byte for byte what was
// to be built.
static void every_way_wraps_as_its_format_says(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct frame_spec spec = to(ways[i].vip, SYN);
        assert_wrapped(&ways[i], spec);
        spec.tcp_flags = ACK;
        spec.traffic_class = 0xb9; // expedited forwarding, ECT(1)
        assert_wrapped(&ways[i], spec);
        spec.ttl = 2; // a tunnel is one link
        assert_wrapped(&ways[i], spec);
        if (ways[i].shim[1] == 41 || strchr(ways[i].vip, ':'))
            spec.extensions[spec.extension_count++] = IPPROTO_DSTOPTS;
        else
            spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        if (ways[i].protocol != IPPROTO_UDP || ways[i].outer_v4)
            assert_wrapped(&ways[i], spec);
    }
}

static void udp_is_carried_too(void **state)
{
    static const size_t rows[] = {0, 4, 8};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec spec = to(ways[rows[i]].vip, 0);
        spec.protocol = IPPROTO_UDP;
        spec.destination_port = 53;
        assert_wrapped(&ways[rows[i]], spec);
        assert_wrapped(&ways[rows[i]], spec);
    }
}

// Of known flows and of new ones, the largest packet that fits passes, and one byte more does not.
static void the_largest_packet_fills_the_mtu(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct frame_spec spec = to(ways[i].vip, ACK);
        spec.dont_fragment = true;
        uint32_t headers = (strchr(ways[i].vip, ':') ? 40 : 20) + WIRE_TCP_SIZE;
        spec.payload_size = (uint16_t)(MTU - overhead(&ways[i]) - headers + 1);
        for (int round = 0; round < 2; round++) {
            struct outcome outcome = put(spec);
            assert_int_equal(outcome.kind, OUTCOME_DROPPED);
            assert_string_equal(drop_name(outcome.reason), "mtu");
            spec.payload_size--;
            assert_wrapped(&ways[i], spec);
            spec.payload_size++;
        }
    }
}

// A buffer whose front is taken, as jumbo frames of some devices come: `spare` bytes are left.
static bool passes_with_headroom(struct frame_spec spec, uint16_t spare)
{
    struct frame frame;
    frame_build(&frame, &spec);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig.pool);
    assert_non_null(mbuf);
    mbuf->data_off = spare;
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame.size), frame.bytes, frame.size);
    uint64_t before = rig_drops(&rig, DROP_HEADROOM);
    stage_receive(&rig.stage, FRONT, &mbuf, 1);
    struct outbox *box = &rig.stage.outboxes[BACK];
    bool passed = box->count == 1;
    assert_int_equal(rig_drops(&rig, DROP_HEADROOM) - before, passed ? 0 : 1);
    if (passed)
        rte_pktmbuf_free(box->packets[0]);
    box->count = 0;
    return passed;
}

static void a_buffer_without_room_is_dropped_by_name(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        struct frame_spec spec = to(ways[i].vip, ACK);
        assert_true(passes_with_headroom(spec, 64));
        assert_true(passes_with_headroom(spec, WIRE_TUNNEL_ROOM - WIRE_ETHERNET_SIZE));
        assert_false(passes_with_headroom(spec, WIRE_TUNNEL_ROOM - WIRE_ETHERNET_SIZE - 1));
        assert_false(passes_with_headroom(spec, 0));
    }
}

// Members' own queues see one port a flow, and many of many.
static void gue_spreads_flows_over_source_ports(void **state)
{
    bool seen[1 << 14] = {false};
    uint32_t distinct = 0;
    for (uint32_t flow = 0; flow < 256; flow++) {
        struct frame_spec spec = to("10.1.0.134", ACK);
        spec.source_port = (uint16_t)(20000 + flow);
        uint16_t port = load_be16(put(spec).frame.bytes + FRAME_IPV4_L4);
        assert_true(port >= 0xc000);
        assert_int_equal(load_be16(put(spec).frame.bytes + FRAME_IPV4_L4), port);
        distinct += !seen[port & 0x3fff];
        seen[port & 0x3fff] = true;
    }
    assert_true(distinct > 240);
}

// What of a SYN's options comes out.
static struct span options_of(const struct outcome *outcome, const struct way *way)
{
    uint32_t ip = strchr(way->vip, ':') ? 40 : 20;
    return span_of(outcome->frame.bytes + 14 + overhead(way) + ip + WIRE_TCP_SIZE, 8);
}

// The MSS of SYNs becomes what fits the tunnel; where it is lower, or they have none, nothing
// changes.
static void syns_tell_what_fits(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        uint32_t headers = (strchr(ways[i].vip, ':') ? 40 : 20) + WIRE_TCP_SIZE;
        uint16_t fits = (uint16_t)(MTU - overhead(&ways[i]) - headers);
        uint8_t at_odd[8] = {1, 2, 4, 0, 0, 1, 1, 1};
        uint8_t at_even[8] = {2, 4, 0, 0, 1, 3, 3, 7};
        uint64_t before = *rig.stage.counters.mss_clamped;
        for (int odd = 0; odd < 2; odd++) {
            uint8_t *options = odd ? at_odd : at_even;
            size_t at = odd ? 3 : 2;
            struct frame_spec spec = to(ways[i].vip, SYN);
            spec.source_port = (uint16_t)(50000 + odd);
            spec.payload_size = 0;
            spec.tcp_options = span_of(options, 8);
            static const int changes[] = {1, 0, -1};
            for (int c = 0; c < 3; c++) { // a new flow, then a SYN that comes again
                store_be16(options + at, (uint16_t)(fits + changes[c]));
                struct outcome outcome = put(spec);
                assert_int_equal(outcome.kind, OUTCOME_SENT);
                assert_int_equal(load_be16(options_of(&outcome, &ways[i]).data + at),
                                 c == 2 ? fits - 1 : fits);
                // As if the client had told it: checksums too.
                store_be16(options + at, c == 2 ? (uint16_t)(fits - 1) : fits);
                static struct frame expected;
                build_expected(&ways[i], &spec, &outcome.frame, &expected);
                assert_memory_equal(outcome.frame.bytes, expected.bytes, expected.size);
            }
            store_be16(options + at, 9000); // on the short path, of a known flow
            struct outcome again = put(spec);
            assert_int_equal(load_be16(options_of(&again, &ways[i]).data + at), fits);
        }
        assert_int_equal(*rig.stage.counters.mss_clamped - before, 4);
    }
}

static void options_that_cannot_be_read_stay_as_they_are(void **state)
{
    static const uint8_t rows[][8] = {
        {2, 4, 0xff},          // fine: the others' yardstick
        {2, 5, 0xff, 0xff, 0}, // a length that MSS has not
        {3, 0, 2, 4, 0xff},    // a length of nothing
        {3, 1, 2, 4, 0xff},
        {8, 10, 0, 0, 2, 4, 0xff, 0xff}, // beyond the header
        {1, 1, 1, 1, 1, 1, 1, 2},        // cut short
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec spec = to("10.1.0.114", SYN);
        spec.source_port = (uint16_t)(51000 + i);
        spec.tcp_options = span_of(rows[i], 8);
        uint64_t malformed = *rig.stage.counters.mss_malformed;
        uint64_t clamped = *rig.stage.counters.mss_clamped;
        if (i > 0)
            assert_wrapped(&ways[0], spec);
        else
            assert_int_equal(put(spec).kind, OUTCOME_SENT);
        assert_int_equal(*rig.stage.counters.mss_malformed - malformed, i > 0);
        assert_int_equal(*rig.stage.counters.mss_clamped - clamped, i == 0);
    }
}

// A wrong checksum stays wrong.
static void a_clamped_syn_is_not_repaired(void **state)
{
    struct frame_spec spec = to("10.1.0.114", SYN);
    spec.tcp_options = span_of((const uint8_t[4]){2, 4, 0xff, 0xff}, 4);
    struct frame frame;
    frame_build(&frame, &spec);
    frame.bytes[frame.size - 1] ^= 0x55;
    static struct outcome outcome;
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_int_equal(*rig.stage.counters.mss_clamped, 1);
    // Taken out of the tunnel again.
    memmove(outcome.frame.bytes + 14, outcome.frame.bytes + 34, outcome.frame.size - 34);
    assert_false(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size - 20));
    outcome.frame.bytes[outcome.frame.size - 21] ^= 0x55;
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size - 20));
}

// Upstream routers discard what comes from an address that is nobody's (RFC 3704).
static void a_removed_members_tunnel_begins_at_an_address_that_is_ours(void **state)
{
    static const char moved[] =
        "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
        "ports:\n"
        "  - {name: front, device: net_null0, mtu: 1500, addresses: [10.1.0.1/24]}\n"
        "  - {name: back, device: net_null1, mtu: 1500, addresses: [10.2.0.2/24]}\n"
        "pools: [{name: ipip4, forward: ipip, members: [{name: m5, address: 10.2.0.32}]}]\n"
        "vips: [{name: ipip44, address: 10.1.0.114, port: 80, protocol: tcp, pool: ipip4}]\n";
    static const char *const sources[] = {"10.2.0.1", "10.2.0.2"};
    for (size_t i = 0; i < 2; i++) {
        struct outcome outcome = put(to("10.1.0.114", i ? ACK : SYN));
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        struct ip_address expected, source = ip_from_v4(outcome.frame.bytes + FRAME_IP_AT + 12);
        assert_int_equal(ip_parse(sources[i], &expected), ERROR_NONE);
        assert_true(ip_equal(&source, &expected));
        rig_reload(&rig, moved);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(every_way_wraps_as_its_format_says),
        CASE(udp_is_carried_too),
        CASE(the_largest_packet_fills_the_mtu),
        CASE(a_buffer_without_room_is_dropped_by_name),
        CASE(gue_spreads_flows_over_source_ports),
        CASE(syns_tell_what_fits),
        CASE(options_that_cannot_be_read_stay_as_they_are),
        CASE(a_clamped_syn_is_not_repaired),
        CASE(a_removed_members_tunnel_begins_at_an_address_that_is_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
