// Pools, their members and balancers, as one snapshot has them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/siphash.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/tables_priv.h"

// What a member's slot stands for. The name is not in it: a renamed member keeps its flows.
struct member_identity {
    char pool[CONFIG_NAME_SIZE];
    struct ip_address address;
    uint16_t port;
    uint16_t forward;
};

static enum wire_tunnel_kind tunnel_kind(enum config_forward forward)
{
    DCHECK(config_forward_tunnels(forward));
    return forward == CONFIG_FORWARD_GRE   ? WIRE_TUNNEL_GRE
           : forward == CONFIG_FORWARD_GUE ? WIRE_TUNNEL_GUE
                                           : WIRE_TUNNEL_IPIP;
}

// The tables are compiled anew at that time, if not before.
static void step_at(struct compiler *compiler, uint64_t time_ns)
{
    uint64_t *first = &compiler->tables->next_step_ns;
    *first = *first == 0 || time_ns < *first ? time_ns : *first;
}

// What the way to a tunnelled member takes, which may be less than its port.
static uint32_t path_mtu(struct compiler *compiler, struct tables_member *member)
{
    const struct tables_context *context = compiler->context;
    uint32_t mtu = compiler->tables->ports[member->out_port].mtu;
    uint64_t until_ns;
    uint16_t told =
        context->path_mtu(context->context, &member->address, context->now_ns, &until_ns);
    member->path_mtu = told < mtu ? told : 0;
    if (member->path_mtu == 0)
        return mtu;
    step_at(compiler, until_ns);
    return told;
}

// What fits the way to a member: less by the outer headers of a tunnel.
static uint16_t ip_size_max(struct compiler *compiler, struct tables_member *member)
{
    enum config_forward forward = (enum config_forward)member->forward;
    bool tunnels = config_forward_tunnels(forward);
    uint32_t mtu =
        tunnels ? path_mtu(compiler, member) : compiler->tables->ports[member->out_port].mtu;
    uint32_t outer =
        config_forward_outer_size(forward, ip_is_v4(&member->address)) + member->list_size;
    return (uint16_t)(mtu > outer ? mtu - outer : 0);
}

// Where the tunnel to a member begins: at its port's address towards it. False: that has none.
static bool aim_tunnel(const struct compiler *compiler, struct tables_member *member)
{
    const struct tables_port *out = &compiler->tables->ports[member->out_port];
    const struct ip_address *source =
        ip_source_towards(out->addresses, out->address_count, &member->address);
    if (source)
        wire_tunnel_between(tunnel_kind(member->forward), source, &member->address,
                            &member->tunnel);
    return source != NULL;
}

static enum error reach_member(struct compiler *compiler, const struct config_pool *pool,
                               const struct config_member *from, struct tables_member *member)
{
    const struct route *route = route_lookup(compiler->tables->routes, &from->address);
    if (!route) {
        snprintf(compiler->why, TABLES_WHY_SIZE,
                 "pool %s: no route to member %s: give a port a route to it", pool->name,
                 from->name);
        return ERROR_NOT_FOUND;
    }
    member->out_port = (uint16_t)route->port;
    if (config_forward_tunnels(pool->forward)) {
        bool aimed = aim_tunnel(compiler, member);
        CHECK(aimed); // validate_ways() has seen it
        CHECK(wire_tunnel_size(tunnel_kind(pool->forward), &from->address) ==
              config_forward_outer_size(pool->forward, ip_is_v4(&from->address)));
    }
    if (pool->second_chance > 0)
        member->list_size =
            (uint8_t)gue_hops_size(pool->second_chance + 1, ip_is_v4(&from->address));
    const struct ip_address *hop = route->on_link ? &from->address : &route->via;
    member->next_hop = *hop;
    member->ip_size_max = ip_size_max(compiler, member);
    return tables_need_hop(compiler, route->port, hop, &member->neighbour);
}

