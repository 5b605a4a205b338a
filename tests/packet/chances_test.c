// A second chance: what packets of flows that are not known here tell about who may know them.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/gue.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/test.h"

#define FLOWS 200

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define BEGINNING                                                                               \
    "node: {name: test, cores: [0], flows: {per-worker: 4096}}\n"                               \
    "ports:\n"                                                                                  \
    "  - {name: front, device: net_null0, mtu: 1500, addresses: [10.1.0.1/24, fd00:1::1/64]}\n" \
    "  - {name: back, device: net_null1, mtu: 1500, addresses: [10.2.0.1/24, fd00:2::1/64]}\n"
#define VIPS                                                                  \
    "vips:\n"                                                                 \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}\n" \
    "  - {name: u4, address: 10.1.0.100, port: 53, protocol: udp, pool: p}\n" \
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p}\n"
#define POOL(chances) \
    "pools:\n  - {name: p, forward: gue, balancer: ring, second-chance: " chances ", members: ["
#define V4(host, more) "{name: m" host ", address: 10.2.0." host more "},"
#define V6(host)       "{name: m" host ", address: 'fd00:2::" host "'},"

static const char four[] =
    BEGINNING POOL("3") V4("11", "") V4("12", "") V4("13", "") V4("14", "") "]}\n" VIPS;
static const char two_drained[] = BEGINNING POOL("3") V4("11", ", state: drain") V4("12", "")
    V4("13", ", state: drain") V4("14", "") "]}\n" VIPS;
static const char one_more[] = BEGINNING POOL("3") V4("11", ", state: drain") V4("12", "")
    V4("13", ", state: drain") V4("14", "") V4("15", "") "]}\n" VIPS;
static const char one_gone[] =
    BEGINNING POOL("3") V4("11", "") V4("12", "") V4("13", "") "]}\n" VIPS;
static const char one_alone[] = BEGINNING POOL("3") V4("11", "") "]}\n" VIPS;
static const char cut[] = BEGINNING POOL("1") V4("11", ", state: drain") V4("12", ", state: drain")
    V4("13", ", state: drain") V4("14", "") "]}\n" VIPS;
static const char many[] = BEGINNING POOL("29") V4("11", "") V4("12", "") V4("13", "") V4("14", "")
    V4("15", "") V4("16", "") V4("17", "") V4("18", "") V4("19", "") V4("20", "") V4("21", "")
        V4("22", "") V4("23", "") V4("24", "") V4("25", "") V4("26", "") V4("27", "") V4("28", "")
            V4("29", "") V4("30", "") V4("31", "") V4("32", "") V4("33", "") V4("34", "")
                V4("35", "") V4("36", "") V4("37", "") V4("38", "") V4("39", "") V4("40", "")
                    V4("41", "") "]}\n" VIPS;
static const char over_ipv6[] = BEGINNING POOL("6") V6("11") V6("12") V6("13") V6("14") V6("15")
    V6("16") V6("17") V6("18") "]}\n" VIPS;

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    for (int host = 11; host < 45; host++) {
        char address[IP_TEXT_SIZE];
        snprintf(address, sizeof(address), "10.2.0.%d", host);
        rig_neighbour(&rig, BACK, address, member_mac);
        snprintf(address, sizeof(address), "fd00:2::%d", host);
        rig_neighbour(&rig, BACK, address, member_mac);
    }
}

static struct frame_spec packet_of(uint16_t flow, uint8_t protocol, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = "10.1.0.10",
        .destination = "10.1.0.100",
        .protocol = protocol,
        .source_port = (uint16_t)(40000 + flow),
        .destination_port = protocol == IPPROTO_TCP ? 80 : 53,
        .tcp_flags = flags,
        .payload_size = 32,
    };
}

// Where a packet went, and whom it told.
struct told {
    uint8_t first; // last byte of the member's address
    uint8_t hops[GUE_HOPS_MAX];
    uint32_t count;
};

