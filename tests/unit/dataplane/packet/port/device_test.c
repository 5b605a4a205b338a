#include "dataplane/packet/port/port_priv.h"

#include "tests/unit/dataplane/packet/port/fixture.h"

static void pci_addresses_are_told_from_other_devices(void **state)
{
    static const struct {
        const char *device;
        const char *address; // NULL: not one
    } table[] = {
        {"0000:01:00.0", "0000:01:00.0"},
        {"01:00.1", "0000:01:00.1"},
        {"81:1f.7,dv_flow_en=1", "0000:81:1f.7"},
        {"0001:AB:00.0", "0001:ab:00.0"},
        {"net_null0", NULL},
        {"net_af_xdp0,iface=01:00.0", NULL},
        {"", NULL},
        {" 01:00.0", NULL},
        {"01:00", NULL},
        {"01:00.0x", NULL},
        {"0000:01:00.0.1", NULL},
        {"0000:01:00.", NULL},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char address[PORT_PCI_ADDRESS_SIZE];
        bool is = port_device_pci_address(table[i].device, address);
        assert_int_equal(is, table[i].address != NULL);
        if (is)
            assert_string_equal(address, table[i].address);
    }
}

static void a_device_that_is_not_there_gives_a_sentence(void **state)
{
    static const struct {
        char *device;
        enum error error;
        const char *why;
    } table[] = {
        {"net_af_xdp0,iface=nothing7", ERROR_NOT_FOUND,
         "device net_af_xdp0,iface=nothing7: no kernel interface nothing7 here: ip link shows what "
         "there is"},
        {"bogus0", ERROR_NOT_FOUND,
         "device bogus0: DPDK has no driver for it: give a PCI address (0000:01:00.0) or a device "
         "such as net_af_xdp0,iface=eth0"},
        {"net_af_xdp0", ERROR_DEVICE, NULL},
        {"net_tap5,ifaze=weir5", ERROR_INVALID,
         "device net_tap5,ifaze=weir5: net_tap has no argument `ifaze`, did you mean `iface`?"},
        {"net_tap5,mac=fixed,colour=red", ERROR_INVALID,
         "device net_tap5,mac=fixed,colour=red: net_tap has no argument `colour`: iface, remote, "
         "mac and persist are what it has"},
        {"fffe:ff:1f.7", ERROR_NOT_FOUND,
         "no PCI device fffe:ff:1f.7 on this machine: dpdk-devbind.py --status lists what there "
         "is"},
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint16_t id;
        char why[PORT_WHY_SIZE] = "";
        assert_int_equal(port_device_attach(table[i].device, &id, why), table[i].error);
        if (table[i].why)
            assert_string_equal(why, table[i].why);
        assert_true(strlen(why) > strlen(table[i].device) + 10);

        struct port *port = NULL;
        fixture->config.port_count = 0;
        fixture_add_port(fixture, "outside", table[i].device);
        assert_int_equal(
            port_open(&fixture->config, 0, 2, FIXTURE_EXTRA_BUFFERS, &port, fixture->why),
            table[i].error);
        assert_null(port);
        assert_memory_equal(fixture->why, "port outside: ", 14);
        assert_string_equal(fixture->why + 14, why);
    }
}

static void a_device_serves_one_port_and_can_be_had_again(void **state)
{
    uint16_t first, second;
    char why[PORT_WHY_SIZE] = "";
    assert_int_equal(port_device_attach("net_null5", &first, why), ERROR_NONE);
    assert_int_equal(port_device_attach("net_null5", &second, why), ERROR_EXISTS);
    assert_string_equal(
        why, "device net_null5: another port has it already: give each port one of its own");
    port_device_detach(first);
    assert_int_equal(port_device_attach("net_null5", &second, why), ERROR_NONE);
    port_device_detach(second);
    assert_false(rte_eth_dev_is_valid_port(second));
}

int main(void)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    // A PCI device that is not there must not keep the others from starting.
    fixture_add_port(&fixture, "outside", "fffe:ff:1f.7");
    fixture_start(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pci_addresses_are_told_from_other_devices),
        cmocka_unit_test_prestate(a_device_that_is_not_there_gives_a_sentence, &fixture),
        cmocka_unit_test(a_device_serves_one_port_and_can_be_had_again),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    port_system_stop();
    return failed;
}
