// What becomes of packets that a device refuses: why depends on its link. The device is net_ring,
// filled up.
#include <netinet/in.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_ring.h>
#include <string.h>

#include "dataplane/packet/stage/stage.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

static const char configuration[] =
    "node: {name: test, cores: 0, flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
    "pools: [{name: direct, forward: direct, members: [{address: 10.2.0.11}]}]\n"
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: udp, pool: direct}]\n";

static struct stage_rig rig;

static struct rte_ring *open_full_ring(uint16_t *id)
{
    const struct rte_eth_conf conf = {.rxmode.mtu = 1500};
    assert_int_equal(rte_dev_probe("net_ring0"), 0);
    assert_int_equal(rte_eth_dev_get_port_by_name("net_ring0", id), 0);
    assert_int_equal(rte_eth_dev_configure(*id, 1, 1, &conf), 0);
    assert_int_equal(rte_eth_rx_queue_setup(*id, 0, 64, 0, NULL, rig.pool), 0);
    assert_int_equal(rte_eth_tx_queue_setup(*id, 0, 64, 0, NULL), 0);
    assert_int_equal(rte_eth_dev_start(*id), 0);
    struct rte_ring *ring = rte_ring_lookup("ETH_RXTX0_net_ring0");
    assert_non_null(ring);
    while (rte_ring_enqueue(ring, &rig) == 0)
        ;
    return ring;
}

static void send_one(void)
{
    static struct frame frame;
    frame_build(&frame, &(struct frame_spec){.destination_mac = front_mac,
                                             .source_mac = client_mac,
                                             .source = "10.1.0.10",
                                             .destination = "10.1.0.100",
                                             .protocol = IPPROTO_UDP,
                                             .source_port = 40000,
                                             .destination_port = 80,
                                             .payload_size = 20});
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig.pool);
    assert_non_null(mbuf);
    memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame.size), frame.bytes, frame.size);
    stage_receive(&rig.stage, FRONT, &mbuf, 1);
    stage_flush(&rig.stage);
}

static void a_refused_packet_is_dropped_by_what_the_link_is(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    struct rte_ring *ring = open_full_ring(&rig.ports[BACK].id);
    send_one();
    assert_int_equal(rig_drops(&rig, DROP_TX_FULL), 1);
    assert_int_equal(rig_drops(&rig, DROP_LINK_DOWN), 0);
    atomic_store(&rig.ports[BACK].link_down, true);
    send_one();
    send_one();
    assert_int_equal(rig_drops(&rig, DROP_TX_FULL), 1);
    assert_int_equal(rig_drops(&rig, DROP_LINK_DOWN), 2);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], 0);
    // What a device takes all the same counts as sent.
    void *taken;
    assert_int_equal(rte_ring_dequeue(ring, &taken), 0);
    send_one();
    assert_int_equal(rig_drops(&rig, DROP_LINK_DOWN), 2);
    assert_int_equal(rig.stage.counters.port_tx_packets[BACK], 1);
    while (rte_ring_dequeue(ring, &taken) == 0) {
        if (taken != &rig)
            rte_pktmbuf_free(taken);
    }
    rig_close(&rig);
}

int main(void)
{
    rig_start_dpdk();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_packet_is_dropped_by_what_the_link_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
