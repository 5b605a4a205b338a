// What the checks of a configuration share: validate.c has those of services, validate_ports.c
// those of ports and routes, validate_locals.c those of local addresses, validate_ways.c those of
// the ways to members, validate_sums.c those of what lists stand for together. Each complains at
// the place in the file and goes on; what was refused while it was read is judged no further.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/config/problems_priv.h"
#include "base/config/read_priv.h"

// A named thing of a list, for finding what stands there twice. `key` is compared as bytes.
struct named {
    const void *key;
    size_t size;
    const struct tree_node *node; // where to complain
};

// Where a field was read, else the record that it belongs to (NULL: none), else nowhere: never
// NULL.
const struct tree_node *validate_node_of(struct reader *reader, const void *field,
                                         const void *record);

#define complain(reader, node, ...) \
    problems_add((reader)->problems, (node)->line, (node)->column, (node)->text, __VA_ARGS__)

// Whether a field was refused while it was read.
bool validate_is_bad(struct reader *reader, const void *field);

// Complains about each that has the key of one before it in the file.
void validate_refuse_twice(struct reader *reader, struct named *items, uint32_t count,
                           const char *what, const char *remedy);

// Whether an address lies in one of the port's networks; whether it is one of the port's own.
bool config_port_is_connected(const struct config_port *port, const struct ip_address *address);
bool config_port_owns(const struct config_port *port, const struct ip_address *address);

// Whether nothing that says which networks there are was refused.
bool validate_networks_known(struct reader *reader);

// The port that leads to an address: by the longest prefix of its networks and routes. NULL: none.
const struct config_port *config_port_towards(const struct config *config,
                                              const struct ip_address *address);

// Whether a route goes by an address.
bool config_is_router(const struct config *config, const struct ip_address *address);

// Whether it is an address of any port's own, or a vip's.
bool config_owns(const struct config *config, const struct ip_address *address);
bool config_is_virtual(const struct config *config, const struct ip_address *address);

// What stands against a machine or a service having this address in a connected IPv4 network; NULL:
// nothing. RFC 919 section 7.
const char *config_edge_fault(const struct config *config, const struct ip_address *address);

// DPDK knows a device by what stands before the first comma.
#define VALIDATE_DEVICE_SIZE 256
void validate_device_name(const char *device, char out[static VALIDATE_DEVICE_SIZE]);
bool validate_same_device(const char *one, const char *other);

// Bonding devices and their members.
void validate_bonds(struct reader *reader);

// Ports, their addresses and their routes.
void validate_ports(struct reader *reader);

// Local addresses, and pools that need them.
void validate_locals(struct reader *reader);

// What the port towards a member must offer so that packets get there.
void validate_ways(struct reader *reader);

// What rules and members stand for together.
void validate_sums(struct reader *reader);
