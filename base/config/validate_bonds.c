// Bonding devices and the devices that they are made of.
#include <string.h>

#include "base/check.h"
#include "base/config/validate_priv.h"

// DPDK's 802.3ad has to be polled every 100 ms.
#define LACP_SLEEP_NS_MAX 50000000

static const char bonding[] = "net_bonding";

static bool begins_with(const char *device, const char *prefix)
{
    return strncmp(device, prefix, strlen(prefix)) == 0;
}

static bool is_bonding(const char *device)
{
    if (!begins_with(device, bonding))
        return false;
    const char *number = device + strlen(bonding);
    size_t digits = strspn(number, "0123456789");
    return digits > 0 && digits <= 3 && number[digits] == '\0';
}

// `first`: no earlier port has its device.
static void check_bond(struct reader *reader, const struct config_port *port, bool first)
{
    const struct tree_node *device = validate_node_of(reader, &port->device, port);
    bool bonds = begins_with(port->device, bonding), made = port->bond.member_count > 0;
    const struct tree_node *node =
        validate_node_of(reader, made ? &port->bond.members[0] : NULL, port);
    if (bonds && !is_bonding(port->device))
        complain(reader, device,
                 "not a bonding device\nwrite net_bonding0, net_bonding1, ..., and what it is made "
                 "of in `bond`");
    else if (bonds && first && !made && !validate_is_bad(reader, &port->bond.members))
        complain(reader, device,
                 "a bonding device without members\nadd `bond: {members: [...]}` to the port");
    else if (made && !bonds)
        complain(reader, node,
                 "a bond of another device\nwrite `device: net_bonding0` (1, 2, ...), and the "
                 "devices in `members`");
    else if (made && !first)
        complain(reader, node,
                 "a second bond of one device\nthe first port that has the device says what it is "
                 "made of; remove this");
    else if (port->bond.member_count == 1)
        complain(reader, node,
                 "a bond of one device\nadd another to `members`, or write it as the port's "
                 "`device` and leave `bond` out");
}

static void check_lacp(struct reader *reader, const struct config_port *port)
{
    const struct config_node *node = &reader->config->node;
    if (port->bond.member_count == 0 || port->bond.mode != CONFIG_BOND_LACP ||
        node->poll != CONFIG_POLL_ADAPTIVE || node->sleep_max_ns <= LACP_SLEEP_NS_MAX ||
        validate_is_bad(reader, &node->sleep_max_ns))
        return;
    complain(reader, validate_node_of(reader, &node->sleep_max_ns, node),
             "longer than the bond of port %s can wait: its other end hears from it every 100 "
             "ms\nlower it to 50ms or less, or use `poll: busy`",
             port->name);
}

// A bond has to know when a member's link goes.
static void check_member(struct reader *reader, const char *device, const struct tree_node *node)
{
    if (begins_with(device, bonding))
        complain(reader, node, "a bond in a bond\nname the devices themselves");
    else if (begins_with(device, "net_af_xdp") || begins_with(device, "net_af_packet") ||
             begins_with(device, "eth_af_packet"))
        complain(reader, node,
                 "a device that does not tell a bond when its link goes\nbond the interfaces in "
                 "the kernel and name that bond behind `iface=`, or use DPDK's own drivers (a PCI "
                 "address)");
}

static struct named named_device(struct reader *reader, const char *device,
                                 const struct tree_node *node)
{
    char *name = arena_take(reader->scratch, VALIDATE_DEVICE_SIZE);
    validate_device_name(device, name);
    return (struct named){name, VALIDATE_DEVICE_SIZE, node};
}

static bool is_first(struct reader *reader, uint32_t index)
{
    const struct config_port *ports = reader->config->ports;
    for (uint32_t i = 0; i < index; i++) {
        if (!validate_is_bad(reader, &ports[i].device) &&
            validate_same_device(ports[i].device, ports[index].device))
            return false;
    }
    return true;
}

void validate_bonds(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *devices = arena_take(reader->scratch, CONFIG_PORTS_MAX * (1 + CONFIG_BOND_MAX) *
                                                            sizeof(struct named));
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (validate_is_bad(reader, &port->device))
            continue;
        bool first = is_first(reader, i);
        check_bond(reader, port, first);
        check_lacp(reader, port);
        if (first)
            devices[count++] =
                named_device(reader, port->device, validate_node_of(reader, &port->device, port));
    }
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_bond *bond = &config->ports[i].bond;
        for (uint32_t j = 0; j < bond->member_count; j++) {
            const struct tree_node *node = validate_node_of(reader, &bond->members[j], bond);
            if (validate_is_bad(reader, &bond->members[j]))
                continue;
            check_member(reader, bond->members[j], node);
            devices[count++] = named_device(reader, bond->members[j], node);
        }
    }
    validate_refuse_twice(reader, devices, count, "a device given twice",
                          "a device is one port's, or one bond's");
}
