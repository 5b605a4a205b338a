// What cannot go on: the sender is told by an ICMP error of ours, or it goes on in fragments.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

static const uint8_t group_mac[6] = {3, 0, 0, 0, 1, 2};

// The back's MTU, then the front's, is the smaller one; one service in each way of forwarding.
#define CONFIGURATION(front_mtu, back_mtu)                                                 \
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"                          \
    "ports:\n"                                                                             \
    "  - {name: front, device: net_null0, mtu: " front_mtu ",\n"                           \
    "     addresses: [10.9.0.1/24, 10.1.0.1/24, 'fd00:1::1/64'], gateway: [10.1.0.254]}\n" \
    "  - {name: back, device: net_null1, mtu: " back_mtu ",\n"                             \
    "     addresses: [10.2.0.1/24, 'fd00:2::1/64']}\n"                                     \
    "pools:\n"                                                                             \
    "  - {name: nat, members: [{address: 10.2.0.11, port: 8080}]}\n"                       \
    "  - {name: nat6, members: [{address: 'fd00:2::11', port: 8080}]}\n"                   \
    "  - {name: direct, forward: direct, members: [{address: 10.2.0.11}]}\n"               \
    "  - {name: ipip, forward: ipip, members: [{address: 10.2.0.11}]}\n"                   \
    "  - {name: ipip6, forward: ipip, members: [{address: 'fd00:2::11'}]}\n"               \
    "  - {name: gre, forward: gre, members: [{address: 10.2.0.11}]}\n"                     \
    "  - {name: gue, forward: gue, members: [{address: 10.2.0.11}]}\n"                     \
    "vips:\n"                                                                              \
    "  - {name: nat, address: 10.1.0.100, port: 80, protocol: tcp, pool: nat}\n"           \
    "  - {name: natu, address: 10.1.0.100, port: 53, protocol: udp, pool: nat}\n"          \
    "  - {name: nat6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: nat6}\n"      \
    "  - {name: direct, address: 10.1.0.101, port: 80, protocol: tcp, pool: direct}\n"     \
    "  - {name: ipip, address: 10.1.0.102, port: 80, protocol: tcp, pool: ipip}\n"         \
    "  - {name: ipip6, address: 10.1.0.103, port: 80, protocol: tcp, pool: ipip6}\n"       \
    "  - {name: six, address: 'fd00:1::103', port: 80, protocol: tcp, pool: ipip6}\n"      \
    "  - {name: gre, address: 10.1.0.104, port: 80, protocol: tcp, pool: gre}\n"           \
    "  - {name: gue, address: 10.1.0.105, port: 80, protocol: tcp, pool: gue}\n"

static void meet_neighbours(void)
{
    meet_stations();
}

static int open_rig(void **state)
{
    rig_open(&rig, CONFIGURATION("1500", "1400"));
    meet_neighbours();
    return 0;
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

static bool is_v6(const char *address)
{
    return strchr(address, ':');
}

// A packet of the client that is `size` bytes from the IP header on.
static struct frame_spec request_to(const char *vip, uint16_t size)
{
    bool v6 = is_v6(vip);
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = v6 ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = 80,
        .tcp_flags = ACK,
        .dont_fragment = true,
        .payload_size = (uint16_t)(size - (v6 ? 60 : 40)),
    };
}

static struct frame_spec reply_of(const char *member, uint16_t size)
{
    struct frame_spec reply = request_to(is_v6(member) ? "fd00:1::10" : "10.1.0.10", size);
    reply.destination_mac = back_mac;
    reply.source_mac = member_mac;
    reply.source = member;
    reply.source_port = 8080;
    reply.destination_port = 40000;
    return reply;
}

