// Ports on devices without a kernel below (net_null, net_ring), then on net_af_xdp over a veth pair
// in a namespace of the test's own.
#include "dataplane/packet/port/port.h"

#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_ether.h>
#include <rte_malloc.h>
#include <rte_ring.h>
#include <sys/socket.h>

#include "tests/unit/dataplane/packet/port/fixture.h"

// Local experimental EtherType (IEEE 802).
#define EXPERIMENTAL 0x88b5

// What net_ring attaches to, whatever is used.
#define NET_RING_QUEUES 16

static const char *no_af_xdp; // why not

static void queues_follow_the_workers_the_configuration_and_the_device(void **state)
{
    static const struct {
        uint32_t queues;
        uint32_t workers;
        uint16_t rx, tx;
        char *device; // net_ring keeps its rings, and complains when it meets them again
    } table[] = {
        {0, 1, 1, 1, "net_ring1"},
        {0, 2, 2, 2, "net_ring2"},
        {1, 2, 1, 2, "net_ring3"},
        {4, 2, 2, 2, "net_ring4"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        fixture->config.port_count = 0;
        fixture_add_port(fixture, "ring", table[i].device);
        fixture->ports[0].queues = table[i].queues;
        struct port *port = fixture_open(fixture, 0, table[i].workers);
        assert_int_equal(port->rx_queues, table[i].rx);
        assert_int_equal(port->tx_queues, table[i].tx);
        assert_string_equal(port->name, "ring");
        assert_string_equal(port->driver, "net_ring");
        assert_int_equal(port->mtu, 1500);
        assert_false(port->punts);
        assert_int_equal(port_start(port, fixture->why), ERROR_NONE);
        fixture_close(port);
    }
}

static void what_a_worker_sends_is_counted(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "ring", "net_ring9");
    struct port *port = fixture_open(fixture, 0, 2);
    assert_int_equal(port_start(port, fixture->why), ERROR_NONE);
    uint32_t speed;
    assert_true(port_link_up(port, &speed));

    // net_ring hands back what it is given.
    struct rte_mbuf *sent[3], *received[3];
    assert_int_equal(rte_pktmbuf_alloc_bulk(port->buffers, sent, 3), 0);
    assert_int_equal(rte_eth_tx_burst(port->id, 1, sent, 3), 3);
    assert_int_equal(rte_eth_rx_burst(port->id, 1, received, 3), 3);
    assert_int_equal(rte_eth_rx_burst(port->id, 0, received, 3), 0);
    rte_pktmbuf_free_bulk(sent, 3);

    struct port_counters counters;
    port_read_counters(port, &counters);
    assert_int_equal(counters.tx_packets, 3);
    assert_int_equal(counters.rx_packets, 3);
    assert_int_equal(counters.rx_missed, 0);
    fixture_close(port);
}

static void buffers_hold_frames_of_the_mtu_with_headroom(void **state)
{
    static const struct {
        uint32_t mtu;
        uint32_t room_min;
    } table[] = {{1500, 2048}, {9000, 9000 + 26}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        fixture->config.port_count = 0;
        fixture_add_port(fixture, "null", "net_null1");
        fixture->ports[0].mtu = table[i].mtu;
        struct port *port = fixture_open(fixture, 0, 1);
        uint32_t room = rte_pktmbuf_data_room_size(port->buffers);
        assert_true(room >= table[i].room_min + RTE_PKTMBUF_HEADROOM);
        assert_true(room < table[i].room_min + RTE_PKTMBUF_HEADROOM + 64);
        assert_int_equal(port->mtu, table[i].mtu);
        fixture_close(port);
    }
}