static struct tables_member *member_at(struct compiler *compiler, uint32_t slot)
{
    if (slot >= compiler->tables->member_limit)
        compiler->tables->member_limit = slot + 1;
    return &compiler->tables->members[slot];
}

// How a member that returned warms up: from when, and what is held back of its weight now.
static void warm_up(struct compiler *compiler, const struct config_pool *pool, uint32_t slot,
                    struct tables_member *member)
{
    const struct tables *previous = compiler->context->previous;
    if (!previous || pool->slow_start_ns == 0 || !member->active || member->weight == 0)
        return;
    uint64_t now_ns = compiler->context->now_ns;
    const struct tables_member *before =
        slot < previous->member_limit ? &previous->members[slot] : NULL;
    bool was_serving = before && before->used && before->active && before->weight > 0;
    uint64_t returned_ns = was_serving ? before->returned_ns : now_ns;
    uint64_t step_ns = pool->slow_start_ns / BALANCE_STEPS;
    uint64_t steps = (now_ns - returned_ns) / step_ns;
    if (returned_ns == 0 || steps + 1 >= BALANCE_STEPS)
        return;
    member->returned_ns = returned_ns;
    member->held_back = (uint8_t)(BALANCE_STEPS - 1 - steps);
    step_at(compiler, returned_ns + (steps + 1) * step_ns);
}

