// Services and endpoints, as one snapshot has them: what leads a packet to its flow.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/packet/stage/counters.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/tables_priv.h"

struct service_identity {
    struct ip_address address;
    uint16_t port;
    uint16_t protocol;
};

_Static_assert(ENDPOINT_NUMBER_MEMBERS >= TABLES_SERVICE_SLOTS, "numbers are one's alone");
_Static_assert(ENDPOINT_NUMBERS == CONFIG_ENDPOINTS_MAX, "a right configuration has its numbers");
_Static_assert(TABLES_MEMBER_SLOTS <= UINT16_MAX + 1, "a flow knows its member in 16 bits");

// What a member's endpoint's number stands for: whose member it is does not matter.
struct endpoint_identity {
    struct ip_address address;
    uint16_t port;
    uint16_t protocol;
};

static uint8_t protocol_number(enum config_protocol protocol, const struct ip_address *address)
{
    switch (protocol) {
    case CONFIG_PROTOCOL_TCP:
        return IPPROTO_TCP;
    case CONFIG_PROTOCOL_UDP:
        return IPPROTO_UDP;
    case CONFIG_PROTOCOL_ICMP:
        break;
    }
    return tables_protocol_at(IPPROTO_ICMP, address);
}

// The same for a vip that left: its flows end by themselves, new ones find no pool.
void tables_keep_services(struct compiler *compiler)
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

static void use_number(struct tables *tables, const struct endpoint *endpoint)
{
    uint16_t number = endpoint->number;
    if (number < ENDPOINT_NUMBER_MEMBERS)
        return;
    tables->endpoint_numbers[number / 64] |= 1ull << number % 64;
    if (tables->steer)
        tables->endpoint_hashes[number - ENDPOINT_NUMBER_MEMBERS] =
            steer_source(tables->steer, &endpoint->address, endpoint->port);
}

bool tables_uses_number(const struct tables *tables, uint32_t number)
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
    case ENDPOINT_TUNNEL:
        return tables->members[endpoint->value].used &&
               (!endpoint->kept || context->member_flows(context->context, endpoint->value) > 0);
    case ENDPOINT_SERVICE:
        return tables->services[endpoint->value].removed;
    case ENDPOINT_LOCAL:
        return tables->locals[endpoint->number].removed;
    case ENDPOINT_VIP:
        return has_removed_service(tables, &endpoint->address);
    default:
        return false;
    }
}

