#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/config/problems_priv.h"
#include "base/config/read_priv.h"
#include "base/config/value_priv.h"
#include "base/nearest.h"

#define MTU_IPV6_MIN 1280

// A named thing of a list, for finding what stands there twice. `key` is compared as bytes.
struct named {
    const void *key;
    size_t size;
    const struct tree_node *node; // where to complain
};

static const struct tree_node *node_of(struct reader *reader, const void *field, const void *record)
{
    static const struct tree_node nowhere = {.kind = TREE_MAP};
    const struct place *place = places_find(&reader->places, field, false);
    if (!place && record)
        place = places_find(&reader->places, record, true);
    return place ? place->node : &nowhere;
}

#define complain(reader, node, ...) \
    problems_add((reader)->problems, (node)->line, (node)->column, (node)->text, __VA_ARGS__)

static bool bad(struct reader *reader, const void *field)
{
    return places_is_bad(&reader->places, field);
}

static int by_key(const void *left, const void *right)
{
    const struct named *a = left, *b = right;
    int order = memcmp(a->key, b->key, a->size);
    if (order)
        return order;
    if (a->node->line != b->node->line)
        return a->node->line < b->node->line ? -1 : 1;
    return (int)a->node->column - (int)b->node->column;
}

// Complains about each that has the key of one before it in the file.
static void refuse_twice(struct reader *reader, struct named *items, uint32_t count,
                         const char *what, const char *remedy)
{
    if (count < 2)
        return;
    qsort(items, count, sizeof(*items), by_key);
    for (uint32_t i = 1; i < count; i++) {
        if (memcmp(items[i - 1].key, items[i].key, items[i].size) == 0)
            complain(reader, items[i].node, "%s, as at line %u\n%s", what, items[i - 1].node->line,
                     remedy);
    }
}

static void check_node(struct reader *reader)
{
    const struct config_node *node = &reader->config->node;
    if (bad(reader, &node->cores))
        return;
    struct named cores[CONFIG_WORKERS_MAX];
    for (uint32_t i = 0; i < node->core_count; i++)
        cores[i] = (struct named){&node->cores[i], sizeof(node->cores[i]),
                                  node_of(reader, &node->cores[i], NULL)};
    refuse_twice(reader, cores, node->core_count, "a core given twice",
                 "one worker runs on a core: name each once");
}

// DPDK knows a device by what stands before the first comma.
static size_t device_name(const char *device, char out[static 256])
{
    size_t length = strcspn(device, ",");
    CHECK(length < 256);
    memset(out, 0, 256);
    memcpy(out, device, length);
    return 256;
}

// The kernel's interface that a device string names, or "".
static size_t device_interface(const char *device, char out[static 256])
{
    static const char key[] = ",iface=";
    const char *at = strstr(device, key);
    return device_name(at ? at + strlen(key) : "", out);
}

static void check_port_identities(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named names[CONFIG_PORTS_MAX], devices[CONFIG_PORTS_MAX], interfaces[CONFIG_PORTS_MAX];
    struct named carriers[CONFIG_PORTS_MAX];
    char device_names[CONFIG_PORTS_MAX][256], carrier_names[CONFIG_PORTS_MAX][256];
    uint32_t name_count = 0, device_count = 0, interface_count = 0, carrier_count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (!bad(reader, port->name))
            names[name_count++] =
                (struct named){port->name, sizeof(port->name), node_of(reader, port->name, port)};
        if (!bad(reader, &port->device)) {
            size_t size = device_name(port->device, device_names[i]);
            const struct tree_node *node = node_of(reader, &port->device, port);
            devices[device_count++] = (struct named){device_names[i], size, node};
            size = device_interface(port->device, carrier_names[i]);
            if (carrier_names[i][0])
                carriers[carrier_count++] = (struct named){carrier_names[i], size, node};
        }
        if (port->punt.interface[0])
            interfaces[interface_count++] =
                (struct named){port->punt.interface, sizeof(port->punt.interface),
                               node_of(reader, port->punt.interface, port)};
    }
    refuse_twice(reader, names, name_count, "a name given twice", "ports need names of their own");
    refuse_twice(reader, devices, device_count, "a device given twice",
                 "each port needs a device of its own (net_af_xdp0, net_af_xdp1, ...)");
    refuse_twice(reader, carriers, carrier_count, "the interface of another port's device",
                 "each port needs an interface of its own behind `iface=`");
    refuse_twice(reader, interfaces, interface_count, "an interface given twice",
                 "each port needs an interface of its own");
}

