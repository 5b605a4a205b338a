// FullNAT, packets in and packets out: both sides rewritten both ways, whose ports are whose, and
// what becomes of them. What is expected is built by the tests' own frames, checksums included.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN (WIRE_TCP_FIN | WIRE_TCP_ACK)

static const uint8_t router_mac[6] = {2, 0, 0, 0, 1, 4};

// Members are behind a router. `cores`, and what is local on the back port.
#define CONFIGURATION(cores, locals)                                                            \
    "node: {name: test, cores: " cores ", flows: {per-worker: 65536, tcp-opening: 10s,\n"       \
    "       tcp-established: 900s, tcp-closing: 30s, udp: 60s}}\n"                              \
    "ports:\n"                                                                                  \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64],\n"            \
    "     punt: {interface: p0}}\n"                                                             \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"             \
    "     gateway: [10.2.0.254, 'fd00:2::fe'], local-addresses: " locals "}\n"                  \
    "pools:\n"                                                                                  \
    "  - {name: p4, forward: fullnat, members: [{name: m, address: 192.0.2.11, port: 8080}]}\n" \
    "  - {name: p6, forward: fullnat,\n"                                                        \
    "     members: [{name: m, address: '2001:db8::11', port: 8080}]}\n"                         \
    "  - {name: n4, forward: nat, members: [{name: m, address: 192.0.2.11, port: 8080}]}\n"     \
    "vips:\n"                                                                                   \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"                  \
    "  - {name: u4, address: 10.1.0.100, port: 53, protocol: udp, pool: p4}\n"                  \
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p6}\n"               \
    "  - {name: u6, address: 'fd00:1::100', port: 53, protocol: udp, pool: p6}\n"               \
    "  - {name: nat, address: 10.1.0.101, port: 80, protocol: tcp, pool: n4}\n"

static const char one_worker[] = CONFIGURATION("[0]", "[10.2.0.200, 'fd00:2::200']");
static const char other_local[] = CONFIGURATION("[0]", "[10.2.0.201, 'fd00:2::200']");
static const char two_locals[] = CONFIGURATION("[0]", "[10.2.0.200, 10.2.0.201, 'fd00:2::200']");
static const char four_workers[] = CONFIGURATION("[0-3]", "[10.2.0.200, 'fd00:2::200']");

static void meet_neighbours(void)
{
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.11", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.254", router_mac);
    rig_neighbour(&rig, BACK, "fd00:2::fe", router_mac);
}

static int open_rig(void **state)
{
    rig_open(&rig, one_worker);
    meet_neighbours();
    return 0;
}

static void reopen(const char *yaml)
{
    rig_close(&rig);
    rig_open(&rig, yaml);
    meet_neighbours();
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

static struct outcome hand(uint16_t port, struct frame_spec spec)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &spec);
    rig_handed(&rig, HANDOFF_PROCESS, 0, port, &frame, &outcome);
    return outcome;
}

// A service, the member that serves it, and the local address that members of its version see.
struct way {
    const char *vip;
    uint16_t port;
    uint8_t protocol;
    const char *client, *member, *local;
};

static const struct way ways[] = {
    {"10.1.0.100", 80, IPPROTO_TCP, "10.1.0.10", "192.0.2.11", "10.2.0.200"},
    {"10.1.0.100", 53, IPPROTO_UDP, "10.1.0.10", "192.0.2.11", "10.2.0.200"},
    {"fd00:1::100", 80, IPPROTO_TCP, "fd00:1::10", "2001:db8::11", "fd00:2::200"},
    {"fd00:1::100", 53, IPPROTO_UDP, "fd00:1::10", "2001:db8::11", "fd00:2::200"},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct frame_spec request_of(const struct way *way, uint16_t client_port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = way->client,
        .destination = way->vip,
        .protocol = way->protocol,
        .source_port = client_port,
        .destination_port = way->port,
        .tcp_flags = flags,
        .payload_size = 33,
        .dont_fragment = true,
    };
}

