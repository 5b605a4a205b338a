#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config/config.h"

// Each file is this beginning and what the row adds: node at line 1, ports from line 2, then the
// row's own text from line 5.
#define BEGINNING                                                                      \
    "node: {name: n, cores: 0}\n"                                                      \
    "ports:\n"                                                                         \
    "  - {name: a, device: net_null0, addresses: [10.0.0.1/24, fd00::1/64], gateway: " \
    "10.0.0.254}\n"                                                                    \
    "  - {name: b, device: net_null1, addresses: [10.1.0.1/24]}\n"

struct relation {
    const char *text;
    const char *said; // all problems, each "LINE:COLUMN message: `words`"; empty: none
};

#define VIP(name, address, port, pool) \
    "{name: " name ", address: " address ", port: " port ", protocol: tcp, pool: " pool "}"

static const struct relation relations[] = {
    // Pools and vips that fit.
    {BEGINNING "pools: [{name: w, members: [{address: 10.1.0.2, port: 81}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     ""},
    {BEGINNING "pools: [{name: unused}]\n", ""},
    {BEGINNING "pools: [{name: w, forward: ipip, members: [{address: 10.1.0.2}, {address: "
               "fd00::2}]}]\nvips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     ""},
    {BEGINNING "pools: [{name: w, forward: ipip, members: [{address: 198.51.100.1, port: 80}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     ""},
    {BEGINNING "pools: [{name: w, forward: gre, members: [{address: 198.51.100.1}, {address: "
               "fd00::2}]}]\nvips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     ""},
    {BEGINNING "pools: [{name: w, forward: gue, members: [{address: 198.51.100.1, port: 81}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "5:73 another port than the vip's (80, line 6): `81`"},
    // Local addresses.
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, addresses: [10.0.0.1/24, fd00::1/64], gateway: 10.0.0.254}\n"
     "  - {name: b, device: y, addresses: 10.1.0.1/24, local-addresses: [10.1.0.9, 192.0.2.9]}\n"
     "pools:\n"
     "  - {name: w, forward: fullnat, members: [{address: 10.1.0.2, port: 81}]}\n"
     "  - {name: x, forward: fullnat, members: [{address: 10.0.0.2}, {address: fd00::2}]}\n"
     "  - {name: y, forward: fullnat, members: [{address: 198.51.100.1}]}\n"
     "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "7:53 no address to send from: port a, which leads there, has no IPv4 `local-addresses`: "
     "`10.0.0.2`\n"
     "8:53 no address to send from: port a, which leads there, has no IPv4 `local-addresses`: "
     "`198.51.100.1`"},
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, addresses: 10.0.0.1/24, gateway: 10.0.0.254, local-addresses: "
     "[10.0.0.1, 10.1.0.1,\n"
     "     10.0.0.9, 10.0.0.254, 10.0.0.255, 10.1.0.7, 'fe80::1']}\n"
     "  - {name: b, device: y, addresses: 10.1.0.1/24, local-addresses: [10.1.0.8, 10.1.0.8]}\n"
     "pools: [{name: w, members: [{address: 10.1.0.8}]}]\n"
     "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "3:89 a port's own address: `10.0.0.1`\n"
     "3:99 a port's own address: `10.1.0.1`\n"
     "4:6 a virtual address: `10.0.0.9`\n"
     "4:16 a router's address: `10.0.0.254`\n"
     "4:28 the network's broadcast address: `10.0.0.255`\n"
     "4:40 an address in a network of port b: `10.1.0.7`\n"
     "4:51 a link-local address: `fe80::1`\n"
     "5:78 a local address given twice, as at line 5: `10.1.0.8`\n"
     "6:39 a local address of a port: `10.1.0.8`"},
    // The ways to members.
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, mtu: 1320, addresses: [10.0.0.1/24, 'fd00::1/64']}\n"
     "pools:\n"
     "  - {name: i6, forward: ipip, members: [{address: 'fd00::2'}]}\n"
     "  - {name: g4, forward: gue, balancer: ring, second-chance: 1, members: [{address: "
     "10.0.0.2}]}\n"
     "vips:\n"
     "  - " VIP("v", "'fd00::9'", "80", "i6") "\n"
                                              "  - " VIP("w", "10.0.0.9", "80", "g4") "\n",
     ""},
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, mtu: 1319, addresses: [10.0.0.1/24, 'fd00::1/64']}\n"
     "pools:\n"
     "  - {name: i4, forward: ipip, members: [{address: 10.0.0.2}]}\n"
     "  - {name: i6, forward: ipip, members: [{address: 10.0.0.2}, {address: 'fd00::2'}, {address: "
     "'fd00::3'}]}\n"
     "  - {name: r6, forward: gre, members: [{address: 'fd00::2'}]}\n"
     "  - {name: g4, forward: gue, members: [{address: 10.0.0.2}]}\n"
     "  - {name: c4, forward: gue, balancer: ring, second-chance: 1, members: [{address: "
     "10.0.0.2}]}\n"
     "  - {name: n6, forward: nat, members: [{address: 'fd00::2'}]}\n"
     "  - {name: u6, forward: ipip, members: [{address: 'fd00::2'}]}\n"
     "vips:\n"
     "  - " VIP("v", "10.0.0.9", "79",
                "i6") "\n"
                      "  - " VIP("i4", "'fd00::9'", "80",
                                 "i4") "\n"
                                       "  - " VIP(
                                           "i6", "'fd00::9'", "81",
                                           "i6") "\n"
                                                 "  - " VIP(
                                                     "r6", "'fd00::9'", "82",
                                                     "r6") "\n"
                                                           "  - " VIP(
                                                               "g4", "'fd00::9'", "83",
                                                               "g4") "\n"
                                                                     "  - " VIP(
                                                                         "c4", "'fd00::9'", "84",
                                                                         "c4") "\n"
                                                                               "  - " VIP(
                                                                                   "n6",
                                                                                   "'fd00::9'",
                                                                                   "85", "n6") "\n",
     "6:73 only 1279 bytes for a packet to vip i6 (line 15): of port a's `mtu` of 1319, outer "
     "headers take 40: `fd00::2`\n"
     "7:51 only 1275 bytes for a packet to vip r6 (line 16): of port a's `mtu` of 1319, outer "
     "headers take 44: `fd00::2`\n"
     "9:84 only 1275 bytes for a packet to vip c4 (line 18): of port a's `mtu` of 1319, outer "
     "headers take 44: `10.0.0.2`"},
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, mtu: 120, addresses: 10.0.0.1/24}\n"
     "pools:\n"
     "  - {name: g, forward: gue, balancer: ring, second-chance: 3, members: [{address: "
     "10.0.0.2}]}\n"
     "  - {name: h, forward: gue, balancer: ring, second-chance: 4, members: [{address: "
     "10.0.0.2}]}\n",
     "6:83 only 64 bytes for a packet: of port a's `mtu` of 120, outer headers take 56: "
     "`10.0.0.2`"},
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, addresses: 'fe80::1/64', gateway: 'fe80::fe'}\n"
     "  - {name: b, device: y, addresses: 'fd00::1/64'}\n"
     "pools:\n"
     "  - {name: w, forward: ipip, members: [{address: 'fd00::2'}, {address: '2001:db8::1'}, "
     "{address: '2001:db8::2'}]}\n"
     "  - {name: x, forward: nat, members: [{address: '2001:db8::1'}]}\n",
     "6:73 no address for the outer header: port a, which leads there, has no IPv6 address but "
     "link-local ones: `2001:db8::1`"},
    // Members that are told the client's address.
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, addresses: 10.0.0.1/24, local-addresses: 10.0.0.3}\n"
     "pools:\n"
     "  - {name: w, forward: fullnat, client-address: proxy-v2, members: [{address: 10.0.0.2}]}\n"
     "  - {name: x, forward: nat, client-address: proxy-v2, members: [{address: 10.0.0.2}]}\n"
     "  - {name: y, forward: nat, client-address: none, members: [{address: 10.0.0.2}]}\n"
     "vips:\n"
     "  - {name: u, address: 10.0.0.9, port: 80, protocol: udp, pool: y}\n"
     "  - {name: v, address: 10.0.0.9, port: 80, protocol: tcp, pool: w}\n"
     "  - {name: w, address: 10.0.0.9, port: 81, protocol: udp, pool: w}\n",
     "6:45 told to members that see it themselves: `forward: nat` keeps the client's address: "
     "`proxy-v2`\n"
     "11:65 a pool whose members are told the client's address in TCP connections (line 5): `w`"},
    // Echo.
    {"node: {name: n, cores: 0}\n"
     "ports:\n"
     "  - {name: a, device: x, addresses: 10.0.0.1/24, local-addresses: 10.0.0.3}\n"
     "pools:\n"
     "  - {name: w, forward: fullnat, members: [{address: 10.0.0.2, port: 8080}]}\n"
     "  - {name: x, forward: nat, members: [{address: 10.0.0.2}]}\n"
     "  - {name: y, forward: direct, members: [{address: 10.0.0.2, port: 80}]}\n"
     "  - {name: z, forward: fullnat, client-address: toa, members: [{address: 10.0.0.2}]}\n"
     "vips:\n"
     "  - {name: a, address: 10.0.0.9, protocol: icmp, pool: w}\n"
     "  - {name: b, address: 10.0.0.9, port: 80, protocol: tcp, pool: w}\n"
     "  - {name: c, address: 10.0.0.9, protocol: icmp, pool: w}\n"
     "  - {name: d, address: 10.0.0.10, port: 7, protocol: icmp, pool: w}\n"
     "  - {name: e, address: 10.0.0.10, protocol: udp, pool: w}\n"
     "  - {name: f, address: 10.0.0.11, protocol: icmp, pool: x}\n"
     "  - {name: g, address: 10.0.0.12, protocol: icmp, pool: y}\n"
     "  - {name: h, address: 10.0.0.13, protocol: icmp, pool: z}\n",
     "12:24 address, port and protocol of another vip, as at line 10: `10.0.0.9`\n"
     "13:41 a port with `protocol: icmp`: `7`\n"
     "14:45 a vip without a port: `udp`\n"
     "15:45 echo to a pool with `forward: nat`: `icmp`\n"
     "16:45 echo to a pool with `forward: direct`: `icmp`\n"
     "17:57 a pool whose members are told the client's address in TCP connections (line 8): `z`"},
    // A second chance.
    {BEGINNING "pools: [{name: w, forward: gue, balancer: ring, second-chance: 29,\n"
               "         members: [{address: 10.1.0.2}]}]\n",
     ""},
    {BEGINNING "pools: [{name: w, second-chance: 1}]\n",
     "5:34 a second chance without a balancer that tells whose a flow was: `1`\n"
     "5:34 a second chance without the tunnel that carries it: `1`"},
    {BEGINNING "pools: [{name: w, forward: gue, balancer: ring, second-chance: 1, affinity: "
               "{timeout: 1m}}]\n",
     "5:64 a second chance for clients that stay with their member: `1`"},
    {BEGINNING "pools: [{name: w, forward: gue, balancer: ring, second-chance: 7,\n"
               "         members: [{address: fd00::2}]}]\n",
     "5:64 more than a packet can tell: `7`"},
    {BEGINNING "pools: [{name: w, forward: gue, balancer: ring, second-chance: 2,\n"
               "         members: [{address: 10.1.0.2}, {address: fd00::2}]}]\n",
     "6:51 a member of another IP version than the first: `fd00::2`"},
    // What a balancer cannot do.
    {BEGINNING "pools: [{name: w, balancer: failover, slow-start: 10s}, {name: x, balancer: ring,\n"
               "        slow-start: 10s, affinity: {timeout: 1m}}]\n",
     "5:51 slow start of members that `balancer: failover` does not weigh: `10s`"},
    {"node: {name: n, cores: 0-1}\nports: [{name: a, device: net_null0, addresses: 10.0.0.1/24}]\n"
     "pools:\n"
     "  - {name: w, balancer: two-choices, affinity: {timeout: 1m}}\n"
     "  - {name: x, affinity: {timeout: 1m}}\n",
     "4:58 workers would disagree about a client: by `balancer: two-choices` each of them (2 in "
     "`node.cores`) gives it a member of its own: `1m`"},
    // Access rules.
    {BEGINNING "access: [{name: r, action: deny, protocol: udp, ports: [53, 1-2]},\n"
               "         {name: s, action: allow, from: 10.0.0.0/8}]\n",
     ""},
    {BEGINNING "access:\n"
               "  - {name: r, action: deny, ports: 53}\n"
               "  - {name: s, action: deny, protocol: icmp, source-ports: 53}\n"
               "  - {name: r, action: deny, from: 10.0.0.0/8, to: 'fd00::/8'}\n",
     "6:36 ports without a protocol that has them: `53`\n"
     "7:59 ports without a protocol that has them: `53`\n"
     "8:12 a name given twice, as at line 6: `r`\n"
     "8:52 no packet matches: `from` and `to` have no IP version in common: `fd00::/8`"},
    // Names.
    {BEGINNING "pools: [{name: w}, {name: w}]\n", "5:27 a name given twice, as at line 5: `w`"},
    {BEGINNING "pools: [{name: w}]\nvips: [" VIP("v", "10.0.0.9", "80",
                                                 "w") ", " VIP("v", "10.0.0.9", "81", "w") "]\n",
     "6:79 a name given twice, as at line 6: `v`"},
    {BEGINNING "pools: [{name: w, members: [{name: m, address: 10.1.0.2}, {name: m, address: "
               "10.1.0.3}]}]\n",
     "5:66 a member's name given twice, as at line 5: `m`"},
    {BEGINNING "pools: [{name: w, members: [{address: 10.1.0.2, port: 1}, {address: 10.1.0.2, "
               "port: 2}]}]\n",
     "5:59 a member's name given twice, as at line 5"},
    {BEGINNING "pools: [{name: w, members: [{name: x, address: 10.1.0.2}, {name: y, address: "
               "10.1.0.2}]}]\n",
     "5:78 address and port of another member of the pool, as at line 5: `10.1.0.2`"},
    {"node: {name: n, cores: [1, 0-2]}\nports: [{name: a, device: net_null0}]\n",
     "1:28 a core given twice, as at line 1: `0-2`"},
    // Ports.
    {"node: {name: n, cores: 0}\nports:\n  - {name: a, device: 'net_tap0,iface=x', punt: "
     "{interface: "
     "t}}\n  - {name: a, device: 'net_tap0,iface=y', punt: {interface: t}}\n",
     "4:12 a name given twice, as at line 3: `a`\n"
     "4:24 a device given twice, as at line 3: `net_tap0,iface=y`\n"
     "4:61 an interface given twice, as at line 3: `t`"},
    {"node: {name: n, cores: 0}\nports:\n  - {name: a, device: 'net_tap0,iface=x', vlan: 5}\n"
     "  - {name: b, device: 'net_tap0,iface=x', vlan: 6}\n"
     "  - {name: c, device: 'net_tap0,iface=x'}\n"
     "  - {name: d, device: 'net_tap0,iface=x', vlan: 6}\n"
     "  - {name: e, device: net_tap0, vlan: 7}\n"
     "  - {name: f, device: 'net_tap0,iface=x', vlan: 8, queues: 1}\n"
     "  - {name: g, device: 'net_tap0,iface=x', vlan: 9, descriptors: 64}\n"
     "  - {name: h, device: 'net_tap0,iface=x'}\n"
     "  - {name: i, device: 'net_tap1,iface=x', vlan: 5}\n",
     "6:49 a VLAN that another port has on this device, at line 4: `6`\n"
     "7:23 the device of line 3 with other arguments: `net_tap0`\n"
     "8:24 the device of line 3 with other queues: `net_tap0,iface=x`\n"
     "9:24 the device of line 3 with other queues: `net_tap0,iface=x`\n"
     "10:24 a device given twice, as at line 5: `net_tap0,iface=x`\n"
     "11:24 the interface of another port's device, as at line 3: `net_tap1,iface=x`"},
    // Bonds.
    {"node: {name: n, cores: 0}\nports:\n"
     "  - {name: a, device: net_bonding0, vlan: 5, bond: {mode: 802.3ad, members: "
     "['0000:01:00.0', '0000:01:00.1']}}\n"
     "  - {name: b, device: net_bonding0, vlan: 6}\n"
     "  - {name: c, device: net_bonding1, bond: {members: ['net_tap0,iface=x', net_tap1]}}\n",
     ""},
    {"node: {name: n, cores: 0, sleep-max: 51ms}\nports:\n"
     "  - {name: a, device: net_bonding, bond: {members: [net_tap0, net_tap1]}}\n"
     "  - {name: b, device: net_bonding0}\n"
     "  - {name: c, device: net_tap2, bond: {members: [net_tap3, net_tap4]}}\n"
     "  - {name: d, device: net_bonding1, vlan: 5, bond: {members: [net_tap5, net_tap6]}}\n"
     "  - {name: e, device: net_bonding1, vlan: 6, bond: {members: [net_tap7, net_tap8]}}\n"
     "  - {name: f, device: net_bonding2, bond: {members: [net_tap9]}}\n"
     "  - {name: g, device: net_bonding3, bond: {members: [net_bonding4, 'net_af_xdp0,iface=y']}}\n"
     "  - {name: h, device: net_bonding5, bond: {mode: 802.3ad, members: [net_tap2, net_tap4,\n"
     "     'net_tap10,iface=y', net_tap11]}}\n",
     "1:38 longer than the bond of port h can wait: its other end hears from it every 100 ms: "
     "`51ms`\n"
     "3:23 not a bonding device: `net_bonding`\n"
     "4:23 a bonding device without members: `net_bonding0`\n"
     "5:50 a bond of another device: `net_tap3`\n"
     "7:63 a second bond of one device: `net_tap7`\n"
     "8:54 a bond of one device: `net_tap9`\n"
     "9:54 a bond in a bond: `net_bonding4`\n"
     "9:69 a device that does not tell a bond when its link goes: `net_af_xdp0,iface=y`\n"
     "10:69 a device given twice, as at line 5: `net_tap2`\n"
     "10:79 a device given twice, as at line 5: `net_tap4`\n"
     "11:7 the interface of another port's device, as at line 9: `net_tap10,iface=y`"},
    {"node: {name: n, cores: 0}\nports:\n  - {name: a, device: x, addresses: [10.0.0.1/24, "
     "10.0.0.2/24, 10.0.0.1/24]}\n  - {name: b, device: y, addresses: 10.9.0.3/8}\n",
     "3:64 an address given twice, as at line 3: `10.0.0.1/24`\n"
     "4:37 a network that overlaps another port's, at line 3: `10.9.0.3/8`"},
    {"node: {name: n, cores: 0}\nports: [{name: a, device: x, mtu: 1279, addresses: fd00::1/64}]\n",
     "2:35 too small for IPv6: `1279`"},
    {"node: {name: n, cores: 0}\nports:\n  - {name: a, device: 'net_af_xdp0,iface=x,queue=1'}\n"
     "  - {name: b, device: 'net_af_packet1,q=1,iface=x'}\n  - {name: c, device: "
     "'net_af_xdp2,iface=xy'}\n",
     "4:24 the interface of another port's device, as at line 3: `net_af_packet1,q=1,iface=x`"},
    // Routes.
    {"node: {name: n, cores: 0}\nports:\n  - name: a\n    device: x\n    addresses: 10.0.0.1/24\n"
     "    gateway: 10.1.0.1\n"
     "    routes:\n"
     "      - {to: 2001:db8::/32, via: 10.0.0.2}\n"
     "      - {to: 192.0.2.0/24, via: 10.0.0.1}\n"
     "      - {to: 192.0.2.0/24, via: 10.0.0.2}\n"
     "      - {to: 10.0.0.0/24, via: 10.0.0.2}\n",
     "6:14 a router in none of the port's networks: `10.1.0.1`\n"
     "8:34 a router of the other IP version: `10.0.0.2`\n"
     "9:33 the port's own address: `10.0.0.1`\n"
     "10:14 a second route to the same network, as at line 9: `192.0.2.0/24`\n"
     "11:14 a route to a port's own network, at line 5: `10.0.0.0/24`"},
    {"node: {name: n, cores: 0}\nports: [{name: a, device: x, addresses: 10.0.0.1/24, gateway: "
     "[10.0.0.2, 10.0.0.3]}]\n",
     "2:74 a second route to the same network, as at line 2: `10.0.0.3`"},
    // Link-local networks are each link's own.
    {"node: {name: n, cores: 0}\nports:\n"
     "  - {name: a, device: x, addresses: ['fe80::1/64', 'fd00::1/64'], gateway: 'fe80::fe'}\n"
     "  - {name: b, device: y, addresses: ['fe80::1/64'],\n"
     "     routes: [{to: 'fd00:3::/64', via: 'fe80::fe'}]}\n",
     ""},
    {"node: {name: n, cores: 0}\nports:\n"
     "  - {name: a, device: x, addresses: ['fe80::1/64', 'fe80::1/64', 'fd00::1/64']}\n"
     "  - {name: b, device: y, addresses: ['fd00:1::1/64'],\n"
     "     routes: [{to: 'fd00:3::/64', via: 'fe80::fe'}, {to: 'fe80:1::/64', via: 'fd00:1::2'}]}\n"
     "pools: [{name: w, members: [{address: 'fe80::11'}]}]\n"
     "vips: [" VIP("v", "'fe80::100'", "80", "w") "]\n",
     "3:53 an address given twice, as at line 3: `fe80::1/64`\n"
     "5:41 a router in none of the port's networks: `fe80::fe`\n"
     "5:59 a link-local network: `fe80:1::/64`\n"
     "6:40 a link-local address: `fe80::11`\n"
     "7:28 a link-local address: `fe80::100`"},
    // Vips.
    {BEGINNING "pools: [{name: web}]\nvips: [" VIP("v", "10.0.0.9", "80", "wbe") "]\n",
     "6:68 no pool has this name: `wbe`"},
    {BEGINNING "pools: [{name: w}]\nvips:\n  - " VIP("v", "10.0.0.9", "80", "w") "\n  - " VIP(
         "u", "10.0.0.9", "80", "w") "\n",
     "8:24 address, port and protocol of another vip, as at line 7: `10.0.0.9`"},
    {BEGINNING "pools: [{name: w}]\nvips: [" VIP("v", "10.1.0.1", "80", "w") "]\n",
     "6:27 a port's own address: `10.1.0.1`"},
    {BEGINNING "pools: [{name: w, members: [{address: fd00::2}]}]\nvips: [" VIP("v", "10.0.0.9",
                                                                                "80", "w") "]\n",
     "6:68 a pool with members of the other IP version (line 5): `w`"},
    {BEGINNING "pools: [{name: w, members: [{address: 10.1.0.9}]}]\nvips: [" VIP("v", "'fd00::9'",
                                                                                 "80", "w") "]\n",
     "6:69 a pool with members of the other IP version (line 5): `w`"},
    {BEGINNING "pools: [{name: w, forward: fullnat, members: [{address: 10.1.0.9}]}]\nvips: [" VIP(
         "v", "'fd00::9'", "80", "w") "]\n",
     "5:57 no address to send from: port b, which leads there, has no IPv4 `local-addresses`: "
     "`10.1.0.9`"},
    // Members.
    {BEGINNING "pools: [{name: w, forward: direct, members: [{address: 10.1.0.2, port: 81}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "5:72 another port than the vip's (80, line 6): `81`"},
    {BEGINNING "pools: [{name: w, members: [{address: 10.0.0.9}, {address: 10.1.0.1}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "5:39 a virtual address: `10.0.0.9`\n"
     "5:60 a port's own address: `10.1.0.1`"},
    {BEGINNING
     "pools: [{name: w, members: [{address: 10.1.0.0}, {address: 10.1.0.255}]}]\n"
     "vips: [" VIP("v", "10.0.0.0", "80", "w") ", " VIP("u", "10.0.0.255", "80", "w") "]\n",
     "5:39 the network's own address: `10.1.0.0`\n"
     "5:60 the network's broadcast address: `10.1.0.255`\n"
     "6:27 the network's own address: `10.0.0.0`\n"
     "6:91 the network's broadcast address: `10.0.0.255`"},
    {"node: {name: n, cores: 0}\n"
     "ports: [{name: a, device: x, addresses: 10.0.0.1/24, gateway: 10.0.0.254}]\n"
     "pools: [{name: w, members: [{address: 10.0.0.9}]}]\n"
     "vips: [" VIP("v", "10.0.0.254", "80", "w") "]\n",
     "4:27 a router's address: `10.0.0.254`"},
    // RFC 3021: a /31 has neither. IPv6 has no broadcast.
    {"node: {name: n, cores: 0}\nports: [{name: a, device: x, addresses: [10.0.0.1/31, "
     "fd00::1/64]}]\n"
     "pools: [{name: w, members: [{address: 10.0.0.0}]}, {name: x, members: [{address: "
     "'fd00::ffff:ffff:ffff:ffff'}]}]\n",
     ""},
    {BEGINNING "pools: [{name: w, members: [{address: 2001:db8::1}, {address: 198.51.100.1}]}]\n",
     "5:39 a member that no port reaches: `2001:db8::1`"},
    {BEGINNING "pools: [{name: w, forward: direct, members: [{address: 198.51.100.1}]}]\n",
     "5:56 a member behind a router: `198.51.100.1`"},
    // One mistake is one problem: what depends on a refused value is not judged.
    {BEGINNING "pools: [{name: w, forward: drect, members: [{address: 198.51.100.1, port: 9}]}]\n"
               "vips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "5:28 not one of the words for this: `drect`"},
    {"node: {name: n, cores: 0}\nports: [{name: a, device: x, addresses: [10.0.0.1/33]}]\n"
     "pools: [{name: w, members: [{address: 10.0.0.2}]}]\n",
     "2:42 not an address with the length of its network: `10.0.0.1/33`"},
    {BEGINNING "pools: {name: w}\nvips: [" VIP("v", "10.0.0.9", "80", "w") "]\n",
     "5:8 `pools` takes a list, not a map"},
    {BEGINNING "pools: [{name: w, members: [{address: x}, {address: y}]}]\n",
     "5:39 not an IP address: `x`\n5:53 not an IP address: `y`"},
};

static void collect(const struct config_problems *problems, char *out, size_t size)
{
    out[0] = '\0';
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];
        bool words = problem->words[0];
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%u:%u %s%s%s%s", i ? "\n" : "", problem->line,
                 problem->column, problem->message, words ? ": `" : "", problem->words,
                 words ? "`" : "");
    }
}

