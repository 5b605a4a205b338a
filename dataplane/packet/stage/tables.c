#include "dataplane/packet/stage/tables.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/siphash.h"
#include "dataplane/packet/stage/counters.h"
#include "dataplane/packet/stage/registry.h"

#define WHY_SIZE 256

// One compilation under way.
struct compiler {
    const struct config *config;
    const struct tables_context *context;
    struct tables *tables;
    char *why;
    struct endpoint *endpoints; // grows
    uint32_t endpoint_count;
    uint32_t endpoint_room;
    uint32_t hop_room;
};

// What a member's slot stands for. The name is not in it: a renamed member keeps its flows.
struct member_identity {
    char pool[CONFIG_NAME_SIZE];
    struct ip_address address;
    uint16_t port;
    uint16_t forward;
};

struct service_identity {
    struct ip_address address;
    uint16_t port;
    uint16_t protocol;
};

_Static_assert(ENDPOINT_NUMBER_MEMBERS >= TABLES_SERVICE_SLOTS, "numbers are one's alone");
_Static_assert(TABLES_MEMBER_SLOTS <= UINT16_MAX + 1, "a flow knows its member in 16 bits");

// What a member's endpoint's number stands for: whose member it is does not matter.
struct endpoint_identity {
    struct ip_address address;
    uint16_t port;
    uint16_t protocol;
};

static enum error fail_memory(struct compiler *compiler)
{
    snprintf(compiler->why, WHY_SIZE, "out of memory while building the packet tables");
    return ERROR_NO_MEMORY;
}

