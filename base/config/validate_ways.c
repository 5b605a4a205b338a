// The ways to members in tunnels: the port that leads there has an address for a tunnel's outer
// header, and carries packets that are large enough with the outer headers in front.
#include "base/config/validate_priv.h"
#include "base/gue.h"

// What every network carries whole: RFC 791, RFC 8200 section 5. Nobody sends smaller packets when
// told that one is too big.
#define IP_SIZE_LEAST_V4 68u
#define IP_SIZE_LEAST_V6 1280u

const struct config_port *config_port_towards(const struct config *config,
                                              const struct ip_address *address)
{
    const struct config_port *found = NULL;
    int longest = -1;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        for (uint32_t j = 0; j < port->address_count + port->route_count; j++) {
            const struct ip_prefix *to = j < port->address_count
                                             ? &port->addresses[j]
                                             : &port->routes[j - port->address_count].to;
            if (to->length > longest && ip_same_version(&to->address, address) &&
                ip_prefix_contains(to, address) && !ip_is_of_a_link(&to->address)) {
                longest = to->length;
                found = port;
            }
        }
    }
    return found;
}

// The first IPv6 vip of a pool, or NULL.
static const struct config_vip *v6_vip_of(struct reader *reader, uint32_t pool_index)
{
    for (uint32_t i = 0; i < reader->config->vip_count; i++) {
        const struct config_vip *vip = &reader->config->vips[i];
        if (vip->pool == pool_index && !validate_is_bad(reader, &vip->address) &&
            !ip_is_v4(&vip->address))
            return vip;
    }
    return NULL;
}

// What is put in front of packets to a member.
static uint32_t outer_size(const struct config_pool *pool, bool v4)
{
    uint32_t size = config_forward_outer_size(pool->forward, v4);
    if (pool->forward == CONFIG_FORWARD_GUE && pool->second_chance > 0)
        size += gue_hops_size(pool->second_chance + 1, v4);
    return size;
}

// Complains about the first thing that stands in the way to a member. True: it did.
static bool check_way(struct reader *reader, const struct config_pool *pool,
                      const struct config_vip *v6_vip, const struct config_member *member,
                      const struct config_port *port)
{
    const struct tree_node *node = validate_node_of(reader, &member->address, member);
    bool v4 = ip_is_v4(&member->address);
    if (!ip_source_towards(port->addresses, port->address_count, &member->address)) {
        complain(reader, node,
                 "no address for the outer header: port %s, which leads there, has no %s address "
                 "but link-local ones\nadd one to its `addresses`",
                 port->name, v4 ? "IPv4" : "IPv6");
        return true;
    }
    if (validate_is_bad(reader, &port->mtu) || validate_is_bad(reader, &pool->second_chance))
        return false;
    uint32_t outer = outer_size(pool, v4);
    uint32_t left = port->mtu > outer ? port->mtu - outer : 0;
    if (left < IP_SIZE_LEAST_V4) {
        complain(reader, node,
                 "only %u bytes for a packet: of port %s's `mtu` of %u, outer headers take %u\n"
                 "raise it to %u at least",
                 left, port->name, port->mtu, outer, outer + IP_SIZE_LEAST_V4);
        return true;
    }
    // FullNAT takes what IPv6 hosts send to IPv4 members in fragments.
    bool may_split = v4 && pool->forward == CONFIG_FORWARD_FULLNAT;
    if (!v6_vip || left >= IP_SIZE_LEAST_V6 || may_split)
        return false;
    complain(reader, node,
             "only %u bytes for a packet to vip %s (line %u): of port %s's `mtu` of %u, outer "
             "headers take %u\nno IPv6 host sends less than %u: raise it to %u at least",
             left, v6_vip->name, validate_node_of(reader, &v6_vip->address, v6_vip)->line,
             port->name, port->mtu, outer, IP_SIZE_LEAST_V6, outer + IP_SIZE_LEAST_V6);
    return true;
}

// One complaint a pool: what is missing for one member is so for most.
static void check_pool(struct reader *reader, uint32_t pool_index)
{
    const struct config *config = reader->config;
    const struct config_pool *pool = &config->pools[pool_index];
    if (!config_forward_tunnels(pool->forward) || validate_is_bad(reader, &pool->forward))
        return;
    const struct config_vip *v6_vip = v6_vip_of(reader, pool_index);
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        if (validate_is_bad(reader, &member->address))
            continue;
        const struct config_port *port = config_port_towards(config, &member->address);
        if (port && check_way(reader, pool, v6_vip, member, port))
            return;
    }
}

void validate_ways(struct reader *reader)
{
    if (!validate_networks_known(reader))
        return;
    for (uint32_t i = 0; i < reader->config->pool_count; i++)
        check_pool(reader, i);
}
