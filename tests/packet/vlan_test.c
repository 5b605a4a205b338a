// VLANs: frames of several on one device go to the ports that have them, and what these send gets
// their tags, on a device (net_ring) that hands back what it is given.
#include <netinet/in.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <string.h>

#include "dataplane/packet/stage/stage.h"
#include "dataplane/packet/wire/vlan.h"
#include "tests/packet/stage_rig.h"
#include "tests/test.h"

enum {
    FRONT,  // VLAN 5
    BACK,   // VLAN 4094
    NATIVE, // without a tag
    ALONE,  // on a device of its own
};

static const uint8_t port_macs[][6] = {
    {2, 0, 0, 0, 0, FRONT}, {2, 0, 0, 0, 0, BACK}, {2, 0, 0, 0, 0, NATIVE}, {2, 0, 0, 0, 0, ALONE}};
static const uint8_t member_mac[6] = {2, 0, 0, 0, 1, 2};

static const char configuration[] =
    "node: {name: test, cores: [0, 1], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, vlan: 5, addresses: [10.1.0.1/24], punt: {interface: "
    "a}}\n"
    "  - {name: back, device: net_null0, vlan: 4094, addresses: [10.2.0.1/24, fd00:2::1/64]}\n"
    "  - {name: native, device: net_null0, addresses: [10.3.0.1/24], punt: {interface: b}}\n"
    "  - {name: alone, device: net_null1, addresses: [10.4.0.1/24], punt: {interface: c}}\n"
    "pools:\n"
    "  - {name: direct, forward: direct, members: [{address: 10.2.0.11}]}\n"
    "  - {name: tunnel, forward: gue, members: [{address: 10.2.0.11}]}\n"
    "  - name: chances\n"
    "    forward: gue\n"
    "    balancer: ring\n"
    "    second-chance: 3\n"
    "    members: [{address: fd00:2::11}, {address: fd00:2::12}, {address: fd00:2::13},\n"
    "              {address: fd00:2::14}]\n"
    "vips:\n"
    "  - {name: chances, address: 10.1.0.102, port: 80, protocol: udp, pool: chances}\n"
    "  - {name: direct, address: 10.1.0.100, port: 80, protocol: udp, pool: direct}\n"
    "  - {name: tunnel, address: 10.1.0.101, port: 80, protocol: udp, pool: tunnel}\n";

static struct stage_rig rig;
static struct port_vlans vlans;
static uint16_t ring; // DPDK's port

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    for (char host = '1'; host <= '4'; host++) {
        const char address[] = {'f', 'd', '0', '0', ':', '2', ':', ':', '1', host, '\0'};
        rig_neighbour(&rig, BACK, address, member_mac);
    }
    memset(vlans.ports, PORT_VLAN_NONE, sizeof(vlans.ports));
    vlans.ports[0] = NATIVE;
    vlans.ports[5] = FRONT;
    vlans.ports[4094] = BACK;
    rig.ports[FRONT].vlan = 5;
    rig.ports[BACK].vlan = 4094;
    for (int p = 0; p < ALONE; p++)
        rig.ports[p].id = ring;
    return 0;
}

static int close_rig(void **state)
{
    rig_close(&rig);
    return 0;
}

