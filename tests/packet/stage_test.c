// Packet in, packet out: what the stages make of each kind of packet, as tables.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/stage_configurations.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN (WIRE_TCP_FIN | WIRE_TCP_ACK)
#define RST WIRE_TCP_RST

static const uint8_t other_mac[6] = {2, 0, 0, 0, 1, 3};

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    static const char *const front[] = {"10.1.0.10", "10.1.0.254", "fd00:1::10"};
    static const char *const back[] = {"10.2.0.11", "fd00:2::11", "10.2.0.31", "fd00:2::31",
                                       "10.2.0.12"};
    for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++)
        rig_neighbour(&rig, FRONT, front[i], client_mac);
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++)
        rig_neighbour(&rig, BACK, back[i], member_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.21", member_mac);
    return 0;
}

// A packet of the client to a vip, as a spec to vary.
static struct frame_spec from_client(const char *vip, uint16_t port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = strchr(vip, ':') ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = port,
        .tcp_flags = flags,
        .payload_size = 32,
    };
}

static struct frame_spec from_member(const char *member, uint16_t client_port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = member,
        .destination = strchr(member, ':') ? "fd00:1::10" : "10.1.0.10",
        .source_port = 8080,
        .destination_port = client_port,
        .tcp_flags = flags,
        .payload_size = 32,
    };
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

// The client's packet as a NAT member must see it, and the member's as the client must.
static struct frame_spec translated(struct frame_spec spec, const char *member)
{
    spec.destination_mac = member_mac;
    spec.source_mac = back_mac;
    spec.destination = member;
    spec.destination_port = 8080;
    spec.ttl = 63;
    return spec;
}

static struct frame_spec untranslated(struct frame_spec spec, const char *vip, uint16_t port)
{
    spec.destination_mac = client_mac;
    spec.source_mac = front_mac;
    spec.source = vip;
    spec.source_port = port;
    spec.ttl = 63;
    return spec;
}

