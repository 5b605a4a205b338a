// The punt interface as the kernel sees it, in a network namespace of the test's own.
#include "dataplane/packet/port/port.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <rte_ether.h>
#include <sys/socket.h>

#include "tests/unit/dataplane/packet/port/fixture.h"

#define ADDRESS_V4 "192.0.2.1"
#define PEER_V4    "192.0.2.9"

static uint32_t add_port(struct fixture *fixture)
{
    fixture->config.port_count = 0;
    uint32_t index = fixture_add_port(fixture, "outside", "net_null3");
    struct config_port *port = &fixture->ports[index];
    assert_int_equal(ip_prefix_parse(ADDRESS_V4 "/24", &fixture->addresses[0]), ERROR_NONE);
    assert_int_equal(ip_prefix_parse("2001:db8::1/64", &fixture->addresses[1]), ERROR_NONE);
    port->addresses = fixture->addresses;
    port->address_count = 2;
    port->mtu = 1400;
    snprintf(port->punt.interface, sizeof(port->punt.interface), "weir-outside0");
    return index;
}

static void the_kernel_has_the_addresses_and_the_mac_of_the_port(void **state)
{
    struct fixture *fixture = *state;
    struct port *port = fixture_open(fixture, add_port(fixture), 2);
    assert_true(port->punts);
    assert_int_equal(port->punt_queues, 2);
    char mac[RTE_ETHER_ADDR_FMT_SIZE], lower[RTE_ETHER_ADDR_FMT_SIZE];
    rte_ether_format_addr(mac, sizeof(mac), &port->mac);
    for (size_t i = 0; i < sizeof(mac); i++)
        lower[i] = mac[i] >= 'A' && mac[i] <= 'F' ? (char)(mac[i] + 32) : mac[i];
    assert_true(fixture_shell_prints("ip link show weir-outside0", lower));
    assert_true(fixture_shell_prints("ip link show weir-outside0", "LOWER_UP"));
    assert_true(fixture_shell_prints("ip link show weir-outside0", "mtu 1400"));
    assert_true(fixture_shell_prints("ip -4 addr show weir-outside0", "inet " ADDRESS_V4 "/24 "));
    if (access("/proc/net/if_inet6", F_OK) == 0) {
        assert_true(fixture_shell_prints("ip -6 addr show weir-outside0", "inet6 2001:db8::1/64 "));
        // Usable at once.
        assert_false(
            fixture_shell_prints("ip -6 addr show weir-outside0 to 2001:db8::1", "tentative"));
        int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        inet_pton(AF_INET6, "2001:db8::1", &address.sin6_addr);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
    }
    fixture_close(port);
    assert_int_equal(if_nametoindex("weir-outside0"), 0);
}

static struct rte_mbuf *receive_punted(const struct port *port, uint16_t ethertype)
{
    for (int i = 0; i < 5000; i++) {
        for (uint16_t queue = 0; queue < port->punt_queues; queue++) {
            struct rte_mbuf *mbuf;
            if (rte_eth_rx_burst(port->punt_id, queue, &mbuf, 1) == 0)
                continue;
            if (rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type ==
                rte_cpu_to_be_16(ethertype))
                return mbuf;
            rte_pktmbuf_free(mbuf);
        }
        usleep(1000);
    }
    return NULL;
}

// The kernel asks for a neighbour through the TAP interface, and takes the answer from it.
static void frames_go_to_the_kernel_and_come_from_it(void **state)
{
    struct fixture *fixture = *state;
    struct port *port = fixture_open(fixture, add_port(fixture), 2);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, PEER_V4, &peer.sin_addr);
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&peer, sizeof(peer)), 1);
    struct rte_mbuf *mbuf = receive_punted(port, 0x0806);
    assert_non_null(mbuf);

    // ARP (RFC 826): request becomes reply, sender and target change places.
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 9};
    uint8_t asker[10], asked_ip[4];
    memcpy(asker, frame + 22, 10);
    memcpy(asked_ip, frame + 38, 4);
    assert_memory_equal(asker, port->mac.addr_bytes, 6);
    memcpy(frame, asker, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[21] = 2;
    memcpy(frame + 22, peer_mac, 6);
    memcpy(frame + 28, asked_ip, 4);
    memcpy(frame + 32, asker, 10);
    assert_int_equal(rte_eth_tx_burst(port->punt_id, 0, &mbuf, 1), 1);

    mbuf = receive_punted(port, 0x0800);
    assert_non_null(mbuf);
    assert_memory_equal(rte_pktmbuf_mtod(mbuf, uint8_t *), peer_mac, 6);
    rte_pktmbuf_free(mbuf);
    close(fd);
    fixture_close(port);
}

