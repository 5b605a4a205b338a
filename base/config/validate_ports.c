#include <string.h>

#include "base/check.h"
#include "base/config/validate_priv.h"

#define MTU_IPV6_MIN 1280

void validate_device_name(const char *device, char out[static VALIDATE_DEVICE_SIZE])
{
    size_t length = strcspn(device, ",");
    CHECK(length < VALIDATE_DEVICE_SIZE);
    memset(out, 0, VALIDATE_DEVICE_SIZE);
    memcpy(out, device, length);
}

bool validate_same_device(const char *one, const char *other)
{
    size_t length = strcspn(one, ",");
    return length == strcspn(other, ",") && strncmp(one, other, length) == 0;
}

// The kernel's interface that a device string names, or "".
static void device_interface(const char *device, char out[static VALIDATE_DEVICE_SIZE])
{
    static const char key[] = ",iface=";
    const char *at = strstr(device, key);
    validate_device_name(at ? at + strlen(key) : "", out);
}

// Two ports on one device: their VLANs tell them apart, and all else of it is the same for both.
// Whether that is so; else it was told.
static bool may_share(struct reader *reader, const struct config_port *port,
                      const struct config_port *earlier)
{
    const struct tree_node *node = validate_node_of(reader, &port->device, port);
    uint32_t line = validate_node_of(reader, &earlier->device, earlier)->line;
    if (strcmp(port->device, earlier->device) != 0 && port->vlan != earlier->vlan)
        complain(reader, node,
                 "the device of line %u with other arguments\nports that share a device write it "
                 "alike",
                 line);
    else if (port->vlan == earlier->vlan && port->vlan > 0)
        complain(reader, validate_node_of(reader, &port->vlan, port),
                 "a VLAN that another port has on this device, at line %u\neach port of a device "
                 "needs a VLAN of its own",
                 validate_node_of(reader, &earlier->vlan, earlier)->line);
    else if (port->vlan == earlier->vlan)
        complain(reader, node,
                 "a device given twice, as at line %u\neach port needs a device of its own "
                 "(net_af_xdp0, net_af_xdp1, ...), or a `vlan` of its own on it",
                 line);
    else if (port->queues != earlier->queues || port->descriptors != earlier->descriptors)
        complain(reader, node,
                 "the device of line %u with other queues\nports that share a device have the same "
                 "`queues` and `descriptors`",
                 line);
    else
        return true;
    return false;
}

// Whether an earlier port has the port's device.
static bool shares_device(struct reader *reader, uint32_t index)
{
    const struct config_port *port = &reader->config->ports[index];
    bool shares = false;
    for (uint32_t i = 0; i < index; i++) {
        const struct config_port *earlier = &reader->config->ports[i];
        if (validate_is_bad(reader, &earlier->device) ||
            !validate_same_device(port->device, earlier->device))
            continue;
        shares = true;
        if (validate_is_bad(reader, &port->vlan) || validate_is_bad(reader, &earlier->vlan) ||
            !may_share(reader, port, earlier))
            break;
    }
    return shares;
}

// Notes the interface that a device stands on, if it names one.
static void note_interface(struct reader *reader, const char *device, const struct tree_node *node,
                           struct named *interfaces, uint32_t *count)
{
    char *name = arena_take(reader->scratch, VALIDATE_DEVICE_SIZE);
    device_interface(device, name);
    if (name[0])
        interfaces[(*count)++] = (struct named){name, VALIDATE_DEVICE_SIZE, node};
}

static void check_device_interfaces(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *interfaces = arena_take(
        reader->scratch, CONFIG_PORTS_MAX * (1 + CONFIG_BOND_MAX) * sizeof(struct named));
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (!validate_is_bad(reader, &port->device) && !shares_device(reader, i))
            note_interface(reader, port->device, validate_node_of(reader, &port->device, port),
                           interfaces, &count);
        for (uint32_t j = 0; j < port->bond.member_count; j++) {
            const void *member = &port->bond.members[j];
            if (!validate_is_bad(reader, member))
                note_interface(reader, port->bond.members[j],
                               validate_node_of(reader, member, &port->bond), interfaces, &count);
        }
    }
    validate_refuse_twice(reader, interfaces, count, "the interface of another port's device",
                          "each device needs an interface of its own behind `iface=`");
}

static void check_port_identities(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named names[CONFIG_PORTS_MAX], interfaces[CONFIG_PORTS_MAX];
    uint32_t name_count = 0, interface_count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (!validate_is_bad(reader, port->name))
            names[name_count++] = (struct named){port->name, sizeof(port->name),
                                                 validate_node_of(reader, port->name, port)};
        if (port->punt.interface[0])
            interfaces[interface_count++] =
                (struct named){port->punt.interface, sizeof(port->punt.interface),
                               validate_node_of(reader, port->punt.interface, port)};
    }
    validate_refuse_twice(reader, names, name_count, "a name given twice",
                          "ports need names of their own");
    check_device_interfaces(reader);
    validate_refuse_twice(reader, interfaces, interface_count, "an interface given twice",
                          "each port needs an interface of its own");
}