static uint8_t protocol_number(enum config_protocol protocol)
{
    return protocol == CONFIG_PROTOCOL_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

static uint16_t network_port(uint16_t port)
{
    return __builtin_bswap16(port);
}

static enum error add_endpoint(struct compiler *compiler, struct endpoint endpoint)
{
    if (compiler->endpoint_count == compiler->endpoint_room) {
        uint32_t room = compiler->endpoint_room ? 2 * compiler->endpoint_room : 64;
        struct endpoint *grown = realloc(compiler->endpoints, room * sizeof(*grown));
        if (!grown)
            return fail_memory(compiler);
        compiler->endpoints = grown;
        compiler->endpoint_room = room;
    }
    compiler->endpoints[compiler->endpoint_count++] = endpoint;
    return ERROR_NONE;
}

static enum error compile_ports(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    tables->port_count = config->port_count;
    for (uint32_t p = 0; p < config->port_count; p++) {
        const struct config_port *from = &config->ports[p];
        struct tables_port *port = &tables->ports[p];
        port->mtu = (uint16_t)from->mtu;
        port->punt_rate = from->punt.rate_per_second;
        port->addresses = calloc(from->address_count + 1, sizeof(*port->addresses));
        if (!port->addresses)
            return fail_memory(compiler);
        port->address_count = from->address_count;
        for (uint32_t i = 0; i < from->address_count; i++) {
            port->addresses[i] = from->addresses[i];
            enum error error = add_endpoint(compiler, (struct endpoint){
                                                          .address = from->addresses[i].address,
                                                          .kind = ENDPOINT_OWN,
                                                          .value = p,
                                                      });
            if (error)
                return error;
        }
    }
    return ERROR_NONE;
}

// Resolves a neighbour that the configuration needs, and keeps it in the list of those.
static enum error need_hop(struct compiler *compiler, uint32_t port,
                           const struct ip_address *address, uint32_t *slot)
{
    const struct tables_context *context = compiler->context;
    struct tables *tables = compiler->tables;
    enum error error =
        neighbour_pin(context->neighbours, port, address, context->now_ns, slot, context->actions);
    if (error) {
        char text[IP_TEXT_SIZE];
        snprintf(compiler->why, WHY_SIZE, "no room for the neighbour %s: %s",
                 ip_format(address, text), error_text(error));
        return error;
    }
    if (tables->hop_count == compiler->hop_room) {
        uint32_t room = compiler->hop_room ? 2 * compiler->hop_room : 64;
        struct tables_hop *grown = realloc(tables->hops, room * sizeof(*grown));
        if (!grown)
            return fail_memory(compiler);
        tables->hops = grown;
        compiler->hop_room = room;
    }
    tables->hops[tables->hop_count++] = (struct tables_hop){.port = port, .address = *address};
    return ERROR_NONE;
}

static bool same_route(const struct route *a, const struct route *b)
{
    return a->port == b->port && a->on_link == b->on_link && a->to.length == b->to.length &&
           ip_equal(&a->to.address, &b->to.address) && ip_equal(&a->via, &b->via);
}

// Remembered ways hold while the routes stay the same.
static void number_routes(struct compiler *compiler)
{
    const struct tables *previous = compiler->context->previous;
    struct tables *now = compiler->tables;
    if (!previous)
        return;
    bool same = previous->route_count == now->route_count;
    for (uint32_t i = 0; same && i < now->route_count; i++)
        same = same_route(&previous->route_list[i], &now->route_list[i]);
    now->route_generation = (uint8_t)(previous->route_generation + (same ? 0 : 1));
}

// What fits the way to a member: less by the outer header of a tunnel.
static uint16_t ip_size_max(const struct tables *tables, const struct tables_member *member)
{
    uint32_t mtu = tables->ports[member->out_port].mtu;
    uint32_t outer =
        member->forward == CONFIG_FORWARD_IPIP ? wire_tunnel_size(&member->address) : 0;
    return (uint16_t)(mtu > outer ? mtu - outer : 0);
}

// A connected network for each address, then what the file says.
static enum error compile_routes(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    tables->route_list = calloc(ROUTES_MAX, sizeof(*tables->route_list));
    if (!tables->route_list)
        return fail_memory(compiler);
    struct route *routes = tables->route_list;
    uint32_t count = 0;
    for (uint32_t p = 0; p < config->port_count; p++) {
        const struct config_port *port = &config->ports[p];
        CHECK(count + port->address_count + port->route_count <= ROUTES_MAX);
        for (uint32_t i = 0; i < port->address_count; i++)
            routes[count++] = (struct route){.to = port->addresses[i], .on_link = true, .port = p};
        for (uint32_t i = 0; i < port->route_count; i++) {
            const struct config_route *from = &port->routes[i];
            routes[count++] = (struct route){.to = from->to, .via = from->via, .port = p};
            uint32_t slot;
            enum error error = need_hop(compiler, p, &from->via, &slot);
            if (error)
                return error;
        }
    }
    tables->route_count = count;
    number_routes(compiler);
    enum error error = route_table_create(routes, count, &tables->routes);
    return error ? fail_memory(compiler) : ERROR_NONE;
}

// A port's own address of a version, for the outer header of tunnels.
static bool own_address(const struct tables_port *port, bool v4, struct ip_address *address)
{
    for (uint32_t i = 0; i < port->address_count; i++) {
        const struct ip_address *own = &port->addresses[i].address;
        if (ip_is_v4(own) == v4 && !ip_is_link_local(own)) {
            *address = *own;
            return true;
        }
    }
    return false;
}

static enum error reach_member(struct compiler *compiler, const struct config_pool *pool,
                               const struct config_member *from, struct tables_member *member)
{
    const struct route *route = route_lookup(compiler->tables->routes, &from->address);
    if (!route) {
        snprintf(compiler->why, WHY_SIZE, "pool %s: no route to member %s", pool->name, from->name);
        return ERROR_NOT_FOUND;
    }
    const struct tables_port *out = &compiler->tables->ports[route->port];
    member->out_port = (uint16_t)route->port;
    if (pool->forward == CONFIG_FORWARD_IPIP) {
        struct ip_address source;
        if (!own_address(out, ip_is_v4(&from->address), &source)) {
            snprintf(compiler->why, WHY_SIZE,
                     "pool %s: the port towards member %s has no address of its IP version",
                     pool->name, from->name);
            return ERROR_INVALID;
        }
        member->tunnel = wire_tunnel_between(&source, &from->address);
    }
    const struct ip_address *hop = route->on_link ? &from->address : &route->via;
    member->next_hop = *hop;
    member->ip_size_max = ip_size_max(compiler->tables, member);
    return need_hop(compiler, route->port, hop, &member->neighbour);
}

static struct tables_member *member_at(struct compiler *compiler, uint32_t slot)
{
    if (slot >= compiler->tables->member_limit)
        compiler->tables->member_limit = slot + 1;
    return &compiler->tables->members[slot];
}

static enum error compile_member(struct compiler *compiler, const struct config_pool *pool,
                                 const struct config_member *from, struct tables_pool *into)
{
    const struct tables_context *context = compiler->context;
    struct member_identity identity = {
        .address = from->address, .port = from->port, .forward = (uint16_t)pool->forward};
    memcpy(identity.pool, pool->name, sizeof(identity.pool));
    uint32_t slot;
    enum error error = registry_acquire(context->members, &identity, sizeof(identity), &slot);
    if (error) {
        snprintf(compiler->why, WHY_SIZE, "pool %s: no slot for member %s: %s", pool->name,
                 from->name, error_text(error));
        return error;
    }
    struct tables_member *member = member_at(compiler, slot);
    *member = (struct tables_member){
        .used = true,
        .address = from->address,
        .port = network_port(from->port),
        .forward = (uint8_t)pool->forward,
    };
    memcpy(member->name, from->name, sizeof(member->name));
    memcpy(member->pool_name, pool->name, sizeof(member->pool_name));
    error = reach_member(compiler, pool, from, member);
    if (error)
        return error;

    // Sister appliances must place a member alike: its id follows from what the network sees of it.
    const struct siphash_key id_key = compiler->tables->balance_key;
    struct member_identity seen = identity;
    memset(seen.pool, 0, sizeof(seen.pool));
    member->weight = from->weight;
    member->active = from->state == CONFIG_MEMBER_ACTIVE &&
                     !context->drained(context->context, pool->name, from->name);
    into->weights[into->member_count] = (struct balance_member){
        .id = siphash24(id_key, &seen, sizeof(seen)), .weight = member->active ? from->weight : 0};
    into->members[into->member_count++] = slot;
    return ERROR_NONE;
}

static void release_pool(struct tables_pool *pool)
{
    if (!pool || --pool->references > 0)
        return;
    balancer_destroy(pool->balancer);
    free(pool->weights);
    free(pool->members);
    free(pool);
}

static bool same_balance(const struct tables_pool *a, const struct tables_pool *b)
{
    if (a->slot != b->slot || a->policy != b->policy || a->forward != b->forward ||
        a->member_count != b->member_count)
        return false;
    for (uint32_t i = 0; i < a->member_count; i++) {
        if (a->members[i] != b->members[i] || a->weights[i].id != b->weights[i].id ||
            a->weights[i].weight != b->weights[i].weight)
            return false;
    }
    return true;
}

static const struct balancer_ops *const balancers[] = {
    [CONFIG_BALANCER_MAGLEV] = &balance_maglev,
    [CONFIG_BALANCER_ROUND_ROBIN] = &balance_round_robin,
    [CONFIG_BALANCER_WEIGHTED_ROUND_ROBIN] = &balance_weighted_round_robin,
    [CONFIG_BALANCER_LEAST_CONNECTIONS] = &balance_least_connections,
    [CONFIG_BALANCER_TWO_CHOICES] = &balance_two_choices,
    [CONFIG_BALANCER_SOURCE_HASH] = &balance_source_hash,
    [CONFIG_BALANCER_RING] = &balance_ring,
    [CONFIG_BALANCER_FAILOVER] = &balance_failover,
};

// The previous snapshot's pool where nothing in it changed, so that its balancer need not be
// rebuilt.
static struct tables_pool *unchanged_pool(const struct compiler *compiler,
                                          const struct tables_pool *pool)
{
    const struct tables *previous = compiler->context->previous;
    const struct tables *now = compiler->tables;
    if (!previous || previous->balance_key.k0 != now->balance_key.k0)
        return NULL;
    for (uint32_t i = 0; i < previous->pool_count; i++) {
        if (same_balance(previous->pools[i], pool))
            return previous->pools[i];
    }
    return NULL;
}

static enum error compile_pool(struct compiler *compiler, const struct config_pool *from,
                               struct tables_pool **result)
{
    struct tables_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return fail_memory(compiler);
    *result = pool;
    pool->references = 1;
    pool->policy = from->balancer;
    pool->forward = from->forward;
    memcpy(pool->name, from->name, sizeof(pool->name));
    pool->weights = calloc(from->member_count + 1, sizeof(*pool->weights));
    pool->members = calloc(from->member_count + 1, sizeof(*pool->members));
    if (!pool->weights || !pool->members)
        return fail_memory(compiler);
    enum error error =
        registry_acquire(compiler->context->pools, from->name, strlen(from->name) + 1, &pool->slot);
    if (error) {
        snprintf(compiler->why, WHY_SIZE, "no slot for pool %s: %s", from->name, error_text(error));
        return error;
    }
    for (uint32_t i = 0; i < from->member_count; i++) {
        error = compile_member(compiler, from, &from->members[i], pool);
        if (error)
            return error;
    }
    struct tables_pool *same = unchanged_pool(compiler, pool);
    if (same) {
        same->references++;
        release_pool(pool);
        *result = same;
        return ERROR_NONE;
    }
    if (pool->member_count == 0)
        return ERROR_NONE;
    error = balancers[pool->policy]->create(pool->weights, pool->member_count,
                                            compiler->tables->balance_key, &pool->balancer);
    if (error)
        snprintf(compiler->why, WHY_SIZE, "pool %s: cannot build its balancer: %s", from->name,
                 error_text(error));
    return error;
}

static enum error compile_pools(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    tables->pools = calloc(config->pool_count + 1, sizeof(struct tables_pool *));
    if (!tables->pools)
        return fail_memory(compiler);
    for (uint32_t i = 0; i < config->pool_count; i++) {
        // Counted first: tables_destroy() frees a pool that was half compiled.
        tables->pool_count++;
        enum error error = compile_pool(compiler, &config->pools[i], &tables->pools[i]);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

// Where a kept member is reached now; without a route packets go on to where it was.
static enum error reach_kept_member(struct compiler *compiler, struct tables_member *member)
{
    const struct route *route = route_lookup(compiler->tables->routes, &member->address);
    if (route) {
        member->out_port = (uint16_t)route->port;
        member->next_hop = route->on_link ? member->address : route->via;
    }
    member->ip_size_max = ip_size_max(compiler->tables, member);
    return need_hop(compiler, member->out_port, &member->next_hop, &member->neighbour);
}

// A member that left the configuration stays in the tables while flows go to it. One that was there
// a snapshot ago stays in any case: until that snapshot was retired a worker could still give it a
// flow.
static enum error keep_removed_members(struct compiler *compiler)
{
    const struct tables_context *context = compiler->context;
    const struct tables *previous = context->previous;
    for (uint32_t slot = 1; previous && slot < previous->member_limit; slot++) {
        const struct tables_member *before = &previous->members[slot];
        if (!before->used || compiler->tables->members[slot].used)
            continue;
        if (before->removed && context->member_flows(context->context, slot) == 0)
            continue;
        struct tables_member *member = member_at(compiler, slot);
        *member = *before;
        member->removed = true;
        member->active = false;
        enum error error = reach_kept_member(compiler, member);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

// The same for a vip that left: its flows end by themselves, new ones find no pool.
static void keep_removed_services(struct compiler *compiler)
{
    const struct tables_context *context = compiler->context;
    struct tables *tables = compiler->tables;
    const struct tables *previous = context->previous;
    for (uint32_t slot = 1; previous && slot < previous->service_limit; slot++) {
        const struct tables_service *before = &previous->services[slot];
        if (!before->used || tables->services[slot].used)
            continue;
        if (before->removed && context->service_flows(context->context, slot) == 0)
            continue;
        if (slot >= tables->service_limit)
            tables->service_limit = slot + 1;
        tables->services[slot] = *before;
        tables->services[slot].removed = true;
        tables->services[slot].pool = NULL;
    }
}

static void use_number(struct tables *tables, uint16_t number)
{
    if (number >= ENDPOINT_NUMBER_MEMBERS)
        tables->endpoint_numbers[number / 64] |= 1ull << number % 64;
}

static bool uses_number(const struct tables *tables, uint32_t number)
{
    return tables && tables->endpoint_numbers &&
           (tables->endpoint_numbers[number / 64] >> number % 64 & 1);
}

// Clients of such a service still ask where its address is.
static bool has_removed_service(const struct tables *tables, const struct ip_address *address)
{
    for (uint32_t slot = 1; slot < tables->service_limit; slot++) {
        const struct tables_service *service = &tables->services[slot];
        if (service->removed && ip_equal(&service->address, address))
            return true;
    }
    return false;
}

// Whether a flow may still be reached by an endpoint of the previous snapshot. One that was new
// there stays once in any case, as slots do.
static bool is_kept(const struct compiler *compiler, const struct endpoint *endpoint)
{
    const struct tables_context *context = compiler->context;
    const struct tables *tables = compiler->tables;
    switch ((enum endpoint_kind)endpoint->kind) {
    case ENDPOINT_MEMBER:
        return tables->members[endpoint->value].used &&
               (!endpoint->kept || context->member_flows(context->context, endpoint->value) > 0);
    case ENDPOINT_SERVICE:
        return tables->services[endpoint->value].removed;
    case ENDPOINT_VIP:
        return has_removed_service(tables, &endpoint->address);
    default:
        return false;
    }
}

// What leads a packet to its flow's owner leaves when the flows have, not before.
static enum error keep_endpoints(struct compiler *compiler, const struct endpoint_set *configured)
{
    if (!compiler->context->previous)
        return ERROR_NONE;
    uint32_t count;
    const struct endpoint *items = endpoint_items(compiler->context->previous->endpoints, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct endpoint item = items[i];
        if (!is_kept(compiler, &item) ||
            endpoint_find(configured, &item.address, item.port, item.protocol))
            continue;
        item.kept = true;
        use_number(compiler->tables, item.number);
        enum error error = add_endpoint(compiler, item);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

// The set of what is configured, then of that and what is kept besides.
static enum error compile_endpoints(struct compiler *compiler)
{
    struct endpoint_set *configured;
    enum error error =
        endpoint_set_create(compiler->endpoints, compiler->endpoint_count, &configured);
    if (error)
        return fail_memory(compiler);
    error = keep_endpoints(compiler, configured);
    endpoint_set_destroy(configured);
    if (error)
        return error;
    error = endpoint_set_create(compiler->endpoints, compiler->endpoint_count,
                                &compiler->tables->endpoints);
    return error ? fail_memory(compiler) : ERROR_NONE;
}

// The port whose connected network holds a vip answers for it on the link.
static uint32_t answering_port(const struct tables *tables, const struct ip_address *address)
{
    for (uint32_t p = 0; p < tables->port_count; p++) {
        for (uint32_t i = 0; i < tables->ports[p].address_count; i++) {
            if (ip_prefix_contains(&tables->ports[p].addresses[i], address))
                return p;
        }
    }
    return ENDPOINT_NO_PORT;
}

// The number of a NAT member's endpoint, the same as long as any snapshot uses it.
static enum error number_endpoint(struct compiler *compiler, const struct tables_member *member,
                                  struct endpoint *endpoint)
{
    struct endpoint_identity identity = {
        .address = endpoint->address, .port = endpoint->port, .protocol = endpoint->protocol};
    uint32_t slot;
    enum error error =
        registry_acquire(compiler->context->endpoints, &identity, sizeof(identity), &slot);
    if (error) {
        snprintf(compiler->why, WHY_SIZE,
                 "pool %s: no number for member %s: NAT members' addresses and ports may be %d at "
                 "once, those that still have flows included: %s",
                 member->pool_name, member->name, ENDPOINT_NUMBERS, error_text(error));
        return error;
    }
    endpoint->number = (uint16_t)(ENDPOINT_NUMBER_MEMBERS + slot - 1);
    use_number(compiler->tables, endpoint->number);
    return ERROR_NONE;
}

// By these a NAT member's replies are known.
static enum error add_member_endpoints(struct compiler *compiler, const struct config_vip *vip,
                                       const struct tables_pool *pool)
{
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct tables_member *member = &compiler->tables->members[pool->members[i]];
        struct endpoint endpoint = {
            .address = member->address,
            .port = member->port ? member->port : network_port(vip->port),
            .protocol = protocol_number(vip->protocol),
            .kind = ENDPOINT_MEMBER,
            .value = pool->members[i],
        };
        struct endpoint fragments = endpoint;
        fragments.port = 0;
        fragments.protocol = IPPROTO_FRAGMENT;
        enum error error;
        if ((error = number_endpoint(compiler, member, &endpoint)) ||
            (error = add_endpoint(compiler, endpoint)) ||
            (error = add_endpoint(compiler, fragments)))
            return error;
    }
    return ERROR_NONE;
}

static enum error add_service_endpoints(struct compiler *compiler, const struct config_vip *vip,
                                        uint32_t slot)
{
    uint8_t protocol = protocol_number(vip->protocol);
    enum error error = add_endpoint(compiler, (struct endpoint){.address = vip->address,
                                                                .port = network_port(vip->port),
                                                                .protocol = protocol,
                                                                .kind = ENDPOINT_SERVICE,
                                                                .number = (uint16_t)slot,
                                                                .value = slot});
    if (error)
        return error;
    error = add_endpoint(
        compiler, (struct endpoint){.address = vip->address,
                                    .kind = ENDPOINT_VIP,
                                    .value = answering_port(compiler->tables, &vip->address)});
    if (error || compiler->tables->services[slot].pool->forward != CONFIG_FORWARD_NAT)
        return error;
    return add_member_endpoints(compiler, vip, compiler->tables->services[slot].pool);
}

// Whether flows of a vip that is no longer NAT may still be at their owners.
static bool was_owned(const struct compiler *compiler, uint32_t slot)
{
    const struct tables_context *context = compiler->context;
    const struct tables *previous = context->previous;
    return previous && slot < previous->service_limit && previous->services[slot].used &&
           previous->services[slot].owned && context->service_flows(context->context, slot) > 0;
}

static enum error compile_services(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        struct service_identity identity = {
            .address = vip->address, .port = vip->port, .protocol = protocol_number(vip->protocol)};
        uint32_t slot;
        enum error error =
            registry_acquire(compiler->context->services, &identity, sizeof(identity), &slot);
        if (error) {
            snprintf(compiler->why, WHY_SIZE, "no slot for vip %s: %s", vip->name,
                     error_text(error));
            return error;
        }
        if (slot >= tables->service_limit)
            tables->service_limit = slot + 1;
        struct tables_service *service = &tables->services[slot];
        *service = (struct tables_service){
            .used = true,
            .address = vip->address,
            .port = network_port(vip->port),
            .protocol = protocol_number(vip->protocol),
            .pool = tables->pools[vip->pool],
            .owned = tables->pools[vip->pool]->forward == CONFIG_FORWARD_NAT ||
                     was_owned(compiler, slot),
        };
        memcpy(service->name, vip->name, sizeof(service->name));
        error = add_service_endpoints(compiler, vip, slot);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static void compile_node(struct compiler *compiler)
{
    const struct config_node *node = &compiler->config->node;
    struct tables *tables = compiler->tables;
    tables->revision = compiler->context->revision;
    tables->workers = node->core_count;
    tables->busy_poll = node->poll == CONFIG_POLL_BUSY;
    tables->sleep_max_ns = node->sleep_max_ns;
    // Not a secret: appliances that share a vip must choose alike. The flow table's key is one.
    tables->balance_key = (struct siphash_key){node->hash_seed, ~node->hash_seed};
    const uint64_t timeouts_ns[FLOW_STATES] = {
        [FLOW_TCP_OPENING] = node->flows.tcp_opening_ns,
        [FLOW_TCP_PICKED_UP] = node->flows.tcp_opening_ns,
        [FLOW_TCP_ANSWERED] = node->flows.tcp_opening_ns,
        [FLOW_TCP_ESTABLISHED] = node->flows.tcp_established_ns,
        [FLOW_TCP_CLIENT_CLOSED] = node->flows.tcp_established_ns,
        [FLOW_TCP_MEMBER_CLOSED] = node->flows.tcp_established_ns,
        [FLOW_TCP_CLOSING] = node->flows.tcp_closing_ns,
        [FLOW_TCP_RESET] = node->flows.tcp_closing_ns,
        [FLOW_UDP] = node->flows.udp_ns,
    };
    for (int state = 0; state < FLOW_STATES; state++)
        tables->timeouts_ms[state] = (uint32_t)(timeouts_ns[state] / NANOSECONDS_PER_MILLISECOND);
}

static uint32_t configured_members(const struct config *config)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < config->pool_count; i++)
        count += config->pools[i].member_count;
    return count;
}

// Slots of `a` that `b` has not: those of a snapshot that was given up, or of one that was
// replaced.
static void release_slots(const struct tables *a, const struct tables *b,
                          const struct tables_context *context)
{
    for (uint32_t slot = 1; a && slot < a->member_limit; slot++) {
        if (a->members[slot].used && !(b && slot < b->member_limit && b->members[slot].used))
            registry_release(context->members, slot);
    }
    for (uint32_t slot = 1; a && slot < a->service_limit; slot++) {
        if (a->services[slot].used && !(b && slot < b->service_limit && b->services[slot].used))
            registry_release(context->services, slot);
    }
    for (uint32_t number = ENDPOINT_NUMBER_MEMBERS; number <= UINT16_MAX; number++) {
        if (uses_number(a, number) && !uses_number(b, number))
            registry_release(context->endpoints, number - ENDPOINT_NUMBER_MEMBERS + 1);
    }
    for (uint32_t i = 0; a && i < a->pool_count; i++) {
        uint32_t slot = a->pools[i] ? a->pools[i]->slot : 0;
        bool kept = slot == 0;
        for (uint32_t j = 0; !kept && b && j < b->pool_count; j++)
            kept = b->pools[j] && b->pools[j]->slot == slot;
        if (!kept)
            registry_release(context->pools, slot);
    }
    rules_release_slots(a ? a->rules : NULL, b ? b->rules : NULL, context->rules);
}

enum error tables_compile(const struct config *config, const struct tables_context *context,
                          struct tables **tables, char *why)
{
    struct compiler compiler = {.config = config, .context = context, .why = why};
    enum error error = ERROR_NO_MEMORY;
    struct tables *created = calloc(1, sizeof(*created));
    if (!created)
        return fail_memory(&compiler);
    compiler.tables = created;

    // The registries give out the lowest free slots, so no slot lies above those that the previous
    // snapshot uses and as many more as there are names now.
    uint32_t previous_members = context->previous ? context->previous->member_limit : 0;
    uint32_t previous_services = context->previous ? context->previous->service_limit : 0;
    uint32_t member_room = previous_members + configured_members(config) + 1;
    uint32_t service_room = previous_services + config->vip_count + 1;
    created->members = aligned_alloc(64, member_room * sizeof(struct tables_member));
    created->services = calloc(service_room, sizeof(struct tables_service));
    created->endpoint_numbers = calloc((UINT16_MAX + 1) / 64, sizeof(uint64_t));
    if (!created->members || !created->services || !created->endpoint_numbers) {
        error = fail_memory(&compiler);
        goto failed;
    }
    memset(created->members, 0, member_room * sizeof(struct tables_member));
    compile_node(&compiler);
    if ((error = compile_ports(&compiler)) || (error = compile_routes(&compiler)) ||
        (error = compile_pools(&compiler)) || (error = compile_services(&compiler)) ||
        (error = keep_removed_members(&compiler)))
        goto failed;
    keep_removed_services(&compiler);
    struct rules *rules_before = context->previous ? context->previous->rules : NULL;
    if ((error = compile_endpoints(&compiler)) ||
        (error = rules_compile(config, rules_before, context->rules, &created->rules, why)))
        goto failed;
    release_slots(context->previous, created, context);
    free(compiler.endpoints);
    *tables = created;
    return ERROR_NONE;

failed:
    release_slots(created, context->previous, context);
    free(compiler.endpoints);
    tables_destroy(created);
    return error;
}

void tables_destroy(void *thing)
{
    struct tables *tables = thing;
    if (!tables)
        return;
    for (uint32_t i = 0; i < tables->pool_count; i++)
        release_pool(tables->pools[i]);
    for (uint32_t p = 0; p < tables->port_count; p++)
        free(tables->ports[p].addresses);
    endpoint_set_destroy(tables->endpoints);
    route_table_destroy(tables->routes);
    free(tables->route_list);
    free(tables->hops);
    free(tables->pools);
    free(tables->members);
    free(tables->services);
    free(tables->endpoint_numbers);
    rules_release(tables->rules);
    free(tables);
}
