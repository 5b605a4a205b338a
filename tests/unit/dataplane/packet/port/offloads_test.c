// What is told of a device's offloads. No device is asked: what it offers is written down.
#include "dataplane/packet/port/port.h"

#include <string.h>

#include "tests/test.h"

struct expected {
    const char *name;
    bool offered, used;
    const char *why; // begins so
};

struct seen {
    const struct expected *next, *end;
};

static void compare(void *context, const struct port_offload *offload)
{
    struct seen *seen = context;
    const struct expected *wanted = seen->next++;
    assert_true(wanted < seen->end);
    assert_string_equal(offload->name, wanted->name);
    assert_int_equal(offload->offered, wanted->offered);
    assert_int_equal(offload->used, wanted->used);
    assert_true(strncmp(offload->why, wanted->why, strlen(wanted->why)) == 0);
    assert_true(offload->used == (offload->why[0] == '\0'));
}

static void assert_offloads(const struct port *port, const struct expected *rows, size_t count)
{
    struct seen seen = {rows, rows + count};
    port_walk_offloads(port, compare, &seen);
    assert_ptr_equal(seen.next, seen.end);
}

static void each_is_told_with_the_reason_why_not(void **state)
{
    const struct port port = {
        .rx_offloads = {.offered = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM |
                                   RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_TCP_LRO |
                                   RTE_ETH_RX_OFFLOAD_TIMESTAMP,
                        .used = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM},
        .tx_offloads = {.offered = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE},
    };
    static const struct expected rows[] = {
        {"rx-vlan-strip", true, false, "no port of the device has a `vlan`"},
        {"rx-ipv4-cksum", true, true, ""},
        {"rx-udp-cksum", true, false, "the device does only one of TCP and UDP"},
        {"rx-tcp-cksum", false, false, "checked in software"},
        {"rx-tcp-lro", true, false, "packets are forwarded one by one"},
        {"rx-timestamp", true, false, "nothing here needs it"},
        {"tx-ipv4-cksum", false, false, "filled in by software"},
        {"tx-tcp-tso", true, false, "packets leave in the size"},
        {"tx-mbuf-fast-free", true, false, "it promises"},
    };
    assert_offloads(&port, rows, sizeof(rows) / sizeof(rows[0]));
    // A port that shares the device tells the same.
    const struct port shared = {.carrier = &port};
    assert_offloads(&shared, rows, sizeof(rows) / sizeof(rows[0]));
}

static void tags_are_told_of_where_there_are_any(void **state)
{
    static struct port_vlans vlans;
    const struct port port = {
        .vlans = &vlans,
        .rx_offloads = {.offered = RTE_ETH_RX_OFFLOAD_CHECKSUM,
                        .used = RTE_ETH_RX_OFFLOAD_CHECKSUM},
        .tx_offloads = {.offered = RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM,
                        .used = RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM},
    };
    static const struct expected rows[] = {
        {"rx-vlan-strip", false, false, "tags are taken off in software"},
        {"rx-ipv4-cksum", true, true, ""},
        {"rx-udp-cksum", true, true, ""},
        {"rx-tcp-cksum", true, true, ""},
        {"tx-vlan-insert", true, true, ""},
        {"tx-ipv4-cksum", true, true, ""},
    };
    assert_offloads(&port, rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told_with_the_reason_why_not),
        cmocka_unit_test(tags_are_told_of_where_there_are_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
