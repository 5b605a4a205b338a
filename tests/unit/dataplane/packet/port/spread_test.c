// What a device must be like to spread packets by a hash of ours, and that its table is read back.
// net_null keeps a table, whatever it does with it.
#include <errno.h>

#include "dataplane/packet/port/port_priv.h"
#include "tests/unit/dataplane/packet/port/fixture.h"

#define ALL (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

static void a_device_must_hash_by_ports_with_key_and_table(void **state)
{
    static const struct {
        uint64_t hashed;
        uint32_t queues, workers;
        uint16_t entries;
        uint8_t key_size;
        const char *lack; // NULL: none
    } table[] = {
        {ALL, 4, 4, 128, 40, NULL},
        {ALL, 4, 4, 512, 52, NULL},
        {ALL, 6, 6, 4096, 40, NULL},
        {ALL, 4, 4, 4, 40, NULL}, // mlx5: a queue, an entry
        {ALL | RTE_ETH_RSS_SCTP, 5, 4, 128, 40, NULL},
        {RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |
             RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP,
         4, 4, 128, 40, NULL},
        {ALL, 2, 4, 128, 40, "fewer receive queues (2) than workers (4)"},
        {RTE_ETH_RSS_IP, 4, 4, 128, 40, "does not hash TCP and UDP"},
        {ALL & ~(uint64_t)RTE_ETH_RSS_NONFRAG_IPV6_UDP, 4, 4, 128, 40, "does not hash TCP and UDP"},
        {ALL, 4, 4, 128, 0, "takes no hash key of 40 to 52 bytes"},
        {ALL, 4, 4, 128, 36, "takes no hash key"},
        {ALL, 4, 4, 128, 56, "takes no hash key"},
        {ALL, 4, 4, 0, 40, "hash table of 0 entries"},
        {ALL, 4, 4, 2, 40, "hash table of 2 entries is no power of two from 4"},
        {ALL, 4, 4, 96, 40, "hash table of 96 entries"},
        {ALL, 4, 4, 8192, 40, "hash table of 8192 entries"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct rte_eth_dev_info info = {
            .flow_type_rss_offloads = table[i].hashed,
            .reta_size = table[i].entries,
            .hash_key_size = table[i].key_size,
        };
        char why[PORT_STEERING_WHY_SIZE] = "";
        bool can = port_can_spread(&info, table[i].queues, table[i].workers, why);
        assert_int_equal(can, table[i].lack == NULL);
        if (table[i].lack && !strstr(why, table[i].lack))
            fail_msg("%s: not %s", why, table[i].lack);
    }
}

static void a_table_is_what_it_was_set_to_or_it_is_told(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "null", "net_null21");
    fixture_add_port(fixture, "ring", "net_ring21");
    struct port *null = fixture_open(fixture, 0, 2), *ring = fixture_open(fixture, 1, 2);
    assert_int_equal(port_start(null, fixture->why), ERROR_NONE);
    assert_int_equal(port_start(ring, fixture->why), ERROR_NONE);
    assert_int_equal(port_rss_table_set(null->id, 128, 128, 2), 0);
    assert_int_equal(port_rss_table_check(null->id, 128, 128, 2), 0);
    // Another number of entries in common, over two queues, is the same table but of odd length.
    assert_int_equal(port_rss_table_check(null->id, 128, 64, 2), 0);
    assert_int_equal(port_rss_table_check(null->id, 128, 64, 1), -EBADMSG);
    struct rte_eth_rss_reta_entry64 other[2] = {{.mask = 0}, {.mask = 1ull << 63}};
    assert_int_equal(rte_eth_dev_rss_reta_update(null->id, other, 128), 0); // the last entry: 0
    assert_int_equal(port_rss_table_check(null->id, 128, 128, 2), -EBADMSG);
    assert_true(port_rss_table_set(ring->id, 128, 128, 2) < 0);
    assert_true(port_rss_table_check(ring->id, 128, 128, 2) < 0);
    port_stop(null);
    port_stop(ring);
    port_close(null);
    port_close(ring);
}

static void share(struct fixture *fixture, struct port *carrier, struct port **shared)
{
    if (port_share(&fixture->config, 1, 2, carrier, shared, fixture->why))
        fail_msg("%s", fixture->why);
}

static void what_a_device_can_no_longer_is_told(void **state)
{
    static const uint8_t key[PORT_RSS_KEY_BYTES] = {1, 2, 3};
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    for (uint32_t p = 0; p < 2; p++) {
        fixture_add_port(fixture, p ? "second" : "first", "net_null23");
        fixture->ports[p].vlan = 5 + p;
    }
    struct port *port = fixture_open(fixture, 0, 2), *shared;
    share(fixture, port, &shared);
    assert_int_equal(port_start(port, fixture->why), ERROR_NONE);
    port->rx_queues = 1;
    assert_false(port_spread(port, key, 64, 2));
    assert_string_equal(port->steering_why, "fewer receive queues (1) than workers (2)");
    strcpy(shared->steering_why, "");
    port_spread_as_carrier(shared);
    assert_string_equal(shared->steering_why, port->steering_why);
    port->steering = PORT_STEERING_RSS;
    port_spread_as_carrier(shared);
    assert_string_equal(port_steering_text(shared->steering), "rss");
    port_stop(port);
    port_stop(shared);
    // A device that is gone.
    assert_false(port_spread(port, key, 64, 2));
    assert_non_null(strstr(port->steering_why, "it does not describe itself"));
    port_close(port);
    port_close(shared);
}

static void a_port_says_how_it_steers(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.port_count = 0;
    fixture_add_port(fixture, "ring", "net_ring22");
    struct port *port = fixture_open(fixture, 0, 1);
    assert_int_equal(port_start(port, fixture->why), ERROR_NONE);
    assert_int_equal(port_spread_entries(port, 1), 0);
    assert_string_equal(port_steering_text(port->steering), "single");
    assert_string_equal(port->steering_why, "there is one worker");
    assert_int_equal(port_spread_entries(port, 2), 0);
    assert_string_equal(port_steering_text(port->steering), "handoff");
    assert_string_equal(port->steering_why, "fewer receive queues (1) than workers (2)");
    fixture_close(port);
}

int main(void)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_device_must_hash_by_ports_with_key_and_table, &fixture),
        cmocka_unit_test_prestate(a_table_is_what_it_was_set_to_or_it_is_told, &fixture),
        cmocka_unit_test_prestate(what_a_device_can_no_longer_is_told, &fixture),
        cmocka_unit_test_prestate(a_port_says_how_it_steers, &fixture),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
