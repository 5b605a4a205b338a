#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

// The hash by which a balancer chooses: equal on appliances that share the vip, and keyed, so that
// who does not know the seed cannot aim at one member. Members show who was chosen, so it is
// SipHash, and not the flow table's cheaper one.
static uint64_t balance_hash(const struct tables *tables, const struct flow_key *key)
{
    const struct tables_service *service = &tables->services[key->endpoint];
    uint64_t words[5];
    memcpy(words, key->peer.bytes, 16);
    memcpy(words + 2, service->address.bytes, 16);
    words[4] = key->port | (uint64_t)service->port << 16 | (uint64_t)service->protocol << 32;
    if (!ip_is_v4(&key->peer))
        return siphash13_words(tables->balance_key, words, 5);
    uint64_t addresses = words[1] >> 32 | (words[3] & 0xffffffff00000000u);
    return siphash13_words(tables->balance_key, (uint64_t[]){addresses, words[4]}, 2);
}

// The same of the client alone.
static uint64_t source_hash(const struct tables *tables, const struct flow_key *key)
{
    uint64_t words[2];
    memcpy(words, key->peer.bytes, sizeof(words));
    return siphash13_words(tables->balance_key, words, 2);
}

// NAT needs both directions on one worker, and a device hashes them apart: the worker that owns a
// flow follows from the client's side alone, which both directions have.
static uint16_t owner_of(const struct stage *stage, const struct flow_key *key, uint8_t protocol)
{
    uint64_t words[3];
    memcpy(words, key->peer.bytes, 16);
    words[2] = (uint64_t)key->port << 8 | protocol;
    uint64_t hash = siphash13_words(stage->owner_key, words, 3) >> 32;
    return (uint16_t)(hash * stage->tables->workers >> 32);
}

// What is asked about a packet of no flow, on its way from function to function.
struct request {
    struct stage *stage;
    const struct flow_key *key;
    uint64_t hash;
    uint8_t protocol;
    uint8_t tcp_flags;
    bool handed;
};

static struct admission admission_drop(enum drop_reason reason)
{
    return (struct admission){.verdict = VERDICT_DROP, .reason = (uint8_t)reason};
}

static struct admission admission_send(uint32_t member)
{
    return (struct admission){.verdict = VERDICT_SEND, .member = (uint16_t)member};
}

// Whether the packet's flow is another worker's, to whom it goes then.
static bool belongs_elsewhere(const struct request *request, struct admission *admission)
{
    const struct stage *stage = request->stage;
    if (stage->tables->workers == 1 || request->handed)
        return false;
    admission->verdict = VERDICT_HANDOFF;
    admission->owner = owner_of(stage, request->key, request->protocol);
    return admission->owner != stage->worker;
}

static struct flow_pair pair_of(const struct request *request, uint16_t member_slot,
                                uint16_t member_endpoint)
{
    const struct flow_key *key = request->key;
    return (struct flow_pair){
        .client = key->peer,
        .answered = key->peer,
        .client_port = key->port,
        .answered_port = key->port,
        .service = key->endpoint,
        .member_endpoint = member_endpoint,
        .member = member_slot,
    };
}

// Both directions. A reply can belong to one flow only: one that is over, and only waits for its
// time, makes room.
static enum error begin_two_way(const struct request *request, uint16_t member_slot,
                                enum flow_state state, uint32_t expires_ms)
{
    struct stage *stage = request->stage;
    const struct tables_member *member = &stage->tables->members[member_slot];
    const struct tables_service *service = &stage->tables->services[request->key->endpoint];
    uint16_t member_endpoint =
        endpoint_number(stage->tables->endpoints, ENDPOINT_MEMBER, &member->address,
                        member->port ? member->port : service->port, service->protocol);
    DCHECK(member_endpoint != 0);
    struct flow_pair pair = pair_of(request, member_slot, member_endpoint);
    pair.state = (uint8_t)state;
    pair.expires_ms = expires_ms;
    struct flow *flow;
    enum error error = flow_insert_pair(stage->flows, &pair, request->hash, stage->now_ms, &flow);
    if (error != ERROR_EXISTS || flow_state_of(stage->flows, flow) != FLOW_TCP_CLOSING)
        return error;
    flow_remove(stage->flows, flow);
    return flow_insert_pair(stage->flows, &pair, request->hash, stage->now_ms, &flow);
}

// Begins a flow. Its end is counted by the stage's flow_ended().
static enum error begin_flow(const struct request *request, uint16_t member)
{
    struct stage *stage = request->stage;
    enum flow_state state =
        request->protocol == IPPROTO_TCP ? tcp_first_state(request->tcp_flags) : FLOW_UDP;
    uint32_t expires_ms = stage->now_ms + stage->tables->timeouts_ms[state];
    enum error error;
    if (stage->tables->members[member].forward == CONFIG_FORWARD_NAT) {
        error = begin_two_way(request, member, state, expires_ms);
    } else {
        struct flow value = {.expires_ms = expires_ms, .member = member, .state = (uint8_t)state};
        struct flow *flow;
        error =
            flow_insert(stage->flows, request->key, request->hash, stage->now_ms, &value, &flow);
    }
    if (error)
        return error;
    struct tally *vip = &stage->counters.vips[request->key->endpoint];
    struct tally *of_member = &stage->counters.members[member];
    stats_add(&vip->flows, 1);
    stats_add(&vip->flows_created, 1);
    stats_add(&of_member->flows, 1);
    stats_add(&of_member->flows_created, 1);
    return ERROR_NONE;
}