static void open_ring(void)
{
    static struct rte_mempool *pool;
    const struct rte_eth_conf conf = {.rxmode.mtu = 1500};
    assert_int_equal(rte_dev_probe("net_ring0"), 0);
    assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", &ring), 0);
    pool = rte_pktmbuf_pool_create("ring", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    assert_non_null(pool);
    assert_int_equal(rte_eth_dev_configure(ring, 1, 1, &conf), 0);
    assert_int_equal(rte_eth_rx_queue_setup(ring, 0, 64, 0, NULL, pool), 0);
    assert_int_equal(rte_eth_tx_queue_setup(ring, 0, 64, 0, NULL), 0);
    assert_int_equal(rte_eth_dev_start(ring), 0);
}

static void put_tag(struct frame *frame, uint16_t tci)
{
    const uint8_t tag[] = {0x81, 0x00, (uint8_t)(tci >> 8), (uint8_t)tci};
    memmove(frame->bytes + 16, frame->bytes + 12, frame->size - 12);
    memcpy(frame->bytes + 12, tag, sizeof(tag));
    frame->size += sizeof(tag);
}

static void build(struct frame *frame, int port, const char *destination, uint16_t source_port)
{
    frame_build(frame, &(struct frame_spec){.destination_mac = port_macs[port],
                                            .source = "10.1.0.10",
                                            .destination = destination,
                                            .protocol = IPPROTO_UDP,
                                            .source_port = source_port,
                                            .destination_port = 80,
                                            .payload_size = 100});
}

// An EtherType that is for the kernel.
static void build_other(struct frame *frame, int port)
{
    build(frame, port, "10.9.0.1", 1);
    frame->bytes[12] = 0x88;
    frame->bytes[13] = 0xcc;
}

static void each_vlan_has_its_port(void **state)
{
    static const struct {
        bool tag;
        uint16_t tci;
        int port; // below 0: none
    } rows[] = {
        {true, 5, FRONT},   {true, 0xa005, FRONT}, {true, 0xf000, NATIVE},
        {false, 0, NATIVE}, {true, 6, -1},         {true, 4095, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct frame frame, plain;
        static struct outcome outcome;
        build_other(&frame, rows[i].port < 0 ? FRONT : rows[i].port);
        plain = frame;
        if (rows[i].tag)
            put_tag(&frame, rows[i].tci);
        rig_tagged(&rig, &vlans, &frame, &outcome);
        if (rows[i].port < 0) {
            assert_int_equal(outcome.kind, OUTCOME_DROPPED);
            assert_int_equal(outcome.reason, DROP_VLAN_UNKNOWN);
            continue;
        }
        // The kernel gets it without the tag.
        assert_int_equal(outcome.kind, OUTCOME_PUNTED);
        assert_int_equal(outcome.port, rows[i].port);
        assert_int_equal(outcome.frame.size, plain.size);
        assert_memory_equal(outcome.frame.bytes, plain.bytes, plain.size);
    }
    vlans.ports[0] = PORT_VLAN_NONE;
    static struct frame frame;
    static struct outcome outcome;
    build_other(&frame, NATIVE);
    rig_tagged(&rig, &vlans, &frame, &outcome);
    assert_int_equal(outcome.reason, DROP_VLAN_UNKNOWN);
    put_tag(&frame, 5);
    frame.size = 17;
    rig_tagged(&rig, &vlans, &frame, &outcome);
    assert_int_equal(outcome.reason, DROP_ETHERNET_TRUNCATED);
}

static void what_is_asked_in_a_vlan_is_answered_there(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &(struct frame_spec){.destination_mac = port_macs[BACK],
                                             .source = "fd00:2::9",
                                             .destination = "fd00:2::1",
                                             .protocol = IPPROTO_ICMPV6,
                                             .icmp_type = 128,
                                             .payload_size = 20});
    put_tag(&frame, 4094);
    rig_tagged(&rig, &vlans, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, BACK);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
    frame_build(&frame,
                &(struct frame_spec){.destination_mac = (const uint8_t *)"\xff\xff\xff\xff\xff\xff",
                                     .source = "10.1.0.10",
                                     .destination = "10.1.0.1",
                                     .arp_operation = 1});
    put_tag(&frame, 5);
    rig_tagged(&rig, &vlans, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, FRONT);
}

// A switch that knows priorities and no VLANs.
static void a_priority_alone_is_no_vlan(void **state)
{
    static struct frame frame, plain;
    static struct outcome outcome, expected;
    build(&frame, ALONE, "10.1.0.100", 7);
    plain = frame;
    put_tag(&frame, 0xe000);
    rig_packet(&rig, ALONE, &frame, &outcome);
    rig_packet(&rig, ALONE, &plain, &expected);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, BACK);
    assert_int_equal(outcome.frame.size, plain.size);
    assert_memory_equal(outcome.frame.bytes, expected.frame.bytes, plain.size);
    // But a VLAN is not ours there, and the kernel may do with it what it likes.
    build(&frame, ALONE, "10.1.0.100", 7);
    put_tag(&frame, 5);
    rig_packet(&rig, ALONE, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_PUNTED);
    assert_int_equal(outcome.frame.size, frame.size);
    assert_memory_equal(outcome.frame.bytes, frame.bytes, frame.size);
}

static struct rte_mbuf *received(const struct frame *frame)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig.pool);
    assert_non_null(mbuf);
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame->size), frame->bytes, frame->size);
    return mbuf;
}

// What was sent since, in its order; the caller's.
static uint32_t flushed(struct rte_mbuf **sent)
{
    stage_flush(&rig.stage);
    return rte_eth_rx_burst(ring, 0, sent, STAGE_BURST);
}

