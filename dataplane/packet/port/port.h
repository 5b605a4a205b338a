// Ports: DPDK devices, made ready from the configuration, with what they can do written on them.
// The main thread opens, starts, stops and closes; workers call rte_eth_rx_burst() and
// rte_eth_tx_burst() on their own queues.
//
// A packet leaves by another port than it came from, and a device keeps what it sent until it needs
// the place: so any port's queues may hold mbufs of every other's pool. The end therefore has two
// steps: port_stop() for all, then port_close() for all.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"

#define PORT_WHY_SIZE 512

// How sentences name settings: as the configuration file does, unless a program that has none says
// otherwise before it starts DPDK.
struct port_words {
    const char *memory;        // "node.memory"
    const char *no_huge_pages; // remedies that end a sentence; "": there is none
    const char *fewer_buffers;
};
void port_use_words(const struct port_words *words); // borrowed

// Starts DPDK (the EAL) for a configuration: devices named by the ports, one lcore per worker core
// (lcore i + 1 is worker i; lcore 0 is the caller, bound to no core), memory in huge pages or not.
// Nothing is left on the file system (--in-memory). Once a process. On an error `why` has a
// sentence with the remedy.
enum error port_system_start(const struct config *config, char *why);
void port_system_stop(void);
// Sets `bytes` of ordinary memory aside, besides node.memory, for tables that fill later. `what`
// names them and the key that decides. ERROR_NO_MEMORY, with `why`, where the machine did not have
// as much to spare at the start: it would swap, or kill, when they fill.
enum error port_system_reserve(uint64_t bytes, const char *what, char *why);

// How packets come to the worker that owns their flow.
enum port_steering {
    PORT_STEERING_SINGLE,  // there is one worker
    PORT_STEERING_RSS,     // the device hashes, with a key and a table of ours
    PORT_STEERING_HANDOFF, // the worker to which they come hands them over
};
#define PORT_STEERING_WHY_SIZE 128

// RTE_ETH_RX_OFFLOAD_* or RTE_ETH_TX_OFFLOAD_*: what a device offers, and what of it is used.
struct port_offloads {
    uint64_t offered, used;
};

// Which port of a device has a VLAN: an index of the configuration's ports, by the VLAN's number; 0
// stands for frames without a tag.
#define PORT_VLANS     4096
#define PORT_VLAN_NONE UINT8_MAX
_Static_assert(CONFIG_PORTS_MAX <= PORT_VLAN_NONE, "a VLAN's port lies in 8 bits");

struct port_vlans {
    uint8_t ports[PORT_VLANS];
};

struct port {
    char name[CONFIG_NAME_SIZE];
    uint16_t id;        // DPDK's
    uint16_t rx_queues; // worker i polls queue i
    uint16_t tx_queues; // worker i sends on queue i; with fewer, others hand over
    uint16_t mtu;       // bytes of an IP packet
    struct rte_ether_addr mac;
    struct port_offloads rx_offloads, tx_offloads;
    bool rx_checks_ipv4; // the device marks IPv4 header checksums good or bad
    bool rx_checks_l4;
    bool tx_ipv4_checksum; // the device can fill in IPv4 header checksums
    // Ports may share a device, each with its VLAN. The first of them opens it, polls it and has
    // its map of VLANs.
    const struct port *carrier; // that one, where it is another one; borrowed
    uint16_t vlan;              // tag of what is sent, 0: none
    bool tx_inserts_vlan;       // the device puts the tag in
    bool rx_filters_vlans;      // the device must be told which VLANs to let through
    struct port_vlans *vlans;   // NULL: the device is one port's alone and has no tags; owned
    // Of a bonding device: DPDK's ports of which it is made.
    enum config_bond_mode bond_mode;
    uint16_t members[CONFIG_BOND_MAX];
    uint32_t member_count;  // 0: no bonding device
    bool speaks_lacp;       // queue 0 is to be sent on, if nothing, at least every 100 ms
    _Atomic bool link_down; // writer: the main thread
    bool punts;
    bool stopped;
    uint16_t punt_id;            // DPDK port of the TAP interface
    uint32_t punt_interface;     // index of the TAP interface
    uint16_t punt_queues;        // worker i uses queue i; with fewer, others hand over
    uint32_t kernel_interface;   // index of the kernel interface below the device, 0 without one
    char driver[32];             // net_af_xdp
    enum port_steering steering; // by port_spread_entries() and port_spread()
    char steering_why[PORT_STEERING_WHY_SIZE]; // why not a better one; "": it is the best
    struct rte_mempool *buffers;               // mbufs, owned
};