static void nat_rewrites_both_ways(void **state)
{
    static const struct {
        const char *vip;
        uint16_t port;
        uint8_t protocol;
        const char *member;
    } rows[] = {
        {"10.1.0.100", 80, IPPROTO_TCP, "10.2.0.11"},
        {"10.1.0.100", 53, IPPROTO_UDP, "10.2.0.11"},
        {"fd00:1::100", 80, IPPROTO_TCP, "fd00:2::11"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec request = from_client(rows[i].vip, rows[i].port, SYN);
        request.protocol = rows[i].protocol;
        struct outcome outcome = put(FRONT, request);
        assert_frame(&outcome, BACK, translated(request, rows[i].member));

        struct frame_spec reply = from_member(rows[i].member, 40000, SYN | ACK);
        reply.protocol = rows[i].protocol;
        outcome = put(BACK, reply);
        assert_frame(&outcome, FRONT, untranslated(reply, rows[i].vip, rows[i].port));
    }
}

static void udp_without_checksum_stays_without(void **state)
{
    struct frame_spec request = from_client("10.1.0.100", 53, 0);
    request.protocol = IPPROTO_UDP;
    request.udp_without_checksum = true;
    struct outcome outcome = put(FRONT, request);
    assert_frame(&outcome, BACK, translated(request, "10.2.0.11"));
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    struct frame_spec request = from_client("10.1.0.100", 80, SYN);
    struct frame frame;
    frame_build(&frame, &request);
    frame.bytes[frame.size - 1] ^= 0x55; // payload
    struct outcome outcome;
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_false(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
    frame_fix_checksums(&frame);
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void direct_return_changes_macs_and_takes_a_hop(void **state)
{
    struct frame_spec request = from_client("10.1.0.101", 80, SYN);
    struct outcome outcome = put(FRONT, request);
    request.destination_mac = member_mac;
    request.source_mac = front_mac;
    request.ttl = 63;
    assert_frame(&outcome, FRONT, request);
}

static void ipip_wraps_in_the_members_version(void **state)
{
    static const struct {
        const char *vip;
        uint32_t outer_size;
        uint16_t ether_type;
    } rows[] = {{"10.1.0.102", 20, 0x0800}, {"10.1.0.103", 40, 0x86dd}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec request = from_client(rows[i].vip, 80, SYN);
        struct frame inner;
        frame_build(&inner, &request);
        struct outcome outcome = put(FRONT, request);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.port, BACK);
        assert_int_equal(outcome.frame.size, inner.size + rows[i].outer_size);
        assert_int_equal(load_be16(outcome.frame.bytes + 12), rows[i].ether_type);
        assert_memory_equal(outcome.frame.bytes, member_mac, 6);
        assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
        frame_hop(inner.bytes + 14);
        assert_memory_equal(outcome.frame.bytes + 14 + rows[i].outer_size, inner.bytes + 14,
                            inner.size - 14);
    }
}

static void packets_that_do_not_fit_are_dropped_by_name(void **state)
{
    struct frame_spec request = from_client("10.1.0.102", 80, ACK);
    request.payload_size = 1480 - 40 + 1; // one byte more than fits with 20 of outer header
    request.dont_fragment = true;
    assert_dropped(put(FRONT, request), DROP_MTU);
    request.payload_size--;
    assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
    request = from_client("10.1.0.100", 80, SYN);
    request.ttl = 1;
    assert_dropped(put(FRONT, request), DROP_TTL);
}

static void what_no_flow_explains_is_dropped_by_name(void **state)
{
    struct frame_spec other_port = from_client("10.1.0.100", 81, SYN);
    assert_dropped(put(FRONT, other_port), DROP_NO_SERVICE);
    assert_dropped(put(FRONT, from_client("10.1.0.105", 80, SYN)), DROP_NO_MEMBER);
    assert_dropped(put(FRONT, from_client("10.1.0.100", 80, FIN)), DROP_NO_FLOW);
    assert_dropped(put(FRONT, from_client("10.1.0.100", 80, RST)), DROP_NO_FLOW);
    assert_dropped(put(BACK, from_member("10.2.0.11", 40001, ACK)), DROP_NO_FLOW);
    struct frame_spec foreign = from_client("10.1.0.100", 80, SYN);
    foreign.destination_mac = other_mac;
    assert_dropped(put(FRONT, foreign), DROP_ETHERNET_FOREIGN);
    foreign.destination_mac = broadcast_mac;
    assert_int_not_equal(put(FRONT, foreign).kind, OUTCOME_SENT);
}

static void an_unknown_next_hop_holds_the_packet(void **state)
{
    struct frame_spec request = from_client("10.1.0.104", 80, SYN);
    struct outcome outcome = put(FRONT, request);
    assert_int_equal(outcome.kind, OUTCOME_HELD);
    assert_int_equal(outcome.port, BACK);
    struct ip_address hop;
    ip_parse("10.2.0.99", &hop);
    assert_true(ip_equal(&outcome.held.address, &hop));
    // Translated already: once the MAC is known it may go as it is.
    assert_memory_equal(outcome.frame.bytes + FRAME_IP_AT + 16, hop.bytes + 12, 4);
}

static void a_reply_goes_to_the_gateway_of_a_distant_client(void **state)
{
    struct frame_spec request = from_client("10.1.0.100", 80, SYN);
    request.source = "203.0.113.7";
    assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
    struct frame_spec reply = from_member("10.2.0.11", 40000, SYN | ACK);
    reply.destination = "203.0.113.7";
    struct outcome outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, untranslated(reply, "10.1.0.100", 80));
}

static void arp_for_our_addresses_is_answered_and_learned(void **state)
{
    static const char *const ours[] = {"10.1.0.1", "10.1.0.100", "10.1.0.105"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        struct frame_spec question = {
            .destination_mac = broadcast_mac,
            .source_mac = other_mac,
            .source = "10.1.0.77",
            .destination = ours[i],
            .arp_operation = 1,
        };
        struct outcome outcome = put(FRONT, question);
        assert_true(outcome.learned);
        assert_true(outcome.news.create);
        assert_memory_equal(outcome.news.mac, other_mac, 6);
        struct frame_spec answer = {
            .destination_mac = other_mac,
            .source_mac = front_mac,
            .source = ours[i],
            .destination = "10.1.0.77",
            .arp_operation = 2,
            .arp_target_mac = other_mac,
        };
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.port, FRONT);
        struct frame expected;
        frame_build(&expected, &answer);
        assert_memory_equal(outcome.frame.bytes, expected.bytes, 42);
    }
}

