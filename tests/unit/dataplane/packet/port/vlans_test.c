// Ports that share a device: net_null for what is laid out, net_af_packet over a veth pair for a
// device that takes tags off and puts them in.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_ether.h>
#include <sys/socket.h>

#include "dataplane/packet/port/port_priv.h"
#include "tests/unit/dataplane/packet/port/fixture.h"

#define VLAN 5

// Local experimental EtherType (IEEE 802).
#define EXPERIMENTAL 0x88b5

static const char *no_veth; // why not

static void add_vlan_port(struct fixture *fixture, const char *name, char *device, uint32_t vlan,
                          uint32_t mtu)
{
    uint32_t index = fixture_add_port(fixture, name, device);
    fixture->ports[index].vlan = vlan;
    fixture->ports[index].mtu = mtu;
}

static void the_first_port_of_a_device_carries_the_others(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    add_vlan_port(fixture, "alone", "net_null0", 0, 1500);
    add_vlan_port(fixture, "five", "net_null1", VLAN, 1500);
    add_vlan_port(fixture, "native", "net_null1", 0, 1500);
    add_vlan_port(fixture, "other", "net_null2", 4094, 1500);
    add_vlan_port(fixture, "last", "net_null1", 4094, 1500);
    static const uint32_t carriers[] = {0, 1, 1, 3, 1};
    for (uint32_t p = 0; p < 5; p++)
        assert_int_equal(port_carrier_of(&fixture->config, p), carriers[p]);
    assert_null(port_vlans_create(&fixture->config, 0));
    struct port_vlans *vlans = port_vlans_create(&fixture->config, 1);
    assert_non_null(vlans);
    for (uint32_t vlan = 0; vlan < PORT_VLANS; vlan++)
        assert_int_equal(vlans->ports[vlan], vlan == VLAN   ? 1
                                             : vlan == 0    ? 2
                                             : vlan == 4094 ? 4
                                                            : PORT_VLAN_NONE);
    free(vlans);
}

static void ports_of_a_device_share_all_but_name_vlan_and_mtu(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    add_vlan_port(fixture, "small", "net_null1", VLAN, 1400);
    add_vlan_port(fixture, "large", "net_null1", 6, 9000);
    struct port *carrier = fixture_open(fixture, 0, 2), *shared = NULL;
    assert_int_equal(port_share(&fixture->config, 1, 2, carrier, &shared, fixture->why),
                     ERROR_NONE);
    assert_int_equal(port_start(carrier, fixture->why), ERROR_NONE);
    assert_int_equal(port_start(shared, fixture->why), ERROR_NONE);
    assert_string_equal(carrier->name, "small");
    assert_string_equal(shared->name, "large");
    assert_null(carrier->carrier);
    assert_ptr_equal(shared->carrier, carrier);
    assert_int_equal(carrier->vlan, VLAN);
    assert_int_equal(shared->vlan, 6);
    assert_non_null(carrier->vlans);
    assert_null(shared->vlans);
    assert_int_equal(shared->id, carrier->id);
    assert_ptr_equal(shared->buffers, carrier->buffers);
    assert_int_equal(carrier->mtu, 1400);
    assert_int_equal(shared->mtu, 9000);
    // The buffers hold the larger frames, and the device was told of them, with their tag.
    assert_true(rte_pktmbuf_data_room_size(carrier->buffers) >= RTE_PKTMBUF_HEADROOM + 9000 + 22);
    uint16_t mtu;
    assert_int_equal(rte_eth_dev_get_mtu(carrier->id, &mtu), 0);
    assert_int_equal(mtu, 9004);
    port_stop(carrier);
    port_stop(shared);
    assert_false(rte_eth_dev_is_valid_port(shared->id));
    port_close(carrier);
    port_close(shared);
}