static void what_a_device_cannot_do_is_said_and_leaves_it_free(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "null", "net_null2");
    struct port *port = NULL;
    fixture->ports[0].mtu = 20;
    assert_int_equal(port_open(&fixture->config, 0, 1, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
                     ERROR_UNSUPPORTED);
    assert_non_null(strstr(fixture->why, "mtu 20 is not possible: the device takes 46 to 65535: "
                                         "set the port's mtu within that"));

    fixture->ports[0].mtu = 1500;
    fixture->ports[0].descriptors = 60000;
    assert_int_equal(port_open(&fixture->config, 0, 4, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
                     ERROR_NO_MEMORY);
    assert_non_null(strstr(fixture->why, "(about 1886 MiB): node.memory is 256 MiB"));
    assert_null(port);

    fixture->ports[0].descriptors = 512;
    fixture_close(fixture_open(fixture, 0, 1));
}

// For net_ring on rings of the test's own: it takes those of its names that it cannot create. To
// ask for them with "nodeaction" is no way: DPDK 24.11 cuts the name short.
static void create_rings(const char *node, struct rte_ring **rings)
{
    for (unsigned i = 0; i < NET_RING_QUEUES; i++) {
        char name[RTE_RING_NAMESIZE];
        snprintf(name, sizeof(name), "ETH_RXTX%u_%s", i, node);
        rings[i] = rte_ring_create(name, 64, SOCKET_ID_ANY, 0);
        assert_non_null(rings[i]);
    }
}

static uint32_t free_queued(struct rte_ring *ring)
{
    uint32_t count = 0;
    for (void *mbuf; rte_ring_dequeue(ring, &mbuf) == 0; count++)
        rte_pktmbuf_free(mbuf);
    return count;
}

// A NIC keeps what it has sent and gives it back when it is stopped. net_ring leaves it in the
// ring, so the test gives it back in its place.
static void buffers_in_the_queues_of_another_port_outlive_the_stop_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "first", "net_ring10");
    fixture_add_port(fixture, "second", "net_ring11");
    struct rte_ring *rings[2][NET_RING_QUEUES];
    create_rings("net_ring10", rings[0]);
    create_rings("net_ring11", rings[1]);
    struct port *ports[2];
    for (uint32_t p = 0; p < 2; p++) {
        ports[p] = fixture_open(fixture, p, 1);
        assert_int_equal(port_start(ports[p], fixture->why), ERROR_NONE);
    }
    // Each sends what the other received.
    for (uint32_t p = 0; p < 2; p++) {
        struct rte_mbuf *mbufs[5];
        assert_int_equal(rte_pktmbuf_alloc_bulk(ports[p]->buffers, mbufs, 5), 0);
        assert_int_equal(rte_eth_tx_burst(ports[1 - p]->id, 0, mbufs, 5), 5);
        assert_int_equal(rte_mempool_in_use_count(ports[p]->buffers), 5);
    }
    for (uint32_t p = 0; p < 2; p++) {
        port_stop(ports[p]);
        assert_int_equal(free_queued(rings[p][0]), 5);
        assert_int_equal(rte_mempool_in_use_count(ports[1 - p]->buffers), 0);
    }
    for (uint32_t p = 0; p < 2; p++)
        port_close(ports[p]);
    for (uint32_t p = 0; p < 2; p++) {
        for (uint32_t i = 0; i < NET_RING_QUEUES; i++)
            rte_ring_free(rings[p][i]);
    }
}

// A device that was opened and never started, and one that could not be opened.
static void a_port_that_never_started_closes_with_those_that_did(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "started", "net_null3");
    fixture_add_port(fixture, "opened", "net_null4");
    fixture_add_port(fixture, "refused", "net_null4");
    for (int round = 0; round < 2; round++) {
        struct port *started = fixture_open(fixture, 0, 1);
        assert_int_equal(port_start(started, fixture->why), ERROR_NONE);
        struct port *opened = fixture_open(fixture, 1, 1);
        struct port *refused = NULL;
        assert_int_equal(port_open(&fixture->config, 2, 1, 0, &refused, fixture->why),
                         ERROR_EXISTS);
        assert_null(refused);
        uint16_t ids[] = {started->id, opened->id};
        port_stop(started);
        port_stop(opened);
        for (size_t i = 0; i < 2; i++)
            assert_false(rte_eth_dev_is_valid_port(ids[i]));
        port_close(started);
        port_close(opened);
    }
}