static uint64_t member_since(const struct tables *previous, uint32_t slot, uint64_t revision)
{
    bool was_there = previous && slot < previous->member_limit && previous->members[slot].used;
    return was_there ? previous->members[slot].since : revision;
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
    if (error)
        return tables_no_slot(compiler, error, "member", from->name);
    struct tables_member *member = member_at(compiler, slot);
    *member = (struct tables_member){
        .used = true,
        .address = from->address,
        .port = network_port(from->port),
        .forward = (uint8_t)pool->forward,
        .client_address = (uint8_t)pool->client_address,
        .pool = into->slot,
        .since = member_since(context->previous, slot, context->revision),
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
    warm_up(compiler, pool, slot, member);
    into->weights[into->member_count] =
        (struct balance_member){.id = siphash24(id_key, &seen, sizeof(seen)),
                                .weight = member->active ? from->weight : 0,
                                .held_back = member->held_back,
                                .standing = member->active ? 0 : from->weight};
    into->members[into->member_count++] = slot;
    return ERROR_NONE;
}

void tables_release_pool(struct tables_pool *pool)
{
    if (!pool || --pool->references > 0)
        return;
    balancer_destroy(pool->balancer);
    balancer_destroy(pool->by_hash);
    free(pool->weights);
    free(pool->members);
    free(pool);
}

static bool same_balance(const struct tables_pool *a, const struct tables_pool *b)
{
    if (a->slot != b->slot || a->policy != b->policy || a->forward != b->forward ||
        a->member_count != b->member_count || a->second_chance != b->second_chance ||
        a->affinity_ms != b->affinity_ms ||
        memcmp(a->client_masks, b->client_masks, sizeof(a->client_masks)) != 0)
        return false;
    for (uint32_t i = 0; i < a->member_count; i++) {
        if (a->members[i] != b->members[i] || a->weights[i].id != b->weights[i].id ||
            a->weights[i].weight != b->weights[i].weight ||
            a->weights[i].held_back != b->weights[i].held_back ||
            a->weights[i].standing != b->weights[i].standing)
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

// The first `bits` of 16 bytes, as two words in memory.
static void mask_of(uint32_t bits, uint64_t *words)
{
    uint8_t bytes[16] = {0};
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        uint32_t left = bits > 8 * i ? bits - 8 * i : 0;
        bytes[i] = (uint8_t)(left >= 8 ? 0xff : 0xff00u >> left);
    }
    memcpy(words, bytes, sizeof(bytes));
}

// What a client is: with affinity a prefix, else an address.
static void compile_affinity(const struct config_affinity *from, struct tables_pool *pool)
{
    pool->affinity_ms = (uint32_t)(from->timeout_ns / NANOSECONDS_PER_MILLISECOND);
    mask_of(pool->affinity_ms ? from->prefix_ipv6 : 128, pool->client_masks[false]);
    mask_of(pool->affinity_ms ? 96 + from->prefix_ipv4 : 128, pool->client_masks[true]);
}

// Whom a balancer chooses by turns or loads is known to a flow's entry alone. For what has none
// there is Maglev's table, by the same weights. Who is first in a failover has all of it.
static enum error build_balancers(const struct compiler *compiler, struct tables_pool *pool)
{
    const struct balancer_ops *ops = balancers[pool->policy];
    struct siphash_key key = compiler->tables->balance_key;
    enum error error = ops->create(pool->weights, pool->member_count, key, &pool->balancer);
    if (error || ops->by_hash || pool->policy == CONFIG_BALANCER_FAILOVER)
        return error;
    return balance_maglev.create(pool->weights, pool->member_count, key, &pool->by_hash);
}

static enum error compile_pool(struct compiler *compiler, const struct config_pool *from,
                               struct tables_pool **result)
{
    struct tables_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return tables_out_of_memory(compiler);
    *result = pool;
    pool->references = 1;
    pool->policy = from->balancer;
    pool->second_chance = from->second_chance;
    pool->forward = from->forward;
    compile_affinity(&from->affinity, pool);
    memcpy(pool->name, from->name, sizeof(pool->name));
    pool->weights = calloc(from->member_count + 1, sizeof(*pool->weights));
    pool->members = calloc(from->member_count + 1, sizeof(*pool->members));
    if (!pool->weights || !pool->members)
        return tables_out_of_memory(compiler);
    enum error error =
        registry_acquire(compiler->context->pools, from->name, strlen(from->name) + 1, &pool->slot);
    if (error)
        return tables_no_slot(compiler, error, "pool", from->name);
    for (uint32_t i = 0; i < from->member_count; i++) {
        error = compile_member(compiler, from, &from->members[i], pool);
        if (error)
            return error;
    }
    struct tables_pool *same = unchanged_pool(compiler, pool);
    if (same) {
        same->references++;
        tables_release_pool(pool);
        *result = same;
        return ERROR_NONE;
    }
    if (pool->member_count == 0)
        return ERROR_NONE;
    error = build_balancers(compiler, pool);
    if (error)
        snprintf(compiler->why, TABLES_WHY_SIZE, "pool %s: cannot build its balancer: %s",
                 from->name, error_text(error));
    return error;
}

enum error tables_compile_pools(struct compiler *compiler)
{
    const struct config *config = compiler->config;
    struct tables *tables = compiler->tables;
    tables->pools = calloc(config->pool_count + 1, sizeof(struct tables_pool *));
    if (!tables->pools)
        return tables_out_of_memory(compiler);
    for (uint32_t i = 0; i < config->pool_count; i++) {
        // Counted first: tables_destroy() frees a pool that was half compiled.
        tables->pool_count++;
        enum error error = compile_pool(compiler, &config->pools[i], &tables->pools[i]);
        if (error)
            return error;
    }
    return ERROR_NONE;
}

// Where a kept member is reached now; without a route packets go on to where it was, and without an
// address of ours there from the one that was.
static enum error reach_kept_member(struct compiler *compiler, struct tables_member *member)
{
    const struct route *route = route_lookup(compiler->tables->routes, &member->address);
    if (route) {
        member->out_port = (uint16_t)route->port;
        member->next_hop = route->on_link ? member->address : route->via;
        if (config_forward_tunnels(member->forward))
            aim_tunnel(compiler, member);
    }
    member->ip_size_max = ip_size_max(compiler, member);
    return tables_need_hop(compiler, member->out_port, &member->next_hop, &member->neighbour);
}

// A member that left the configuration stays in the tables while flows go to it. One that was there
// a snapshot ago stays in any case: until that snapshot was retired a worker could still give it a
// flow.
enum error tables_keep_members(struct compiler *compiler)
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
