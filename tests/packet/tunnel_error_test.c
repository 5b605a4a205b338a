// ICMP errors of routers about tunnelled packets: what the way to the member takes is learned, and
// the client is told in terms of its own packet, as a frame that the tests build themselves.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/tunnel_configurations.h"
#include "tests/test.h"

#define MTU  1500
#define PATH 1400

static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, mtu: 1500, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"
    "  - {name: back, device: net_null1, mtu: 1500, addresses: [10.2.0.1/24, fd00:2::1/64],\n"
    "     punt: {interface: p1}}\n"
    "pools:\n" TUNNEL_POOL("ipip") TUNNEL_POOL("gre")
        TUNNEL_POOL("gue") "vips:\n" TUNNEL_VIPS("ipip", "1") TUNNEL_VIPS("gre", "2")
            TUNNEL_VIPS("gue", "3");

// What carries what in what, with so many bytes of outer headers.
static const struct way {
    const char *vip;
    bool outer_v4;
    uint16_t outer;
} ways[] = {
    {"10.1.0.114", true, 20},   {"10.1.0.116", false, 40},  {"fd00:1::114", true, 20},
    {"fd00:1::116", false, 40}, {"10.1.0.124", true, 24},   {"10.1.0.126", false, 44},
    {"fd00:1::124", true, 24},  {"fd00:1::126", false, 44}, {"10.1.0.134", true, 32},
    {"10.1.0.136", false, 52},  {"fd00:1::134", true, 32},  {"fd00:1::136", false, 52},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, BACK, "10.2.0.31", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::31", member_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    return 0;
}

static bool is_v6(const char *address)
{
    return strchr(address, ':');
}

static uint16_t headers_of(const struct way *way)
{
    return (uint16_t)((is_v6(way->vip) ? 40 : 20) + WIRE_TCP_SIZE);
}

// A client's packet of that size.
static struct frame_spec request(const struct way *way, uint16_t size)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = is_v6(way->vip) ? "fd00:1::10" : "10.1.0.10",
        .destination = way->vip,
        .source_port = 40000,
        .destination_port = 80,
        .dont_fragment = true,
        .payload_size = (uint16_t)(size - headers_of(way)),
    };
}

static struct outcome *put(uint16_t port, struct frame_spec spec)
{
    static struct outcome outcome;
    outcome = rig_put(&rig, port, spec);
    return &outcome;
}

// What left for the member, without its Ethernet header.
static struct frame sent_of(struct frame_spec spec)
{
    struct outcome *outcome = put(FRONT, spec);
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    assert_int_equal(outcome->port, BACK);
    return outcome->frame;
}

// An error of a router about it.
static struct frame_spec error_about(const struct way *way, const struct frame *sent, uint32_t mtu)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = way->outer_v4 ? "10.2.0.77" : "fd00:2::77",
        .destination = way->outer_v4 ? "10.2.0.1" : "fd00:2::1",
        .protocol = way->outer_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
        .icmp_type = way->outer_v4 ? 3 : 2,
        .icmp_code = way->outer_v4 ? 4 : 0,
        .icmp_rest = mtu,
        .payload = sent->bytes + FRAME_IP_AT,
        .payload_size = (uint16_t)(sent->size - FRAME_IP_AT),
    };
}

// The client is told so about its own packet, of which `quoted` bytes came back.
static void assert_told(const struct outcome *outcome, const struct way *way,
                        struct frame_spec about, uint8_t type, uint8_t code, uint32_t rest,
                        uint16_t quoted)
{
    static struct frame inner, expected;
    bool v6 = is_v6(way->vip);
    frame_build(&inner, &about);
    frame_hop(inner.bytes + FRAME_IP_AT);
    uint16_t most = v6 ? 1280 - 48 : 576 - 28;
    struct frame_spec spec = {
        .destination_mac = client_mac,
        .source_mac = front_mac,
        .source = way->vip,
        .destination = about.source,
        .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
        .icmp_type = type,
        .icmp_code = code,
        .icmp_rest = rest,
        .traffic_class = v6 ? 0 : 0xc0,
        .dont_fragment = true,
        .payload = inner.bytes + FRAME_IP_AT,
        .payload_size = quoted < most ? quoted : most,
    };
    frame_build(&expected, &spec);
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    assert_int_equal(outcome->port, FRONT);
    assert_int_equal(outcome->frame.size, expected.size);
    assert_memory_equal(outcome->frame.bytes, expected.bytes, expected.size);
}