static struct told send_spec(struct frame_spec spec)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &spec);
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
    bool v4 = load_be16(outcome.frame.bytes + 12) == 0x0800;
    size_t udp = v4 ? FRAME_IPV4_L4 : FRAME_IPV6_L4;
    struct gue gue;
    assert_int_equal(
        gue_read(span_of(outcome.frame.bytes + udp + 8, outcome.frame.size - udp - 8), &gue),
        ERROR_NONE);
    assert_int_equal(load_be16(outcome.frame.bytes + udp + 4), outcome.frame.size - udp);
    // The packet itself is untouched, but for a hop.
    frame_hop(frame.bytes + FRAME_IP_AT);
    assert_int_equal(gue.inner.size, frame.size - FRAME_IP_AT);
    assert_memory_equal(gue.inner.data, frame.bytes + FRAME_IP_AT, gue.inner.size);
    assert_int_equal(gue.hop_next, 0);
    struct told told = {.first = outcome.frame.bytes[udp - 1], .count = gue.hop_count};
    for (uint32_t i = 0; i < gue.hop_count; i++) {
        assert_int_equal(gue.hops_v4, v4);
        told.hops[i] = gue_hop(&gue, i).bytes[15];
    }
    return told;
}

static struct told send_of(uint16_t flow, uint8_t protocol, uint8_t flags)
{
    return send_spec(packet_of(flow, protocol, flags));
}

static bool names(const struct told *told, uint8_t member)
{
    for (uint32_t i = 0; i < told->count; i++) {
        if (told->hops[i] == member)
            return true;
    }
    return told->first == member;
}

static void only_what_may_be_anothers_has_a_list(void **state)
{
    open_with(four);
    struct told told = send_of(1, IPPROTO_TCP, SYN);
    assert_int_equal(told.count, 0);
    assert_int_equal(send_of(1, IPPROTO_TCP, ACK).count, 0); // known now
    assert_int_equal(*rig.stage.counters.second_chances, 0);
    static const uint8_t unknown[] = {ACK, ACK | WIRE_TCP_FIN, WIRE_TCP_RST};
    for (uint32_t i = 0; i < sizeof(unknown); i++) {
        for (int again = 0; again < 2; again++) { // the next one is not known any better
            told = send_of((uint16_t)(2 + i), IPPROTO_TCP, unknown[i]);
            assert_int_equal(told.count, 4);
            assert_int_equal(told.hops[3], told.first); // what nobody knows is its own member's
        }
    }
    assert_int_equal(send_of(9, IPPROTO_UDP, 0).count, 4);
    assert_int_equal(send_of(9, IPPROTO_UDP, 0).count, 4);
    assert_int_equal(*rig.stage.counters.second_chances, 8);
    assert_int_equal(*rig.stage.counters.second_chances_cut, 0);
    assert_int_equal(flow_table_used(rig.stage.flows), 1);
}

// Members are drained and come, and the appliance is replaced by one that knows only how they are
// now: whoever has a flow is told of.
static void whose_a_flow_was_follows_from_the_configuration_alone(void **state)
{
    static const char *const later[] = {two_drained, one_more};
    static uint8_t owners[3][FLOWS];
    open_with(four);
    for (uint16_t flow = 0; flow < FLOWS; flow++)
        owners[0][flow] = send_of(flow, IPPROTO_TCP, SYN).first;
    for (uint32_t change = 0; change < 2; change++) {
        rig_close(&rig);
        open_with(later[change]);
        uint32_t moved = 0;
        for (uint16_t flow = 0; flow < FLOWS; flow++) {
            struct told told = send_of(flow, IPPROTO_TCP, ACK);
            for (uint32_t before = 0; before <= change; before++)
                assert_true(names(&told, owners[before][flow]));
            moved += told.first != owners[change][flow];
            owners[change + 1][flow] = told.first;
            assert_int_not_equal(told.first, 11);
            assert_int_not_equal(told.first, 13);
        }
        assert_true(moved > FLOWS / 10);
    }
}

// An operator's drain and the file's are one.
static void a_drain_by_hand_keeps_its_place_too(void **state)
{
    open_with(four);
    uint8_t owners[FLOWS];
    for (uint16_t flow = 0; flow < FLOWS; flow++)
        owners[flow] = send_of(flow, IPPROTO_TCP, ACK).first;
    rig_drain(&rig, "p/m12");
    for (uint16_t flow = 0; flow < FLOWS; flow++) {
        struct told told = send_of(flow, IPPROTO_TCP, ACK);
        assert_int_not_equal(told.first, 12);
        assert_true(told.first == owners[flow] || (owners[flow] == 12 && names(&told, 12)));
    }
}