// A segment that ends a connection we do not know begins no flow.
static bool ends_connection(const struct request *request)
{
    return request->tcp_flags & (WIRE_TCP_FIN | WIRE_TCP_RST);
}

// A packet of no flow, its member chosen. Without room, direct return and tunnels pass by the
// choice alone, as their members know the connection; NAT cannot, as the reply would not be known.
static struct admission admit_to_member(const struct request *request, uint16_t member)
{
    struct stage *stage = request->stage;
    bool nat = stage->tables->members[member].forward == CONFIG_FORWARD_NAT;
    if (ends_connection(request))
        return nat ? admission_drop(DROP_NO_FLOW) : admission_send(member);
    enum error error = begin_flow(request, member);
    if (error && nat)
        return admission_drop(error == ERROR_EXISTS ? DROP_FLOW_CONFLICT : DROP_FLOW_TABLE_FULL);
    if (error)
        stats_add(stage->counters.untracked, 1);
    return admission_send(member);
}

// Who handed a packet over has asked already.
static bool may_begin(const struct request *request, const struct tables_service *service)
{
    if (!request->stage->tables->rules || request->handed)
        return true;
    const struct access_key key = {
        .protocol = request->protocol,
        .source = request->key->peer,
        .destination = service->address,
        .source_port = request->key->port,
        .destination_port = service->port,
    };
    return rules_allow(request->stage, &key);
}

// The index of a member of the pool, or BALANCE_NONE.
static uint32_t choose(const struct request *request, const struct tables_pool *pool)
{
    struct stage *stage = request->stage;
    if (!pool->balancer)
        return BALANCE_NONE;
    const struct balance_request balance = {
        .hash = pool->balancer->ops->by_source ? source_hash(stage->tables, request->key)
                                               : balance_hash(stage->tables, request->key),
        .loads = {.values = &stage->counters.members[0].flows,
                  .slots = pool->members,
                  .stride = sizeof(struct tally) / sizeof(uint64_t)},
        .cursor = &stage->cursors[pool->slot],
    };
    return balancer_pick(pool->balancer, &balance);
}

static struct admission admit_to_service(const struct request *request)
{
    struct stage *stage = request->stage;
    const struct tables_service *service = &stage->tables->services[request->key->endpoint];
    if (!may_begin(request, service))
        return admission_drop(DROP_ACCESS);
    struct admission elsewhere = {0};
    if (service->owned && belongs_elsewhere(request, &elsewhere))
        return elsewhere;
    const struct tables_pool *pool = service->pool;
    if (!pool)
        return admission_drop(DROP_NO_SERVICE); // removed
    uint32_t chosen = choose(request, pool);
    if (chosen == BALANCE_NONE)
        return admission_drop(DROP_NO_MEMBER);
    return admit_to_member(request, (uint16_t)pool->members[chosen]);
}

struct admission admit(struct stage *stage, const struct flow_key *key, uint64_t hash,
                       uint8_t protocol, uint8_t tcp_flags, bool handed)
{
    const struct request request = {stage, key, hash, protocol, tcp_flags, handed};
    if (key->endpoint < ENDPOINT_NUMBER_MEMBERS)
        return admit_to_service(&request);
    struct admission elsewhere = {0};
    if (belongs_elsewhere(&request, &elsewhere))
        return elsewhere;
    return admission_drop(DROP_NO_FLOW); // a reply nobody asked for, or one too late
}

static void admit_packet(struct stage *stage, struct packet *packet, const struct flow_key *key,
                         uint64_t hash)
{
    // An earlier packet of this burst may have begun the flow.
    struct flow *flow = flow_find(stage->flows, key, hash, stage->now_ms);
    if (flow) {
        forward_established(stage, packet, flow, key->endpoint);
        return;
    }
    struct admission admission =
        admit(stage, key, hash, packet->wire.protocol, packet->wire.tcp_flags, packet->handed);
    packet->verdict = admission.verdict;
    packet->reason = admission.reason;
    packet->owner = admission.owner;
    if (admission.verdict == VERDICT_SEND)
        forward_to_member(stage, packet, admission.member, key->endpoint);
}

void stage_admit(struct stage *stage, struct burst *burst)
{
    for (uint32_t k = 0; k < burst->key_count; k++) {
        struct packet *packet = &burst->packets[burst->packet_of[k]];
        if (packet->verdict == VERDICT_NONE)
            admit_packet(stage, packet, &burst->keys[k], burst->hashes[k]);
    }
}