static void judges_what_relates_values_to_each_other(void **state)
{
    int failures = 0;
    for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++) {
        const char *text = relations[i].text;
        struct config *config = NULL;
        struct config_problems problems;
        enum error error = config_read_text(span_of(text, strlen(text)), &config, &problems);
        char said[2048];
        collect(&problems, said, sizeof(said));
        enum error due = relations[i].said[0] ? ERROR_INVALID : ERROR_NONE;
        if (error != due || strcmp(said, relations[i].said) != 0) {
            print_error("file:\n%s\nwanted:\n%s\ngot:\n%s\n", text, relations[i].said, said);
            failures++;
        }
        config_destroy(config);
        config_problems_fini(&problems);
    }
    assert_int_equal(failures, 0);
}

static void bounds_the_members_of_all_pools_together(void **state)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("node: {name: n, cores: 0}\n"
          "ports: [{name: a, device: x, addresses: 10.0.0.1/8}]\n"
          "pools:\n",
          out);
    for (uint32_t pool = 0; pool < 5; pool++) {
        fprintf(out, "- {name: p%u, members: [", pool);
        for (uint32_t i = 0; i < CONFIG_MEMBERS_MAX / 4 && (pool < 4 || i < 1); i++)
            fprintf(out, "{address: 10.%u.%u.%u}, ", 1 + pool, i / 256, i % 256);
        fputs("]}\n", out);
    }
    fclose(out);
    struct config *config = NULL;
    struct config_problems problems;
    assert_int_equal(config_read_text(span_of(text, size), &config, &problems), ERROR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].message, "too many members");
    assert_string_equal(problems.items[0].words, "p4");
    config_problems_fini(&problems);
    free(text);
}