static void arp_for_others_is_the_kernels(void **state)
{
    struct frame_spec question = {
        .destination_mac = broadcast_mac,
        .source_mac = other_mac,
        .source = "10.1.0.77",
        .destination = "10.1.0.78",
        .arp_operation = 1,
    };
    struct outcome outcome = put(FRONT, question);
    assert_int_equal(outcome.kind, OUTCOME_PUNTED);
    assert_false(outcome.learned);
    // Nor does one port answer for what is on the other's link.
    question.destination = "10.2.0.1";
    assert_int_equal(put(FRONT, question).kind, OUTCOME_PUNTED);
    question.destination = "10.1.0.1";
    assert_dropped(put(BACK, question), DROP_MULTICAST_UNJOINED);
}

static void nobody_can_claim_an_address_of_ours(void **state)
{
    static const struct {
        const char *claimed;
        bool told;
    } rows[] = {{"10.1.0.1", true}, {"10.1.0.100", true}, {"192.0.2.9", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec question = {
            .destination_mac = broadcast_mac,
            .source_mac = other_mac,
            .source = rows[i].claimed,
            .destination = "10.1.0.1",
            .arp_operation = 1,
        };
        struct outcome outcome = put(FRONT, question);
        assert_int_equal(outcome.learned, rows[i].told);
        assert_int_equal(outcome.news.conflict, rows[i].told);
    }
}

static void neighbour_solicitation_is_answered(void **state)
{
    struct frame_spec question = {
        .destination_mac = front_mac,
        .source_mac = other_mac,
        .source = "fd00:1::77",
        .destination = "fd00:1::100",
        .protocol = IPPROTO_ICMPV6,
        .icmp_type = 135,
        .nd_target = "fd00:1::100",
    };
    struct outcome outcome = put(FRONT, question);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_true(outcome.learned);
    assert_int_equal(outcome.frame.bytes[FRAME_IPV6_L4], 136);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void echo_to_our_addresses_is_answered(void **state)
{
    static const struct {
        const char *address;
        uint8_t protocol, request, reply;
    } rows[] = {
        {"10.1.0.1", IPPROTO_ICMP, 8, 0},
        {"10.1.0.100", IPPROTO_ICMP, 8, 0},
        {"fd00:1::1", IPPROTO_ICMPV6, 128, 129},
        {"fd00:1::100", IPPROTO_ICMPV6, 128, 129},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec request = from_client(rows[i].address, 0, 0);
        request.protocol = rows[i].protocol;
        request.icmp_type = rows[i].request;
        request.icmp_rest = 0x12340001;
        struct outcome outcome = put(FRONT, request);
        struct frame_spec reply = request;
        reply.destination_mac = client_mac;
        reply.source_mac = front_mac;
        reply.source = request.destination;
        reply.destination = request.source;
        reply.icmp_type = rows[i].reply;
        assert_frame(&outcome, FRONT, reply);
    }
}

static void the_rest_to_our_addresses_is_the_kernels(void **state)
{
    struct frame_spec ssh = from_client("10.1.0.1", 22, SYN);
    assert_int_equal(put(FRONT, ssh).kind, OUTCOME_PUNTED);
    ssh.destination = "10.9.9.9";
    assert_int_equal(put(FRONT, ssh).kind, OUTCOME_PUNTED);
    // 10/s, and a burst of at least 32: no flood reaches the kernel.
    struct outcome outcome = put(FRONT, ssh);
    for (int i = 0; i < 40; i++)
        outcome = put(FRONT, ssh);
    assert_dropped(outcome, DROP_PUNT_RATE);
    rig_at(&rig, 1000);
    assert_int_equal(put(FRONT, ssh).kind, OUTCOME_PUNTED);
}

// Flow states as traces: at a time, a segment, and the kind of what comes out.
static void flows_end_by_their_states_timeouts(void **state)
{
    static const struct {
        uint32_t at_ms;
        bool reply;
        uint8_t flags;
        bool passes;
    } trace[] = {
        {0, false, SYN, true},         // opening: 10 s
        {9000, true, SYN | ACK, true}, // a member's answer keeps it
        {18000, false, ACK, true},     // established: 900 s
        {800000, true, ACK, true},     //
        {1600000, false, ACK, true},   //
        {1600000, true, FIN, true},    // closing: 30 s
        {1629000, false, FIN, true},   //
        {1658000, true, ACK, true},    //
        {1689000, true, ACK, false},   // over
    };
    for (size_t i = 0; i < sizeof(trace) / sizeof(trace[0]); i++) {
        rig_at(&rig, trace[i].at_ms);
        struct outcome outcome = trace[i].reply
                                     ? put(BACK, from_member("10.2.0.11", 40000, trace[i].flags))
                                     : put(FRONT, from_client("10.1.0.100", 80, trace[i].flags));
        bool passed = outcome.kind == OUTCOME_SENT;
        if (passed != trace[i].passes)
            fail_msg("row %zu: %s", i, passed ? "passed" : drop_name(outcome.reason));
    }
}

static void a_full_table_keeps_established_flows(void **state)
{
    // 1024 entries: 512 NAT flows.
    uint32_t admitted = 0;
    struct frame_spec request = from_client("10.1.0.100", 80, SYN);
    for (uint16_t port = 1000; port < 1700; port++) {
        request.source_port = port;
        struct outcome outcome = put(FRONT, request);
        if (outcome.kind != OUTCOME_SENT) {
            assert_dropped(outcome, DROP_FLOW_TABLE_FULL);
            continue;
        }
        admitted++;
        assert_int_equal(put(BACK, from_member("10.2.0.11", port, SYN | ACK)).kind, OUTCOME_SENT);
        request.tcp_flags = ACK;
        assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
        request.tcp_flags = SYN;
    }
    assert_true(admitted >= 500 && admitted <= 512);
    request.tcp_flags = ACK;
    uint32_t alive = 0;
    for (uint16_t port = 1000; port < 1700; port++) {
        request.source_port = port;
        alive += put(FRONT, request).kind == OUTCOME_SENT;
    }
    assert_int_equal(alive, admitted);
    // Direct return needs no table to be right: it passes untracked, and counts that.
    assert_int_equal(put(FRONT, from_client("10.1.0.101", 80, SYN)).kind, OUTCOME_SENT);
    assert_int_equal(*rig.stage.counters.untracked, 1);
}

static void one_reply_cannot_belong_to_two_flows(void **state)
{
    // Both vips lead to the same member and port; the same client port at both cannot be told
    // apart.
    rig_close(&rig);
    rig_open(&rig, "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
                   "ports: [{name: front, device: net_null0, addresses: [10.1.0.1/24]}]\n"
                   "pools: [{name: p, forward: nat,\n"
                   "         members: [{address: 10.1.0.11, port: 8080}]}]\n"
                   "vips:\n"
                   "  - {name: a, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}\n"
                   "  - {name: b, address: 10.1.0.101, port: 80, protocol: tcp, pool: p}\n");
    rig_neighbour(&rig, FRONT, "10.1.0.11", member_mac);
    assert_int_equal(put(FRONT, from_client("10.1.0.100", 80, SYN)).kind, OUTCOME_SENT);
    assert_dropped(put(FRONT, from_client("10.1.0.101", 80, SYN)), DROP_FLOW_CONFLICT);
    assert_int_equal(put(FRONT, from_client("10.1.0.100", 80, ACK)).kind, OUTCOME_SENT);
}

// Which member a client port of the vip goes to: the last byte of its address.
static int member_of(uint16_t client_port, uint8_t flags)
{
    struct frame_spec request = from_client("10.1.0.100", 80, flags);
    request.source_port = client_port;
    struct outcome outcome = put(FRONT, request);
    if (outcome.kind != OUTCOME_SENT)
        return -1;
    return outcome.frame.bytes[FRAME_IP_AT + 19];
}

static void open_two_members(void)
{
    rig_close(&rig);
    rig_open(&rig, both_members);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
}

// The client's port of a flow that has begun, of two members with the one of that host number.
static uint16_t begin_with_two_members(int host)
{
    open_two_members();
    uint16_t port = 1000;
    while (member_of(port, SYN) != host)
        port++;
    return port;
}

static void a_removed_or_drained_member_keeps_its_flows_and_gets_no_more(void **state)
{
    for (int removed = 0; removed < 2; removed++) {
        open_two_members();
        int before[64], to_a = 0;
        for (uint16_t i = 0; i < 64; i++) {
            before[i] = member_of((uint16_t)(1000 + i), SYN);
            to_a += before[i] == 11;
        }
        assert_in_range(to_a, 16, 48);
        if (removed)
            rig_reload(&rig, only_b);
        else
            rig_drain(&rig, "p/a");
        for (uint16_t i = 0; i < 64; i++)
            assert_int_equal(member_of((uint16_t)(1000 + i), ACK), before[i]);
        for (uint16_t i = 0; i < 64; i++)
            assert_int_equal(member_of((uint16_t)(2000 + i), SYN), 12);
        // Reloads over reloads do not lose it while its flows last.
        for (int i = 0; i < 3; i++)
            rig_reload(&rig, removed ? only_b : both_members);
        for (uint16_t i = 0; i < 64; i++)
            assert_int_equal(member_of((uint16_t)(1000 + i), ACK), before[i]);
    }
}

static void a_removed_members_flows_go_on_where_its_address_becomes_a_virtual_one(void **state)
{
    uint16_t port = begin_with_two_members(11);
    rig_reload(&rig, a_is_a_vip);
    rig_reload(&rig, a_is_a_vip);
    const struct frame_spec reply = from_member("10.2.0.11", port, SYN | ACK);
    const struct outcome outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, untranslated(reply, "10.1.0.100", 80));
}

static void a_server_of_two_pools_keeps_the_flows_of_the_one_that_left_first(void **state)
{
    open_two_members();
    rig_reload(&rig, a_in_two_pools);
    assert_int_equal(member_of(1000, SYN), 11);
    const struct frame_spec reply = from_member("10.2.0.11", 1000, SYN | ACK);
    assert_int_equal(put(BACK, reply).kind, OUTCOME_SENT);
    static const char *const steps[] = {a_in_the_other_pool, a_in_no_pool, a_in_no_pool,
                                        a_in_no_pool};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        rig_reload(&rig, steps[i]);
        assert_int_equal(member_of(1000, ACK), 11);
        const struct outcome outcome = put(BACK, reply);
        assert_frame(&outcome, FRONT, untranslated(reply, "10.1.0.100", 80));
    }
    // No longer than they last.
    rig_at(&rig, 3600 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    rig_reload(&rig, a_in_no_pool);
    assert_dropped(put(BACK, reply), DROP_PUNT_DISABLED);
}

static void a_closed_connection_opened_anew_leaves_a_drained_member(void **state)
{
    uint16_t port = begin_with_two_members(11);
    rig_drain(&rig, "p/a");
    assert_int_equal(put(BACK, from_member("10.2.0.11", port, SYN | ACK)).kind, OUTCOME_SENT);
    assert_int_equal(member_of(port, ACK), 11);
    assert_int_equal(member_of(port, SYN), 11); // a repeated segment is no new connection
    assert_int_equal(member_of(port, FIN), 11);
    assert_int_equal(member_of(port, SYN), 11); // one end has closed, the other has not
    assert_int_equal(put(BACK, from_member("10.2.0.11", port, FIN)).kind, OUTCOME_SENT);
    assert_int_equal(member_of(port, SYN), 12);
    assert_int_equal(member_of(port, ACK), 12);
}

static void a_removed_vip_takes_no_new_flows_and_keeps_its_old_ones(void **state)
{
    uint16_t port = begin_with_two_members(12);
    rig_reload(&rig, no_vip);
    rig_reload(&rig, no_vip);
    assert_int_equal(member_of(port, ACK), 12);
    struct frame_spec reply = from_member("10.2.0.12", port, ACK);
    struct outcome outcome = put(BACK, reply);
    assert_frame(&outcome, FRONT, untranslated(reply, "10.1.0.100", 80));
    assert_int_equal(member_of(2000, SYN), -1);
    // Who has an old flow asks where the address is, as long as there is one.
    struct frame_spec question = {.destination_mac = broadcast_mac,
                                  .source_mac = client_mac,
                                  .source = "10.1.0.10",
                                  .destination = "10.1.0.100",
                                  .arp_operation = 1};
    assert_int_equal(put(FRONT, question).kind, OUTCOME_SENT);
    rig_at(&rig, 3600 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    rig_reload(&rig, no_vip);
    assert_dropped(put(FRONT, question), DROP_MULTICAST_UNJOINED);
}

static void slots_are_used_again_once_their_flows_are_gone(void **state)
{
    open_two_members();
    // The registry has room for 64 members: without reuse a hundred comings and goings would fail.
    for (int i = 0; i < 100; i++) {
        assert_int_not_equal(member_of((uint16_t)(1000 + i), SYN), -1);
        rig_reload(&rig, only_b);
        rig_at(&rig, (uint32_t)(i + 1) * 1000000); // all flows are over
        flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
        rig_reload(&rig, only_b);
        rig_reload(&rig, both_members);
    }
    assert_true(rig.tables->member_limit <= 4);
}

static void counters_follow_flows(void **state)
{
    open_two_members();
    for (uint16_t i = 0; i < 10; i++)
        member_of((uint16_t)(1000 + i), SYN);
    const struct counters *counters = &rig.stage.counters;
    assert_int_equal(counters->vips[1].flows, 10);
    assert_int_equal(counters->vips[1].flows_created, 10);
    assert_int_equal(counters->vips[1].packets, 10);
    assert_int_equal(counters->members[1].flows + counters->members[2].flows, 10);
    rig_at(&rig, 20000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    assert_int_equal(counters->vips[1].flows, 0);
    assert_int_equal(counters->members[1].flows + counters->members[2].flows, 0);
    assert_int_equal(flow_table_used(rig.stage.flows), 0);
}

static void with_several_workers_both_directions_meet_at_one(void **state)
{
    rig_close(&rig);
    rig_open(&rig, "node: {name: test, cores: [0, 1], flows: {per-worker: 4096}}\n"
                   "ports:\n"
                   "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"
                   "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
                   "pools: [{name: p, members: [{address: 10.2.0.11, port: 8080}]}]\n"
                   "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n");
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    int handed = 0;
    for (uint16_t i = 0; i < 64; i++) {
        struct frame_spec request = from_client("10.1.0.100", 80, SYN);
        request.source_port = (uint16_t)(1000 + i);
        enum {
            ours = OUTCOME_SENT,
            others = OUTCOME_HANDED
        } forward = put(FRONT, request).kind == OUTCOME_SENT ? ours : others;
        struct outcome reply = put(BACK, from_member("10.2.0.11", (uint16_t)(1000 + i), SYN | ACK));
        // A flow of ours finds its reply here (held: the client's MAC is not known); another's
        // reply is handed on like its request.
        assert_int_equal(reply.kind == OUTCOME_HANDED, forward == others);
        handed += forward == others;
    }
    assert_in_range(handed, 16, 48);
}

// What is another worker's before a change must be handed to it after, whatever has gone.
static void a_change_does_not_part_packets_from_the_worker_that_knows_their_flow(void **state)
{
    static const char *const changes[] = {two_workers_only_b, two_workers_no_vip, two_workers_ipip};
    for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
        rig_close(&rig);
        rig_open(&rig, two_workers);
        rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
        rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
        bool elsewhere[64];
        struct frame_spec request = from_client("10.1.0.100", 80, SYN);
        for (uint16_t i = 0; i < 64; i++) {
            request.source_port = (uint16_t)(1000 + i);
            elsewhere[i] = put(FRONT, request).kind == OUTCOME_HANDED;
        }
        rig_reload(&rig, changes[c]);
        request.tcp_flags = ACK;
        for (uint16_t i = 0; i < 64; i++) {
            if (!elsewhere[i])
                continue;
            request.source_port = (uint16_t)(1000 + i);
            assert_int_equal(put(FRONT, request).kind, OUTCOME_HANDED);
            struct frame_spec reply = from_member("10.2.0.11", (uint16_t)(1000 + i), ACK);
            assert_int_equal(put(BACK, reply).kind, OUTCOME_HANDED);
        }
    }
}

static void an_outsiders_segments_do_not_move_a_flow(void **state)
{
    uint16_t port = begin_with_two_members(11);
    rig_drain(&rig, "p/a"); // a new choice would be the other one
    assert_int_equal(member_of(port, RST), 11);
    assert_int_equal(member_of(port, SYN), 11);
    assert_int_equal(member_of(port, ACK), 11);
}

static void with_direct_return_a_connection_that_speaks_stays_where_it_is(void **state)
{
    rig_close(&rig);
    rig_open(&rig, both_direct);
    rig_neighbour(&rig, BACK, "10.2.0.11", other_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
    struct frame_spec segment = from_client("10.1.0.100", 80, ACK); // its table was lost
    struct outcome outcome = put(FRONT, segment);
    while (memcmp(outcome.frame.bytes, other_mac, sizeof(other_mac)) != 0) {
        segment.source_port++;
        outcome = put(FRONT, segment);
    }
    rig_drain(&rig, "p/a");
    const struct {
        uint32_t at_ms;
        uint8_t flags;
    } segments[] = {
        {500, ACK},     {1000, ACK},    {1500, ACK},    {800000, ACK},  // then idle
        {800100, RST},  {800200, ACK},  {801200, ACK},  {1600000, ACK}, // made up, then idle
        {1600010, FIN}, {1600020, SYN}, {1600100, ACK},                 // made up
    };
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        rig_at(&rig, segments[i].at_ms);
        segment.tcp_flags = segments[i].flags;
        outcome = put(FRONT, segment);
        assert_memory_equal(outcome.frame.bytes, other_mac, sizeof(other_mac));
    }
}

static void an_answer_is_used_up_where_the_kernel_has_no_interface(void **state)
{
    struct frame_spec answer = {
        .destination_mac = back_mac,
        .source_mac = other_mac,
        .source = "10.2.0.77",
        .destination = "10.2.0.1",
        .arp_operation = 2,
        .arp_target_mac = back_mac,
    };
    struct outcome outcome = put(BACK, answer);
    assert_int_equal(outcome.kind, OUTCOME_CONSUMED);
    assert_true(outcome.learned);
}

static void a_client_without_a_route_gets_no_reply(void **state)
{
    open_two_members();
    struct frame_spec request = from_client("10.1.0.100", 80, SYN);
    request.source = "203.0.113.7"; // and there is no gateway
    struct outcome outcome = put(FRONT, request);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    struct frame_spec reply = from_member("10.2.0.11", 40000, SYN | ACK);
    reply.destination = "203.0.113.7";
    if (outcome.frame.bytes[FRAME_IP_AT + 19] == 12)
        reply.source = "10.2.0.12";
    assert_dropped(put(BACK, reply), DROP_NO_ROUTE);
}

static void a_next_hop_that_does_not_answer_fails_by_name(void **state)
{
    for (uint32_t at_ms = 0; at_ms < 6000; at_ms += 100) {
        rig_at(&rig, at_ms);
        neighbour_tick(rig.neighbours, rig.now_ns, &rig.actions);
    }
    assert_dropped(put(FRONT, from_client("10.1.0.104", 80, SYN)), DROP_NEIGHBOUR_FAILED);
}

static void a_full_mailbox_drops_by_name(void **state)
{
    const struct hold_message held = {.packet = NULL};
    while (mailbox_send(rig.stage.held, &held))
        ;
    assert_dropped(put(FRONT, from_client("10.1.0.104", 80, SYN)), DROP_CONTROL_FULL);
    rig_close(&rig);
    rig_open(&rig, two_workers);
    struct frame_spec request = from_client("10.1.0.100", 80, SYN);
    while (put(FRONT, request).kind != OUTCOME_HANDED)
        request.source_port++;
    const struct handoff_message handed = {.packet = NULL};
    while (mailbox_send(rig.handoff[1], &handed))
        ;
    assert_dropped(put(FRONT, request), DROP_HANDOFF_FULL);
}

static void gateways_are_needed_as_members_next_hops_are(void **state)
{
    struct ip_address gateway;
    ip_parse("10.1.0.254", &gateway);
    bool found = false;
    for (uint32_t i = 0; i < rig.tables->hop_count; i++)
        found |= ip_equal(&rig.tables->hops[i].address, &gateway);
    assert_true(found);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(nat_rewrites_both_ways),
        CASE(udp_without_checksum_stays_without),
        CASE(a_wrong_checksum_stays_wrong),
        CASE(direct_return_changes_macs_and_takes_a_hop),
        CASE(ipip_wraps_in_the_members_version),
        CASE(packets_that_do_not_fit_are_dropped_by_name),
        CASE(what_no_flow_explains_is_dropped_by_name),
        CASE(an_unknown_next_hop_holds_the_packet),
        CASE(a_reply_goes_to_the_gateway_of_a_distant_client),
        CASE(arp_for_our_addresses_is_answered_and_learned),
        CASE(arp_for_others_is_the_kernels),
        CASE(nobody_can_claim_an_address_of_ours),
        CASE(neighbour_solicitation_is_answered),
        CASE(echo_to_our_addresses_is_answered),
        CASE(the_rest_to_our_addresses_is_the_kernels),
        CASE(flows_end_by_their_states_timeouts),
        CASE(a_full_table_keeps_established_flows),
        CASE(one_reply_cannot_belong_to_two_flows),
        CASE(a_removed_or_drained_member_keeps_its_flows_and_gets_no_more),
        CASE(a_removed_members_flows_go_on_where_its_address_becomes_a_virtual_one),
        CASE(a_server_of_two_pools_keeps_the_flows_of_the_one_that_left_first),
        CASE(a_closed_connection_opened_anew_leaves_a_drained_member),
        CASE(a_removed_vip_takes_no_new_flows_and_keeps_its_old_ones),
        CASE(slots_are_used_again_once_their_flows_are_gone),
        CASE(counters_follow_flows),
        CASE(with_several_workers_both_directions_meet_at_one),
        CASE(a_change_does_not_part_packets_from_the_worker_that_knows_their_flow),
        CASE(an_outsiders_segments_do_not_move_a_flow),
        CASE(with_direct_return_a_connection_that_speaks_stays_where_it_is),
        CASE(an_answer_is_used_up_where_the_kernel_has_no_interface),
        CASE(gateways_are_needed_as_members_next_hops_are),
        CASE(a_client_without_a_route_gets_no_reply),
        CASE(a_next_hop_that_does_not_answer_fails_by_name),
        CASE(a_full_mailbox_drops_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