static struct frame_spec reply_of(const struct way *way, uint16_t local_port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = router_mac,
        .source = way->member,
        .destination = way->local,
        .protocol = way->protocol,
        .source_port = 8080,
        .destination_port = local_port,
        .tcp_flags = flags,
        .payload_size = 17,
    };
}

// As the member must see a request, and the client a reply.
static struct frame_spec to_member(const struct way *way, struct frame_spec request,
                                   uint16_t local_port)
{
    request.destination_mac = router_mac;
    request.source_mac = back_mac;
    request.source = way->local;
    request.source_port = local_port;
    request.destination = way->member;
    request.destination_port = 8080;
    request.ttl = 63;
    return request;
}

static struct frame_spec to_client(const struct way *way, struct frame_spec reply,
                                   uint16_t client_port)
{
    reply.destination_mac = client_mac;
    reply.source_mac = front_mac;
    reply.source = way->vip;
    reply.source_port = way->port;
    reply.destination = way->client;
    reply.destination_port = client_port;
    reply.ttl = 63;
    return reply;
}

static bool is_v6(const char *address)
{
    return strchr(address, ':');
}

static uint16_t source_port_of(const struct outcome *outcome)
{
    bool v6 = outcome->frame.bytes[12] == 0x86;
    return load_be16(outcome->frame.bytes + (v6 ? FRAME_IPV6_L4 : FRAME_IPV4_L4));
}

// Begins a flow, and returns its local port.
static uint16_t begin(const struct way *way, uint16_t client_port)
{
    struct outcome outcome = put(FRONT, request_of(way, client_port, SYN));
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    return source_port_of(&outcome);
}

// With options that say nothing: such a packet walks the general stages.
static struct frame_spec generally(struct frame_spec spec)
{
    if (!is_v6(spec.destination)) {
        spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        return spec;
    }
    spec.extensions[0] = IPPROTO_DSTOPTS;
    spec.extension_count = 1;
    return spec;
}

static void both_sides_are_rewritten_both_ways(void **state)
{
    for (size_t i = 0; i < 4 * WAYS; i++) {
        const struct way *way = &ways[i / 4];
        bool begun_generally = i & 1, goes_on_generally = i & 2;
        uint16_t client_port = (uint16_t)(40000 + i);
        struct frame_spec request = request_of(way, client_port, SYN);
        request = begun_generally ? generally(request) : request;
        struct outcome outcome = put(FRONT, request);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        uint16_t port = is_v6(way->vip) && begun_generally
                            ? load_be16(outcome.frame.bytes + FRAME_IPV6_L4 + 8)
                            : load_be16(outcome.frame.bytes +
                                        (is_v6(way->vip) ? FRAME_IPV6_L4 : FRAME_IPV4_L4) +
                                        (begun_generally ? 4 : 0));
        assert_true(port >= LOCAL_PORTS_FIRST);
        assert_frame(&outcome, BACK, to_member(way, request, port));

        struct frame_spec reply = reply_of(way, port, SYN | ACK);
        reply = goes_on_generally ? generally(reply) : reply;
        outcome = put(BACK, reply);
        assert_frame(&outcome, FRONT, to_client(way, reply, client_port));
        reply.tcp_flags = ACK; // by the way that the first one found
        outcome = put(BACK, reply);
        assert_frame(&outcome, FRONT, to_client(way, reply, client_port));

        request = request_of(way, client_port, ACK);
        request = goes_on_generally ? generally(request) : request;
        outcome = put(FRONT, request);
        assert_frame(&outcome, BACK, to_member(way, request, port));
    }
}

static void a_udp_checksum_that_is_none_stays_so(void **state)
{
    struct frame_spec request = request_of(&ways[1], 40000, 0);
    request.udp_without_checksum = true;
    struct outcome outcome = put(FRONT, request);
    uint16_t port = source_port_of(&outcome);
    assert_frame(&outcome, BACK, to_member(&ways[1], request, port));
    struct frame_spec reply = reply_of(&ways[1], port, 0);
    reply.udp_without_checksum = true;
    outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, to_client(&ways[1], reply, 40000));
}