// The packet was dropped for that reason, and its sender is told so by `source`.
static void assert_answered(struct outcome outcome, uint16_t port, struct frame_spec request,
                            enum drop_reason reason, const char *source, uint8_t type, uint8_t code,
                            uint32_t rest)
{
    assert_int_equal(outcome.kind, OUTCOME_DROPPED);
    assert_string_equal(drop_name(outcome.reason), drop_name(reason));
    assert_true(outcome.answered);
    assert_int_equal(outcome.port, port);
    static struct frame quoted, expected;
    bool v6 = is_v6(source);
    frame_build(&quoted, &request);
    size_t size = quoted.size - FRAME_IP_AT, room = v6 ? 1280 - 48 : 576 - 28;
    frame_build(&expected, &(struct frame_spec){
                               .destination_mac = request.source_mac,
                               .source_mac = request.destination_mac,
                               .source = source,
                               .destination = request.source,
                               .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                               .icmp_type = type,
                               .icmp_code = code,
                               .icmp_rest = rest,
                               .traffic_class = v6 ? 0 : 0xc0,
                               .dont_fragment = true,
                               .payload = quoted.bytes + FRAME_IP_AT,
                               .payload_size = (uint16_t)(size < room ? size : room),
                           });
    assert_int_equal(outcome.frame.size, expected.size);
    assert_memory_equal(outcome.frame.bytes, expected.bytes, expected.size);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void who_sends_too_much_is_told_how_much_fits(void **state)
{
    static const struct {
        const char *vip;
        uint16_t fits;
    } rows[] = {
        {"10.1.0.100", 1400}, {"fd00:1::100", 1400},     {"10.1.0.101", 1400},
        {"10.1.0.102", 1380}, {"10.1.0.103", 1360},      {"fd00:1::103", 1360},
        {"10.1.0.104", 1376}, {"10.1.0.105", 1400 - 32},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool v6 = is_v6(rows[i].vip);
        struct frame_spec request = request_to(rows[i].vip, rows[i].fits);
        assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
        request.payload_size++;
        assert_answered(put(FRONT, request), FRONT, request, DROP_MTU, rows[i].vip, v6 ? 2 : 3,
                        v6 ? 0 : 4, rows[i].fits);
    }
    assert_int_equal(*rig.stage.counters.icmp_sent, sizeof(rows) / sizeof(rows[0]));
}

// A member is told by its gateway.
static void a_member_is_told_too(void **state)
{
    rig_close(&rig);
    rig_open(&rig, CONFIGURATION("1400", "1500"));
    meet_neighbours();
    static const char *const vips[] = {"10.1.0.100", "fd00:1::100"};
    static const char *const members[] = {"10.2.0.11", "fd00:2::11"};
    static const char *const gateways[] = {"10.2.0.1", "fd00:2::1"};
    for (int v6 = 0; v6 < 2; v6++) {
        struct frame_spec request = request_to(vips[v6], 100);
        request.tcp_flags = SYN;
        assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
        struct frame_spec reply = reply_of(members[v6], 1400);
        assert_int_equal(put(BACK, reply).kind, OUTCOME_SENT);
        reply.payload_size++;
        assert_answered(put(BACK, reply), BACK, reply, DROP_MTU, gateways[v6], v6 ? 2 : 3,
                        v6 ? 0 : 4, 1400);
        reply.payload_size--;
        reply.ttl = 1;
        assert_answered(put(BACK, reply), BACK, reply, DROP_TTL, gateways[v6], v6 ? 3 : 11, 0, 0);
    }
}

// The hop is another one than the virtual address, and of the sender's network where it can be.
static void who_traces_the_route_sees_the_port(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 100);
    request.ttl = 1;
    assert_answered(put(FRONT, request), FRONT, request, DROP_TTL, "10.1.0.1", 11, 0, 0);
    request.source = "203.0.113.9";
    assert_answered(put(FRONT, request), FRONT, request, DROP_TTL, "10.9.0.1", 11, 0, 0);
    request = request_to("fd00:1::100", 100);
    request.ttl = 1;
    assert_answered(put(FRONT, request), FRONT, request, DROP_TTL, "fd00:1::1", 3, 0, 0);
    // Direct return and tunnels are hops, too: of a flow that is known, that is not, and of a
    // packet that walks the stages in any case.
    static const char *const one_way[] = {"10.1.0.101", "10.1.0.102", "10.1.0.103",
                                          "10.1.0.104", "10.1.0.105", "fd00:1::103"};
    for (size_t i = 0; i < sizeof(one_way) / sizeof(one_way[0]); i++) {
        bool v6 = is_v6(one_way[i]);
        rig_at(&rig, (uint32_t)i * 1000); // one receiver gets few at once
        for (uint8_t ttl = 0; ttl < 4; ttl++) {
            request = request_to(one_way[i], 100);
            request.ttl = ttl < 2 ? 1 : ttl;
            if (ttl == 2)
                assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
            request.ttl = 1;
            if (ttl == 3 && !v6)
                request.ipv4_options = span_of("\x01\x01\x01\x01", 4);
            assert_answered(put(FRONT, request), FRONT, request, DROP_TTL,
                            v6 ? "fd00:1::1" : "10.1.0.1", v6 ? 3 : 11, 0, 0);
        }
    }
}