static void an_mtu_that_is_too_large_is_told_of_the_port_that_has_it(void **state)
{
    if (no_veth) {
        print_message("skipped: %s\n", no_veth);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    add_vlan_port(fixture, "five", "net_af_xdp0,iface=vlan0", VLAN, 1500);
    add_vlan_port(fixture, "six", "net_af_xdp0,iface=vlan0", 6, 9000);
    struct port *port = NULL;
    assert_int_equal(port_open(&fixture->config, 0, 1, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
                     ERROR_UNSUPPORTED);
    assert_memory_equal(fixture->why, "port six (net_af_xdp0,iface=vlan0): mtu 9000 is not", 51);
}

// All protocols: the kernel clears the tags of frames whose VLAN it does not know before it gives
// them to those who asked for one.
static int open_peer(void)
{
    int fd =
        socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, rte_cpu_to_be_16(ETH_P_ALL));
    assert_true(fd >= 0);
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = rte_cpu_to_be_16(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex("peer0")};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int on = 1;
    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
    return fd;
}

// The tag of a frame that came, which the kernel tells beside it; 0 for one that has none, or that
// the peer sent itself, and if none came.
static uint16_t receive_tag(int fd, void *frame, size_t size)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct sockaddr_ll from;
    struct iovec iov = {frame, size};
    struct msghdr message = {.msg_name = &from,
                             .msg_namelen = sizeof(from),
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    if (recvmsg(fd, &message, 0) != (ssize_t)size || from.sll_pkttype == PACKET_OUTGOING)
        return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    assert_non_null(header);
    struct tpacket_auxdata auxiliary;
    memcpy(&auxiliary, CMSG_DATA(header), sizeof(auxiliary));
    return auxiliary.tp_status & TP_STATUS_VLAN_VALID ? auxiliary.tp_vlan_tci : 0;
}

static void a_device_that_can_takes_tags_off_and_puts_them_in(void **state)
{
    if (no_veth) {
        print_message("skipped: %s\n", no_veth);
        skip();
    }
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    add_vlan_port(fixture, "five", "net_af_packet0,iface=vlan0", VLAN, 1500);
    struct port *port = fixture_open(fixture, 0, 1);
    assert_true(port->tx_inserts_vlan);
    assert_int_equal(port_start(port, fixture->why), ERROR_NONE);

    uint8_t frame[64] = {0xff,
                         0xff,
                         0xff,
                         0xff,
                         0xff,
                         0xff,
                         2,
                         0,
                         0,
                         0,
                         0,
                         1,
                         0x81,
                         0,
                         0,
                         VLAN,
                         EXPERIMENTAL >> 8,
                         EXPERIMENTAL & 0xff,
                         7};
    uint8_t plain[60], received[60];
    memcpy(plain, frame, 12);
    memcpy(plain + 12, frame + 16, sizeof(plain) - 12);
    int peer = open_peer();
    struct rte_mbuf *mbuf = NULL;
    for (int i = 0; i < 5000 && !mbuf; i++) {
        if (i % 100 == 0)
            assert_int_equal(send(peer, frame, sizeof(frame), 0), sizeof(frame));
        usleep(1000);
        if (rte_eth_rx_burst(port->id, 0, &mbuf, 1) == 1 &&
            !(mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
            rte_pktmbuf_free(mbuf); // the kernel's own neighbour discovery
            mbuf = NULL;
        }
    }
    assert_non_null(mbuf);
    assert_int_equal(mbuf->vlan_tci, VLAN);
    assert_int_equal(rte_pktmbuf_pkt_len(mbuf), sizeof(plain));
    assert_memory_equal(rte_pktmbuf_mtod(mbuf, void *), plain, sizeof(plain));

    mbuf->ol_flags |= RTE_MBUF_F_TX_VLAN;
    mbuf->vlan_tci = 4094;
    assert_int_equal(rte_eth_tx_burst(port->id, 0, &mbuf, 1), 1);
    uint16_t tag = 0;
    for (int i = 0; i < 5000 && tag == 0; i++) {
        usleep(1000);
        tag = receive_tag(peer, received, sizeof(received));
    }
    assert_int_equal(tag, 4094);
    assert_memory_equal(received, plain, sizeof(plain));
    close(peer);
    fixture_close(port);
}

static const char *prepare(void)
{
    const char *why = fixture_enter_namespace();
    if (why)
        return why;
    if (!fixture_shell("ip link add vlan0 type veth peer name peer0 && ip link set vlan0 up && "
                       "ip link set peer0 up"))
        return "no veth pair";
    return NULL;
}

int main(void)
{
    static struct fixture fixture;
    no_veth = prepare();
    fixture_init(&fixture);
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_first_port_of_a_device_carries_the_others, &fixture),
        cmocka_unit_test_prestate(ports_of_a_device_share_all_but_name_vlan_and_mtu, &fixture),
        cmocka_unit_test_prestate(an_mtu_that_is_too_large_is_told_of_the_port_that_has_it,
                                  &fixture),
        cmocka_unit_test_prestate(a_device_that_can_takes_tags_off_and_puts_them_in, &fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