// A checksum that was wrong on arrival is wrong at the receiver's, too.
static void a_wrong_checksum_stays_wrong(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    struct frame_spec request = request_of(&ways[0], 40000, SYN);
    frame_build(&frame, &request);
    frame.bytes[frame.size - 1] ^= 1;
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_false(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

// Of each flow a SYN and a segment behind it, some of both by the general way.
static void a_burst_is_as_its_packets(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        struct frame_spec spec =
            request_of(&ways[i / 2 % WAYS], (uint16_t)(5000 + i / 8), i % 2 ? ACK : SYN);
        spec = i % 3 == 0 ? generally(spec) : spec;
        frame_build(&frames[i], &spec);
    }
    rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
    assert_int_equal(sent.count, STAGE_BURST);
    // One at a time now, they go on from the same ports; what was plain in the burst left alike.
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        const struct way *way = &ways[i / 2 % WAYS];
        uint16_t client_port = (uint16_t)(5000 + i / 8);
        struct outcome outcome = put(FRONT, request_of(way, client_port, ACK));
        uint16_t port = source_port_of(&outcome);
        assert_frame(&outcome, BACK, to_member(way, request_of(way, client_port, ACK), port));
        if (i % 3 != 0) {
            outcome.frame = sent.packets[i].frame;
            outcome.port = sent.packets[i].port;
            assert_frame(&outcome, BACK,
                         to_member(way, request_of(way, client_port, i % 2 ? ACK : SYN), port));
        }
        outcome = put(BACK, reply_of(way, port, ACK));
        assert_frame(&outcome, FRONT, to_client(way, reply_of(way, port, ACK), client_port));
    }
    assert_int_equal(rig.stage.counters.vips[1].flows_created, 4);
}

static void a_local_address_is_answered_for(void **state)
{
    struct outcome outcome = put(BACK, (struct frame_spec){.destination_mac = broadcast_mac,
                                                           .source_mac = router_mac,
                                                           .source = "10.2.0.254",
                                                           .destination = "10.2.0.200",
                                                           .arp_operation = 1});
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_memory_equal(outcome.frame.bytes + FRAME_IP_AT + 8, back_mac, 6);
    outcome = put(BACK, (struct frame_spec){.destination_mac = back_mac,
                                            .source_mac = router_mac,
                                            .source = "fd00:2::fe",
                                            .destination = "fd00:2::200",
                                            .protocol = IPPROTO_ICMPV6,
                                            .icmp_type = 135,
                                            .nd_target = "fd00:2::200"});
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.frame.bytes[FRAME_IPV6_L4], 136);
    // Only where it is.
    outcome = put(FRONT, (struct frame_spec){.destination_mac = broadcast_mac,
                                             .source_mac = client_mac,
                                             .source = "10.1.0.10",
                                             .destination = "10.2.0.200",
                                             .arp_operation = 1});
    assert_int_equal(outcome.kind, OUTCOME_PUNTED);
    outcome = put(BACK, (struct frame_spec){.destination_mac = back_mac,
                                            .source_mac = router_mac,
                                            .source = "192.0.2.77",
                                            .destination = "10.2.0.200",
                                            .protocol = IPPROTO_ICMP,
                                            .icmp_type = 8});
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.frame.bytes[FRAME_IPV4_L4], 0);
}

static void strays_are_dropped_by_name(void **state)
{
    // A member's segment of no flow; somebody else's; what has no ports.
    assert_dropped(put(BACK, reply_of(&ways[0], 2000, ACK)), DROP_NO_FLOW);
    assert_dropped(put(BACK, reply_of(&ways[3], 2000, ACK)), DROP_NO_FLOW);
    struct frame_spec stranger = reply_of(&ways[0], 2000, SYN);
    stranger.source = "192.0.2.66";
    assert_dropped(put(BACK, stranger), DROP_NO_SERVICE);
    assert_dropped(put(BACK, (struct frame_spec){.destination_mac = back_mac,
                                                 .source_mac = router_mac,
                                                 .source = "192.0.2.11",
                                                 .destination = "10.2.0.200",
                                                 .protocol = IPPROTO_ICMP,
                                                 .icmp_type = 0}),
                   DROP_ICMP);
    // A segment in the middle of a connection begins no flow of its own if it ends it.
    assert_dropped(put(FRONT, request_of(&ways[0], 41000, FIN)), DROP_NO_FLOW);
    assert_int_equal(rig.stage.counters.local_ports[1], 0);
}

