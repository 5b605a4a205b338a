// Bonds of net_null, which has a link from its start to its stop, and of net_ring: two bonds whose
// rings cross stand for two machines that speak 802.3ad.
#include "dataplane/packet/port/bond_compat.h"

#include <rte_eth_ring.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_udp.h>

#include "dataplane/packet/port/port_priv.h"
#include "tests/unit/dataplane/packet/port/fixture.h"

#define BURST 32

// LACP's periods are seconds (IEEE 802.1AX, 6.4.4); a bond of DPDK's waits for two before it joins.
#define PATIENCE_MS 15000
#define TURN_MS     5

static char *nulls[] = {"net_null0", "net_null1"};
static char *more_nulls[] = {"net_null2", "net_null3"};
static char *rings[2][2] = {{"net_ring_a0", "net_ring_a1"}, {"net_ring_b0", "net_ring_b1"}};

static uint32_t add_bond(struct fixture *fixture, char *device, enum config_bond_mode mode,
                         char **members)
{
    uint32_t index = fixture_add_port(fixture, "bond", device);
    fixture->ports[index].bond =
        (struct config_bond){.mode = mode, .members = members, .member_count = 2};
    return index;
}

static struct port *open_bond(struct fixture *fixture, char *device, enum config_bond_mode mode,
                              char **members)
{
    fixture->config.port_count = 0;
    struct port *port = fixture_open(fixture, add_bond(fixture, device, mode, members), 1);
    if (port_start(port, fixture->why))
        fail_msg("%s", fixture->why);
    return port;
}

static enum port_member_state state_of(const struct port *port, uint32_t member)
{
    struct port_member view;
    port_member_look(port, member, &view);
    return view.state;
}

static bool states_are(const struct port *port, enum port_member_state first,
                       enum port_member_state second)
{
    return state_of(port, 0) == first && state_of(port, 1) == second;
}

static void wait_for_states(const struct port *port, enum port_member_state first,
                            enum port_member_state second)
{
    for (uint32_t ms = 0; ms < PATIENCE_MS; ms += TURN_MS) {
        if (states_are(port, first, second))
            return;
        usleep(TURN_MS * 1000);
    }
    fail_msg("the members are %s and %s", port_member_state_text(state_of(port, 0)),
             port_member_state_text(state_of(port, 1)));
}

static struct rte_mbuf *make_packet(const struct port *port, const struct rte_ether_addr *to,
                                    uint16_t source_port)
{
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->buffers);
    assert_non_null(mbuf);
    struct {
        struct rte_ether_hdr ether;
        struct rte_ipv4_hdr ip;
        struct rte_udp_hdr udp;
        uint8_t payload[18];
    } __attribute__((packed, aligned(2))) *packet =
        (void *)rte_pktmbuf_append(mbuf, sizeof(*packet));
    memset(packet, 0, sizeof(*packet));
    packet->ether = (struct rte_ether_hdr){.dst_addr = *to,
                                           .src_addr = port->mac,
                                           .ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)};
    packet->ip = (struct rte_ipv4_hdr){
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16(sizeof(*packet) - sizeof(packet->ether)),
        .time_to_live = 64,
        .next_proto_id = 17,
        .src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 1, 0, 1)),
        .dst_addr = rte_cpu_to_be_32(RTE_IPV4(10, 1, 0, 2))};
    packet->udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(source_port),
                                       .dst_port = rte_cpu_to_be_16(80)};
    return mbuf;
}

static const struct rte_ether_addr neighbour = {.addr_bytes = {2, 0, 0, 0, 9, 9}};

// Sends so many packets, each of a flow of its own, or all of one.
static void send_packets(const struct port *port, uint16_t count, bool one_flow)
{
    struct rte_mbuf *mbufs[BURST];
    for (uint16_t i = 0; i < count; i++)
        mbufs[i] = make_packet(port, &neighbour, (uint16_t)(1000 + (one_flow ? 0 : i)));
    assert_int_equal(rte_eth_tx_burst(port->id, 0, mbufs, count), count);
}

static uint64_t sent_by(const struct port *port, uint32_t member)
{
    struct port_counters counters;
    port_member_read_counters(port, member, &counters);
    return counters.tx_packets;
}