static void a_member_that_left_is_told_of_no_more(void **state)
{
    open_with(four);
    rig_reload(&rig, one_gone);
    for (uint16_t flow = 0; flow < FLOWS; flow++) {
        struct told told = send_of(flow, IPPROTO_TCP, ACK);
        assert_false(names(&told, 14));
        assert_int_equal(told.count, 3);
    }
    rig_reload(&rig, one_alone); // nobody else: no list
    assert_int_equal(send_of(1, IPPROTO_TCP, ACK).count, 0);
}

static void a_list_too_short_for_all_drained_ones_is_counted(void **state)
{
    open_with(cut);
    for (uint16_t flow = 0; flow < FLOWS; flow++) {
        struct told told = send_of(flow, IPPROTO_TCP, ACK);
        assert_int_equal(told.first, 14);
        assert_int_equal(told.count, 2);
    }
    // Of four members in any order the one that serves is behind two or three: half.
    assert_in_range(*rig.stage.counters.second_chances_cut, FLOWS / 4, FLOWS * 3 / 4);
}

// With the list, a packet as large as may come still fits, and one byte more does not.
static void assert_largest(uint32_t overhead, bool v6)
{
    struct frame_spec spec = packet_of(7, IPPROTO_TCP, ACK);
    if (v6) {
        spec.source = "fd00:1::10";
        spec.destination = "fd00:1::100";
    }
    spec.payload_size = (uint16_t)(1500 - overhead - (v6 ? 60 : 40));
    send_spec(spec);
    spec.payload_size++;
    spec.dont_fragment = true;
    static struct frame frame;
    frame_build(&frame, &spec);
    uint64_t before = rig_drops(&rig, DROP_MTU);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig.pool);
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame.size), frame.bytes, frame.size);
    stage_receive(&rig.stage, FRONT, &mbuf, 1);
    assert_int_equal(rig_drops(&rig, DROP_MTU) - before, 1);
    for (int port = 0; port < 2; port++) { // an ICMP error went back, or waits for a MAC
        for (uint32_t i = 0; i < rig.stage.outboxes[port].count; i++)
            rte_pktmbuf_free(rig.stage.outboxes[port].packets[i]);
        rig.stage.outboxes[port].count = 0;
    }
}

static void the_longest_lists_fit_buffer_and_mtu(void **state)
{
    open_with(many);
    struct told told = send_of(1, IPPROTO_TCP, ACK);
    assert_int_equal(told.count, 30);
    assert_largest(32 + 4 + 30 * 4, false);
    assert_largest(32 + 4 + 30 * 4, true);
    rig_close(&rig);
    open_with(over_ipv6);
    told = send_of(1, IPPROTO_TCP, ACK);
    assert_int_equal(told.count, 7);
    assert_largest(52 + 4 + 7 * 16, false);
    assert_largest(52 + 4 + 7 * 16, true);
}

static void a_buffer_without_room_is_dropped_by_name(void **state)
{
    open_with(four);
    struct frame frame;
    struct frame_spec spec = packet_of(1, IPPROTO_TCP, ACK);
    frame_build(&frame, &spec);
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig.pool);
    mbuf->data_off = 0;
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame.size), frame.bytes, frame.size);
    mbuf->buf_len = (uint16_t)(frame.size + 10); // ten bytes behind it
    stage_receive(&rig.stage, FRONT, &mbuf, 1);
    assert_int_equal(rig_drops(&rig, DROP_HEADROOM), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(only_what_may_be_anothers_has_a_list),
        CASE(whose_a_flow_was_follows_from_the_configuration_alone),
        CASE(a_drain_by_hand_keeps_its_place_too),
        CASE(a_member_that_left_is_told_of_no_more),
        CASE(a_list_too_short_for_all_drained_ones_is_counted),
        CASE(the_longest_lists_fit_buffer_and_mtu),
        CASE(a_buffer_without_room_is_dropped_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
