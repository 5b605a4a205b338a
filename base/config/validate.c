#include "base/config/validate_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/config/value_priv.h"
#include "base/gue.h"
#include "base/nearest.h"

const struct tree_node *validate_node_of(struct reader *reader, const void *field,
                                         const void *record)
{
    static const struct tree_node nowhere = {.kind = TREE_MAP};
    const struct place *place = places_find(&reader->places, field, false);
    if (!place && record)
        place = places_find(&reader->places, record, true);
    return place ? place->node : &nowhere;
}

bool validate_is_bad(struct reader *reader, const void *field)
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

void validate_refuse_twice(struct reader *reader, struct named *items, uint32_t count,
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

bool config_port_is_connected(const struct config_port *port, const struct ip_address *address)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        const struct ip_prefix *own = &port->addresses[i];
        if (ip_same_version(&own->address, address) && ip_prefix_contains(own, address))
            return true;
    }
    return false;
}

bool config_port_owns(const struct config_port *port, const struct ip_address *address)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        if (ip_equal(&port->addresses[i].address, address))
            return true;
    }
    return false;
}

static void check_node(struct reader *reader)
{
    const struct config_node *node = &reader->config->node;
    if (validate_is_bad(reader, &node->cores))
        return;
    struct named cores[CONFIG_WORKERS_MAX];
    for (uint32_t i = 0; i < node->core_count; i++)
        cores[i] = (struct named){&node->cores[i], sizeof(node->cores[i]),
                                  validate_node_of(reader, &node->cores[i], NULL)};
    validate_refuse_twice(reader, cores, node->core_count, "a core given twice",
                          "one worker runs on a core: name each once");
}

bool config_owns(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (config_port_owns(&config->ports[i], address))
            return true;
    }
    return false;
}

const char *config_edge_fault(const struct config *config, const struct ip_address *address)
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
    const struct tree_node *node = validate_node_of(reader, &vip->pool, vip);
    vip->pool = UINT32_MAX;
    if (validate_is_bad(reader, &vip->pool) || validate_is_bad(reader, &config->pools))
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

bool config_is_router(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        for (uint32_t j = 0; j < config->ports[i].route_count; j++) {
            if (ip_equal(&config->ports[i].routes[j].via, address))
                return true;
        }
    }
    return false;
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
        if (!validate_is_bad(reader, vip->name))
            names[name_count++] = (struct named){vip->name, sizeof(vip->name),
                                                 validate_node_of(reader, vip->name, vip)};
        if (validate_is_bad(reader, &vip->address) || validate_is_bad(reader, &vip->port) ||
            validate_is_bad(reader, &vip->protocol))
            continue;
        keys[i] = (struct vip_key){vip->address, vip->port, (uint16_t)vip->protocol};
        services[service_count++] =
            (struct named){&keys[i], sizeof(keys[i]), validate_node_of(reader, &vip->address, vip)};
        const char *edge = config_edge_fault(config, &vip->address);
        if (edge)
            complain(reader, validate_node_of(reader, &vip->address, vip),
                     "%s\nclients cannot connect to it: choose another", edge);
        if (ip_is_of_a_link(&vip->address))
            complain(reader, validate_node_of(reader, &vip->address, vip),
                     "a link-local address\nnothing tells on which link, and clients behind a "
                     "router cannot reach it: choose another");
        else if (config_owns(config, &vip->address))
            complain(reader, validate_node_of(reader, &vip->address, vip),
                     "a port's own address\na virtual address belongs to no port: choose another");
        if (config_is_router(config, &vip->address))
            complain(reader, validate_node_of(reader, &vip->address, vip),
                     "a router's address\nits network would lose the way out: choose one that no "
                     "machine has");
    }
    validate_refuse_twice(reader, names, name_count, "a name given twice",
                          "vips need names of their own");
    validate_refuse_twice(reader, services, service_count,
                          "address, port and protocol of another vip",
                          "a service is one vip: change one of the three or remove it");
}