static void ports_are_one_flows_alone_until_it_ends(void **state)
{
    uint16_t first = begin(&ways[0], 40000), second = begin(&ways[0], 40001);
    assert_int_not_equal(first, second);
    assert_int_equal(rig.stage.counters.local_ports[1], 2);
    // Both close, and the client begins anew with its port: that is another flow, from another.
    put(BACK, reply_of(&ways[0], first, SYN | ACK));
    put(FRONT, request_of(&ways[0], 40000, FIN));
    put(BACK, reply_of(&ways[0], first, FIN));
    uint16_t third = begin(&ways[0], 40000);
    assert_true(third != first && third != second);
    assert_int_equal(rig.stage.counters.local_ports[1], 2);
    // Time does it, too.
    rig_at(&rig, 3600 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    assert_int_equal(rig.stage.counters.local_ports[1], 0);
}

// A burst begins each of its flows once, however many packets of it ask: each other port that was
// borrowed for one of them is free again.
static void a_burst_keeps_a_port_for_each_flow(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        struct frame_spec spec = request_of(&ways[0], (uint16_t)(5000 + i % 5), SYN);
        spec = i == 1 ? generally(spec) : spec;
        frame_build(&frames[i], &spec);
    }
    rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
    assert_int_equal(sent.count, STAGE_BURST);
    assert_int_equal(rig.stage.counters.vips[1].flows_created, 5);
    assert_int_equal(rig.stage.counters.local_ports[1], 5);
    struct local_ports *ports = rig.tables->locals[1].ports;
    uint32_t left = 0, number;
    for (uint16_t bank = 0; bank < LOCAL_BANKS; bank++) {
        while (local_ports_take(ports, 0, bank, &number))
            left++;
    }
    assert_int_equal(left, LOCAL_BANKS * local_ports_of_worker(ports, 0) - 5);
}

// What a burst finds no port for is refused as one packet is, and counted once.
static void a_burst_gets_the_last_ports(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    struct local_ports *ports = rig.tables->locals[1].ports;
    uint32_t all = local_ports_of_worker(ports, 0), number;
    for (uint16_t bank = 0; bank < LOCAL_BANKS; bank++) {
        for (uint32_t i = 3; i < all; i++)
            assert_true(local_ports_take(ports, 0, bank, &number));
    }
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        struct frame_spec spec = request_of(&ways[1], (uint16_t)(5000 + i), SYN);
        frame_build(&frames[i], &spec);
    }
    rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
    assert_int_equal(sent.count, 3);
    assert_int_equal(rig_drops(&rig, DROP_LOCAL_PORTS_FULL), STAGE_BURST - 3);
    assert_int_equal(rig.stage.counters.local_ports[1], 3);
    assert_int_equal(rig.stage.counters.local_refusals[1], STAGE_BURST - 3);
}

static void nat_and_fullnat_share_a_member(void **state)
{
    uint16_t port = begin(&ways[0], 40000);
    struct way nat = ways[0];
    nat.vip = "10.1.0.101";
    nat.local = nat.client;
    struct outcome outcome = put(FRONT, request_of(&nat, 40000, SYN));
    assert_frame(&outcome, BACK, to_member(&nat, request_of(&nat, 40000, SYN), 40000));
    outcome = put(BACK, reply_of(&nat, 40000, ACK));
    assert_frame(&outcome, FRONT, to_client(&nat, reply_of(&nat, 40000, ACK), 40000));
    outcome = put(BACK, reply_of(&ways[0], port, ACK));
    assert_frame(&outcome, FRONT, to_client(&ways[0], reply_of(&ways[0], port, ACK), 40000));
}

