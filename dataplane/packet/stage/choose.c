// Which member of a pool a newcomer gets: who the client had last, where the pool has affinity,
// else who the balancer says, or the hash in its stead.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

struct flow_key newcomer_key(const struct newcomer *newcomer)
{
    struct flow_key key = {.peer = {.bytes = {[10] = 0xff, [11] = 0xff}}};
    if (newcomer->v4)
        memcpy((uint8_t *)&key + FLOW_KEY_V4_AT, newcomer->words, sizeof(uint64_t));
    else
        memcpy(&key, newcomer->words, sizeof(key));
    return key;
}

// The hash by which a balancer chooses: equal on appliances that share the vip, and keyed, so that
// who does not know the seed cannot aim at one member; the default seed everybody knows. Members
// show who was chosen, so it is SipHash, and not the flow table's cheaper one.
static uint64_t balance_hash(const struct tables *tables, const struct newcomer *newcomer)
{
    const struct tables_service *service = &tables->services[newcomer->endpoint];
    uint64_t vip[2];
    memcpy(vip, service->address.bytes, sizeof(vip));
    uint64_t ports = (uint64_t)service->port << 16 | (uint64_t)service->protocol << 32;
    if (newcomer->v4) {
        uint64_t addresses = (uint32_t)newcomer->words[0] | (vip[1] & 0xffffffff00000000u);
        ports |= newcomer->words[0] >> 32 & UINT16_MAX;
        return siphash13_words(tables->balance_key, (uint64_t[]){addresses, ports}, 2);
    }
    ports |= newcomer->words[2] & UINT16_MAX;
    return siphash13_words(
        tables->balance_key,
        (uint64_t[]){newcomer->words[0], newcomer->words[1], vip[0], vip[1], ports}, 5);
}

// The words of the client's address, of which `pool` sees so much.
static void client_words(const struct newcomer *newcomer, const struct tables_pool *pool,
                         uint64_t *words)
{
    struct flow_key key = newcomer_key(newcomer);
    const uint64_t *mask = pool->client_masks[newcomer->v4];
    memcpy(words, key.peer.bytes, sizeof(key.peer.bytes));
    words[0] &= mask[0];
    words[1] &= mask[1];
}

// By the client alone where all of its flows are to go to one member.
uint64_t choose_hash(const struct stage *stage, const struct newcomer *newcomer,
                     const struct tables_pool *pool)
{
    if (!pool->balancer->ops->by_source && pool->affinity_ms == 0)
        return balance_hash(stage->tables, newcomer);
    uint64_t words[2];
    client_words(newcomer, pool, words);
    return siphash13_words(stage->tables->balance_key, words, 2);
}

// What begins no connection goes where one would go that is not known any more: where a balancer
// goes by turns or loads, its hash says where. So does what begins one while its flow may be
// forgotten before its next packet comes, and so do services whose new flows have no entries.
static bool goes_by_hash(const struct stage *stage, const struct newcomer *newcomer)
{
    enum pressure_mode mode = pressure_mode(&stage->pressure, newcomer->endpoint);
    if (mode == PRESSURE_STATELESS ||
        probation_is_pressed(stage->probations[probation_set_of(newcomer->protocol)],
                             stage->now_ms))
        return true;
    return newcomer->protocol == IPPROTO_TCP
               ? tcp_first_state(newcomer->tcp_flags) != FLOW_TCP_OPENING
               : mode == PRESSURE_SETTLING;
}

static uint16_t pick(struct stage *stage, const struct newcomer *newcomer,
                     const struct tables_pool *pool)
{
    const struct balance_request request = {
        .hash = choose_hash(stage, newcomer, pool),
        .loads = {.values = &stage->counters.members[0].flows,
                  .slots = pool->members,
                  .stride = sizeof(struct tally) / sizeof(uint64_t)},
        .cursor = &stage->cursors[pool->slot],
    };
    bool instead = pool->by_hash && goes_by_hash(stage, newcomer);
    uint32_t picked = balancer_pick(instead ? pool->by_hash : pool->balancer, &request);
    return picked == BALANCE_NONE ? CHOOSE_NONE : (uint16_t)pool->members[picked];
}

// A slot may be another member's by now, or that of one that gets nothing new.
static bool still_serves(const struct tables *tables, const struct tables_pool *pool, uint32_t slot)
{
    if (slot >= tables->member_limit)
        return false;
    const struct tables_member *member = &tables->members[slot];
    return member->used && member->active && member->weight > 0 && member->pool == pool->slot;
}

static uint16_t choose_by_affinity(struct stage *stage, const struct newcomer *newcomer,
                                   const struct tables_pool *pool)
{
    uint64_t words[3];
    client_words(newcomer, pool, words);
    words[2] = pool->slot;
    // A secret of this process: clients choose their addresses, and buckets are small.
    uint64_t hash = siphash13_words(stage->owner_key, words, 3);
    uint32_t last = affinity_find(stage->affinities, hash, stage->now_ms);
    bool stays = still_serves(stage->tables, pool, last);
    uint16_t member = stays ? (uint16_t)last : pick(stage, newcomer, pool);
    // Made-up ones must not push out those who are served: what ends a connection begins none, and
    // of what may be a flood only who is remembered stays so, as its flows have no entries.
    bool is_served =
        !(newcomer->tcp_flags & (WIRE_TCP_FIN | WIRE_TCP_RST)) &&
        (stays || pressure_mode(&stage->pressure, newcomer->endpoint) != PRESSURE_STATELESS);
    if (member != CHOOSE_NONE && is_served &&
        affinity_set(stage->affinities, hash, member, stage->now_ms,
                     stage->now_ms + pool->affinity_ms))
        stats_add(stage->counters.affinities_evicted, 1);
    return member;
}

bool choose_ahead(const struct stage *stage, const struct newcomer *newcomer)
{
    if (newcomer->endpoint >= ENDPOINT_NUMBER_MEMBERS)
        return true;
    const struct tables_pool *pool = stage->tables->services[newcomer->endpoint].pool;
    return !pool || !pool->balancer || pool->balancer->ops->by_hash ||
           (pool->affinity_ms > 0 && !pool->balancer->ops->by_load) ||
           (pool->by_hash && goes_by_hash(stage, newcomer));
}

uint16_t choose_member(struct stage *stage, const struct newcomer *newcomer,
                       const struct tables_pool *pool)
{
    if (!pool->balancer)
        return CHOOSE_NONE;
    return pool->affinity_ms > 0 ? choose_by_affinity(stage, newcomer, pool)
                                 : pick(stage, newcomer, pool);
}

uint16_t choose_by_hash(struct stage *stage, const struct newcomer *newcomer,
                        const struct tables_pool *pool)
{
    bool by_hash = pool->balancer &&
                   (pool->balancer->ops->by_hash ||
                    pressure_mode(&stage->pressure, newcomer->endpoint) == PRESSURE_STATELESS);
    return by_hash ? pick(stage, newcomer, pool) : CHOOSE_NONE;
}
