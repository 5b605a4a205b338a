// FullNAT: a flow's packets reach its member from a local address of ours and a port there, to
// which the member answers, wherever it is. Ports are each worker's own, so that a reply tells
// which worker owns its flow (docs/decisions/0014-local-ports-belong-to-workers.md): by its hash,
// where devices spread packets so, and else by the port.
#include "base/byteorder.h"
#include "dataplane/packet/stage/stage_priv.h"

// Who finds no port free asks so many of those that were given out first whether they may go, and
// then looks at so many flows: those whose time has passed keep their ports until they are swept.
#define RECLAIM_PORTS 16u
#define RECLAIM_FLOWS 256u

// What a packet from a member's endpoint gives to its hash.
static uint32_t hash_of_member(const struct tables *tables, uint16_t endpoint)
{
    return tables->endpoint_hashes[endpoint - ENDPOINT_NUMBER_MEMBERS];
}

static uint16_t port_of_number(const struct stage *stage, const struct tables_local *local,
                               uint16_t endpoint, uint32_t number)
{
    const struct tables *tables = stage->tables;
    if (!tables->steer)
        return local_ports_in_turn(local->ports, stage->worker, number);
    return steer_port(tables->steer, ip_is_v4(&local->address),
                      hash_of_member(tables, endpoint) ^ local->hash, stage->worker, number);
}

static bool take_at(struct stage *stage, uint16_t slot, uint16_t endpoint,
                    struct borrowed *borrowed)
{
    const struct tables_local *local = &stage->tables->locals[slot];
    uint32_t number;
    if (!local_ports_take(local->ports, stage->worker, endpoint, &number))
        return false;
    stats_add(&stage->counters.local_ports[slot], 1);
    *borrowed = (struct borrowed){
        .local = slot,
        .port = __builtin_bswap16(port_of_number(stage, local, endpoint, number)),
        .number = number,
    };
    return true;
}

// The address at which a flow begins to look for a port, so that all are used alike.
static uint32_t first_of(const struct tables_locals *locals, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * locals->count >> 32);
}

static bool borrow(struct stage *stage, const struct tables_locals *locals, uint64_t hash,
                   uint16_t endpoint, struct borrowed *borrowed)
{
    uint32_t first = first_of(locals, hash);
    for (uint32_t i = 0; i < locals->count; i++) {
        uint32_t at = first + i < locals->count ? first + i : first + i - locals->count;
        if (take_at(stage, locals->slots[at], endpoint, borrowed))
            return true;
        stats_add(&stage->counters.local_refusals[locals->slots[at]], 1);
    }
    return false;
}

// Whether a flow may lose its port to another: one that has not earned its place, which a flood
// begins at will (docs/decisions/0017-a-handshake-earns-its-place.md), or that both ends closed.
// Not one that has seen a RST: an outsider could make that up.
static bool may_go(enum flow_state state)
{
    return !flow_is_earned(state) && state != FLOW_TCP_RESET;
}

// Takes the port of a flow to the same endpoint that is over, or that may go, those that began
// first being asked first. True: one is free.
static bool take_from_another(struct stage *stage, const struct tables_locals *locals,
                              uint64_t hash, uint16_t endpoint)
{
    if (locals->count == 0)
        return false;
    const struct tables_local *local =
        &stage->tables->locals[locals->slots[first_of(locals, hash)]];
    for (uint32_t i = 0; i < RECLAIM_PORTS; i++) {
        uint32_t number = local_ports_turn(local->ports, stage->worker, endpoint);
        uint16_t port = port_of_number(stage, local, endpoint, number);
        struct flow_key key = {
            .peer = local->address, .port = __builtin_bswap16(port), .endpoint = endpoint};
        struct flow *flow = flow_entry(stage->flows, &key);
        if (!flow)
            continue; // towards another endpoint, in the same bank
        bool live = flow_is_live(stage->flows, flow, stage->now_ms);
        if (live && !may_go(flow_state_of(stage->flows, flow)))
            continue;
        flow_remove(stage->flows, flow);
        stats_add(stage->counters.local_evictions, live);
        return true;
    }
    return false;
}

static const struct tables_locals *locals_towards(const struct stage *stage,
                                                  const struct tables_member *member)
{
    return &stage->tables->ports[member->out_port].locals[ip_is_v4(&member->address)];
}

void fullnat_borrow_ahead(struct stage *stage, const struct tables_member *member, uint64_t hash,
                          uint16_t endpoint, struct borrowed *borrowed)
{
    const struct tables_locals *locals = locals_towards(stage, member);
    if (locals->count > 0)
        take_at(stage, locals->slots[first_of(locals, hash)], endpoint, borrowed);
}

enum drop_reason fullnat_borrow(struct stage *stage, const struct tables_member *member,
                                uint64_t hash, uint16_t endpoint, struct borrowed *borrowed)
{
    const struct tables_locals *locals = locals_towards(stage, member);
    if (borrow(stage, locals, hash, endpoint, borrowed))
        return DROP_NONE;
    if (take_from_another(stage, locals, hash, endpoint) &&
        borrow(stage, locals, hash, endpoint, borrowed))
        return DROP_NONE;
    if (flow_sweep_two_way(stage->flows, RECLAIM_FLOWS, stage->now_ms) > 0 &&
        borrow(stage, locals, hash, endpoint, borrowed))
        return DROP_NONE;
    return DROP_LOCAL_PORTS_FULL;
}

void fullnat_give_back(struct stage *stage, uint16_t endpoint, uint16_t local, uint32_t number)
{
    DCHECK(local < stage->tables->local_limit && stage->tables->locals[local].used);
    local_ports_give_back(stage->tables->locals[local].ports, stage->worker, endpoint, number);
    stats_add(&stage->counters.local_ports[local], UINT64_MAX);
}

// Behind a local address are many senders, whose datagrams the member must not take for one
// another's: RFC 6864 section 5.3.1. Each worker has a part of all numbers.
uint32_t fullnat_identify(struct stage *stage, uint32_t member, uint32_t bits)
{
    uint32_t workers = stage->tables->workers;
    bits -= workers > 1 ? 32 - (uint32_t)__builtin_clz(workers - 1) : 0;
    uint64_t count = stage->identifications[member % STAGE_IDENTIFICATIONS]++;
    return (uint32_t)((uint64_t)stage->worker << bits | (count & ((1ull << bits) - 1)));
}

bool fullnat_owner(const struct stage *stage, const struct flow_key *key, uint16_t *owner)
{
    const struct tables *tables = stage->tables;
    uint16_t slot = endpoint_number(tables->endpoints, ENDPOINT_LOCAL, &key->peer, 0, 0);
    if (slot == 0)
        return false;
    if (tables->steer)
        *owner = (uint16_t)steer_worker_of_entry(
            tables->steer, hash_of_member(tables, key->endpoint) ^
                               steer_destination(tables->steer, &key->peer, key->port));
    else
        *owner = (uint16_t)local_ports_owner_in_turn(tables->locals[slot].ports,
                                                     __builtin_bswap16(key->port));
    return true;
}