// The lab's node: two ports, two workers. What a worker asks for beside the queues is there.
static void two_ports_of_two_workers_fit_into_256_mebibytes(void **state)
{
    const uint32_t extra = 6720; // dataplane/worker's for this node
    struct fixture *fixture = *state;
    assert_int_equal(fixture->config.node.memory_bytes, 256u << 20);
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "outside", "net_null6");
    fixture_add_port(fixture, "inside", "net_null7");
    fixture->ports[0].descriptors = fixture->ports[1].descriptors = 1024;
    struct port *lean = fixture_open(fixture, 0, 2);
    uint32_t buffers = lean->buffers->size - FIXTURE_EXTRA_BUFFERS;
    fixture_close(lean);

    struct port *ports[2];
    for (uint32_t p = 0; p < 2; p++) {
        if (port_open(&fixture->config, p, 2, extra, &ports[p], fixture->why))
            fail_msg("%s", fixture->why);
        assert_int_equal(ports[p]->buffers->size, buffers + extra);
    }
    struct rte_malloc_socket_stats memory;
    assert_int_equal(rte_malloc_get_socket_stats(0, &memory), 0);
    // A page of ordinary memory each: 158 MiB, and some for the rest of DPDK.
    assert_in_range(memory.heap_allocsz_bytes, 158u << 20, 192u << 20);
    for (uint32_t p = 0; p < 2; p++)
        port_stop(ports[p]);
    for (uint32_t p = 0; p < 2; p++)
        port_close(ports[p]);
}

static int open_peer(const char *interface)
{
    int fd =
        socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, rte_cpu_to_be_16(EXPERIMENTAL));
    assert_true(fd >= 0);
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = rte_cpu_to_be_16(EXPERIMENTAL),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

// A frame to everybody.
static void make_frame(uint8_t frame[64])
{
    memset(frame, 0, 64);
    memset(frame, 0xff, 6);
    frame[6] = 2;
    frame[12] = EXPERIMENTAL >> 8;
    frame[13] = EXPERIMENTAL & 0xff;
}

// The kernel tells of a carrier a moment after it has changed.
static bool link_becomes(const struct port *port, bool up)
{
    uint32_t speed;
    for (int i = 0; i < 5000 && port_link_up(port, &speed) != up; i++)
        usleep(1000);
    return port_link_up(port, &speed) == up;
}

static void exchange_frames(const struct port *port)
{
    uint8_t frame[64], received[64];
    make_frame(frame);
    int peer = open_peer("peer0");
    struct rte_mbuf *mbuf = NULL;
    for (int i = 0; i < 5000 && !mbuf; i++) {
        if (i % 100 == 0)
            assert_int_equal(send(peer, frame, sizeof(frame), 0), sizeof(frame));
        if (rte_eth_rx_burst(port->id, 0, &mbuf, 1) == 0) {
            usleep(1000);
            continue;
        }
        // The kernel's own neighbour discovery.
        if (rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type !=
            rte_cpu_to_be_16(EXPERIMENTAL)) {
            rte_pktmbuf_free(mbuf);
            mbuf = NULL;
        }
    }
    assert_non_null(mbuf);
    assert_memory_equal(rte_pktmbuf_mtod(mbuf, void *), frame, sizeof(frame));

    // Back as it came.
    assert_int_equal(rte_eth_tx_burst(port->id, 0, &mbuf, 1), 1);
    ssize_t size = -1;
    for (int i = 0; i < 5000 && size < 0; i++) {
        usleep(1000);
        size = recv(peer, received, sizeof(received), 0);
    }
    close(peer);
    assert_int_equal(size, sizeof(frame));
    assert_memory_equal(received, frame, sizeof(frame));
}

static void af_xdp_carries_frames_and_leaves_nothing(void **state)
{
    if (no_af_xdp) {
        print_message("skipped: %s\n", no_af_xdp);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "xdp", "net_af_xdp0,iface=xdp0");
    // Twice: what is closed can be opened.
    for (int round = 0; round < 2; round++) {
        struct port *port = fixture_open(fixture, 0, 2);
        assert_string_equal(port->driver, "net_af_xdp");
        assert_int_equal(port->rx_queues, 1); // a veth pair's
        assert_int_equal(port->tx_queues, 1);
        assert_int_equal(port->mtu, 1500);
        if (port_start(port, fixture->why))
            fail_msg("%s", fixture->why);
        assert_true(fixture_shell_prints("ip -d link show xdp0", "prog/xdp"));
        exchange_frames(port);

        struct port_counters counters;
        port_read_counters(port, &counters);
        assert_true(counters.rx_packets >= 1);
        assert_int_equal(counters.tx_packets, 1);
        assert_int_equal(counters.tx_bytes, 64);

        assert_true(link_becomes(port, true));
        assert_true(fixture_shell("ip link set peer0 down"));
        assert_true(link_becomes(port, false));
        assert_true(fixture_shell("ip link set peer0 up"));
        fixture_close(port);
        assert_false(fixture_shell_prints("ip -d link show xdp0", "xdp "));
        assert_false(fixture_shell_prints("ip -d link show xdp0", "prog"));
    }
    // And at once.
    for (int round = 0; round < 4; round++)
        fixture_close(fixture_open(fixture, 0, 2));
}