// Echo has an identifier that is rewritten like a port, but no port that may be chosen.
static void check_vip_echo(struct reader *reader, const struct config_vip *vip)
{
    const struct tree_node *node = validate_node_of(reader, &vip->protocol, vip);
    if (vip->port != 0)
        complain(reader, validate_node_of(reader, &vip->port, vip),
                 "a port with `protocol: icmp`\necho has none: leave it out");
    if (vip->pool == UINT32_MAX)
        return;
    const struct config_pool *pool = &reader->config->pools[vip->pool];
    if (pool->forward != CONFIG_FORWARD_FULLNAT && !validate_is_bad(reader, &pool->forward))
        complain(reader, node,
                 "echo to a pool with `forward: %s`\nonly `forward: fullnat` takes it to members: "
                 "choose such a pool, or leave the vip out, and the appliance answers it itself",
                 config_forward_text(pool->forward));
}

static void check_vip_protocol(struct reader *reader, const struct config_vip *vip)
{
    if (validate_is_bad(reader, &vip->protocol) || validate_is_bad(reader, &vip->port))
        return;
    if (vip->protocol == CONFIG_PROTOCOL_ICMP)
        check_vip_echo(reader, vip);
    else if (vip->port == 0)
        complain(reader, validate_node_of(reader, &vip->protocol, vip),
                 "a vip without a port\nadd `port:`, the one clients connect to");
}

// Whether a vip's clients reach a member: tunnels carry both IP versions, the rest keep the
// version, but FullNAT, which takes IPv6 clients to IPv4 members, too.
static bool reaches(const struct config_vip *vip, const struct config_pool *pool,
                    const struct config_member *member)
{
    if (config_forward_tunnels(pool->forward) || ip_same_version(&member->address, &vip->address))
        return true;
    return pool->forward == CONFIG_FORWARD_FULLNAT && ip_is_v4(&member->address);
}

// What a vip asks of its pool's members.
static void check_vip_members(struct reader *reader, const struct config_vip *vip)
{
    if (vip->pool == UINT32_MAX || validate_is_bad(reader, &vip->address))
        return;
    const struct config_pool *pool = &reader->config->pools[vip->pool];
    if (validate_is_bad(reader, &pool->forward))
        return;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        if (validate_is_bad(reader, &member->address) || reaches(vip, pool, member))
            continue;
        bool v4 = ip_is_v4(&vip->address);
        complain(reader, validate_node_of(reader, &vip->pool, vip),
                 "a pool with members of the other IP version (line %u)\n`forward: %s` %s: use a "
                 "pool of %s members, or a tunnel as `forward: ipip`%s",
                 validate_node_of(reader, &member->address, member)->line,
                 config_forward_text(pool->forward),
                 pool->forward == CONFIG_FORWARD_FULLNAT
                     ? "takes IPv6 clients to IPv4 members, and "
                       "not IPv4 clients to IPv6 ones"
                     : "keeps the version",
                 v4 ? "IPv4" : "IPv6", v4 ? "" : ", or `forward: fullnat`");
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
        bool address_bad = validate_is_bad(reader, &member->address);
        if (!validate_is_bad(reader, member->name) && (named || !address_bad))
            names[name_count++] = (struct named){member->name, sizeof(member->name),
                                                 validate_node_of(reader, member->name, member)};
        if (address_bad || validate_is_bad(reader, &member->port))
            continue;
        keys[i] = (struct member_key){member->address, member->port};
        servers[server_count++] = (struct named){
            &keys[i], sizeof(keys[i]), validate_node_of(reader, &member->address, member)};
    }
    validate_refuse_twice(reader, names, name_count, "a member's name given twice",
                          "give it a `name:` of its own; without one, its address is its name");
    validate_refuse_twice(reader, servers, server_count,
                          "address and port of another member of the pool",
                          "a server is in a pool once: remove one, or raise its `weight`");
}

// Direct return and tunnels leave the transport header alone.
static void check_member_port(struct reader *reader, uint32_t pool_index,
                              const struct config_member *member)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    if (member->port == 0 || config_forward_two_way(pool->forward) ||
        validate_is_bad(reader, &pool->forward))
        return;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        if (vip->pool != pool_index || vip->port == 0 || vip->port == member->port ||
            validate_is_bad(reader, &vip->port))
            continue;
        complain(reader, validate_node_of(reader, &member->port, member),
                 "another port than the vip's (%u, line %u)\n`forward: %s` cannot change ports: "
                 "leave `port` out, or use `forward: nat` or `fullnat`",
                 vip->port, validate_node_of(reader, &vip->port, vip)->line,
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
            if (ip_same_version(&to->address, address) && ip_prefix_contains(to, address))
                return true;
        }
    }
    return false;
}