static void a_port_that_nobody_serves_is_unreachable(void **state)
{
    static const char *const vips[] = {"10.1.0.100", "fd00:1::100"};
    for (int v6 = 0; v6 < 2; v6++) {
        struct frame_spec request = request_to(vips[v6], 100);
        request.destination_port = 33434;
        request.protocol = IPPROTO_UDP;
        request.ttl = 1; // it has arrived
        assert_answered(put(FRONT, request), FRONT, request, DROP_NO_SERVICE, vips[v6], v6 ? 1 : 3,
                        v6 ? 4 : 3, 0);
        request.protocol = IPPROTO_TCP;
        assert_false(put(FRONT, request).answered);
    }
}

static void some_packets_are_never_answered(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 100);
    request.ttl = 1;
    request.source_mac = group_mac;
    struct outcome outcome = put(FRONT, request);
    assert_int_equal(outcome.reason, DROP_TTL);
    assert_false(outcome.answered);

    request = request_to("10.1.0.100", 1400);
    request.tcp_flags = SYN;
    assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
    struct frame_spec answer = request_to("10.1.0.10", 100);
    answer.source = "10.1.0.100";
    answer.source_port = 80;
    answer.destination_port = 40000;
    static struct frame quoted;
    frame_build(&quoted, &answer);
    struct frame_spec error = {
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = "198.51.100.1",
        .destination = "10.1.0.100",
        .protocol = IPPROTO_ICMP,
        .icmp_type = 3,
        .payload = quoted.bytes + FRAME_IP_AT,
        .payload_size = (uint16_t)(quoted.size - FRAME_IP_AT),
        .ttl = 1,
    };
    outcome = put(FRONT, error);
    assert_int_equal(outcome.reason, DROP_TTL);
    assert_false(outcome.answered);
}

// So many of them, each of another client.
static uint32_t answered_of(struct frame_spec request, uint32_t count)
{
    uint32_t answered = 0;
    for (uint32_t i = 0; i < count; i++) {
        char client[IP_TEXT_SIZE];
        snprintf(client, sizeof(client), "198.18.%u.%u", i >> 8 & 255, i & 255);
        request.source = client;
        answered += put(FRONT, request).answered;
    }
    return answered;
}

static void answers_are_few(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 100);
    request.ttl = 1;
    assert_int_equal(answered_of(request, 500), 64);
    assert_int_equal(*rig.stage.counters.icmp_suppressed, 500 - 64);
    rig_at(&rig, 10);
    assert_int_equal(answered_of(request, 500), 10);
}