static void replies_are_handed_to_whom_their_port_belongs(void **state)
{
    reopen(four_workers);
    uint32_t mine = 0;
    for (uint16_t client_port = 1000; client_port < 1064; client_port++) {
        struct outcome outcome = put(FRONT, request_of(&ways[0], client_port, SYN));
        if (outcome.kind == OUTCOME_HANDED)
            continue;
        mine++;
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal((source_port_of(&outcome) - LOCAL_PORTS_FIRST) % 4, 0);
    }
    assert_in_range(mine, 4, 40);
    for (uint16_t port = 2048; port < 2064; port++) {
        struct outcome outcome = put(BACK, reply_of(&ways[0], port, ACK));
        if (port % 4 == 0) {
            assert_dropped(outcome, DROP_NO_FLOW);
            continue;
        }
        assert_int_equal(outcome.kind, OUTCOME_HANDED);
        assert_int_equal(outcome.worker, port % 4);
        outcome = put(BACK, reply_of(&ways[2], port, ACK));
        assert_int_equal(outcome.worker, port % 4);
    }
    // Whoever was handed one does not hand it on.
    assert_dropped(hand(BACK, reply_of(&ways[0], 2049, ACK)), DROP_NO_FLOW);
}

static void running_out_of_ports_is_told_and_ends(void **state)
{
    reopen(four_workers);
    uint32_t all = local_ports_of_worker(rig.tables->locals[1].ports, 0);
    for (uint32_t i = 0; i < all; i++) {
        // Both sides speak and the client goes on, so that the port is not given to another.
        struct frame_spec request = request_of(&ways[1], (uint16_t)(1024 + i), SYN);
        struct outcome outcome = hand(FRONT, request);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        struct frame_spec reply = reply_of(&ways[1], source_port_of(&outcome), ACK);
        assert_int_equal(hand(BACK, reply).kind, OUTCOME_SENT);
        assert_int_equal(hand(FRONT, request).kind, OUTCOME_SENT);
    }
    struct frame_spec more = request_of(&ways[1], 40000, SYN);
    assert_dropped(hand(FRONT, more), DROP_LOCAL_PORTS_FULL);
    assert_int_equal(rig.stage.counters.local_ports[1], all);
    assert_int_equal(rig.stage.counters.local_refusals[1], 1);
    // Another endpoint of the member is not concerned.
    assert_int_equal(hand(FRONT, request_of(&ways[0], 40000, SYN)).kind, OUTCOME_SENT);
    // Flows whose time has passed make room, although nobody swept.
    rig_at(&rig, 61000);
    assert_int_equal(hand(FRONT, more).kind, OUTCOME_SENT);
}

static void more_addresses_are_used_alike(void **state)
{
    reopen(two_locals);
    uint32_t second = 0;
    for (uint16_t client_port = 1000; client_port < 1100; client_port++) {
        struct outcome outcome = put(FRONT, request_of(&ways[0], client_port, SYN));
        second += outcome.frame.bytes[FRAME_IP_AT + 15] == 201;
    }
    assert_in_range(second, 25, 75);
    assert_int_equal(rig.stage.counters.local_ports[1] + rig.stage.counters.local_ports[2], 100);
}