// All that is said of a text; nothing where it is right.
static void assert_judged(const char *text, size_t size, const char *said)
{
    struct config *config = NULL;
    struct config_problems problems;
    enum error error = config_read_text(span_of(text, size), &config, &problems);
    char found[2048];
    collect(&problems, found, sizeof(found));
    assert_string_equal(found, said);
    assert_int_equal(error, said[0] ? ERROR_INVALID : ERROR_NONE);
    config_destroy(config);
    config_problems_fini(&problems);
}

// Whether a right configuration's access rules stand for few enough combinations, or where not.
static void judge_combinations(uint32_t sources, uint32_t more, const char *said)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs(BEGINNING "access:\n"
                    "- {name: six, action: deny, from: 'fd00::/8'}\n"
                    "- {name: big, action: deny, protocol: tcp, to: [10.2.0.0/16, 10.3.0.0/16, "
                    "'fd00::/8'],\n   from: [",
          out);
    for (uint32_t i = 0; i < sources; i++)
        fprintf(out, "10.1.%u.0/24, ", i);
    fputs("], ports: [", out);
    for (uint32_t i = 0; i < 128; i++)
        fprintf(out, "%u, ", 1 + i);
    fputs("]}\n", out);
    for (uint32_t i = 0; i < more; i++)
        fprintf(out, "- {name: more%u, action: allow}\n", i);
    fclose(out);
    assert_judged(text, size, said);
    free(text);
}