static void one_receiver_gets_fewer(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 1500);
    uint32_t answered = 0;
    for (int i = 0; i < 500; i++)
        answered += put(FRONT, request).answered;
    assert_int_equal(answered, 16);
    assert_int_equal(*rig.stage.counters.too_big_suppressed, 500 - 16);
    rig_at(&rig, 20);
    for (int i = 0; i < 500; i++)
        answered += put(FRONT, request).answered;
    assert_int_equal(answered, 16 + 2);
    request.source = "198.51.100.1";
    assert_true(put(FRONT, request).answered);
}

// What anybody can provoke does not keep those from hearing it who must.
static void what_fits_is_told_whatever_else_is(void **state)
{
    struct frame_spec large = request_to("10.1.0.100", 1500), late = request_to("10.1.0.100", 100);
    late.ttl = 1;
    assert_int_equal(answered_of(late, 500), 64);
    struct frame_spec echo = {.destination_mac = front_mac,
                              .source_mac = client_mac,
                              .source = "10.1.0.10",
                              .destination = "10.1.0.100",
                              .protocol = IPPROTO_ICMP,
                              .icmp_type = 8};
    uint32_t echoed = 0;
    for (int i = 0; i < 3000; i++) {
        struct outcome outcome = put(FRONT, echo);
        echoed += outcome.kind == OUTCOME_SENT;
        assert_true(outcome.kind == OUTCOME_SENT || outcome.reason == DROP_ICMP_RATE);
    }
    assert_int_equal(echoed, 1000);
    assert_int_equal(rig_drops(&rig, DROP_ICMP_RATE), 2000);
    large.source = "198.51.100.1";
    assert_true(put(FRONT, large).answered);
    assert_int_equal(*rig.stage.counters.too_big_suppressed, 0);
    // Nor the other way round.
    rig_at(&rig, 1000);
    assert_int_equal(answered_of(large, 500), 64);
    late.source = "198.51.100.1";
    assert_true(put(FRONT, late).answered);
    assert_int_equal(put(FRONT, echo).kind, OUTCOME_SENT);
}

// Puts the pieces of one datagram together; they come in order. Returns its size from the IP header
// on.
static size_t put_together(const struct sent *sent, size_t outer_size, uint8_t *whole)
{
    size_t size = 20;
    for (uint32_t i = 0; i < sent->count; i++) {
        const struct frame *frame = &sent->packets[i].frame;
        assert_int_equal(sent->packets[i].port, BACK);
        assert_memory_equal(frame->bytes, member_mac, 6);
        assert_true(frame_checksums_are_right(frame->bytes, frame->size));
        assert_true(frame->size <= FRAME_IP_AT + 1400);
        const uint8_t *ip = frame->bytes + FRAME_IP_AT + outer_size;
        static struct frame inner;
        store_be16(inner.bytes + 12, 0x0800);
        inner.size = frame->size - outer_size;
        memcpy(inner.bytes + FRAME_IP_AT, ip, inner.size - FRAME_IP_AT);
        assert_true(frame_checksums_are_right(inner.bytes, inner.size));
        size_t data = load_be16(ip + 2) - 20u;
        assert_int_equal(data + 20 + FRAME_IP_AT, inner.size);
        assert_int_equal((load_be16(ip + 6) & 0x1fff) * 8u, size - 20);
        assert_int_equal(load_be16(ip + 6) & 0xe000, i + 1 < sent->count ? 0x2000 : 0);
        if (i == 0)
            memcpy(whole, ip, 20);
        memcpy(whole + size, ip + 20, data);
        size += data;
    }
    store_be16(whole + 2, (uint16_t)size);
    store_be16(whole + 6, 0);
    store_be16(whole + 10, 0);
    store_be16(whole + 10, frame_checksum(whole, 20, 0));
    return size;
}

// What clients' packets to the service in slot `service` are counted as, and to all members.
static void assert_tallied(uint32_t service, uint64_t packets, uint64_t bytes)
{
    const struct counters *counters = &rig.stage.counters;
    assert_int_equal(counters->vips[service].packets, packets);
    assert_int_equal(counters->vips[service].bytes, bytes);
    uint64_t of_members = 0;
    for (uint32_t slot = 1; slot < rig.tables->member_limit; slot++)
        of_members += counters->members[slot].packets;
    assert_int_equal(of_members, packets);
}