static bool same_version(const struct ip_address *a, const struct ip_address *b)
{
    CHECK(a && b);
    return ip_is_v4(a) == ip_is_v4(b);
}

static bool overlap(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return same_version(&a->address, &b->address) &&
           (a->length < b->length ? ip_prefix_contains(a, &b->address)
                                  : ip_prefix_contains(b, &a->address));
}

// An address of a port against that port's earlier ones and all of the ports before it.
static void check_address(struct reader *reader, uint32_t port_index, uint32_t address_index)
{
    const struct config *config = reader->config;
    const struct config_port *port = &config->ports[port_index];
    const struct ip_prefix *own = &port->addresses[address_index];
    const struct tree_node *node = node_of(reader, own, port);
    for (uint32_t i = 0; i <= port_index; i++) {
        const struct config_port *other = &config->ports[i];
        uint32_t count = i == port_index ? address_index : other->address_count;
        for (uint32_t j = 0; j < count; j++) {
            const struct ip_prefix *earlier = &other->addresses[j];
            uint32_t line = node_of(reader, earlier, other)->line;
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
        if (v6 && port->mtu < MTU_IPV6_MIN && !bad(reader, &port->mtu))
            complain(reader, node_of(reader, &port->mtu, port),
                     "too small for IPv6\nIPv6 needs an mtu of %d at least; raise it or remove the "
                     "port's IPv6 addresses",
                     MTU_IPV6_MIN);
    }
}

static bool is_connected(const struct config_port *port, const struct ip_address *address)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        const struct ip_prefix *own = &port->addresses[i];
        if (same_version(&own->address, address) && ip_prefix_contains(own, address))
            return true;
    }
    return false;
}

static bool is_own(const struct config_port *port, const struct ip_address *address)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        if (ip_equal(&port->addresses[i].address, address))
            return true;
    }
    return false;
}

static void check_route(struct reader *reader, const struct config_port *port,
                        const struct config_route *route)
{
    const struct tree_node *via = node_of(reader, &route->via, route);
    if (bad(reader, &route->via))
        return;
    if (!bad(reader, &route->to) && !same_version(&route->to.address, &route->via))
        complain(reader, via,
                 "a router of the other IP version\nIPv4 networks are reached through "
                 "IPv4 routers, IPv6 networks through IPv6 routers");
    else if (is_own(port, &route->via))
        complain(reader, via, "the port's own address\nname the router, another machine");
    else if (!bad(reader, &port->addresses) && !is_connected(port, &route->via))
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
            complain(reader, node_of(reader, &port->routes, port),
                     "too many routes\nat most %d, the gateways among them, are possible",
                     CONFIG_ROUTES_MAX);
        for (uint32_t j = 0; j < port->route_count; j++) {
            const struct config_route *route = &port->routes[j];
            check_route(reader, port, route);
            if (!bad(reader, &route->to))
                targets[count++] = (struct named){&route->to, sizeof(route->to),
                                                  node_of(reader, &route->to, route)};
        }
    }
    refuse_twice(reader, targets, count, "a second route to the same network",
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
                        complain(reader, node_of(reader, &route->to, route),
                                 "a route to a port's own network, at line %u\nwhat is connected "
                                 "needs no route; remove it",
                                 node_of(reader, &port->addresses[l], port)->line);
                }
            }
        }
    }
}

