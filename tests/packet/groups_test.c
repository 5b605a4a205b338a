// What is said to all stations of a link, or to a group of them, and is not for us: the kernel
// hears it where a port punts; elsewhere it is told apart from what is sent to us alone and reaches
// no stage, which may be a reply that was lost.
#include <netinet/in.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/stations.h"

static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, 'fd00:1::1/64'],\n"
    "     punt: {interface: punt0}}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, 'fd00:2::1/64']}\n"
    "pools: [{name: p, members: [{address: 10.2.0.11}]}]\n"
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n";

static const uint8_t mdns_mac[6] = {1, 0, 0x5e, 0, 0, 251};
static const uint8_t routers_mac[6] = {0x33, 0x33, 0, 0, 0, 2};
static const uint8_t listeners_mac[6] = {0x33, 0x33, 0, 0, 0, 0x16};
static const uint8_t somebody_mac[6] = {0x33, 0x33, 0xff, 0, 0, 0x77};

// Of the back's network, but for what link-local and group addresses make of any.
static const struct frame_spec to_many[] = {
    // A question for somebody else, by ARP and by neighbour discovery; and one for duplicates.
    {.destination_mac = broadcast_mac,
     .source = "10.2.0.11",
     .destination = "10.2.0.77",
     .arp_operation = 1},
    {.destination_mac = somebody_mac,
     .source = "fd00:2::11",
     .destination = "ff02::1:ff00:77",
     .protocol = IPPROTO_ICMPV6,
     .icmp_type = 135,
     .nd_target = "fd00:2::77"},
    {.destination_mac = somebody_mac,
     .source = "::",
     .destination = "ff02::1:ff00:77",
     .protocol = IPPROTO_ICMPV6,
     .icmp_type = 135,
     .nd_target = "fd00:2::77",
     .nd_without_option = true},
    // Who listens where, and who looks for a router.
    {.destination_mac = listeners_mac,
     .source = "fe80::11",
     .destination = "ff02::16",
     .protocol = IPPROTO_ICMPV6,
     .icmp_type = 143,
     .payload_size = 20,
     .ttl = 1},
    {.destination_mac = routers_mac,
     .source = "fe80::11",
     .destination = "ff02::2",
     .protocol = IPPROTO_ICMPV6,
     .icmp_type = 133,
     .ttl = 255},
    // Datagrams to a group, to the network, to everybody.
    {.destination_mac = mdns_mac,
     .source = "10.2.0.11",
     .destination = "224.0.0.251",
     .protocol = IPPROTO_UDP,
     .destination_port = 5353},
    {.destination_mac = broadcast_mac,
     .source = "10.2.0.11",
     .destination = "10.2.0.255",
     .protocol = IPPROTO_UDP,
     .destination_port = 137},
    {.destination_mac = broadcast_mac,
     .source = "10.2.0.11",
     .destination = "255.255.255.255",
     .protocol = IPPROTO_UDP,
     .destination_port = 67},
};

// To us, of no flow, no service and no kind that we answer.
static const struct frame_spec to_us[] = {
    {.source = "10.2.0.11", .destination = "10.1.0.10", .source_port = 22},
    {.source = "10.2.0.11",
     .destination = "10.2.0.1",
     .protocol = IPPROTO_UDP,
     .destination_port = 53},
    {.source = "fd00:2::11", .destination = "fd00:1::10", .source_port = 22},
    {.source = "10.2.0.11", .destination = "10.2.0.77", .arp_operation = 1},
};

static struct stage_rig rig;

static void what_is_said_to_many_is_told_apart(void **state)
{
    rig_open(&rig, configuration);
    for (size_t i = 0; i < sizeof(to_many) / sizeof(to_many[0]); i++) {
        assert_dropped(rig_put(&rig, BACK, to_many[i]), DROP_MULTICAST_UNJOINED);
        assert_int_equal(rig_put(&rig, FRONT, to_many[i]).kind, OUTCOME_PUNTED);
    }
    for (size_t i = 0; i < sizeof(to_us) / sizeof(to_us[0]); i++) {
        struct frame_spec spec = to_us[i];
        spec.destination_mac = back_mac;
        assert_dropped(rig_put(&rig, BACK, spec), DROP_PUNT_DISABLED);
        spec.destination_mac = front_mac;
        assert_int_equal(rig_put(&rig, FRONT, spec).kind, OUTCOME_PUNTED);
    }
    rig_close(&rig);
}

// A frame of neither IP nor ARP: a switch that tells of itself (LLDP).
static void so_it_is_of_other_protocols(void **state)
{
    static const uint8_t nearest_bridge_mac[6] = {1, 0x80, 0xc2, 0, 0, 0x0e};
    static struct frame frame;
    frame_build(&frame, &(struct frame_spec){.destination_mac = nearest_bridge_mac});
    frame.bytes[12] = 0x88;
    frame.bytes[13] = 0xcc;
    rig_open(&rig, configuration);
    struct outcome outcome;
    rig_packet(&rig, BACK, &frame, &outcome);
    assert_dropped(outcome, DROP_MULTICAST_UNJOINED);
    rig_packet(&rig, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_PUNTED);
    rig_close(&rig);
}

int main(void)
{
    rig_start_dpdk();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_to_many_is_told_apart),
        cmocka_unit_test(so_it_is_of_other_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