// AF_XDP keeps a frame within a page of memory.
static void af_xdp_refuses_an_mtu_over_a_page(void **state)
{
    if (no_af_xdp) {
        print_message("skipped: %s\n", no_af_xdp);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "xdp", "net_af_xdp0,iface=xdp0");
    fixture->ports[0].mtu = 9000;
    struct port *port = NULL;
    assert_int_equal(port_open(&fixture->config, 0, 1, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
                     ERROR_UNSUPPORTED);
    assert_non_null(strstr(fixture->why, "mtu 9000 is not possible: the device takes 68 to "));
    assert_non_null(strstr(fixture->why, ": AF_XDP keeps a frame in one page; lower the mtu, or "));
}

// The kernel's rings have a power of two of places.
static void queues_that_are_refused_are_told_with_the_keys_for_them(void **state)
{
    if (no_af_xdp) {
        print_message("skipped: %s\n", no_af_xdp);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "xdp", "net_af_xdp0,iface=xdp0");
    fixture->ports[0].descriptors = 100;
    struct port *port = NULL;
    assert_int_equal(port_open(&fixture->config, 0, 1, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
                     ERROR_DEVICE);
    assert_non_null(strstr(fixture->why, "port xdp (net_af_xdp0,iface=xdp0): its queues, 1 to "
                                         "receive and 1 to send of 100 descriptors, are refused "
                                         "(change the port's queues or descriptors: the device "
                                         "takes up to "));
    assert_non_null(strstr(fixture->why, " queues of 0 to 65535 descriptors, a power of two): "));
}

// DPDK 22.11's net_tap says that it takes any MTU, and has frames of 1522 bytes at most.
static void a_tap_device_takes_jumbo_frames_or_says_what_it_takes(void **state)
{
    if (no_af_xdp) {
        print_message("skipped: %s\n", no_af_xdp);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "tap", "net_tap0,iface=jumbo0");
    fixture->ports[0].mtu = 9000;
    struct port *port = NULL;
    if (port_open(&fixture->config, 0, 1, FIXTURE_EXTRA_BUFFERS, &port, fixture->why)) {
        assert_non_null(strstr(fixture->why, "mtu 9000 is not possible: the device takes "));
        return;
    }
    assert_true(fixture_shell_prints("ip link show jumbo0", "mtu 9000"));
    fixture_close(port);
}

static const char *prepare_af_xdp(void)
{
    const char *why = fixture_enter_namespace();
    if (why)
        return why;
    int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return "the kernel has no AF_XDP sockets";
    close(fd);
    if (!fixture_shell("ip link add xdp0 type veth peer name peer0 && ip link set xdp0 up && "
                       "ip link set peer0 up"))
        return "no veth pair";
    return NULL;
}

int main(void)
{
    static struct fixture fixture;
    no_af_xdp = prepare_af_xdp();
    fixture_init(&fixture);
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(queues_follow_the_workers_the_configuration_and_the_device,
                                  &fixture),
        cmocka_unit_test_prestate(what_a_worker_sends_is_counted, &fixture),
        cmocka_unit_test_prestate(buffers_hold_frames_of_the_mtu_with_headroom, &fixture),
        cmocka_unit_test_prestate(what_a_device_cannot_do_is_said_and_leaves_it_free, &fixture),
        cmocka_unit_test_prestate(
            buffers_in_the_queues_of_another_port_outlive_the_stop_of_their_own, &fixture),
        cmocka_unit_test_prestate(a_port_that_never_started_closes_with_those_that_did, &fixture),
        cmocka_unit_test_prestate(two_ports_of_two_workers_fit_into_256_mebibytes, &fixture),
        cmocka_unit_test_prestate(af_xdp_carries_frames_and_leaves_nothing, &fixture),
        cmocka_unit_test_prestate(af_xdp_refuses_an_mtu_over_a_page, &fixture),
        cmocka_unit_test_prestate(queues_that_are_refused_are_told_with_the_keys_for_them,
                                  &fixture),
        cmocka_unit_test_prestate(a_tap_device_takes_jumbo_frames_or_says_what_it_takes, &fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