bool validate_networks_known(struct reader *reader)
{
    const struct config *config = reader->config;
    if (validate_is_bad(reader, &config->ports))
        return false;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (validate_is_bad(reader, &port->addresses) || validate_is_bad(reader, &port->routes))
            return false;
        for (uint32_t j = 0; j < port->route_count; j++) {
            if (validate_is_bad(reader, &port->routes[j].to))
                return false;
        }
    }
    return true;
}

static void check_member_path(struct reader *reader, const struct config_pool *pool,
                              const struct config_member *member)
{
    const struct config *config = reader->config;
    const struct tree_node *node = validate_node_of(reader, &member->address, member);
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (config_port_is_connected(&config->ports[i], &member->address))
            return;
    }
    bool routed = is_routed(config, &member->address);
    if (!routed)
        complain(reader, node,
                 "a member that no port reaches\nadd its network to a port's "
                 "`addresses`, or a route or gateway to it");
    else if (pool->forward == CONFIG_FORWARD_DIRECT && !validate_is_bad(reader, &pool->forward))
        complain(reader, node,
                 "a member behind a router\n`forward: direct` reaches members on a "
                 "port's own networks; use a tunnel as `forward: ipip` for those further away");
}

bool config_is_virtual(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->vip_count; i++) {
        if (ip_equal(&config->vips[i].address, address))
            return true;
    }
    return false;
}

// What a pool's balancer cannot do.
static void check_balancer(struct reader *reader, const struct config_pool *pool)
{
    const struct config *config = reader->config;
    if (validate_is_bad(reader, &pool->balancer))
        return;
    const char *name = config_balancer_text(pool->balancer);
    bool by_weight =
        pool->balancer != CONFIG_BALANCER_ROUND_ROBIN && pool->balancer != CONFIG_BALANCER_FAILOVER;
    if (pool->slow_start_ns > 0 && !by_weight)
        complain(reader, validate_node_of(reader, &pool->slow_start_ns, pool),
                 "slow start of members that `balancer: %s` does not weigh\nleave it out, or use a "
                 "balancer that goes by weight, such as `weighted-round-robin`",
                 name);
    bool by_hash = pool->balancer == CONFIG_BALANCER_MAGLEV ||
                   pool->balancer == CONFIG_BALANCER_SOURCE_HASH ||
                   pool->balancer == CONFIG_BALANCER_RING;
    if (pool->affinity.timeout_ns > 0 && !by_hash && config->node.core_count > 1)
        complain(
            reader, validate_node_of(reader, &pool->affinity, pool),
            "workers would disagree about a client: by `balancer: %s` each of them (%u in "
            "`node.cores`) gives it a member of its own\nuse `maglev`, `source-hash` or `ring`",
            name, config->node.core_count);
}

static void check_second_chance_members(struct reader *reader, const struct config_pool *pool)
{
    const struct tree_node *node = validate_node_of(reader, &pool->second_chance, pool);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        if (validate_is_bad(reader, &member->address))
            return;
        if (!ip_same_version(&member->address, &pool->members[0].address)) {
            complain(reader, validate_node_of(reader, &member->address, member),
                     "a member of another IP version than the first\nwith `second-chance` members "
                     "send packets to each other: write a pool for each version");
            return;
        }
    }
    uint32_t most =
        gue_hops_max(pool->member_count == 0 || ip_is_v4(&pool->members[0].address)) - 1;
    if (pool->second_chance > most)
        complain(reader, node, "more than a packet can tell\nof IPv6 members at most %u", most);
}

// What a second chance asks of its pool.
static void check_second_chance(struct reader *reader, const struct config_pool *pool)
{
    if (pool->second_chance == 0 || validate_is_bad(reader, &pool->second_chance))
        return;
    const struct tree_node *node = validate_node_of(reader, &pool->second_chance, pool);
    if (pool->forward != CONFIG_FORWARD_GUE && !validate_is_bad(reader, &pool->forward))
        complain(reader, node,
                 "a second chance without the tunnel that carries it\nadd `forward: gue`");
    if (pool->balancer != CONFIG_BALANCER_RING && !validate_is_bad(reader, &pool->balancer))
        complain(reader, node,
                 "a second chance without a balancer that tells whose a flow was\nadd `balancer: "
                 "ring`");
    if (pool->affinity.timeout_ns > 0)
        complain(reader, node,
                 "a second chance for clients that stay with their member\nwhose that is, only the "
                 "appliance knows that chose it: leave `affinity` or `second-chance` out");
    check_second_chance_members(reader, pool);
}

