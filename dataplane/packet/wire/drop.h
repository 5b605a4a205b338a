// Why packets are dropped: one line makes the code, the counter and the documentation. A packet
// that is dropped anywhere in the packet plane is counted under exactly one of these, per worker.
#pragma once

// X(enumerator, name, help)
#define DROP_LIST(X)                                                                               \
    X(DROP_NONE, "none", "not dropped")                                                            \
    X(DROP_ETHERNET_TRUNCATED, "ethernet-truncated", "shorter than an Ethernet header")            \
    X(DROP_ETHERNET_OVERSIZE, "ethernet-oversize", "longer than 65535 bytes")                      \
    X(DROP_ETHERNET_PIECES, "ethernet-pieces", "in several buffers, and more than the MTU's room") \
    X(DROP_ETHERNET_FOREIGN, "ethernet-foreign", "sent to another station's MAC address")          \
    X(DROP_VLAN_UNKNOWN, "vlan-unknown",                                                           \
      "of a VLAN, or without one, that no port of its device has")                                 \
    X(DROP_ARP_MALFORMED, "arp-malformed", "ARP that is cut short or not for IPv4 over Ethernet")  \
    X(DROP_IPV4_TRUNCATED, "ipv4-truncated", "fewer bytes than the IPv4 header says")              \
    X(DROP_IPV4_MALFORMED, "ipv4-malformed", "IPv4 header impossible, or source routed")           \
    X(DROP_IPV4_CHECKSUM, "ipv4-checksum", "IPv4 header checksum is wrong")                        \
    X(DROP_IPV6_TRUNCATED, "ipv6-truncated", "fewer bytes than the IPv6 header says")              \
    X(DROP_IPV6_MALFORMED, "ipv6-malformed", "IPv6 header or extension headers are impossible")    \
    X(DROP_IP_ADDRESS, "ip-address", "IP address that may not appear on a wire")                   \
    X(DROP_TCP_MALFORMED, "tcp-malformed", "TCP header cut short, or an impossible offset")        \
    X(DROP_TCP_FLAGS, "tcp-flags", "TCP flags that no stack sends (null, SYN+FIN, SYN+RST)")       \
    X(DROP_UDP_MALFORMED, "udp-malformed", "UDP header cut short, or a length that does not fit")  \
    X(DROP_ICMP_MALFORMED, "icmp-malformed", "ICMP or ICMPv6 cut short or impossible")             \
    X(DROP_L4_CHECKSUM, "l4-checksum", "TCP, UDP or ICMP checksum is wrong")                       \
    X(DROP_ND_MALFORMED, "nd-malformed", "neighbour discovery that RFC 4861 tells to discard")     \
    X(DROP_FRAGMENT, "fragment", "fragments to a virtual address of neither TCP nor UDP")          \
    X(DROP_FRAGMENT_OVERLAP, "fragment-overlap", "fragments of a datagram repeat or overlap")      \
    X(DROP_FRAGMENT_MANY, "fragment-many", "a datagram in more than 64 fragments")                 \
    X(DROP_FRAGMENT_HELD_FULL, "fragment-held-full", "its first is to come, and no room to wait")  \
    X(DROP_FRAGMENT_TIMEOUT, "fragment-timeout", "its first did not come within a second")         \
    X(DROP_ICMP, "icmp", "ICMP to a virtual address: neither echo nor an error about a flow")      \
    X(DROP_ICMP_NO_FLOW, "icmp-no-flow", "ICMP error about a packet of no flow that is known")     \
    X(DROP_ICMP_RATE, "icmp-rate", "ICMP error about no known flow, and over the rate of those")   \
    X(DROP_TTL, "ttl", "TTL or hop limit ran out here")                                            \
    X(DROP_ACCESS, "access", "denied by an access rule: weirctl show access tells which")          \
    X(DROP_NO_SERVICE, "no-service", "to a virtual or local address, but no such service there")   \
    X(DROP_NO_MEMBER, "no-member", "no member of the pool takes new flows")                        \
    X(DROP_NO_FLOW, "no-flow", "NAT: a TCP segment in the middle of a flow that is not known")     \
    X(DROP_FLOW_TABLE_FULL, "flow-table-full", "NAT: no room for a new flow")                      \
    X(DROP_FLOW_CONFLICT, "flow-conflict", "NAT: the reply would be taken for another flow's")     \
    X(DROP_LOCAL_PORTS_FULL, "local-ports-full",                                                   \
      "FullNAT: no free port, give more local-addresses")                                          \
    X(DROP_NO_ROUTE, "no-route", "no route to the destination")                                    \
    X(DROP_NEIGHBOUR_PENDING, "neighbour-pending", "next hop's MAC unknown, its queue is full")    \
    X(DROP_NEIGHBOUR_FAILED, "neighbour-failed", "next hop does not answer ARP or ND")             \
    X(DROP_MTU, "mtu", "larger than the way out allows")                                           \
    X(DROP_NO_BUFFER, "no-buffer", "no free buffers to send a packet in fragments")                \
    X(DROP_HEADROOM, "headroom", "no room in the buffer for the outer header")                     \
    X(DROP_HANDOFF_FULL, "handoff-full", "the owning worker's mailbox is full")                    \
    X(DROP_CONTROL_FULL, "control-full", "the main thread's mailbox is full")                      \
    X(DROP_PUNT_DISABLED, "punt-disabled", "not ours, and the port hands nothing to the kernel")   \
    X(DROP_PUNT_RATE, "punt-rate", "not ours, and over the port's punt rate")                      \
    X(DROP_PUNT_FULL, "punt-full", "not ours, and the TAP interface is down or full")              \
    X(DROP_TX_FULL, "tx-full", "the device's transmit queue is full")

enum drop_reason {
#define DROP_ENUMERATOR(enumerator, name, help) enumerator,
    DROP_LIST(DROP_ENUMERATOR)
#undef DROP_ENUMERATOR
    DROP_REASONS,
};

// Static texts.
const char *drop_name(enum drop_reason reason);
const char *drop_help(enum drop_reason reason);