static void a_burst_of_many_vlans_is_sent_with_their_tags_in_order(void **state)
{
    struct rte_mbuf *mbufs[STAGE_BURST], *sent[STAGE_BURST];
    for (uint16_t i = 0; i < STAGE_BURST; i++) {
        static struct frame frame;
        int port = i % 3 == 0 ? FRONT : i % 3 == 1 ? BACK : NATIVE;
        build(&frame, port, "10.1.0.100", (uint16_t)(100 + i));
        if (i % 4 == 3) // the device has taken the tag off
            mbufs[i] = received(&frame);
        if (port != NATIVE)
            put_tag(&frame, port == FRONT ? 0x6005 : 4094);
        if (i % 4 == 3) {
            mbufs[i]->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
            mbufs[i]->vlan_tci = port == FRONT ? 0x6005 : port == BACK ? 0x6ffe : 0;
        } else {
            mbufs[i] = received(&frame);
        }
    }
    stage_receive_tagged(&rig.stage, &vlans, mbufs, STAGE_BURST);
    assert_int_equal(rig.stage.counters.port_rx_packets[FRONT], 11);
    assert_int_equal(rig.stage.counters.port_rx_packets[BACK], 11);
    assert_int_equal(rig.stage.counters.port_rx_packets[NATIVE], 10);
    assert_int_equal(rig.stage.counters.port_rx_bytes[NATIVE], 10 * 142);
    assert_int_equal(flushed(sent), STAGE_BURST);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], STAGE_BURST);
    assert_int_equal(rig.stage.counters.port_tx_bytes[BACK], STAGE_BURST * 142);
    uint16_t last[3] = {0, 0, 0};
    for (uint32_t i = 0; i < STAGE_BURST; i++) {
        const uint8_t *frame = rte_pktmbuf_mtod(sent[i], const uint8_t *);
        assert_int_equal(rte_pktmbuf_pkt_len(sent[i]), 146);
        assert_memory_equal(frame, member_mac, 6);
        assert_memory_equal(frame + 6, port_macs[BACK], 6);
        assert_memory_equal(frame + 12, "\x81\x00\x0f\xfe\x08\x00", 6);
        uint16_t source_port = (uint16_t)(frame[38] << 8 | frame[39]);
        uint16_t *before = &last[(source_port - 100) % 3];
        assert_true(source_port > *before);
        *before = source_port;
    }
    rte_pktmbuf_free_bulk(sent, STAGE_BURST);
}

static void a_tunnelled_packet_has_room_for_its_tag(void **state)
{
    static struct frame frame;
    struct rte_mbuf *sent[STAGE_BURST];
    rig.ports[BACK].tx_ipv4_checksum = true; // the device counts from the packet's start
    build(&frame, FRONT, "10.1.0.101", 9);
    put_tag(&frame, 5);
    struct rte_mbuf *mbuf = received(&frame);
    stage_receive_tagged(&rig.stage, &vlans, &mbuf, 1);
    assert_int_equal(flushed(sent), 1);
    assert_int_equal(rte_pktmbuf_pkt_len(sent[0]), 142 + 20 + 8 + 4 + 4); // IP, UDP, GUE, tag
    const uint8_t *bytes = rte_pktmbuf_mtod(sent[0], const uint8_t *);
    assert_memory_equal(bytes + 12, "\x81\x00\x0f\xfe\x08\x00\x45", 7);
    assert_int_equal(sent[0]->l2_len, 18);
    assert_int_equal(sent[0]->l3_len, 20);
    assert_true(sent[0]->ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
    rte_pktmbuf_free(sent[0]);
}

// The longest outer headers there are, in a buffer that has no room in front.
static void a_list_of_chances_leaves_room_for_the_tag(void **state)
{
    static struct frame frame;
    struct rte_mbuf *sent[STAGE_BURST];
    build(&frame, FRONT, "10.1.0.102", 9);
    struct rte_mbuf *mbuf = received(&frame);
    mbuf->data_off = 0;
    memcpy(rte_pktmbuf_mtod(mbuf, void *), frame.bytes, frame.size);
    stage_receive(&rig.stage, FRONT, &mbuf, 1);
    assert_int_equal(flushed(sent), 1);
    // IPv6, UDP, GUE with four hops, tag.
    assert_int_equal(rte_pktmbuf_pkt_len(sent[0]), 142 + 40 + 8 + 4 + 4 + 4 * 16 + 4);
    const uint8_t *bytes = rte_pktmbuf_mtod(sent[0], const uint8_t *);
    assert_memory_equal(bytes + 12, "\x81\x00\x0f\xfe\x86\xdd\x60", 7);
    rte_pktmbuf_free(sent[0]);
}

static void without_room_for_a_tag_a_packet_is_dropped_by_name(void **state)
{
    static struct frame frame;
    struct rte_mbuf *sent[STAGE_BURST], *mbufs[2];
    build(&frame, ALONE, "10.1.0.100", 10);
    for (int i = 0; i < 2; i++)
        mbufs[i] = received(&frame);
    mbufs[0]->data_off = 3;
    memcpy(rte_pktmbuf_mtod(mbufs[0], void *), frame.bytes, frame.size);
    stage_receive(&rig.stage, ALONE, mbufs, 2);
    assert_int_equal(flushed(sent), 1);
    assert_int_equal(rig_drops(&rig, DROP_HEADROOM), 1);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], 1);
    assert_int_equal(rig.stage.counters.port_tx_bytes[BACK], 142);
    rte_pktmbuf_free(sent[0]);
}