static bool owns_address(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (is_own(&config->ports[i], address))
            return true;
    }
    return false;
}

// What stands against a machine or a service having this address in a connected IPv4 network; NULL:
// nothing. RFC 919 section 7.
static const char *edge_fault(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; ip_is_v4(address) && i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        for (uint32_t j = 0; j < port->address_count; j++) {
            const char *fault = value_edge_fault(&port->addresses[j], address);
            if (fault)
                return fault;
        }
    }
    return NULL;
}

static void find_pool(struct reader *reader, struct config_vip *vip)
{
    const struct config *config = reader->config;
    const struct tree_node *node = node_of(reader, &vip->pool, vip);
    vip->pool = UINT32_MAX;
    if (bad(reader, &vip->pool) || bad(reader, &config->pools))
        return;
    CHECK(node && node->text); // a value that was not refused has its place
    const char *names[CONFIG_POOLS_MAX];
    for (uint32_t i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, node->text) == 0) {
            vip->pool = i;
            return;
        }
        names[i] = config->pools[i].name;
    }
    if (node->text[0] == '\0') {
        complain(reader, node, "no value\nname one of the list `pools`");
        return;
    }
    // Distances are dear; nobody sees them once the problems are full.
    const char *nearest =
        reader->problems->left_out ? NULL : nearest_word(node->text, names, config->pool_count);
    if (nearest)
        complain(reader, node, "no pool has this name\ndid you mean `%s`?", nearest);
    else
        complain(reader, node, "no pool has this name\nname one of the list `pools`, or add it");
}

// What makes a vip the one that a packet is for.
struct vip_key {
    struct ip_address address;
    uint16_t port;
    uint16_t protocol;
};

static void check_vip_identities(struct reader *reader)
{
    const struct config *config = reader->config;
    uint32_t room = config->vip_count;
    struct named *names = arena_take(reader->scratch, room * sizeof(*names));
    struct named *services = arena_take(reader->scratch, room * sizeof(*services));
    struct vip_key *keys = arena_take(reader->scratch, room * sizeof(*keys));
    uint32_t name_count = 0, service_count = 0;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        if (!bad(reader, vip->name))
            names[name_count++] =
                (struct named){vip->name, sizeof(vip->name), node_of(reader, vip->name, vip)};
        if (bad(reader, &vip->address) || bad(reader, &vip->port) || bad(reader, &vip->protocol))
            continue;
        keys[i] = (struct vip_key){vip->address, vip->port, (uint16_t)vip->protocol};
        services[service_count++] =
            (struct named){&keys[i], sizeof(keys[i]), node_of(reader, &vip->address, vip)};
        const char *edge = edge_fault(config, &vip->address);
        if (edge)
            complain(reader, node_of(reader, &vip->address, vip),
                     "%s\nclients cannot connect to it: choose another", edge);
        if (owns_address(config, &vip->address))
            complain(reader, node_of(reader, &vip->address, vip),
                     "a port's own address\na virtual address belongs to no port: choose another");
    }
    refuse_twice(reader, names, name_count, "a name given twice", "vips need names of their own");
    refuse_twice(reader, services, service_count, "address, port and protocol of another vip",
                 "a service is one vip: change one of the three or remove it");
}

// What a vip asks of its pool's members.
static void check_vip_members(struct reader *reader, const struct config_vip *vip)
{
    if (vip->pool == UINT32_MAX || bad(reader, &vip->address))
        return;
    const struct config_pool *pool = &reader->config->pools[vip->pool];
    if (pool->forward == CONFIG_FORWARD_IPIP || bad(reader, &pool->forward))
        return;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        if (bad(reader, &member->address) || same_version(&member->address, &vip->address))
            continue;
        complain(reader, node_of(reader, &vip->pool, vip),
                 "a pool with members of the other IP version (line %u)\n`forward: %s` keeps the "
                 "version: use a pool of %s members, or `forward: ipip`",
                 node_of(reader, &member->address, member)->line,
                 config_forward_text(pool->forward), ip_is_v4(&vip->address) ? "IPv4" : "IPv6");
        return;
    }
}