// What telling members the client's address asks of a pool and its vips.
static void check_client_address(struct reader *reader, uint32_t pool_index)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    if (pool->client_address == CONFIG_CLIENT_ADDRESS_NONE ||
        validate_is_bad(reader, &pool->client_address))
        return;
    if (pool->forward != CONFIG_FORWARD_FULLNAT && !validate_is_bad(reader, &pool->forward))
        complain(reader, validate_node_of(reader, &pool->client_address, pool),
                 "told to members that see it themselves: `forward: %s` keeps the client's "
                 "address\nleave it out, or use `forward: fullnat`",
                 config_forward_text(pool->forward));
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        if (vip->pool == pool_index && vip->protocol != CONFIG_PROTOCOL_TCP &&
            !validate_is_bad(reader, &vip->protocol))
            complain(reader, validate_node_of(reader, &vip->pool, vip),
                     "a pool whose members are told the client's address in TCP connections (line "
                     "%u)\nuse another pool for `protocol: %s`, without `client-address`",
                     validate_node_of(reader, &pool->client_address, pool)->line,
                     config_protocol_text(vip->protocol));
    }
}

static void check_pool(struct reader *reader, uint32_t pool_index, bool networks_known)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    check_member_identities(reader, pool);
    check_balancer(reader, pool);
    check_second_chance(reader, pool);
    check_client_address(reader, pool_index);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        check_member_port(reader, pool_index, member);
        if (validate_is_bad(reader, &member->address))
            continue;
        const struct tree_node *node = validate_node_of(reader, &member->address, member);
        const char *edge = config_edge_fault(config, &member->address);
        if (ip_is_of_a_link(&member->address))
            complain(reader, node,
                     "a link-local address\nnothing tells on which link: write one in a network of "
                     "a port, or behind a router");
        else if (config_is_virtual(config, &member->address))
            complain(reader, node, "a virtual address\nwrite the server's own address");
        else if (config_owns(config, &member->address))
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
    bool networks_known = validate_networks_known(reader);
    for (uint32_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (!validate_is_bad(reader, pool->name))
            names[name_count++] = (struct named){pool->name, sizeof(pool->name),
                                                 validate_node_of(reader, pool->name, pool)};
        bool fitted = members <= CONFIG_MEMBERS_MAX;
        members += pool->member_count;
        if (fitted && members > CONFIG_MEMBERS_MAX)
            complain(reader, validate_node_of(reader, pool->name, pool),
                     "too many members\nall pools together hold at most %d", CONFIG_MEMBERS_MAX);
        check_pool(reader, i, networks_known);
    }
    validate_refuse_twice(reader, names, name_count, "a name given twice",
                          "pools need names of their own");
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
        !validate_is_bad(reader, &rule->protocol)) {
        const void *ports = rule->port_count > 0 ? rule->ports : rule->source_ports;
        complain(reader, validate_node_of(reader, ports, rule),
                 "ports without a protocol that has them\nadd `protocol: tcp` or `protocol: udp`");
    }
    bool possible = false;
    for (int v4 = 0; v4 < 2; v4++)
        possible |= has_version(rule->from, rule->from_count, v4) &&
                    has_version(rule->to, rule->to_count, v4);
    if (!possible && !validate_is_bad(reader, rule->from) && !validate_is_bad(reader, rule->to))
        complain(reader, validate_node_of(reader, rule->to, rule),
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
        if (!validate_is_bad(reader, rule->name))
            names[name_count++] = (struct named){rule->name, sizeof(rule->name),
                                                 validate_node_of(reader, rule->name, rule)};
        check_access_rule(reader, rule);
    }
    validate_refuse_twice(reader, names, name_count, "a name given twice",
                          "access rules need names of their own");
}

void validate(struct reader *reader)
{
    struct config *config = reader->config;
    for (uint32_t i = 0; i < config->vip_count; i++)
        find_pool(reader, &config->vips[i]);
    check_node(reader);
    validate_ports(reader);
    validate_bonds(reader);
    check_pools(reader);
    validate_locals(reader);
    validate_ways(reader);
    check_vip_identities(reader);
    for (uint32_t i = 0; i < config->vip_count; i++) {
        check_vip_protocol(reader, &config->vips[i]);
        check_vip_members(reader, &config->vips[i]);
    }
    check_access(reader);
    validate_sums(reader);
}