static void bounds_what_access_rules_stand_for(void **state)
{
    judge_combinations(255, 256, "");
    judge_combinations(256, 0, "");
    judge_combinations(256, 2,
                       "9:10 too many combinations of IPv4 networks and ports: 1 of this rule, "
                       "65537 up to here: `more0`");
}

// Pools of FullNAT members without ports, each behind `vips` vips, of which one is for echo; those
// of `same` more pools once more, behind vips of the same ports. Then NAT members with one.
static void judge_endpoints(uint32_t members, uint32_t vips, uint32_t same, uint32_t last,
                            const char *said)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("node: {name: n, cores: 0}\n"
          "ports: [{name: a, device: x, addresses: 10.0.0.1/8, local-addresses: 10.3.0.1}]\n"
          "pools:\n",
          out);
    for (uint32_t pool = 0; pool < 1 + same; pool++) {
        fprintf(out, "- {name: p%u, forward: fullnat, members: [", pool);
        for (uint32_t i = 0; i < members; i++)
            fprintf(out, "{address: 10.1.%u.%u}, ", i / 256, i % 256);
        fputs("]}\n", out);
    }
    fputs("- {name: last, forward: nat, members: [", out);
    for (uint32_t i = 0; i < last; i++)
        fprintf(out, "{address: 10.2.0.%u, port: 8080}, ", 1 + i);
    fputs("]}\nvips:\n", out);
    for (uint32_t pool = 0; pool < 1 + same; pool++) {
        for (uint32_t i = 1; i < vips; i++)
            fprintf(out,
                    "- {name: v%u-%u, address: 192.0.2.%u, port: %u, protocol: tcp, pool: p%u}\n",
                    pool, i, 1 + pool, i, pool);
        fprintf(out, "- {name: e%u, address: 192.0.2.%u, protocol: icmp, pool: p%u}\n", pool,
                1 + pool, pool);
    }
    for (uint32_t i = 0; i < 2; i++)
        fprintf(out, "- {name: l%u, address: 192.0.2.99, port: %u, protocol: tcp, pool: last}\n", i,
                1 + i);
    fclose(out);
    assert_judged(text, size, said);
    free(text);
}

static void bounds_the_endpoints_of_members(void **state)
{
    // 63486 = 4882 * 13 + 20.
    judge_endpoints(4882, 13, 0, 20, "");
    judge_endpoints(4882, 13, 1, 20, "");
    judge_endpoints(4882, 13, 0, 21,
                    "20:65 too many addresses and ports of members of `nat` and `fullnat` pools: "
                    "`last`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judges_what_relates_values_to_each_other),
        cmocka_unit_test(bounds_the_members_of_all_pools_together),
        cmocka_unit_test(bounds_what_access_rules_stand_for),
        cmocka_unit_test(bounds_the_endpoints_of_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
