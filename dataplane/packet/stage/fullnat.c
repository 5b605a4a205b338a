// FullNAT: a flow's packets reach its member from a local address of ours and a port there, to
// which the member answers, wherever it is. Ports are each worker's own, so that a flow's port
// tells which worker owns the flow (docs/decisions/0014-local-ports-belong-to-workers.md).
#include "base/byteorder.h"
#include "dataplane/packet/stage/stage_priv.h"

// Flows whose time has passed keep their ports until they are swept: who finds no port free looks
// at so many.
#define RECLAIM_FLOWS 256u

static bool borrow_from(struct stage *stage, uint16_t slot, struct flow_pair *pair)
{
    const struct tables_local *local = &stage->tables->locals[slot];
    uint16_t port;
    if (!local_ports_take(local->ports, stage->worker, pair->member_endpoint, &port)) {
        stats_add(&stage->counters.local_refusals[slot], 1);
        return false;
    }
    stats_add(&stage->counters.local_ports[slot], 1);
    pair->answered = local->address;
    pair->answered_port = __builtin_bswap16(port);
    pair->local = slot;
    return true;
}

// Addresses are tried from one that the flow's hash says, so that all are used alike.
static bool borrow(struct stage *stage, const struct tables_locals *locals, uint64_t hash,
                   struct flow_pair *pair)
{
    uint32_t first = (uint32_t)((hash >> 32) * locals->count >> 32);
    for (uint32_t i = 0; i < locals->count; i++) {
        uint32_t at = first + i < locals->count ? first + i : first + i - locals->count;
        if (borrow_from(stage, locals->slots[at], pair))
            return true;
    }
    return false;
}

enum drop_reason fullnat_borrow(struct stage *stage, const struct tables_member *member,
                                uint64_t hash, struct flow_pair *pair)
{
    const struct tables_locals *locals =
        &stage->tables->ports[member->out_port].locals[ip_is_v4(&member->address)];
    if (borrow(stage, locals, hash, pair))
        return DROP_NONE;
    if (flow_sweep_two_way(stage->flows, RECLAIM_FLOWS, stage->now_ms) > 0 &&
        borrow(stage, locals, hash, pair))
        return DROP_NONE;
    return DROP_LOCAL_PORTS_FULL;
}

void fullnat_give_back(struct stage *stage, const struct flow_pair *pair)
{
    DCHECK(pair->local < stage->tables->local_limit && stage->tables->locals[pair->local].used);
    local_ports_give_back(stage->tables->locals[pair->local].ports, stage->worker,
                          pair->member_endpoint, __builtin_bswap16(pair->answered_port));
    stats_add(&stage->counters.local_ports[pair->local], UINT64_MAX);
}

bool fullnat_owner(const struct stage *stage, const struct flow_key *key, uint16_t *owner)
{
    uint16_t slot = endpoint_number(stage->tables->endpoints, ENDPOINT_LOCAL, &key->peer, 0, 0);
    if (slot == 0)
        return false;
    *owner = (uint16_t)local_ports_owner(stage->tables->locals[slot].ports,
                                         __builtin_bswap16(key->port));
    return true;
}