// Opens the device of config->ports[index] with queues for `workers`, its mbuf pool on the device's
// NUMA node, with `extra_buffers` for those mbufs that may be in hand, in mailboxes or waiting,
// besides those in queues, and its punt interface, whose MAC becomes the port's, which is brought
// up and gets the port's addresses so that the kernel answers on them. Fewer queues than workers is
// no error: see rx_queues. With a punt interface real-time signals must not be blocked in every
// thread: DPDK's net_tap receives only after one, and it may interrupt any sleep. ERROR_NOT_FOUND
// for a device that is not there, ERROR_EXISTS for one that another port or for a punt interface
// that somebody has, ERROR_DEVICE with what DPDK said.
enum error port_open(const struct config *config, uint32_t index, uint32_t workers,
                     uint32_t extra_buffers, struct port **port, char *why);
// The first port that has the device of config->ports[index]: itself, or one to share it with.
uint32_t port_carrier_of(const struct config *config, uint32_t index);
// The same as port_open() for a port that shares the device of `carrier`, which is open.
enum error port_share(const struct config *config, uint32_t index, uint32_t workers,
                      const struct port *carrier, struct port **port, char *why);
enum error port_start(struct port *port, char *why);
// Gives the punt interface the addresses that `to` has and `from` has not, and takes those away
// that only `from` has. Without one it does nothing. On an error nothing has changed.
enum error port_change_addresses(struct port *port, const struct config_port *from,
                                 const struct config_port *to, char *why);
// Stops, closes and unplugs the device, started or not, and the punt interface: leaves no TAP
// interface and no XDP program, and no queue of this port holds an mbuf of any pool. No worker may
// use the port, nor another one that shares its device. Only port_close() may follow.
void port_stop(struct port *port);
// Frees the pool and the port. Only after port_stop() of all ports, and when nobody will touch an
// mbuf of it any more.
void port_close(struct port *port);

// How many entries the table has by which a started device chooses a queue, if it may spread
// packets over `workers` queues by a Toeplitz hash with key and table of ours: TCP and UDP of both
// IP versions by their ports. 0: it may not, and port->steering_why says why.
uint32_t port_spread_entries(struct port *port, uint32_t workers);
// Has it do so: the n-th entry is queue n % entries % workers, where `entries`, a power of two, is
// at most its table's size. False: key or table are not what they were set to, or it cannot any
// more.
#define PORT_RSS_KEY_BYTES 52u // of which devices take the first 40, or all
bool port_spread(struct port *port, const uint8_t *key, uint32_t entries, uint32_t workers);
// Of a port that shares a device: as the first one's, which was asked before.
void port_spread_as_carrier(struct port *port);
const char *port_steering_text(enum port_steering steering);

// The NUMA node of the device, or of that below its kernel interface; below 0: not known.
int port_numa_node(const struct port *port);

// An offload that the device offers, or that would be used if it did.
#define PORT_OFFLOAD_NAME_SIZE 48
struct port_offload {
    char name[PORT_OFFLOAD_NAME_SIZE]; // rx-ipv4-cksum
    bool offered;
    bool used;
    const char *why; // it is not used; "": it is
};
void port_walk_offloads(const struct port *port,
                        void (*visit)(void *context, const struct port_offload *offload),
                        void *context);

// Whether the device has a link, and its speed: 0 where the device does not know.
bool port_link_up(const struct port *port, uint32_t *speed_mbps);
// Whether any device has told of its link since this was last asked. Not all do.
bool port_links_told(void);

// A device of which a bond is made.
enum port_member_state {
    PORT_MEMBER_DOWN,    // without link
    PORT_MEMBER_STANDBY, // active-backup: another one carries
    PORT_MEMBER_WAITING, // 802.3ad: the other end has not agreed; else: not looked at yet
    PORT_MEMBER_ACTIVE,  // carries
};

struct port_member {
    char name[RTE_ETH_NAME_MAX_LEN]; // DPDK's
    enum port_member_state state;
    uint32_t speed_mbps; // 0 without link, or where the device does not know
};
void port_member_look(const struct port *port, uint32_t index, struct port_member *member);
const char *port_member_state_text(enum port_member_state state);

// The device's own counters.
struct port_counters {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t rx_missed, rx_errors, tx_errors, rx_no_buffer;
};
void port_read_counters(const struct port *port, struct port_counters *counters);
void port_member_read_counters(const struct port *port, uint32_t index,
                               struct port_counters *counters);