static void another_one_carries_when_the_link_of_the_first_goes(void **state)
{
    struct port *port = open_bond(*state, "net_bonding0", CONFIG_BOND_ACTIVE_BACKUP, nulls);
    struct rte_ether_addr first;
    uint32_t speed;
    assert_string_equal(port->driver, "net_bonding");
    assert_int_equal(rte_eth_macaddr_get(port->members[0], &first), 0);
    assert_true(rte_is_same_ether_addr(&port->mac, &first));
    assert_true(states_are(port, PORT_MEMBER_ACTIVE, PORT_MEMBER_STANDBY));
    assert_true(port_link_up(port, &speed));
    assert_int_equal(speed, 10000);
    send_packets(port, 3, false);
    assert_int_equal(sent_by(port, 0), 3);

    assert_int_equal(rte_eth_dev_stop(port->members[0]), 0);
    wait_for_states(port, PORT_MEMBER_DOWN, PORT_MEMBER_ACTIVE);
    assert_true(port_link_up(port, &speed));
    send_packets(port, 5, false);
    assert_int_equal(sent_by(port, 1), 5);

    assert_int_equal(rte_eth_dev_stop(port->members[1]), 0);
    wait_for_states(port, PORT_MEMBER_DOWN, PORT_MEMBER_DOWN);
    assert_false(port_link_up(port, &speed));
    struct rte_mbuf *refused = make_packet(port, &neighbour, 1);
    assert_int_equal(rte_eth_tx_burst(port->id, 0, &refused, 1), 0);
    rte_pktmbuf_free(refused);

    // The first is the preferred one.
    for (uint32_t i = 2; i-- > 0;) {
        assert_int_equal(rte_eth_dev_start(port->members[i]), 0);
        wait_for_states(port, i ? PORT_MEMBER_DOWN : PORT_MEMBER_ACTIVE,
                        i ? PORT_MEMBER_ACTIVE : PORT_MEMBER_STANDBY);
    }
    struct port_counters counters;
    port_read_counters(port, &counters);
    assert_int_equal(counters.tx_packets, 8);
    fixture_close(port);
}

static void balance_spreads_flows_and_keeps_each_on_one_device(void **state)
{
    struct port *port = open_bond(*state, "net_bonding1", CONFIG_BOND_BALANCE_XOR, more_nulls);
    assert_true(states_are(port, PORT_MEMBER_ACTIVE, PORT_MEMBER_ACTIVE));
    uint32_t speed;
    assert_true(port_link_up(port, &speed));
    assert_int_equal(speed, 20000);
    send_packets(port, BURST, true);
    uint64_t first = sent_by(port, 0), second = sent_by(port, 1);
    assert_true((first == BURST && second == 0) || (first == 0 && second == BURST));
    // Ports that follow each other are no chance: half of them each way.
    send_packets(port, BURST, false);
    assert_int_equal(sent_by(port, 0) - first, BURST / 2);
    assert_int_equal(sent_by(port, 1) - second, BURST / 2);
    fixture_close(port);
}

// What a worker does each turn. Returns how many packets came.
static uint16_t turn(const struct port *port)
{
    struct rte_mbuf *mbufs[BURST];
    uint16_t count = rte_eth_rx_burst(port->id, 0, mbufs, BURST);
    rte_pktmbuf_free_bulk(mbufs, count);
    rte_eth_tx_burst(port->id, 0, NULL, 0);
    return count;
}

// A device whose one ring is the other's other one.
static void create_crossed(const char *one, const char *other, struct rte_ring **made)
{
    for (int i = 0; i < 2; i++) {
        made[i] = rte_ring_create(i ? other : one, 256, SOCKET_ID_ANY, 0);
        assert_non_null(made[i]);
    }
    assert_true(rte_eth_from_rings(one, &made[0], 1, &made[1], 1, 0) >= 0);
    assert_true(rte_eth_from_rings(other, &made[1], 1, &made[0], 1, 0) >= 0);
}

static struct port *open_end(struct fixture *fixture, char *device, char **members, uint8_t number)
{
    fixture->config.port_count = 0;
    struct port *port =
        fixture_open(fixture, add_bond(fixture, device, CONFIG_BOND_LACP, members), 1);
    assert_true(port->speaks_lacp);
    // net_ring has no address; to LACP two ends with one address are one system.
    struct rte_ether_addr mac = {.addr_bytes = {2, 0, 0, 0, 0, number}};
    assert_int_equal(rte_eth_bond_mac_address_set(port->id, &mac), 0);
    port->mac = mac;
    if (port_start(port, fixture->why))
        fail_msg("%s", fixture->why);
    return port;
}

static void wait_until_agreed(struct port *const *ends, enum port_member_state first)
{
    for (uint32_t ms = 0; ms < PATIENCE_MS; ms += TURN_MS) {
        turn(ends[0]);
        turn(ends[1]);
        if (states_are(ends[0], first, PORT_MEMBER_ACTIVE) &&
            states_are(ends[1], first, PORT_MEMBER_ACTIVE))
            return;
        usleep(TURN_MS * 1000);
    }
    fail_msg("the first end's members are %s and %s", port_member_state_text(state_of(ends[0], 0)),
             port_member_state_text(state_of(ends[0], 1)));
}

