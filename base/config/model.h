// The one page on which the whole appliance can be read: what its configuration file says, typed.
// The schema table (base/config/schema.c) describes every field once more: text name, range,
// default, unit and help. A `struct config` is owned by whoever read it, never changes afterwards,
// and is freed by config_destroy(); everything inside belongs to it. Names identify things over a
// reload.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/ip.h"

// Limits of the model; the schema refuses what is over.
#define CONFIG_NAME_SIZE     64 // bytes of a name, with its terminator
#define CONFIG_WORKERS_MAX   64
#define CONFIG_PORTS_MAX     16
#define CONFIG_VIPS_MAX      1024
#define CONFIG_POOLS_MAX     1024
#define CONFIG_MEMBERS_MAX   16384 // in all pools together
#define CONFIG_ROUTES_MAX    64    // of a port
#define CONFIG_ADDRESSES_MAX 16    // of a port
#define CONFIG_RULES_MAX     4096  // of the access list
#define CONFIG_LOCALS_MAX    64    // local addresses of a port
#define CONFIG_BOND_MAX      8     // devices of a bond

// What lists stand for together: combinations of networks and ports in all access rules, of each IP
// version; addresses and ports of members of NAT and FullNAT pools.
#define CONFIG_COMBINATIONS_MAX (1u << 16)
#define CONFIG_ENDPOINTS_MAX    63486u

enum config_poll {
    CONFIG_POLL_ADAPTIVE, // sleep longer the longer nothing comes
    CONFIG_POLL_BUSY,     // never sleep
};

enum config_huge_pages {
    CONFIG_HUGE_PAGES_AUTO, // if there are enough free ones, else ordinary memory and a warning
    CONFIG_HUGE_PAGES_ON,   // refuse to start without
    CONFIG_HUGE_PAGES_OFF,
};

enum config_log_format {
    CONFIG_LOG_TEXT,
    CONFIG_LOG_JSON,
};

// How one worker keeps its flows. A flow whose timeout passed without a packet is forgotten.
struct config_flows {
    uint32_t per_worker;     // flows a worker can hold; NAT and FullNAT take two, one a direction
    uint64_t tcp_opening_ns; // SYN seen, handshake not finished
    uint64_t tcp_established_ns; //
    uint64_t tcp_closing_ns;     // FIN or RST seen
    uint64_t udp_ns;             //
    uint32_t affinities;         // clients whose member a worker can remember
};

struct config_node {
    char name[CONFIG_NAME_SIZE];
    uint32_t *cores;       // one packet worker on each
    uint32_t core_count;   //
    enum config_poll poll; //
    uint64_t sleep_max_ns; // the longest sleep of an idle adaptive worker
    uint64_t memory_bytes; // DPDK's memory
    enum config_huge_pages huge_pages;
    char *socket;  // path of the local socket
    int log_level; // enum log_level of base/log.h
    enum config_log_format log_format;
    uint64_t hash_seed; // appliances that share a VIP give the same seed
    struct config_flows flows;
};

// `to` is reached through `via`, a neighbour on this port. A default route is the prefix 0.0.0.0/0
// or ::/0; the file's `gateway` is its short form and lands here.
struct config_route {
    struct ip_prefix to;
    struct ip_address via;
};

// The kernel's share of a port: a TAP interface to which what is not ours is handed.
struct config_punt {
    char interface[16];       // empty: no punt, such packets are dropped by name
    uint64_t rate_per_second; // packets a worker hands over at most
};

enum config_bond_mode {
    CONFIG_BOND_ACTIVE_BACKUP, // one device carries, another takes its place
    CONFIG_BOND_BALANCE_XOR,   // all carry, each flow on one
    CONFIG_BOND_LACP,          // the same, agreed with the switch (IEEE 802.1AX)
};

// Devices that are one port's together.
struct config_bond {
    enum config_bond_mode mode;
    char **members; // devices; the first is preferred
    uint32_t member_count;
};

struct config_port {
    char name[CONFIG_NAME_SIZE];
    char *device;                // "0000:01:00.0" or a DPDK device string "net_af_xdp0,iface=x"
    struct config_bond bond;     // of a bonding device
    uint32_t vlan;               // of its frames, which bear its tag; 0: they bear none
    uint32_t queues;             // receive queues; 0: one a worker
    uint32_t descriptors;        // of each queue
    uint32_t mtu;                // bytes of an IP packet
    struct ip_prefix *addresses; // own addresses, host bits set
    uint32_t address_count;      //
    struct ip_address *local_addresses; // from which FullNAT sends to members
    uint32_t local_address_count;       //
    struct config_route *routes;        //
    uint32_t route_count;               //
    struct config_punt punt;
};

enum config_protocol {
    CONFIG_PROTOCOL_TCP,
    CONFIG_PROTOCOL_UDP,
    CONFIG_PROTOCOL_ICMP, // echo
};