static bool overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return ip_same_version(&a->address, &b->address) &&
           (a->length < b->length ? ip_prefix_contains(a, &b->address)
                                  : ip_prefix_contains(b, &a->address));
}

// An address of a port against that port's earlier ones and all of the ports before it. A
// link-local network of IPv6 is each link's own.
static void check_address(struct reader *reader, uint32_t port_index, uint32_t address_index)
{
    const struct config *config = reader->config;
    const struct config_port *port = &config->ports[port_index];
    const struct ip_prefix *own = &port->addresses[address_index];
    const struct tree_node *node = validate_node_of(reader, own, port);
    for (uint32_t i = ip_is_of_a_link(&own->address) ? port_index : 0; i <= port_index; i++) {
        const struct config_port *other = &config->ports[i];
        uint32_t count = i == port_index ? address_index : other->address_count;
        for (uint32_t j = 0; j < count; j++) {
            const struct ip_prefix *earlier = &other->addresses[j];
            uint32_t line = validate_node_of(reader, earlier, other)->line;
            if (ip_equal(&own->address, &earlier->address)) {
                complain(reader, node, "an address given twice, as at line %u\nremove one", line);
                return;
            }
            if (i != port_index && overlap(own, earlier)) {
                complain(reader, node,
                         "a network that overlaps another port's, at line %u\ngive each port "
                         "networks of its own",
                         line);
                return;
            }
        }
    }
}

static void check_addresses(struct reader *reader)
{
    const struct config *config = reader->config;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        bool v6 = false;
        for (uint32_t j = 0; j < port->address_count; j++) {
            check_address(reader, i, j);
            v6 = v6 || !ip_is_v4(&port->addresses[j].address);
        }
        // RFC 8200 section 5.
        if (v6 && port->mtu < MTU_IPV6_MIN && !validate_is_bad(reader, &port->mtu))
            complain(reader, validate_node_of(reader, &port->mtu, port),
                     "too small for IPv6\nIPv6 needs an mtu of %d at least; raise it or remove the "
                     "port's IPv6 addresses",
                     MTU_IPV6_MIN);
    }
}

static void check_route(struct reader *reader, const struct config_port *port,
                        const struct config_route *route)
{
    const struct tree_node *via = validate_node_of(reader, &route->via, route);
    if (validate_is_bad(reader, &route->via))
        return;
    if (!validate_is_bad(reader, &route->to) && ip_is_of_a_link(&route->to.address))
        complain(reader, validate_node_of(reader, &route->to, route),
                 "a link-local network\nroutes lead to other links, and no link has another's; "
                 "remove it");
    else if (!validate_is_bad(reader, &route->to) &&
             !ip_same_version(&route->to.address, &route->via))
        complain(reader, via,
                 "a router of the other IP version\nIPv4 networks are reached through "
                 "IPv4 routers, IPv6 networks through IPv6 routers");
    else if (config_port_owns(port, &route->via))
        complain(reader, via, "the port's own address\nname the router, another machine");
    else if (!validate_is_bad(reader, &port->addresses) &&
             !config_port_is_connected(port, &route->via))
        complain(reader, via,
                 "a router in none of the port's networks\nwrite an address in a "
                 "network of `addresses`, or add that network to the port");
}

static void check_routes(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *targets = arena_take(reader->scratch, CONFIG_PORTS_MAX * (CONFIG_ROUTES_MAX + 2) *
                                                            sizeof(struct named));
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (port->route_count > CONFIG_ROUTES_MAX)
            complain(reader, validate_node_of(reader, &port->routes, port),
                     "too many routes\nat most %d, the gateways among them, are possible",
                     CONFIG_ROUTES_MAX);
        for (uint32_t j = 0; j < port->route_count; j++) {
            const struct config_route *route = &port->routes[j];
            check_route(reader, port, route);
            if (!validate_is_bad(reader, &route->to))
                targets[count++] = (struct named){&route->to, sizeof(route->to),
                                                  validate_node_of(reader, &route->to, route)};
        }
    }
    validate_refuse_twice(reader, targets, count, "a second route to the same network",
                          "a network has one route; remove one, or a gateway that means the same");
}

// A network behind a route is on no port itself.
static void check_routes_against_networks(struct reader *reader)
{
    const struct config *config = reader->config;
    for (uint32_t i = 0; i < config->port_count; i++) {
        for (uint32_t j = 0; j < config->ports[i].route_count; j++) {
            const struct config_route *route = &config->ports[i].routes[j];
            for (uint32_t k = 0; k < config->port_count; k++) {
                const struct config_port *port = &config->ports[k];
                for (uint32_t l = 0; l < port->address_count; l++) {
                    if (port->addresses[l].length == route->to.length &&
                        overlap(&port->addresses[l], &route->to))
                        complain(reader, validate_node_of(reader, &route->to, route),
                                 "a route to a port's own network, at line %u\nwhat is connected "
                                 "needs no route; remove it",
                                 validate_node_of(reader, &port->addresses[l], port)->line);
                }
            }
        }
    }
}

void validate_ports(struct reader *reader)
{
    check_port_identities(reader);
    check_addresses(reader);
    check_routes(reader);
    check_routes_against_networks(reader);
}
