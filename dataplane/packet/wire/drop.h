// Why packets are dropped: one line makes the code, the counter and the documentation. A packet
// that is dropped anywhere in the packet plane is counted under exactly one of these, per worker.
#pragma once

#include <stdio.h>

// X(enumerator, name, help, remedy): what it means, and what the operator does. docs/drops.md is
// made of it by `ninja drops-docs`.
#define DROP_LIST(X)                                                                               \
    X(DROP_NONE, "none", "not dropped", "")                                                        \
    X(DROP_ETHERNET_TRUNCATED, "ethernet-truncated", "shorter than an Ethernet header",            \
      "A fault of a sender, a driver or a cable: a capture has the frames, and who sent them.")    \
    X(DROP_ETHERNET_OVERSIZE, "ethernet-oversize", "longer than 65535 bytes",                      \
      "A device that joins segments: switch its large receive offload (LRO) off.")                 \
    X(DROP_ETHERNET_PIECES, "ethernet-pieces", "in several buffers, and more than the MTU's room", \
      "A station on the link sends larger frames than the port's `mtu` allows: raise it, or "      \
      "lower theirs.")                                                                             \
    X(DROP_ETHERNET_FOREIGN, "ethernet-foreign", "sent to another station's MAC address",          \
      "Few are normal: a switch floods what it has not learned. Many: the switch mirrors traffic " \
      "to this port, or a station uses a MAC address of before.")                                  \
    X(DROP_VLAN_UNKNOWN, "vlan-unknown",                                                           \
      "of a VLAN, or without one, that no port of its device has",                                 \
      "Give a port of the device this `vlan`, or take the VLAN off the switch's side. Frames "     \
      "without a tag want a port without `vlan`.")                                                 \
    X(DROP_ARP_MALFORMED, "arp-malformed", "ARP that is cut short or not for IPv4 over Ethernet",  \
      "A broken or hostile station on the link: its MAC address is in a capture.")                 \
    X(DROP_IPV4_TRUNCATED, "ipv4-truncated", "fewer bytes than the IPv4 header says",              \
      "Broken or hostile senders: a capture tells who, and by which router.")                      \
    X(DROP_IPV4_MALFORMED, "ipv4-malformed", "IPv4 header impossible, or source routed",           \
      "Broken or hostile senders: a capture tells who. Source routes are refused on purpose.")     \
    X(DROP_IPV4_CHECKSUM, "ipv4-checksum", "IPv4 header checksum is wrong",                        \
      "Damage on the way: look for a faulty cable, device or router, beginning with the one "      \
      "whose MAC address a capture has.")                                                          \
    X(DROP_IPV6_TRUNCATED, "ipv6-truncated", "fewer bytes than the IPv6 header says",              \
      "Broken or hostile senders: a capture tells who, and by which router.")                      \
    X(DROP_IPV6_MALFORMED, "ipv6-malformed", "IPv6 header or extension headers are impossible",    \
      "Broken or hostile senders: a capture tells who. Routing headers of type 0 are refused on "  \
      "purpose.")                                                                                  \
    X(DROP_IP_ADDRESS, "ip-address", "IP address that may not be on a wire, or not as a sender's", \
      "Forged: loopback, group or unspecified addresses; as a sender's, our own and those of a "   \
      "connected network that are no host's. A capture tells by which router they come: filter "   \
      "them there.")                                                                               \
    X(DROP_TCP_MALFORMED, "tcp-malformed", "TCP header cut short, or an impossible offset",        \
      "Broken or hostile senders: a capture tells who.")                                           \
    X(DROP_TCP_FLAGS, "tcp-flags", "TCP flags that no stack sends (null, SYN+FIN, SYN+RST)",       \
      "Scans: nothing is to be done.")                                                             \
    X(DROP_UDP_MALFORMED, "udp-malformed", "UDP header cut short, or a length that does not fit",  \
      "Broken or hostile senders: a capture tells who.")                                           \
    X(DROP_ICMP_MALFORMED, "icmp-malformed", "ICMP or ICMPv6 cut short or impossible",             \
      "Broken or hostile senders: a capture tells who.")                                           \
    X(DROP_L4_CHECKSUM, "l4-checksum", "TCP, UDP or ICMP checksum is wrong",                       \
      "On veth pairs and virtual machines the far end leaves checksums to its device: `ethtool "   \
      "-K DEV tx off tso off gso off` there. Elsewhere damage on the way, as for "                 \
      "`ipv4-checksum`.")                                                                          \
    X(DROP_ND_MALFORMED, "nd-malformed", "neighbour discovery that RFC 4861 tells to discard",     \
      "A broken or hostile station on the link: its MAC address is in a capture.")                 \
    X(DROP_FRAGMENT, "fragment",                                                                   \
      "fragments of neither TCP nor UDP to a virtual address, or of a SYN with `proxy-v2`",        \
      "Nothing: no service takes them.")                                                           \
    X(DROP_FRAGMENT_OVERLAP, "fragment-overlap", "fragments of a datagram repeat or overlap",      \
      "An attack, or a network that repeats packets: a capture tells whose.")                      \
    X(DROP_FRAGMENT_MANY, "fragment-many", "a datagram in more than 64 fragments",                 \
      "An attack, or a way with an MTU below about 1050 bytes: raise that.")                       \
    X(DROP_FRAGMENT_HELD_FULL, "fragment-held-full", "its first is to come, and no room to wait",  \
      "As for `fragment-timeout`, or an attack with fragments that have no first.")                \
    X(DROP_FRAGMENT_TIMEOUT, "fragment-timeout", "its first did not come within a second",         \
      "The first was lost, or went to another appliance: let routers in front spread packets by "  \
      "their addresses alone, since later fragments bear no ports.")                               \
    X(DROP_ICMP, "icmp", "ICMP to a virtual address: neither echo nor an error about a flow",      \
      "Nothing: there is nobody whom they could concern.")                                         \
    X(DROP_ICMP_NO_FLOW, "icmp-no-flow", "ICMP error about a packet of no flow that is known",     \
      "Some are normal: errors about flows that ended. Many: forged ones, another appliance has "  \
      "the flows, or weir_icmp_errors_unsearched_total rises.")                                    \
    X(DROP_ICMP_RATE, "icmp-rate",                                                                 \
      "over its rate: ICMP error about no known flow, or echo request to an address of ours",      \
      "More than 1000 errors a second and worker: forged, or an outage that ends many flows at "   \
      "once. More than 10000 echo requests: a flood. Nothing is to be done here.")                 \
    X(DROP_TTL, "ttl", "TTL or hop limit ran out here",                                            \
      "Some are normal: traceroute. Many: a loop, in which two routers each take the other for "   \
      "the way.")                                                                                  \
    X(DROP_ACCESS, "access", "denied by an access rule: weirctl show access tells which",          \
      "Nothing if the rule is meant so; else change `access`.")                                    \
    X(DROP_NO_SERVICE, "no-service", "to a virtual or local address, but no such service there",   \
      "Clients ask for a port or protocol that no vip has: add it to `vips`, or tell them. At a "  \
      "local address: members that answer after the flow was forgotten.")                          \
    X(DROP_NO_MEMBER, "no-member", "no member of the pool takes new flows",                        \
      "Undrain a member, or give one a `weight`: `weirctl show pools`.")                           \
    X(DROP_NO_FLOW, "no-flow", "NAT: a TCP segment in the middle of a flow that is not known",     \
      "Clients that were silent for longer than `node.flows.tcp-established`: raise it, or have "  \
      "them send keep-alives. For a while after a restart it is normal.")                          \
    X(DROP_FLOW_TABLE_FULL, "flow-table-full", "NAT: no room for a new flow",                      \
      "Raise `node.flows.per-worker`, or shorten the timeouts beside it; `weirctl show workers` "  \
      "tells how full the tables are. Flows that are known go on.")                                \
    X(DROP_FLOW_CONFLICT, "flow-conflict", "NAT: the reply would be taken for another flow's",     \
      "Clients use one port of theirs for two vips whose pools share a member: give the member a " \
      "port for each, or use `forward: fullnat`.")                                                 \
    X(DROP_LOCAL_PORTS_FULL, "local-ports-full",                                                   \
      "FullNAT: no free port, give more local-addresses",                                          \
      "More `local-addresses` on the port that leads to the members, or shorter timeouts in "      \
      "`node.flows`; `weirctl show locals` tells where.")                                          \
    X(DROP_PROXY_HEADER, "proxy-header",                                                           \
      "FullNAT with `proxy-v2`: what a client sent in front of its stream, where the header goes", \
      "Nothing: a client that wants to be taken for another. A capture tells who it is.")          \
    X(DROP_VERSION_FRAGMENT, "version-fragment",                                                   \
      "FullNAT: fragments that cannot become ones of the other IP version",                        \
      "Members: switch their UDP checksums on. Clients: forged, or behind extension headers. "     \
      "Pings: no longer than one packet. A capture tells who sends them.")                         \
    X(DROP_VERSION_ICMP, "version-icmp",                                                           \
      "ICMP error that the receiver's IP version does not have",                                   \
      "Few are normal. A capture tells which, and who sends them.")                                \
    X(DROP_NO_ROUTE, "no-route", "no route to the destination",                                    \
      "Add a `gateway`, or `routes`, to the port that leads there.")                               \
    X(DROP_NEIGHBOUR_PENDING, "neighbour-pending", "next hop's MAC unknown, its queue is full",    \
      "For a moment it is normal, when a next hop is new. If it lasts, the next hop does not "     \
      "answer: `weirctl show neighbours`.")                                                        \
    X(DROP_NEIGHBOUR_FAILED, "neighbour-failed", "next hop does not answer ARP or ND",             \
      "The machine is down, or its address, VLAN or cabling is wrong: `weirctl show neighbours` "  \
      "tells which it is. Drain a member that is gone.")                                           \
    X(DROP_MTU, "mtu", "larger than the way out allows",                                           \
      "The sender was told, and sends less. If it does not, something on its way discards ICMP "   \
      "errors, which must pass; or raise the `mtu` of the port towards members, and of its "       \
      "network.")                                                                                  \
    X(DROP_NO_BUFFER, "no-buffer", "no free buffers to send a packet in fragments",                \
      "More packets wait than there are buffers: raise `descriptors`.")                            \
    X(DROP_HEADROOM, "headroom", "no room in the buffer for the outer header",                     \
      "The device leaves too little room in front of packets for a tunnel or a tag: use another "  \
      "driver, or a `forward` without outer headers.")                                             \
    X(DROP_HANDOFF_FULL, "handoff-full", "the owning worker's mailbox is full",                    \
      "A worker does not keep up: `weirctl show workers`. More `node.cores`, or a device that "    \
      "steers by `rss` (`weirctl show ports`).")                                                   \
    X(DROP_CONTROL_FULL, "control-full", "the main thread's mailbox is full",                      \
      "More new next hops at once than the main thread takes, as when a network is scanned. If "   \
      "it lasts, leave it a core that is not one of `node.cores`.")                                \
    X(DROP_PUNT_DISABLED, "punt-disabled", "not ours, and the port hands nothing to the kernel",   \
      "Nothing, unless the kernel is to have them: then give the port `punt: {interface: NAME}`.") \
    X(DROP_MULTICAST_UNJOINED, "multicast-unjoined",                                               \
      "to a group, or to all stations of the link, and nothing here listens",                      \
      "Nothing: stations ask for each other and tell of their groups all the time. If the kernel " \
      "is to hear them, give the port `punt: {interface: NAME}`.")                                 \
    X(DROP_PUNT_RATE, "punt-rate", "not ours, and over the port's punt rate",                      \
      "Raise the port's `punt.rate` if they are wanted; a capture tells what they are.")           \
    X(DROP_PUNT_FULL, "punt-full", "not ours, and the TAP interface is down or full",              \
      "`ip link set INTERFACE up` if it is down; else the kernel does not keep up: lower "         \
      "`punt.rate`.")                                                                              \
    X(DROP_LINK_DOWN, "link-down", "the device has no link, and takes nothing to send",            \
      "Plug it in: `weirctl show ports`. Of a bond with `802.3ad`: switch LACP on at the other "   \
      "end.")                                                                                      \
    X(DROP_TX_FULL, "tx-full", "the device's transmit queue is full",                              \
      "The line is full: `weirctl show ports`. If it is full in bursts only, raise "               \
      "`descriptors`.")

enum drop_reason {
#define DROP_ENUMERATOR(enumerator, name, help, remedy) enumerator,
    DROP_LIST(DROP_ENUMERATOR)
#undef DROP_ENUMERATOR
    DROP_REASONS,
};

// Static texts; DROP_NONE has no remedy.
const char *drop_name(enum drop_reason reason);
const char *drop_help(enum drop_reason reason);
const char *drop_remedy(enum drop_reason reason);

// The page docs/drops.md.
void drop_print_reference(FILE *out);