static void an_interface_that_exists_is_not_taken(void **state)
{
    struct fixture *fixture = *state;
    uint32_t index = add_port(fixture);
    assert_true(fixture_shell("ip tuntap add weir-outside0 mode tap"));
    struct port *port = NULL;
    assert_int_equal(
        port_open(&fixture->config, index, 2, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
        ERROR_EXISTS);
    assert_string_equal(
        fixture->why,
        "port outside: punt interface: interface weir-outside0 exists already, perhaps another "
        "data plane's: give another name, or ip link delete weir-outside0");
    assert_true(fixture_shell("ip link delete weir-outside0"));
    fixture_close(fixture_open(fixture, index, 2));
}

// Gives a port these IPv4 addresses instead of those of `config`, and finds the kernel to have all
// of them and no other.
static void assert_changes_to(struct fixture *fixture, struct port *port,
                              struct config_port *config, const char *const texts[2],
                              struct ip_prefix addresses[2])
{
    struct config_port to = *config;
    to.addresses = addresses;
    to.address_count = texts[1] ? 2 : 1;
    for (uint32_t i = 0; i < to.address_count; i++)
        assert_int_equal(ip_prefix_parse(texts[i], &addresses[i]), ERROR_NONE);
    assert_int_equal(port_change_addresses(port, config, &to, fixture->why), ERROR_NONE);
    char command[160];
    snprintf(command, sizeof(command),
             "test \"$(ip -4 -o addr show weir-outside0 | awk '{print $4}' | sort | xargs)\" = "
             "'%s%s%s'",
             texts[0], texts[1] ? " " : "", texts[1] ? texts[1] : "");
    assert_true(fixture_shell(command));
    *config = to;
}

static void addresses_change_within_a_network(void **state)
{
    struct fixture *fixture = *state;
    struct port *port = fixture_open(fixture, add_port(fixture), 1);
    struct config_port config = fixture->ports[0];
    struct ip_prefix one[2], two[2], three[2];
    assert_changes_to(fixture, port, &config, (const char *[]){"192.0.2.5/24", NULL}, one);
    assert_changes_to(fixture, port, &config, (const char *[]){"192.0.2.5/24", "192.0.2.6/24"},
                      two);
    assert_changes_to(fixture, port, &config, (const char *[]){"192.0.2.6/24", NULL}, three);
    fixture_close(port);
}

static void addresses_change_with_the_configuration(void **state)
{
    struct fixture *fixture = *state;
    struct port *port = fixture_open(fixture, add_port(fixture), 1);
    struct config_port from = fixture->ports[0], to = from;
    struct ip_prefix kept_and_new[2] = {from.addresses[0]};
    assert_int_equal(ip_prefix_parse("192.0.2.77/25", &kept_and_new[1]), ERROR_NONE);
    to.addresses = kept_and_new;
    to.address_count = 2;
    assert_int_equal(port_change_addresses(port, &from, &to, fixture->why), ERROR_NONE);
    assert_true(fixture_shell_prints("ip addr show weir-outside0", ADDRESS_V4 "/24 "));
    assert_true(fixture_shell_prints("ip addr show weir-outside0", "192.0.2.77/25 "));
    assert_false(fixture_shell_prints("ip addr show weir-outside0", "2001:db8::1"));

    // One that is refused: nothing has changed.
    struct ip_prefix refused[2] = {kept_and_new[1], {.length = 128}}; // ::/128
    assert_int_equal(ip_prefix_parse("192.0.2.78/25", &refused[0]), ERROR_NONE);
    struct config_port bad = from;
    bad.addresses = refused;
    bad.address_count = 2;
    assert_int_equal(port_change_addresses(port, &to, &bad, fixture->why), ERROR_SYSTEM);
    assert_true(fixture_shell_prints("ip addr show weir-outside0", "192.0.2.77/25 "));
    assert_false(fixture_shell_prints("ip addr show weir-outside0", "192.0.2.78"));
    fixture_close(port);
}

static void a_kernel_without_ipv6_still_gets_the_other_addresses(void **state)
{
    const char *path = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    FILE *file = fopen(path, "we");
    if (file) {
        fputs("1\n", file);
        fclose(file);
    }
    struct fixture *fixture = *state;
    struct port *port = fixture_open(fixture, add_port(fixture), 1);
    assert_true(fixture_shell_prints("ip -4 addr show weir-outside0", "inet " ADDRESS_V4 "/24 "));
    assert_false(fixture_shell_prints("ip -6 addr show weir-outside0", "2001:db8::1"));
    fixture_close(port);
}

static void a_tap_device_serves_as_a_port_too(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "lab", "net_tap0,iface=lab0");
    fixture->ports[0].queues = 1;
    struct port *port = fixture_open(fixture, 0, 2);
    assert_string_equal(port->driver, "net_tap");
    assert_int_equal(port->rx_queues, 1); // net_tap wants as many of the one as of the other
    assert_int_equal(port->tx_queues, 1);
    assert_true(port->rx_checks_ipv4 && port->rx_checks_l4 && port->tx_ipv4_checksum);
    assert_int_equal(port_start(port, fixture->why), ERROR_NONE);
    uint32_t speed;
    assert_true(port_link_up(port, &speed));
    assert_true(fixture_shell("ip link set lab0 down"));
    assert_false(port_link_up(port, &speed));
    fixture_close(port);
    assert_int_equal(if_nametoindex("lab0"), 0);
}

int main(void)
{
    const char *why = fixture_enter_namespace();
    if (why) {
        print_message("skipped: %s\n", why);
        return 77;
    }
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_kernel_has_the_addresses_and_the_mac_of_the_port, &fixture),
        cmocka_unit_test_prestate(frames_go_to_the_kernel_and_come_from_it, &fixture),
        cmocka_unit_test_prestate(an_interface_that_exists_is_not_taken, &fixture),
        cmocka_unit_test_prestate(addresses_change_within_a_network, &fixture),
        cmocka_unit_test_prestate(addresses_change_with_the_configuration, &fixture),
        cmocka_unit_test_prestate(a_kernel_without_ipv6_still_gets_the_other_addresses, &fixture),
        cmocka_unit_test_prestate(a_tap_device_serves_as_a_port_too, &fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