struct member_key {
    struct ip_address address;
    uint16_t port;
};

static void check_member_identities(struct reader *reader, const struct config_pool *pool)
{
    uint32_t room = pool->member_count;
    struct named *names = arena_take(reader->scratch, room * sizeof(*names));
    struct named *servers = arena_take(reader->scratch, room * sizeof(*servers));
    struct member_key *keys = arena_take(reader->scratch, room * sizeof(*keys));
    uint32_t name_count = 0, server_count = 0;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        bool named = places_find(&reader->places, member->name, false);
        bool address_bad = bad(reader, &member->address);
        if (!bad(reader, member->name) && (named || !address_bad))
            names[name_count++] = (struct named){member->name, sizeof(member->name),
                                                 node_of(reader, member->name, member)};
        if (address_bad || bad(reader, &member->port))
            continue;
        keys[i] = (struct member_key){member->address, member->port};
        servers[server_count++] =
            (struct named){&keys[i], sizeof(keys[i]), node_of(reader, &member->address, member)};
    }
    refuse_twice(reader, names, name_count, "a member's name given twice",
                 "give it a `name:` of its own; without one, its address is its name");
    refuse_twice(reader, servers, server_count, "address and port of another member of the pool",
                 "a server is in a pool once: remove one, or raise its `weight`");
}

// Direct return and IPIP leave the transport header alone.
static void check_member_port(struct reader *reader, uint32_t pool_index,
                              const struct config_member *member)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    if (member->port == 0 || pool->forward == CONFIG_FORWARD_NAT || bad(reader, &pool->forward))
        return;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        if (vip->pool != pool_index || vip->port == member->port || bad(reader, &vip->port))
            continue;
        complain(reader, node_of(reader, &member->port, member),
                 "another port than the vip's (%u, line %u)\n`forward: %s` cannot change ports: "
                 "leave `port` out, or use `forward: nat`",
                 vip->port, node_of(reader, &vip->port, vip)->line,
                 config_forward_text(pool->forward));
        return;
    }
}

static bool is_routed(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        for (uint32_t j = 0; j < port->route_count; j++) {
            const struct ip_prefix *to = &port->routes[j].to;
            if (same_version(&to->address, address) && ip_prefix_contains(to, address))
                return true;
        }
    }
    return false;
}

static bool networks_are_known(struct reader *reader)
{
    const struct config *config = reader->config;
    if (bad(reader, &config->ports))
        return false;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (bad(reader, &port->addresses) || bad(reader, &port->routes))
            return false;
        for (uint32_t j = 0; j < port->route_count; j++) {
            if (bad(reader, &port->routes[j].to))
                return false;
        }
    }
    return true;
}

static void check_member_path(struct reader *reader, const struct config_pool *pool,
                              const struct config_member *member)
{
    const struct config *config = reader->config;
    const struct tree_node *node = node_of(reader, &member->address, member);
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (is_connected(&config->ports[i], &member->address))
            return;
    }
    bool routed = is_routed(config, &member->address);
    if (!routed)
        complain(reader, node,
                 "a member that no port reaches\nadd its network to a port's "
                 "`addresses`, or a route or gateway to it");
    else if (pool->forward == CONFIG_FORWARD_DIRECT && !bad(reader, &pool->forward))
        complain(reader, node,
                 "a member behind a router\n`forward: direct` reaches members on a "
                 "port's own networks; use `forward: ipip` for those further away");
}

static bool is_virtual(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->vip_count; i++) {
        if (ip_equal(&config->vips[i].address, address))
            return true;
    }
    return false;
}