static void a_packet_in_fragments_counts_as_one(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 1500);
    request.dont_fragment = false;
    static struct frame frame;
    static struct sent sent;
    frame_build(&frame, &request);
    rig_burst(&rig, FRONT, &frame, 1, &sent);
    assert_int_equal(sent.count, 2);
    assert_tallied(1, 1, 1514);
}

static void what_may_be_fragmented_goes_on_in_fragments(void **state)
{
    static const struct {
        const char *vip;
        size_t outer_size;
        bool nat;
    } rows[] = {{"10.1.0.100", 0, true},
                {"10.1.0.101", 0, false},
                {"10.1.0.102", 20, false},
                {"10.1.0.103", 40, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_spec request = request_to(rows[i].vip, 1500);
        request.dont_fragment = false;
        request.ipv4_id = 0x1234;
        static struct frame frame, expected;
        static struct sent sent;
        frame_build(&frame, &request);
        rig_burst(&rig, FRONT, &frame, 1, &sent);
        assert_int_equal(sent.count, 2);
        if (rows[i].nat) {
            request.destination = "10.2.0.11";
            request.destination_port = 8080;
        }
        request.ttl = 63;
        frame_build(&expected, &request);
        uint8_t whole[2000];
        assert_int_equal(put_together(&sent, rows[i].outer_size, whole), 1500);
        assert_memory_equal(whole, expected.bytes + FRAME_IP_AT, 1500);
    }
    assert_int_equal(*rig.stage.counters.split, 4);
    // Not with options, of which some are for the first fragment only.
    struct frame_spec request = request_to("10.1.0.102", 1500);
    request.dont_fragment = false;
    request.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    assert_int_equal(put(FRONT, request).reason, DROP_MTU);
}

static void without_buffers_there_are_no_fragments(void **state)
{
    struct rte_mbuf *taken[254];
    assert_int_equal(rte_pktmbuf_alloc_bulk(rig.pool, taken, 254), 0);
    struct frame_spec request = request_to("10.1.0.102", 1500);
    request.dont_fragment = false;
    static struct frame frame;
    frame_build(&frame, &request);
    struct rte_mbuf *last = rte_pktmbuf_alloc(rig.pool);
    memcpy(rte_pktmbuf_append(last, (uint16_t)frame.size), frame.bytes, frame.size);
    stage_receive(&rig.stage, FRONT, &last, 1);
    assert_int_equal(rig_drops(&rig, DROP_NO_BUFFER), 1);
    assert_tallied(5, 0, 0); // it did not go on
    // Nor answers; the packet is dropped for what it is all the same.
    request.dont_fragment = true;
    frame_build(&frame, &request);
    last = rte_pktmbuf_alloc(rig.pool);
    memcpy(rte_pktmbuf_append(last, (uint16_t)frame.size), frame.bytes, frame.size);
    stage_receive(&rig.stage, FRONT, &last, 1);
    assert_int_equal(rig_drops(&rig, DROP_MTU), 1);
    assert_int_equal(*rig.stage.counters.icmp_suppressed, 1);
    rte_pktmbuf_free_bulk(taken, 254);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(who_sends_too_much_is_told_how_much_fits),
        CASE(a_member_is_told_too),
        CASE(who_traces_the_route_sees_the_port),
        CASE(a_port_that_nobody_serves_is_unreachable),
        CASE(some_packets_are_never_answered),
        CASE(answers_are_few),
        CASE(one_receiver_gets_fewer),
        CASE(what_fits_is_told_whatever_else_is),
        CASE(what_may_be_fragmented_goes_on_in_fragments),
        CASE(a_packet_in_fragments_counts_as_one),
        CASE(without_buffers_there_are_no_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