// What leads a packet to its flow's owner leaves when the flows have, not before: also where
// another owner, the same server in another pool, is still configured at that address and port.
static enum error keep_endpoints(struct compiler *compiler, const struct endpoint_set *configured)
{
    if (!compiler->context->previous)
        return ERROR_NONE;
    uint32_t count;
    const struct endpoint *items = endpoint_items(compiler->context->previous->endpoints, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct endpoint item = items[i];
        if (!is_kept(compiler, &item) || endpoint_is_in(configured, &item))
            continue;
        item.kept = true;
        use_number(compiler->tables, &item);
        enum error error = tables_add_endpoint(compiler, item);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error add_no_sender(struct compiler *compiler, const struct ip_address *address)
{
    return tables_add_endpoint(compiler, (struct endpoint){.address = *address,
                                                           .protocol = IPPROTO_RAW,
                                                           .kind = ENDPOINT_NO_SENDER,
                                                           .number = 1});
}

// Nobody sends from the network's own address or its broadcast. A /31 has neither, nor has IPv6.
static enum error add_edges(struct compiler *compiler, const struct ip_prefix *network)
{
    if (network->length >= 127 || !ip_is_v4(&network->address))
        return ERROR_NONE;
    struct ip_address first = ip_prefix_edge(network, false), last = ip_prefix_edge(network, true);
    enum error error = add_no_sender(compiler, &first);
    return error ? error : add_no_sender(compiler, &last);
}

// What is configured tells from which addresses nobody sends.
static enum error add_no_senders(struct compiler *compiler, const struct endpoint_set *configured)
{
    uint32_t count;
    const struct endpoint *items = endpoint_items(configured, &count);
    enum error error = ERROR_NONE;
    for (uint32_t i = 0; !error && i < count; i++) {
        // Once for each address, however many services are at it. Of a link-local one it depends
        // on the link.
        bool is_ours = items[i].kind == ENDPOINT_VIP || items[i].kind == ENDPOINT_OWN ||
                       items[i].kind == ENDPOINT_LOCAL;
        if (is_ours && !ip_is_of_a_link(&items[i].address) &&
            endpoint_find(configured, &items[i].address, 0, 0) == &items[i])
            error = add_no_sender(compiler, &items[i].address);
    }
    const struct tables *tables = compiler->tables;
    for (uint32_t p = 0; p < tables->port_count; p++) {
        for (uint32_t i = 0; !error && i < tables->ports[p].address_count; i++)
            error = add_edges(compiler, &tables->ports[p].addresses[i]);
    }
    return error;
}

// The set of what is configured, then of that and what is kept besides.
enum error tables_compile_endpoints(struct compiler *compiler)
{
    struct endpoint_set *configured;
    enum error error =
        endpoint_set_create(compiler->endpoints, compiler->endpoint_count, &configured);
    if (error)
        return tables_out_of_memory(compiler);
    error = keep_endpoints(compiler, configured);
    if (!error)
        error = add_no_senders(compiler, configured);
    endpoint_set_destroy(configured);
    if (error)
        return error;
    error = endpoint_set_create(compiler->endpoints, compiler->endpoint_count,
                                &compiler->tables->endpoints);
    return error ? tables_out_of_memory(compiler) : ERROR_NONE;
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

// The number of a NAT or FullNAT member's endpoint, the same as long as any snapshot uses it.
static enum error number_endpoint(struct compiler *compiler, const struct tables_member *member,
                                  struct endpoint *endpoint)
{
    struct endpoint_identity identity = {
        .address = endpoint->address, .port = endpoint->port, .protocol = endpoint->protocol};
    uint32_t slot;
    enum error error =
        registry_acquire(compiler->context->endpoints, &identity, sizeof(identity), &slot);
    if (error) {
        snprintf(compiler->why, TABLES_WHY_SIZE,
                 "pool %s: no number for member %s: of `nat` and `fullnat` at most %d addresses "
                 "and ports, those with flows included: %s",
                 member->pool_name, member->name, ENDPOINT_NUMBERS, error_text(error));
        return error;
    }
    endpoint->number = (uint16_t)(ENDPOINT_NUMBER_MEMBERS + slot - 1);
    use_number(compiler->tables, endpoint);
    return ERROR_NONE;
}

// By these a member's replies are known.
static enum error add_member_endpoints(struct compiler *compiler, const struct config_vip *vip,
                                       const struct tables_pool *pool)
{
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct tables_member *member = &compiler->tables->members[pool->members[i]];
        struct endpoint endpoint = {
            .address = member->address,
            .port = tables_answering_port(member, network_port(vip->port)),
            .protocol = protocol_number(vip->protocol, &member->address),
            .kind = ENDPOINT_MEMBER,
            .value = pool->members[i],
        };
        struct endpoint fragments = endpoint;
        fragments.port = 0;
        fragments.protocol = IPPROTO_FRAGMENT;
        enum error error;
        if ((error = number_endpoint(compiler, member, &endpoint)) ||
            (error = tables_add_endpoint(compiler, endpoint)) ||
            (error = tables_add_endpoint(compiler, fragments)))
            return error;
    }
    return ERROR_NONE;
}

// By these ICMP errors about what is on its way to a member are known.
static enum error add_tunnel_endpoints(struct compiler *compiler, const struct tables_pool *pool)
{
    uint8_t protocol = pool->forward == CONFIG_FORWARD_GRE   ? IPPROTO_GRE
                       : pool->forward == CONFIG_FORWARD_GUE ? IPPROTO_UDP
                                                             : IPPROTO_IPIP;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        uint32_t slot = pool->members[i];
        enum error error = tables_add_endpoint(
            compiler, (struct endpoint){.address = compiler->tables->members[slot].address,
                                        .protocol = protocol,
                                        .kind = ENDPOINT_TUNNEL,
                                        .value = slot});
        if (error)
            return error;
    }
    return ERROR_NONE;
}

static enum error add_service_endpoints(struct compiler *compiler, const struct config_vip *vip,
                                        uint32_t slot)
{
    uint8_t protocol = protocol_number(vip->protocol, &vip->address);
    enum error error =
        tables_add_endpoint(compiler, (struct endpoint){.address = vip->address,
                                                        .port = network_port(vip->port),
                                                        .protocol = protocol,
                                                        .kind = ENDPOINT_SERVICE,
                                                        .number = (uint16_t)slot,
                                                        .value = slot});
    if (error)
        return error;
    error = tables_add_endpoint(
        compiler, (struct endpoint){.address = vip->address,
                                    .kind = ENDPOINT_VIP,
                                    .value = answering_port(compiler->tables, &vip->address)});
    const struct tables_pool *pool = compiler->tables->services[slot].pool;
    if (!error && config_forward_tunnels(pool->forward))
        return add_tunnel_endpoints(compiler, pool);
    if (error || !config_forward_two_way(pool->forward))
        return error;
    return add_member_endpoints(compiler, vip, pool);
}

// The vip as the previous snapshot has it, if its flows are at their owners: these go on to be
// theirs, whatever becomes of the vip. Else NULL.
static const struct tables_service *owned_before(const struct compiler *compiler, uint32_t slot)
{
    const struct tables_context *context = compiler->context;
    const struct tables *previous = context->previous;
    if (!previous || slot >= previous->service_limit || !previous->services[slot].used ||
        !previous->services[slot].owned || context->service_flows(context->context, slot) == 0)
        return NULL;
    return &previous->services[slot];
}

// Flows of a FullNAT vip are at the worker to which the hash leads, but not as long as there are
// some from before that are not. With NAT there is no choice: docs/decisions/0004.
static bool is_steered(const struct compiler *compiler, const struct tables_pool *pool,
                       const struct tables_service *before)
{
    return compiler->tables->steer && pool->forward == CONFIG_FORWARD_FULLNAT &&
           (!before || before->steered);
}

static uint64_t service_since(const struct tables *previous, uint32_t slot, uint64_t revision)
{
    bool was_there = previous && slot < previous->service_limit && previous->services[slot].used;
    return was_there ? previous->services[slot].since : revision;
}

enum error tables_compile_services(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    for (uint32_t i = 0; i < config->vip_count; i++) {
        const struct config_vip *vip = &config->vips[i];
        struct service_identity identity = {.address = vip->address,
                                            .port = vip->port,
                                            .protocol =
                                                protocol_number(vip->protocol, &vip->address)};
        uint32_t slot;
        enum error error =
            registry_acquire(compiler->context->services, &identity, sizeof(identity), &slot);
        if (error)
            return tables_no_slot(compiler, error, "vip", vip->name);
        if (slot >= tables->service_limit)
            tables->service_limit = slot + 1;
        struct tables_service *service = &tables->services[slot];
        const struct tables_pool *pool = tables->pools[vip->pool];
        const struct tables_service *before = owned_before(compiler, slot);
        *service = (struct tables_service){
            .used = true,
            .address = vip->address,
            .port = network_port(vip->port),
            .protocol = protocol_number(vip->protocol, &vip->address),
            .since = service_since(compiler->context->previous, slot, tables->revision),
            .pool = pool,
            .owned = config_forward_two_way(pool->forward) || before,
            .steered = is_steered(compiler, pool, before),
        };
        memcpy(service->name, vip->name, sizeof(service->name));
        error = add_service_endpoints(compiler, vip, slot);
        if (error)
            return error;
    }
    return ERROR_NONE;
}