static void flows_outlive_their_local_address(void **state)
{
    uint16_t port = begin(&ways[0], 40000);
    rig_reload(&rig, other_local);
    struct frame_spec request = request_of(&ways[0], 40000, ACK), reply;
    struct outcome outcome = put(FRONT, request);
    assert_frame(&outcome, BACK, to_member(&ways[0], request, port));
    reply = reply_of(&ways[0], port, ACK);
    outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, to_client(&ways[0], reply, 40000));
    // New ones are from the new one, and the old one is still answered for.
    struct way other = ways[0];
    other.local = "10.2.0.201";
    outcome = put(FRONT, request_of(&other, 40001, SYN));
    assert_frame(&outcome, BACK,
                 to_member(&other, request_of(&other, 40001, SYN), source_port_of(&outcome)));
    struct frame_spec question = {.destination_mac = broadcast_mac,
                                  .source_mac = router_mac,
                                  .source = "10.2.0.254",
                                  .destination = "10.2.0.200",
                                  .arp_operation = 1};
    rig_reload(&rig, other_local);
    assert_int_equal(put(BACK, question).kind, OUTCOME_SENT);
    // It leaves with its last flow, and its slot is free for another one.
    rig_at(&rig, 3600 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    rig_reload(&rig, other_local);
    assert_int_not_equal(put(BACK, question).kind, OUTCOME_SENT);
    assert_false(rig.tables->locals[1].used);
    rig_reload(&rig, two_locals);
    assert_true(rig.tables->locals[1].used);
    begin(&ways[0], 40002);
}

// What is in use stays in use over reloads that say the same.
static void ports_in_use_outlive_a_reload(void **state)
{
    uint16_t first = begin(&ways[0], 40000);
    rig_reload(&rig, one_worker);
    rig_reload(&rig, two_locals);
    rig_reload(&rig, one_worker);
    rig_reload(&rig, one_worker);
    assert_int_not_equal(begin(&ways[0], 40001), first);
    assert_int_equal(rig.stage.counters.local_ports[1], 2);
}

// An error of a router about a packet as it left.
static struct outcome put_error(uint16_t port, const char *router, struct frame_spec about)
{
    static struct frame quoted;
    bool v6 = is_v6(router);
    frame_build(&quoted, &about);
    return put(port, (struct frame_spec){
                         .destination_mac = port == FRONT ? front_mac : back_mac,
                         .source_mac = port == FRONT ? client_mac : router_mac,
                         .source = router,
                         .destination = about.source,
                         .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                         .icmp_type = v6 ? 2 : 3,
                         .icmp_code = v6 ? 0 : 4,
                         .icmp_rest = 1400,
                         .payload = quoted.bytes + FRAME_IP_AT,
                         .payload_size = (uint16_t)(quoted.size - FRAME_IP_AT),
                     });
}

static void assert_error(const struct outcome *outcome, uint32_t port, const char *source,
                         struct frame_spec about)
{
    static struct frame quoted;
    bool v6 = is_v6(source);
    frame_build(&quoted, &about);
    assert_frame(outcome, port,
                 (struct frame_spec){
                     .destination_mac = port == FRONT ? client_mac : router_mac,
                     .source_mac = port == FRONT ? front_mac : back_mac,
                     .source = source,
                     .destination = about.source,
                     .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                     .icmp_type = v6 ? 2 : 3,
                     .icmp_code = v6 ? 0 : 4,
                     .icmp_rest = 1400,
                     .payload = quoted.bytes + FRAME_IP_AT,
                     .payload_size = (uint16_t)(quoted.size - FRAME_IP_AT),
                     .ttl = 63,
                 });
}

static void icmp_errors_are_translated_on_both_sides(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &ways[i];
        uint16_t port = begin(way, 40000);
        // About a request, from the members' side: the client sees its own packet quoted.
        struct frame_spec request = request_of(way, 40000, ACK);
        struct outcome outcome = put_error(BACK, is_v6(way->vip) ? "2001:db8::1" : "192.0.2.1",
                                           to_member(way, request, port));
        request.ttl = 63; // the quoted one had a hop less, and that is not undone
        assert_error(&outcome, FRONT, way->vip, request);
        // About a reply, from the clients' side: the member sees its own.
        struct frame_spec reply = reply_of(way, port, ACK);
        outcome = put_error(FRONT, is_v6(way->vip) ? "fd00:1::77" : "10.1.0.77",
                            to_client(way, reply, 40000));
        reply.ttl = 63;
        // It comes from the local address: the member's network may know no router beyond it.
        assert_error(&outcome, BACK, way->local, (reply.destination = way->local, reply));
    }
}

#define PIECE 512u