static void a_device_that_can_puts_the_tag_in_itself(void **state)
{
    static struct frame frame;
    struct rte_mbuf *sent[STAGE_BURST];
    rig.ports[BACK].tx_inserts_vlan = true;
    build(&frame, ALONE, "10.1.0.100", 11);
    struct rte_mbuf *mbuf = received(&frame);
    stage_receive(&rig.stage, ALONE, &mbuf, 1);
    assert_int_equal(flushed(sent), 1);
    assert_int_equal(rte_pktmbuf_pkt_len(sent[0]), 142);
    assert_true(sent[0]->ol_flags & RTE_MBUF_F_TX_VLAN);
    assert_int_equal(sent[0]->vlan_tci, 4094);
    assert_int_equal(rig.stage.counters.port_tx_bytes[BACK], 142);
    rte_pktmbuf_free(sent[0]);
}

// The worker that has a queue sends, and puts the tag on: not the one that hands over.
static void what_another_worker_sends_goes_there_without_a_tag(void **state)
{
    static struct frame frame;
    struct rte_mbuf *sent[STAGE_BURST];
    struct mailbox *own = rig.handoff[1];
    rig.handoff[0] = own;
    rig.handoff[1] = NULL;
    rig.stage.worker = 1;
    build(&frame, ALONE, "10.1.0.100", 12);
    struct rte_mbuf *mbuf = received(&frame);
    stage_receive(&rig.stage, ALONE, &mbuf, 1);
    assert_int_equal(flushed(sent), 0);
    struct handoff_message handed;
    assert_true(mailbox_receive(own, &handed));
    assert_int_equal(rte_pktmbuf_pkt_len(handed.packet), 142);
    rig.stage.worker = 0;
    stage_receive_handed(&rig.stage, &handed, 1);
    assert_int_equal(flushed(sent), 1);
    assert_int_equal(rte_pktmbuf_pkt_len(sent[0]), 146);
    rte_pktmbuf_free(sent[0]);
    rig.handoff[0] = NULL;
    rig.handoff[1] = own;
}

static void send_two(void)
{
    for (uint16_t i = 0; i < 2; i++) {
        static struct frame frame;
        build(&frame, FRONT, "10.1.0.100", (uint16_t)(200 + i));
        struct rte_mbuf *mbuf = received(&frame);
        stage_receive(&rig.stage, FRONT, &mbuf, 1);
    }
    stage_flush(&rig.stage);
}

static void what_a_full_device_does_not_take_is_dropped_by_name(void **state)
{
    struct rte_mbuf *out, *filler = rte_pktmbuf_alloc(rig.pool);
    while (rte_eth_tx_burst(ring, 0, &filler, 1) == 1)
        ;
    send_two();
    assert_int_equal(rig_drops(&rig, DROP_TX_FULL), 2);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], 0);
    assert_int_equal(rig.stage.counters.port_tx_bytes[BACK], 0);
    // It has room for one.
    assert_int_equal(rte_eth_rx_burst(ring, 0, &out, 1), 1);
    send_two();
    assert_int_equal(rig_drops(&rig, DROP_TX_FULL), 3);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], 1);
    assert_int_equal(rig.stage.counters.port_tx_bytes[BACK], 142);
    while (rte_eth_rx_burst(ring, 0, &out, 1) == 1) {
        if (out != filler)
            rte_pktmbuf_free(out);
    }
    rte_pktmbuf_free(filler);
}

int main(void)
{
    rig_start_dpdk();
    open_ring();
    const struct CMUnitTest tests[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)
        CASE(each_vlan_has_its_port),
        CASE(what_is_asked_in_a_vlan_is_answered_there),
        CASE(a_priority_alone_is_no_vlan),
        CASE(a_burst_of_many_vlans_is_sent_with_their_tags_in_order),
        CASE(a_tunnelled_packet_has_room_for_its_tag),
        CASE(a_list_of_chances_leaves_room_for_the_tag),
        CASE(without_room_for_a_tag_a_packet_is_dropped_by_name),
        CASE(what_a_full_device_does_not_take_is_dropped_by_name),
        CASE(a_device_that_can_puts_the_tag_in_itself),
        CASE(what_another_worker_sends_goes_there_without_a_tag),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