static void check_pool(struct reader *reader, uint32_t pool_index, bool networks_known)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    check_member_identities(reader, pool);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        check_member_port(reader, pool_index, member);
        if (bad(reader, &member->address))
            continue;
        const struct tree_node *node = node_of(reader, &member->address, member);
        const char *edge = edge_fault(config, &member->address);
        if (is_virtual(config, &member->address))
            complain(reader, node, "a virtual address\nwrite the server's own address");
        else if (owns_address(config, &member->address))
            complain(reader, node, "a port's own address\nwrite the server's own address");
        else if (edge)
            complain(reader, node, "%s\nwrite the server's own address", edge);
        else if (networks_known)
            check_member_path(reader, pool, member);
    }
}

static void check_pools(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *names = arena_take(reader->scratch, config->pool_count * sizeof(*names));
    uint32_t name_count = 0;
    uint32_t members = 0;
    bool networks_known = networks_are_known(reader);
    for (uint32_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (!bad(reader, pool->name))
            names[name_count++] =
                (struct named){pool->name, sizeof(pool->name), node_of(reader, pool->name, pool)};
        bool fitted = members <= CONFIG_MEMBERS_MAX;
        members += pool->member_count;
        if (fitted && members > CONFIG_MEMBERS_MAX)
            complain(reader, node_of(reader, pool->name, pool),
                     "too many members\nall pools together hold at most %d", CONFIG_MEMBERS_MAX);
        check_pool(reader, i, networks_known);
    }
    refuse_twice(reader, names, name_count, "a name given twice", "pools need names of their own");
}

static bool has_version(const struct ip_prefix *prefixes, uint32_t count, bool v4)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ip_is_v4(&prefixes[i].address) == v4)
            return true;
    }
    return count == 0;
}

static void check_access_rule(struct reader *reader, const struct config_access_rule *rule)
{
    bool has_ports = rule->protocol == CONFIG_ACCESS_TCP || rule->protocol == CONFIG_ACCESS_UDP;
    if (!has_ports && rule->port_count + rule->source_port_count > 0 &&
        !bad(reader, &rule->protocol)) {
        const void *ports = rule->port_count > 0 ? rule->ports : rule->source_ports;
        complain(reader, node_of(reader, ports, rule),
                 "ports without a protocol that has them\nadd `protocol: tcp` or `protocol: udp`");
    }
    bool possible = false;
    for (int v4 = 0; v4 < 2; v4++)
        possible |= has_version(rule->from, rule->from_count, v4) &&
                    has_version(rule->to, rule->to_count, v4);
    if (!possible && !bad(reader, rule->from) && !bad(reader, rule->to))
        complain(reader, node_of(reader, rule->to, rule),
                 "no packet matches: `from` and `to` have no IP version in common\nwrite a rule "
                 "for each version");
}

static void check_access(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *names = arena_take(reader->scratch, config->access_rule_count * sizeof(*names));
    uint32_t name_count = 0;
    for (uint32_t i = 0; i < config->access_rule_count; i++) {
        const struct config_access_rule *rule = &config->access_rules[i];
        if (!bad(reader, rule->name))
            names[name_count++] =
                (struct named){rule->name, sizeof(rule->name), node_of(reader, rule->name, rule)};
        check_access_rule(reader, rule);
    }
    refuse_twice(reader, names, name_count, "a name given twice",
                 "access rules need names of their own");
}

void validate(struct reader *reader)
{
    struct config *config = reader->config;
    for (uint32_t i = 0; i < config->vip_count; i++)
        find_pool(reader, &config->vips[i]);
    check_node(reader);
    check_port_identities(reader);
    check_addresses(reader);
    check_routes(reader);
    check_routes_against_networks(reader);
    check_pools(reader);
    check_vip_identities(reader);
    for (uint32_t i = 0; i < config->vip_count; i++)
        check_vip_members(reader, &config->vips[i]);
    check_access(reader);
}
