// Local addresses, from which FullNAT sends: each is nobody else's, and every member of a FullNAT
// pool has some on its way.
#include <string.h>

#include "base/config/validate_priv.h"

static const struct config_port *other_port_of(const struct config *config,
                                               const struct config_port *port,
                                               const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        if (&config->ports[i] != port && config_port_is_connected(&config->ports[i], address))
            return &config->ports[i];
    }
    return NULL;
}

static void check_local(struct reader *reader, const struct config_port *port,
                        const struct ip_address *local)
{
    const struct config *config = reader->config;
    const struct tree_node *node = validate_node_of(reader, local, port);
    const struct config_port *other = other_port_of(config, port, local);
    const char *edge = config_edge_fault(config, local);
    if (config_owns(config, local))
        complain(reader, node,
                 "a port's own address\nlocal addresses are for FullNAT alone: choose another");
    else if (config_is_virtual(config, local))
        complain(reader, node,
                 "a virtual address\nclients and members would be told apart no more: choose "
                 "another");
    else if (config_is_router(config, local))
        complain(reader, node, "a router's address\nchoose one that no machine has");
    else if (edge)
        complain(reader, node, "%s\nmembers cannot answer it: choose another", edge);
    else if (ip_is_of_a_link(local))
        complain(reader, node,
                 "a link-local address\nmembers behind a router cannot answer it: choose one of "
                 "the port's networks");
    else if (other)
        complain(reader, node,
                 "an address in a network of port %s\nwrite it there, or choose one in a network "
                 "of this port",
                 other->name);
}

static void check_locals(struct reader *reader)
{
    const struct config *config = reader->config;
    struct named *locals =
        arena_take(reader->scratch, CONFIG_PORTS_MAX * CONFIG_LOCALS_MAX * sizeof(*locals));
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct config_port *port = &config->ports[i];
        if (validate_is_bad(reader, &port->local_addresses))
            continue;
        for (uint32_t j = 0; j < port->local_address_count; j++) {
            const struct ip_address *local = &port->local_addresses[j];
            if (validate_is_bad(reader, local))
                continue;
            locals[count++] =
                (struct named){local, sizeof(*local), validate_node_of(reader, local, port)};
            check_local(reader, port, local);
        }
    }
    validate_refuse_twice(reader, locals, count, "a local address given twice", "remove one");
}

static bool is_local(const struct config *config, const struct ip_address *address)
{
    for (uint32_t i = 0; i < config->port_count; i++) {
        for (uint32_t j = 0; j < config->ports[i].local_address_count; j++) {
            if (ip_equal(&config->ports[i].local_addresses[j], address))
                return true;
        }
    }
    return false;
}

static bool has_local(const struct config_port *port, bool v4)
{
    for (uint32_t i = 0; i < port->local_address_count; i++) {
        if (ip_is_v4(&port->local_addresses[i]) == v4)
            return true;
    }
    return false;
}

// One complaint a pool: what is missing for one member is so for most.
static void check_pool(struct reader *reader, const struct config_pool *pool)
{
    const struct config *config = reader->config;
    bool lacking = false;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct config_member *member = &pool->members[i];
        if (validate_is_bad(reader, &member->address))
            continue;
        const struct tree_node *node = validate_node_of(reader, &member->address, member);
        if (is_local(config, &member->address))
            complain(reader, node, "a local address of a port\nwrite the server's own address");
        if (lacking || pool->forward != CONFIG_FORWARD_FULLNAT)
            continue;
        const struct config_port *port = config_port_towards(config, &member->address);
        bool v4 = ip_is_v4(&member->address);
        if (!port || validate_is_bad(reader, &port->local_addresses) || has_local(port, v4))
            continue;
        lacking = true;
        complain(reader, node,
                 "no address to send from: port %s, which leads there, has no %s "
                 "`local-addresses`\n`forward: fullnat` needs one at least: an address of that "
                 "port's network that nobody has",
                 port->name, v4 ? "IPv4" : "IPv6");
    }
}

void validate_locals(struct reader *reader)
{
    check_locals(reader);
    if (validate_is_bad(reader, &reader->config->ports))
        return;
    for (uint32_t i = 0; i < reader->config->pool_count; i++)
        check_pool(reader, &reader->config->pools[i]);
}
