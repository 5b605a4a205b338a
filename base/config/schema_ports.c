// `ports`: network devices, their routes, and the kernel's share of them.
#include "base/config/schema_table_priv.h"

#define INTERFACE_NAME_MAX 15 // IFNAMSIZ with its terminator is 16
#define DEVICE_TEXT_MAX    255
#define PUNT_RATE_MAX      10000000
#define VLAN_MAX           4094 // IEEE 802.1Q, table 9-2: 4095 is reserved

static const struct schema_field route_fields[] = {
    {.key = "to",
     .type = SCHEMA_NETWORK,
     AT(config_route, to),
     .required = true,
     .help = "The network behind the router. `0.0.0.0/0` and `::/0` are everything else."},
    {.key = "via",
     .type = SCHEMA_ADDRESS,
     AT(config_route, via),
     .required = true,
     .help = "The router: in a network of this port, of the same IP version."},
};

static const struct schema_record route_record = {
    .name = "route",
    .path = "ports[].routes[]",
    RECORD(config_route, route_fields),
    .help = "A network that is reached through a router on this port."};

static const struct schema_field punt_fields[] = {
    {.key = "interface",
     .type = SCHEMA_INTERFACE,
     AT(config_punt, interface),
     .required = true,
     .most = INTERFACE_NAME_MAX,
     .restart = true,
     .help = "The TAP interface that is made for it."},
    {.key = "rate",
     .type = SCHEMA_RATE,
     AT(config_punt, rate_per_second),
     .least = 1,
     .most = PUNT_RATE_MAX,
     .initial = "10000/s",
     .help = "Packets a worker hands over at most; more are dropped and counted."},
};

static const struct schema_record punt_record = {
    .name = "punt",
    .path = "ports[].punt",
    RECORD(config_punt, punt_fields),
    .help = "The kernel's share of a port. What comes for the port's own addresses and is neither "
            "balanced nor answered goes to a TAP interface and back, so that SSH, BGP or a health "
            "check of the machine itself go on working."};

const char *const schema_words_bond[] = {"active-backup", "balance-xor", "802.3ad", NULL};

static const struct schema_field bond_fields[] = {
    {.key = "mode",
     .type = SCHEMA_WORD,
     AT(config_bond, mode),
     .words = schema_words_bond,
     .initial = "active-backup",
     .restart = true,
     .help =
         "`active-backup`: one member carries, another takes its place when its link goes. "
         "`balance-xor`: all carry, each flow on one by its addresses and ports; the switch must "
         "know them as one link. `802.3ad`: the same, agreed with the switch by LACP."},
    {.key = "members",
     .type = SCHEMA_DEVICE,
     LIST_AT(config_bond, members, member_count),
     .required = true,
     .items_max = CONFIG_BOND_MAX,
     .most = DEVICE_TEXT_MAX,
     .restart = true,
     .help =
         "Two or more devices that no port and no other bond has. The first one's MAC address is "
         "the port's, and under `active-backup` it carries whenever it has a link. What one of "
         "them cannot (checksums, VLAN tags, MTU) the bond does without."},
};

static const struct schema_record bond_record = {
    .name = "bond",
    .path = "ports[].bond",
    RECORD(config_bond, bond_fields),
    .help = "The devices of which a bonding device is made, and how they share the work."};

static const struct schema_field port_fields[] = {
    {.key = "name",
     .type = SCHEMA_NAME,
     AT(config_port, name),
     .required = true,
     .restart = true,
     .help = "The port in statistics, commands and logs."},
    {.key = "device",
     .type = SCHEMA_DEVICE,
     AT(config_port, device),
     .required = true,
     .most = DEVICE_TEXT_MAX,
     .restart = true,
     .help = "A PCI address (`0000:01:00.0`) or a DPDK device string (`net_af_xdp0,iface=eth1`). "
             "Several ports may have one device, each with a `vlan` of its own."},
    {.key = "bond",
     .type = SCHEMA_RECORD,
     AT(config_port, bond),
     .record = &bond_record,
     .absent = "one device",
     .restart = true,
     .help = "Of `device: net_bonding0` (1, 2, ...): what it is made of. Where ports share it, the "
             "first of them has it."},
    {.key = "vlan",
     .type = SCHEMA_COUNT,
     AT(config_port, vlan),
     .least = 1,
     .most = VLAN_MAX,
     .absent = "frames without a tag",
     .restart = true,
     .help = "The VLAN of this port on its device: its frames come and go with that tag. Other "
             "ports of the device, at most one of them without `vlan`, have the same `queues` and "
             "`descriptors`. What comes for a VLAN of no port is dropped as `vlan-unknown`."},
    {.key = "queues",
     .type = SCHEMA_COUNT,
     AT(config_port, queues),
     .least = 1,
     .most = CONFIG_WORKERS_MAX,
     .absent = "one a worker",
     .restart = true,
     .help = "Receive queues."},
    {.key = "descriptors",
     .type = SCHEMA_COUNT,
     AT(config_port, descriptors),
     .least = 64,
     .most = 32768,
     .initial = "1024",
     .restart = true,
     .help = "Packets each queue can hold."},
    {.key = "mtu",
     .type = SCHEMA_COUNT,
     AT(config_port, mtu),
     .least = 68,
     .most = 9000,
     .initial = "1500",
     .restart = true,
     .help = "Bytes of an IP packet, without Ethernet's header."},
    {.key = "addresses",
     .type = SCHEMA_OWN,
     LIST_AT(config_port, addresses, address_count),
     .items_max = CONFIG_ADDRESSES_MAX,
     .absent = "none",
     .help = "Own addresses, each with the length of its network: `10.1.0.1/24`. A port may have a "
             "link-local one of IPv6, `fe80::1/64`, for routers that are known by such (`gateway: "
             "fe80::fe`); each link has that network for itself, so no member, no vip and no route "
             "leads there."},
    {.key = "local-addresses",
     .type = SCHEMA_ADDRESS,
     LIST_AT(config_port, local_addresses, local_address_count),
     .items_max = CONFIG_LOCALS_MAX,
     .absent = "none",
     .help = "Addresses from which `forward: fullnat` sends to members whose way leads out of this "
             "port: nobody else's, in the port's networks (it answers ARP and neighbour discovery "
             "for them) or routed to it. Each carries 64448 flows at once to one member's port, "
             "and about a million to 16 or more."},
    {.key = "gateway",
     .type = SCHEMA_ADDRESS,
     LIST_AT(config_port, routes, route_count),
     .shorthand = true,
     .items_max = 2,
     .absent = "none",
     .help = "The router for everything else, at most one of each IP version: short for routes to "
             "`0.0.0.0/0` and `::/0`."},
    {.key = "routes",
     .type = SCHEMA_RECORD,
     LIST_AT(config_port, routes, route_count),
     .items_max = CONFIG_ROUTES_MAX,
     .absent = "none",
     .record = &route_record,
     .help = "Networks behind other routers on this port."},
    {.key = "punt",
     .type = SCHEMA_RECORD,
     AT(config_port, punt),
     .record = &punt_record,
     .absent = "such packets are dropped by name",
     .help = "Hand what is not ours to the kernel."},
};

const struct schema_record schema_port = {.name = "port",
                                          .path = "ports[]",
                                          RECORD(config_port, port_fields),
                                          .help = "A network device that carries packets."};