struct config_vip {
    char name[CONFIG_NAME_SIZE];
    struct ip_address address;
    uint16_t port; // 0: of CONFIG_PROTOCOL_ICMP
    enum config_protocol protocol;
    uint32_t pool; // index into config.pools
};

enum config_balancer {
    CONFIG_BALANCER_MAGLEV,
    CONFIG_BALANCER_ROUND_ROBIN,
    CONFIG_BALANCER_WEIGHTED_ROUND_ROBIN,
    CONFIG_BALANCER_LEAST_CONNECTIONS,
    CONFIG_BALANCER_TWO_CHOICES,
    CONFIG_BALANCER_SOURCE_HASH,
    CONFIG_BALANCER_RING,
    CONFIG_BALANCER_FAILOVER,
};

enum config_forward {
    CONFIG_FORWARD_NAT,    // destination rewritten; replies come back through the appliance
    CONFIG_FORWARD_DIRECT, // destination MAC rewritten; the member answers the client itself
    // Outer headers of the member's IP version, which the member takes off; it answers the client
    // itself.
    CONFIG_FORWARD_IPIP,
    CONFIG_FORWARD_GRE,
    CONFIG_FORWARD_GUE, // over UDP
    // Source and destination rewritten, the source to a local address; replies come back to that.
    CONFIG_FORWARD_FULLNAT,
};

// Whether replies pass here, too, so that a flow has two directions.
static inline bool config_forward_two_way(enum config_forward forward)
{
    return forward == CONFIG_FORWARD_NAT || forward == CONFIG_FORWARD_FULLNAT;
}

static inline bool config_forward_tunnels(enum config_forward forward)
{
    return forward == CONFIG_FORWARD_IPIP || forward == CONFIG_FORWARD_GRE ||
           forward == CONFIG_FORWARD_GUE;
}

// Bytes of a tunnel's outer headers towards a member of a version: IP, and GRE, or UDP and GUE.
static inline uint32_t config_forward_outer_size(enum config_forward forward, bool v4)
{
    if (!config_forward_tunnels(forward))
        return 0;
    return (v4 ? 20u : 40u) + (forward == CONFIG_FORWARD_GRE   ? 4u
                               : forward == CONFIG_FORWARD_GUE ? 12u
                                                               : 0u);
}

// How a FullNAT member learns the client's address.
enum config_client_address {
    CONFIG_CLIENT_ADDRESS_NONE,     // it sees the local address alone
    CONFIG_CLIENT_ADDRESS_PROXY_V2, // from a header in front of the connection's first byte
    CONFIG_CLIENT_ADDRESS_TOA,      // from a TCP option in what ends the handshake
};

enum config_member_state {
    CONFIG_MEMBER_ACTIVE,
    CONFIG_MEMBER_DRAIN, // keeps its established flows, gets no new ones
};

struct config_member {
    char name[CONFIG_NAME_SIZE]; // unique in its pool
    struct ip_address address;
    uint16_t port;   // NAT and FullNAT; 0: the vip's own port
    uint16_t weight; // 0: like drain
    enum config_member_state state;
};

// New flows of a client go where its last ones went, until none came for the timeout.
struct config_affinity {
    uint64_t timeout_ns;  // 0: no affinity
    uint32_t prefix_ipv4; // bits of an address that make a client
    uint32_t prefix_ipv6; //
};

struct config_pool {
    char name[CONFIG_NAME_SIZE];
    enum config_balancer balancer;
    enum config_forward forward;
    enum config_client_address client_address;
    uint64_t slow_start_ns; // until a member that returns gets its whole share; 0: at once
    struct config_affinity affinity;
    uint32_t second_chance; // members besides a flow's own that may know it; 0: none are asked
    struct config_member *members;
    uint32_t member_count;
};

enum config_access_action {
    CONFIG_ACCESS_ALLOW,
    CONFIG_ACCESS_DENY,
};

enum config_access_protocol {
    CONFIG_ACCESS_ANY,
    CONFIG_ACCESS_TCP,
    CONFIG_ACCESS_UDP,
    CONFIG_ACCESS_ICMP, // of the packet's version
};

struct config_port_range {
    uint16_t first;
    uint16_t last; // included
};

// A rule of the access list. It matches a packet that has one of each list; an empty list matches
// all. Ports match TCP and UDP only.
struct config_access_rule {
    char name[CONFIG_NAME_SIZE];
    enum config_access_action action;
    enum config_access_protocol protocol;
    struct ip_prefix *from;                 // sources
    uint32_t from_count;                    //
    struct ip_prefix *to;                   // destinations
    uint32_t to_count;                      //
    struct config_port_range *source_ports; //
    uint32_t source_port_count;             //
    struct config_port_range *ports;        // of the destination
    uint32_t port_count;                    //
};

struct config {
    struct config_node node;
    struct config_port *ports;
    uint32_t port_count;
    struct config_pool *pools;
    uint32_t pool_count;
    struct config_vip *vips;
    uint32_t vip_count;
    struct config_access_rule *access_rules; // the first that matches decides
    uint32_t access_rule_count;
};
