// What the files of this room share. Main thread only, but for the EAL's log, which takes lines
// from any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/packet/port/port.h"

// system.c: never NULL.
const struct port_words *port_words(void);

// eal_log.c: what DPDK and the libraries of its drivers print becomes our log.
enum error port_eal_log_open(void);
void port_eal_log_close(void);
// After the EAL has loaded its drivers: libxdp and libbpf print to standard error unless told.
void port_eal_log_take_libraries(void);
// The first error DPDK logged in this thread since the last forget, "" without one. DPDK's first
// line names the cause; those after it only tell how far the failure went.
void port_eal_log_forget(void);
const char *port_eal_log_first_error(void);

// links.c: from now on it is noted when a device tells of its link.
void port_links_listen(void);

// device.c: an Ethernet device by its string, claimed so that no other port can have it.
enum error port_device_attach(const char *device, uint16_t *id, char *why);
// Stops, closes and unplugs.
void port_device_detach(uint16_t id);
// False: it has an owner.
bool port_device_claim(uint16_t id);
// The text of a PCI address, complete with its domain, if that is what `device` names.
#define PORT_PCI_ADDRESS_SIZE 16
bool port_device_pci_address(const char *device, char *address);

// What may be hashed, as far as a device can.
#define PORT_RSS_HASHED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)

// spread.c: whether a device that describes itself so may spread packets by a hash of ours; false:
// `why` (PORT_STEERING_WHY_SIZE) says what it lacks.
bool port_can_spread(const struct rte_eth_dev_info *info, uint32_t queues, uint32_t workers,
                     char *why);
// Sets the device's table of `size` entries, and reads it back. 0, or what DPDK said; -EBADMSG: it
// is not what it was set to.
#define PORT_RSS_ENTRIES_MAX 4096u
#define PORT_RSS_GROUPS      (PORT_RSS_ENTRIES_MAX / RTE_ETH_RETA_GROUP_SIZE)
int port_rss_table_set(uint16_t id, uint32_t size, uint32_t entries, uint32_t workers);
int port_rss_table_check(uint16_t id, uint32_t size, uint32_t entries, uint32_t workers);

// bond.c: makes a bonding device, port->id, of its members. On an error `why` has a sentence.
enum error port_bond_attach(const struct config_port *want, struct port *port, char *why);
// Once it has started: members that have links carry.
void port_bond_settle(const struct port *port);
// Detaches the bonding device and its members.
void port_bond_detach(struct port *port);
// As port_link_up(): a bond has a link while one of its members carries.
bool port_bond_link_up(const struct port *port, uint32_t *speed_mbps);

// vlans.c: the map of the VLANs that ports have on the device of config->ports[index]; NULL where
// none of them has one.
struct port_vlans *port_vlans_create(const struct config *config, uint32_t index);
// Lets their frames through the device's own filter, once the device has started.
void port_vlans_pass(const struct port *port);

// xdp_sockets.c: after the queues of a device are set up, and after the device is closed.
void port_xdp_sockets_note(uint16_t id);
void port_xdp_sockets_close(uint16_t id);

// punt.c: mbufs of the port that each receive queue of the TAP interface keeps.
#define PORT_PUNT_DESCRIPTORS 256
// The TAP interface of a port; port->mac, mtu and buffers are set.
enum error port_punt_open(const struct config_port *config, uint32_t workers, struct port *port,
                          char *why);
void port_punt_close(struct port *port);

// kernel_address.c: gives a kernel interface an address, usable at once, or takes it away.
// ERROR_SYSTEM with errno.
enum error port_kernel_address_add(uint32_t interface, const struct ip_prefix *prefix);
enum error port_kernel_address_delete(uint32_t interface, const struct ip_prefix *prefix);