static void assert_packets_pass(struct port *const *ends)
{
    struct rte_mbuf *mbufs[BURST];
    for (uint16_t i = 0; i < BURST; i++)
        mbufs[i] = make_packet(ends[0], &ends[1]->mac, (uint16_t)(1000 + i));
    assert_int_equal(rte_eth_tx_burst(ends[0]->id, 0, mbufs, BURST), BURST);
    uint16_t came = 0;
    for (int i = 0; i < 100 && came < BURST; i++)
        came = (uint16_t)(came + turn(ends[1]));
    assert_int_equal(came, BURST);
}

static void two_ends_agree_by_lacp_and_lose_a_link(void **state)
{
    struct rte_ring *made[2][2];
    create_crossed("a0", "b0", made[0]);
    create_crossed("a1", "b1", made[1]);
    struct port *ends[2] = {open_end(*state, "net_bonding2", rings[0], 1),
                            open_end(*state, "net_bonding3", rings[1], 2)};
    // A link is not enough.
    uint32_t speed;
    assert_int_equal(state_of(ends[0], 0), PORT_MEMBER_WAITING);
    assert_false(port_link_up(ends[0], &speed));
    wait_until_agreed(ends, PORT_MEMBER_ACTIVE);
    assert_true(port_link_up(ends[0], &speed));
    assert_packets_pass(ends);
    assert_true(sent_by(ends[0], 0) > 0 && sent_by(ends[0], 1) > 0);

    for (int i = 0; i < 2; i++)
        assert_int_equal(rte_eth_dev_set_link_down(ends[i]->members[0]), 0);
    wait_until_agreed(ends, PORT_MEMBER_DOWN);
    uint64_t before = sent_by(ends[0], 0);
    assert_packets_pass(ends);
    assert_int_equal(sent_by(ends[0], 0), before);
    for (int i = 0; i < 2; i++)
        port_stop(ends[i]);
    for (int i = 0; i < 2; i++) {
        port_close(ends[i]);
        rte_ring_free(made[i][0]);
        rte_ring_free(made[i][1]);
    }
}

static void a_bond_that_cannot_be_leaves_its_devices_free(void **state)
{
    static char *unknown[] = {"net_null4", "net_nonsense0"};
    static char *good[] = {"net_null4", "net_null5"};
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    uint32_t index = add_bond(fixture, "net_bonding4", CONFIG_BOND_ACTIVE_BACKUP, unknown);
    struct port *port = NULL;
    assert_int_equal(port_open(&fixture->config, index, 1, 0, &port, fixture->why),
                     ERROR_NOT_FOUND);
    assert_non_null(strstr(fixture->why, "port bond: device net_nonsense0: DPDK has no driver"));
    assert_null(port);
    fixture->ports[index].bond.members = good;
    for (int round = 0; round < 2; round++) {
        port = fixture_open(fixture, index, 1);
        uint16_t ids[] = {port->id, port->members[0], port->members[1]};
        fixture_close(port);
        for (size_t i = 0; i < 3; i++)
            assert_false(rte_eth_dev_is_valid_port(ids[i]));
    }
}

static void vlans_share_a_bond(void **state)
{
    static char *members[] = {"net_null6", "net_null7"};
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    uint32_t first = add_bond(fixture, "net_bonding5", CONFIG_BOND_ACTIVE_BACKUP, members);
    uint32_t second = fixture_add_port(fixture, "second", "net_bonding5");
    fixture->ports[first].vlan = 5;
    fixture->ports[second].vlan = 6;
    struct port *carrier = fixture_open(fixture, first, 1), *shared = NULL;
    assert_int_equal(port_start(carrier, fixture->why), ERROR_NONE);
    assert_int_equal(port_carrier_of(&fixture->config, second), first);
    assert_int_equal(port_share(&fixture->config, second, 1, carrier, &shared, fixture->why),
                     ERROR_NONE);
    assert_int_equal(shared->member_count, 0);
    uint32_t speed;
    assert_true(port_link_up(shared, &speed));
    assert_int_equal(rte_eth_dev_stop(carrier->members[0]), 0);
    assert_int_equal(rte_eth_dev_stop(carrier->members[1]), 0);
    wait_for_states(carrier, PORT_MEMBER_DOWN, PORT_MEMBER_DOWN);
    assert_false(port_link_up(shared, &speed));
    port_stop(carrier);
    port_stop(shared);
    port_close(carrier);
    port_close(shared);
}

int main(void)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(another_one_carries_when_the_link_of_the_first_goes, &fixture),
        cmocka_unit_test_prestate(balance_spreads_flows_and_keeps_each_on_one_device, &fixture),
        cmocka_unit_test_prestate(two_ends_agree_by_lacp_and_lose_a_link, &fixture),
        cmocka_unit_test_prestate(a_bond_that_cannot_be_leaves_its_devices_free, &fixture),
        cmocka_unit_test_prestate(vlans_share_a_bond, &fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