// A datagram in three fragments, in an order; what is sent is put together again.
static void put_fragments(uint16_t port, struct frame_spec spec, const uint32_t *order,
                          struct frame *whole)
{
    static struct frame datagram, piece;
    static struct outcome outcomes[3];
    static uint32_t id;
    frame_build(&datagram, &spec);
    id++;
    const struct frame *sent[3];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t at = order[i] * PIECE, all = 8u + spec.payload_size;
        frame_fragment(&piece, &datagram, id, at, order[i] == 2 ? all - at : PIECE);
        // A later one may wait for the first, which takes it along: bursts gather both.
        static struct sent out;
        rig_burst(&rig, port, &piece, 1, &out);
        for (uint32_t p = 0; p < out.count; p++) {
            outcomes[count].frame = out.packets[p].frame;
            sent[count] = &outcomes[count].frame;
            count++;
        }
    }
    assert_int_equal(count, 3);
    assert_true(frame_put_together(sent, 3, 0, whole));
}

static void fragments_follow_their_first(void **state)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};
    static struct frame whole, expected;
    for (size_t i = 0; i < 6; i++) {
        const struct way *way = &ways[i < 3 ? 1 : 3];
        uint16_t client_port = (uint16_t)(40000 + i);
        uint16_t port = begin(way, client_port);
        struct frame_spec request = request_of(way, client_port, 0);
        request.payload_size = 2 * PIECE + 100;
        request.dont_fragment = false;
        put_fragments(FRONT, request, orders[i % 3], &whole);
        struct frame_spec seen = to_member(way, request, port);
        frame_build(&expected, &seen);
        assert_int_equal(whole.size, expected.size);
        assert_memory_equal(whole.bytes, expected.bytes, expected.size);

        struct frame_spec reply = reply_of(way, port, 0);
        reply.payload_size = 2 * PIECE + 100;
        put_fragments(BACK, reply, orders[i % 3], &whole);
        seen = to_client(way, reply, client_port);
        frame_build(&expected, &seen);
        assert_int_equal(whole.size, expected.size);
        assert_memory_equal(whole.bytes, expected.bytes, expected.size);
    }
}

static void hops_and_sizes_end_where_they_must(void **state)
{
    struct frame_spec request = request_of(&ways[0], 40000, SYN);
    request.ttl = 1;
    assert_dropped(put(FRONT, request), DROP_TTL);
    uint16_t port = begin(&ways[0], 40001);
    request = request_of(&ways[0], 40001, ACK);
    request.dont_fragment = true;
    request.payload_size = 1500;
    struct outcome outcome = put(FRONT, request);
    assert_dropped(outcome, DROP_MTU);
    assert_true(outcome.answered);
    struct frame_spec reply = reply_of(&ways[0], port, ACK);
    reply.ttl = 1;
    assert_dropped(put(BACK, reply), DROP_TTL);
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(both_sides_are_rewritten_both_ways),
        RIG_TEST(a_udp_checksum_that_is_none_stays_so),
        RIG_TEST(a_wrong_checksum_stays_wrong),
        RIG_TEST(a_burst_is_as_its_packets),
        RIG_TEST(a_local_address_is_answered_for),
        RIG_TEST(strays_are_dropped_by_name),
        RIG_TEST(ports_are_one_flows_alone_until_it_ends),
        RIG_TEST(a_burst_keeps_a_port_for_each_flow),
        RIG_TEST(a_burst_gets_the_last_ports),
        RIG_TEST(nat_and_fullnat_share_a_member),
        RIG_TEST(replies_are_handed_to_whom_their_port_belongs),
        RIG_TEST(running_out_of_ports_is_told_and_ends),
        RIG_TEST(more_addresses_are_used_alike),
        RIG_TEST(flows_outlive_their_local_address),
        RIG_TEST(ports_in_use_outlive_a_reload),
        RIG_TEST(icmp_errors_are_translated_on_both_sides),
        RIG_TEST(fragments_follow_their_first),
        RIG_TEST(hops_and_sizes_end_where_they_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