// Whatever the error quotes of the packet, what the way takes is learned; the client is told as
// soon as its ports came back.
static void what_does_not_fit_is_learned_and_told(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &ways[i];
        uint16_t size = (uint16_t)(MTU - way->outer);
        struct frame_spec spec = request(way, size);
        struct frame sent = sent_of(spec);
        struct frame_spec error = error_about(way, &sent, PATH);
        uint16_t least = (uint16_t)(headers_of(way) - WIRE_TCP_SIZE + 8);
        uint16_t quotes[] = {(uint16_t)(error.payload_size < 1452 ? error.payload_size : 1452),
                             (uint16_t)(way->outer + least), (uint16_t)(way->outer + least - 1),
                             (uint16_t)((way->outer_v4 ? 20 : 40) + 8)};
        for (size_t q = 0; q < 4; q++) {
            error.payload_size = quotes[q];
            rig_at(&rig, (uint32_t)(i * 4 + q) * 1000);
            const struct outcome *outcome = put(BACK, error);
            assert_true(outcome->learned);
            assert_int_equal(outcome->news.path_mtu, PATH);
            if (q < 2)
                assert_told(outcome, way, spec, is_v6(way->vip) ? 2 : 3, is_v6(way->vip) ? 0 : 4,
                            (uint32_t)(PATH - way->outer), (uint16_t)(quotes[q] - way->outer));
            else
                assert_int_equal(outcome->kind, OUTCOME_CONSUMED);
        }
    }
    assert_int_equal(*rig.stage.counters.tunnel_errors, 4 * WAYS);
    assert_int_equal(*rig.stage.counters.icmp_relayed, 2 * WAYS);
}

// From the tables that know of it on, packets are as large as the way takes, and it is no news.
static void what_was_learned_counts(void **state)
{
    struct frame sent[WAYS];
    for (size_t i = 0; i < WAYS; i++)
        sent[i] = sent_of(request(&ways[i], (uint16_t)(MTU - ways[i].outer)));
    rig.path_mtu = PATH;
    rig_reload(&rig, configuration);
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &ways[i];
        uint16_t fits = (uint16_t)(PATH - way->outer);
        sent_of(request(way, fits));
        struct outcome *outcome = put(FRONT, request(way, (uint16_t)(fits + 1)));
        assert_int_equal(outcome->kind, OUTCOME_DROPPED);
        assert_string_equal(drop_name(outcome->reason), "mtu");
        assert_true(outcome->answered);
        struct frame_spec error = error_about(way, &sent[i], PATH);
        error.payload_size = 600;
        outcome = put(BACK, error);
        assert_false(outcome->learned);
        assert_int_equal(outcome->kind, OUTCOME_SENT);
    }
    rig.path_mtu = 0;
    rig_reload(&rig, configuration);
    for (size_t i = 0; i < WAYS; i++)
        sent_of(request(&ways[i], (uint16_t)(MTU - ways[i].outer)));
}

// RFC 2003 section 4 and RFC 2473 section 8.2: whatever ends the way before the member.
static void a_member_out_of_reach_is_told_as_a_host(void **state)
{
    static const struct {
        bool outer_v4;
        uint8_t type, code;
        bool told;
    } rows[] = {{true, 3, 0, true},  {true, 3, 1, true},   {true, 3, 2, true},  {true, 3, 3, true},
                {true, 11, 0, true}, {true, 12, 0, false}, {false, 1, 0, true}, {false, 1, 4, true},
                {false, 3, 0, true}, {false, 4, 1, false}};
    for (size_t i = 0; i < WAYS; i++) {
        struct frame_spec spec = request(&ways[i], 100);
        struct frame sent = sent_of(spec);
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
            if (rows[r].outer_v4 != ways[i].outer_v4)
                continue;
            struct frame_spec error = error_about(&ways[i], &sent, 0);
            error.icmp_type = rows[r].type;
            error.icmp_code = rows[r].code;
            rig_at(&rig, (uint32_t)(i * 16 + r) * 1000);
            const struct outcome *outcome = put(BACK, error);
            assert_false(outcome->learned);
            bool v6 = is_v6(ways[i].vip);
            if (rows[r].told)
                assert_told(outcome, &ways[i], spec, v6 ? 1 : 3, v6 ? 3 : 1, 0, 100);
            else
                assert_int_equal(outcome->kind, OUTCOME_CONSUMED);
        }
    }
}

// Who lets his packets be fragmented need not know: from then on they are.
static void what_may_be_fragmented_is_not_told(void **state)
{
    struct frame_spec spec = request(&ways[0], MTU - 20);
    spec.dont_fragment = false;
    struct frame sent = sent_of(spec);
    const struct outcome *outcome = put(BACK, error_about(&ways[0], &sent, PATH));
    assert_int_equal(outcome->kind, OUTCOME_CONSUMED);
    assert_true(outcome->learned);
}

