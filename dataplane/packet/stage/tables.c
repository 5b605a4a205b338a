#include "dataplane/packet/stage/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "dataplane/packet/stage/counters.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/tables_priv.h"

enum error tables_out_of_memory(struct compiler *compiler)
{
    snprintf(compiler->why, TABLES_WHY_SIZE, "out of memory while building the packet tables");
    return ERROR_NO_MEMORY;
}

enum error tables_no_slot(struct compiler *compiler, enum error error, const char *of,
                          const char *name)
{
    snprintf(compiler->why, TABLES_WHY_SIZE,
             "no slot for %s %s: %s: what was removed has its own until its flows have ended; try "
             "again then, or restart",
             of, name, error_text(error));
    return error;
}

enum error tables_add_endpoint(struct compiler *compiler, struct endpoint endpoint)
{
    if (compiler->endpoint_count == compiler->endpoint_room) {
        uint32_t room = compiler->endpoint_room ? 2 * compiler->endpoint_room : 64;
        struct endpoint *grown = realloc(compiler->endpoints, room * sizeof(*grown));
        if (!grown)
            return tables_out_of_memory(compiler);
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
            return tables_out_of_memory(compiler);
        port->address_count = from->address_count;
        for (uint32_t i = 0; i < from->address_count; i++) {
            port->addresses[i] = from->addresses[i];
            enum error error =
                tables_add_endpoint(compiler, (struct endpoint){
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
enum error tables_need_hop(struct compiler *compiler, uint32_t port,
                           const struct ip_address *address, uint32_t *slot)
{
    const struct tables_context *context = compiler->context;
    struct tables *tables = compiler->tables;
    enum error error =
        neighbour_pin(context->neighbours, port, address, context->now_ns, slot, context->actions);
    if (error) {
        char text[IP_TEXT_SIZE];
        snprintf(compiler->why, TABLES_WHY_SIZE,
                 "no room for the neighbour %s: %s: write fewer members or routes; removed ones "
                 "make room when their flows have ended",
                 ip_format(address, text), error_text(error));
        return error;
    }
    if (tables->hop_count == compiler->hop_room) {
        uint32_t room = compiler->hop_room ? 2 * compiler->hop_room : 64;
        struct tables_hop *grown = realloc(tables->hops, room * sizeof(*grown));
        if (!grown)
            return tables_out_of_memory(compiler);
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

// A connected network for each address, but for what is of one link alone, then what the file says.
static enum error compile_routes(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    tables->route_list = calloc(ROUTES_MAX, sizeof(*tables->route_list));
    if (!tables->route_list)
        return tables_out_of_memory(compiler);
    struct route *routes = tables->route_list;
    uint32_t count = 0;
    for (uint32_t p = 0; p < config->port_count; p++) {
        const struct config_port *port = &config->ports[p];
        CHECK(count + port->address_count + port->route_count <= ROUTES_MAX);
        for (uint32_t i = 0; i < port->address_count; i++) {
            if (!ip_is_of_a_link(&port->addresses[i].address))
                routes[count++] =
                    (struct route){.to = port->addresses[i], .on_link = true, .port = p};
        }
        for (uint32_t i = 0; i < port->route_count; i++) {
            const struct config_route *from = &port->routes[i];
            routes[count++] = (struct route){.to = from->to, .via = from->via, .port = p};
            uint32_t slot;
            enum error error = tables_need_hop(compiler, p, &from->via, &slot);
            if (error)
                return error;
        }
    }
    tables->route_count = count;
    number_routes(compiler);
    enum error error = route_table_create(routes, count, &tables->routes);
    return error ? tables_out_of_memory(compiler) : ERROR_NONE;
}

static void compile_node(struct compiler *compiler)
{
    const struct config_node *node = &compiler->config->node;
    struct tables *tables = compiler->tables;
    tables->revision = compiler->context->revision;
    tables->workers = node->core_count;
    tables->busy_poll = node->poll == CONFIG_POLL_BUSY;
    tables->sleep_max_ns = node->sleep_max_ns;
    // As secret as the operator's seed, and none with the default one: appliances that share a vip
    // must choose alike. The flow table's key is drawn by chance.
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
        [FLOW_UDP_OPENING] = node->flows.udp_ns,
        [FLOW_UDP_ANSWERED] = node->flows.udp_ns,
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
    for (uint32_t slot = 1; a && slot < a->local_limit; slot++) {
        if (a->locals[slot].used && !(b && slot < b->local_limit && b->locals[slot].used))
            registry_release(context->locals, slot);
    }
    for (uint32_t number = ENDPOINT_NUMBER_MEMBERS; number <= UINT16_MAX; number++) {
        if (tables_uses_number(a, number) && !tables_uses_number(b, number))
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
        return tables_out_of_memory(&compiler);
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
    created->steer = context->steer;
    if (created->steer)
        created->endpoint_hashes = calloc(ENDPOINT_NUMBERS, sizeof(uint32_t));
    if (!created->members || !created->services || !created->endpoint_numbers ||
        (created->steer && !created->endpoint_hashes)) {
        error = tables_out_of_memory(&compiler);
        goto failed;
    }
    memset(created->members, 0, member_room * sizeof(struct tables_member));
    compile_node(&compiler);
    if ((error = compile_ports(&compiler)) || (error = tables_compile_locals(&compiler)) ||
        (error = compile_routes(&compiler)) || (error = tables_compile_pools(&compiler)) ||
        (error = tables_compile_services(&compiler)) || (error = tables_keep_members(&compiler)))
        goto failed;
    tables_keep_services(&compiler);
    tables_keep_locals(&compiler);
    struct rules *rules_before = context->previous ? context->previous->rules : NULL;
    if ((error = tables_compile_endpoints(&compiler)) ||
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
        tables_release_pool(tables->pools[i]);
    for (uint32_t p = 0; p < tables->port_count; p++)
        free(tables->ports[p].addresses);
    endpoint_set_destroy(tables->endpoints);
    route_table_destroy(tables->routes);
    tables_release_locals(tables);
    free(tables->route_list);
    free(tables->hops);
    free(tables->pools);
    free(tables->members);
    free(tables->services);
    free(tables->endpoint_numbers);
    free(tables->endpoint_hashes);
    rules_release(tables->rules);
    free(tables);
}