static void assert_not_believed(struct frame_spec error)
{
    const struct outcome *outcome = put(BACK, error);
    assert_false(outcome->learned);
    assert_true(outcome->kind == OUTCOME_PUNTED);
}

// What could not be about a packet of ours is the kernel's, and teaches nothing.
static void what_is_made_up_is_not_believed(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        const struct way *way = &ways[i];
        struct frame sent = sent_of(request(way, (uint16_t)(MTU - way->outer)));
        uint32_t least = way->outer_v4 ? 576 : 1280;
        sent.size = 600;
        assert_not_believed(error_about(way, &sent, least - 1));
        assert_not_believed(error_about(way, &sent, MTU));
        // From another address of ours than what it quotes, to another, larger than we send.
        struct frame other = sent;
        other.bytes[FRAME_IP_AT + (way->outer_v4 ? 15 : 23)] ^= 2;
        assert_not_believed(error_about(way, &other, PATH));
        // From one of ours by which nothing leaves for the member.
        other = sent;
        other.bytes[FRAME_IP_AT + (way->outer_v4 ? 13 : 11)] = 1;
        struct frame_spec error = error_about(way, &other, PATH);
        error.destination = way->outer_v4 ? "10.1.0.1" : "fd00:1::1";
        assert_not_believed(error);
        other = sent;
        other.bytes[FRAME_IP_AT + (way->outer_v4 ? 19 : 39)] ^= 2;
        assert_not_believed(error_about(way, &other, PATH));
        other = sent;
        other.bytes[FRAME_IP_AT + (way->outer_v4 ? 3 : 5)]++;
        assert_not_believed(error_about(way, &other, PATH));
        other = sent;
        other.bytes[FRAME_IP_AT + (way->outer_v4 ? 9 : 6)] ^= 1; // another protocol
        assert_not_believed(error_about(way, &other, PATH));
        if (way->outer_v4) {
            other = sent;
            other.bytes[FRAME_IP_AT + 6] = 0; // we do not let it be fragmented
            assert_not_believed(error_about(way, &other, PATH));
        }
    }
    assert_int_equal(*rig.stage.counters.tunnel_errors, 0);
}

static void a_wrong_checksum_teaches_nothing(void **state)
{
    for (size_t i = 0; i < WAYS; i++) {
        static struct frame frame;
        static struct outcome outcome;
        struct frame sent = sent_of(request(&ways[i], (uint16_t)(MTU - ways[i].outer)));
        sent.size = 600;
        struct frame_spec error = error_about(&ways[i], &sent, PATH);
        frame_build(&frame, &error);
        frame.bytes[frame.size - 1] ^= 1;
        rig_packet(&rig, BACK, &frame, &outcome);
        assert_false(outcome.learned);
        assert_int_not_equal(outcome.kind, OUTCOME_SENT);
    }
}

// RFC 1191 section 5: a router that names no size.
static void of_a_router_that_names_no_size_the_next_common_one_counts(void **state)
{
    struct frame sent = sent_of(request(&ways[0], MTU - 20));
    sent.size = 600;
    const struct outcome *outcome = put(BACK, error_about(&ways[0], &sent, 0));
    assert_int_equal(outcome->news.path_mtu, 1492);
    sent = sent_of(request(&ways[0], 900));
    sent.size = 600;
    outcome = put(BACK, error_about(&ways[0], &sent, 0));
    assert_int_equal(outcome->news.path_mtu, 576);
}

static void a_flood_of_errors_is_not_passed_on(void **state)
{
    struct frame sent = sent_of(request(&ways[0], MTU - 20));
    sent.size = 600;
    for (int i = 0; i < 200; i++)
        put(BACK, error_about(&ways[0], &sent, PATH));
    assert_int_equal(*rig.stage.counters.icmp_relayed, 16);
    assert_int_equal(*rig.stage.counters.too_big_suppressed, 200 - 16);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(what_does_not_fit_is_learned_and_told),
        CASE(what_was_learned_counts),
        CASE(a_member_out_of_reach_is_told_as_a_host),
        CASE(what_may_be_fragmented_is_not_told),
        CASE(what_is_made_up_is_not_believed),
        CASE(a_wrong_checksum_teaches_nothing),
        CASE(of_a_router_that_names_no_size_the_next_common_one_counts),
        CASE(a_flood_of_errors_is_not_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
