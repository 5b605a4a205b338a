#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/stage/tcp.h"

// The hash by which a balancer chooses: equal on appliances that share the vip, and keyed, so that
// who does not know the seed cannot aim at one member.
static uint64_t balance_hash(const struct tables *tables, const struct flow_key *key)
{
    uint64_t words[sizeof(*key) / 8];
    memcpy(words, key, sizeof(*key));
    return siphash13_words(tables->balance_key, words, sizeof(*key) / 8);
}

// NAT needs both directions on one worker, and a device hashes them apart: the worker that owns a
// flow follows from the client's side alone, which both directions have.
static uint16_t owner_of(const struct stage *stage, const struct ip_address *client,
                         uint16_t client_port, uint8_t protocol)
{
    uint64_t words[3];
    memcpy(words, client->bytes, 16);
    words[2] = (uint64_t)client_port << 8 | protocol;
    uint64_t hash = siphash13_words(stage->owner_key, words, 3) >> 32;
    return (uint16_t)(hash * stage->tables->workers >> 32);
}

static bool belongs_elsewhere(const struct stage *stage, struct packet *packet,
                              const struct ip_address *client, uint16_t client_port)
{
    if (stage->tables->workers == 1 || packet->handed)
        return false;
    packet->owner = owner_of(stage, client, client_port, packet->wire.protocol);
    if (packet->owner == stage->worker)
        return false;
    packet->verdict = VERDICT_HANDOFF;
    return true;
}

static enum flow_state first_state(const struct packet *packet)
{
    return packet->wire.protocol == IPPROTO_TCP ? tcp_first_state(packet->wire.tcp_flags)
                                                : FLOW_UDP;
}

static void fill_flow(struct flow *flow, uint32_t service, uint32_t member, enum flow_state state,
                      enum flow_direction direction)
{
    flow->service = service;
    flow->member = member;
    flow->state = (uint8_t)state;
    flow->direction = (uint8_t)direction;
}

// A reply can belong to one flow only. One that is over, and only waits for its time, makes room.
static enum error insert_or_take_over(struct stage *stage, const struct flow_key *key,
                                      uint32_t expires_ms, struct flow **flow)
{
    uint64_t hash = flow_hash(stage->flows, key);
    enum error error = flow_insert(stage->flows, key, hash, stage->now_ms, expires_ms, flow);
    if (error != ERROR_EXISTS)
        return error;
    struct flow *old = flow_lookup(stage->flows, key, hash, stage->now_ms);
    if (old->state != FLOW_TCP_CLOSING)
        return ERROR_EXISTS;
    flow_remove(stage->flows, old);
    return flow_insert(stage->flows, key, hash, stage->now_ms, expires_ms, flow);
}

// The entry by which a NAT member's replies are known.
static enum error insert_reply(struct stage *stage, struct flow *forward)
{
    const struct tables_member *member = &stage->tables->members[forward->member];
    struct flow_key key = {
        .source = member->address,
        .destination = forward->key.source,
        .source_port = member->port ? member->port : forward->key.destination_port,
        .destination_port = forward->key.source_port,
        .protocol = forward->key.protocol,
    };
    struct flow *reply;
    enum error error = insert_or_take_over(stage, &key, forward->expires_ms, &reply);
    if (error)
        return error;
    fill_flow(reply, forward->service, forward->member, (enum flow_state)forward->state,
              FLOW_REPLY);
    flow_pair(stage->flows, forward, reply);
    return ERROR_NONE;
}

// Begins a flow. Its end is counted by the stage's flow_ended().
static enum error begin_flow(struct stage *stage, const struct packet *packet,
                             const struct flow_key *key, uint64_t hash, uint32_t service,
                             uint32_t member)
{
    struct counters *counters = &stage->counters;
    enum flow_state state = first_state(packet);
    uint32_t expires_ms = stage->now_ms + stage->tables->timeouts_ms[state];
    struct flow *flow;
    enum error error = flow_insert(stage->flows, key, hash, stage->now_ms, expires_ms, &flow);
    if (error)
        return error;
    fill_flow(flow, service, member, state, FLOW_FORWARD);
    stats_add(&counters->vip_flows[service], 1);
    stats_add(&counters->member_flows[member], 1);
    if (stage->tables->members[member].forward == CONFIG_FORWARD_NAT) {
        error = insert_reply(stage, flow);
        if (error) {
            flow_remove(stage->flows, flow);
            return error;
        }
    }
    stats_add(&counters->vip_flows_created[service], 1);
    stats_add(&counters->member_flows_created[member], 1);
    return ERROR_NONE;
}

// A segment that ends a connection we do not know begins no flow.
static bool ends_connection(const struct wire_packet *wire)
{
    return wire->protocol == IPPROTO_TCP && (wire->tcp_flags & (WIRE_TCP_FIN | WIRE_TCP_RST));
}

// A packet of no flow, its member chosen. Without room, direct return and tunnels pass by the
// choice alone, as their members know the connection; NAT cannot, as the reply would not be known.
static void admit_to_member(struct stage *stage, struct packet *packet, const struct flow_key *key,
                            uint64_t hash, uint32_t service, uint32_t member)
{
    bool nat = stage->tables->members[member].forward == CONFIG_FORWARD_NAT;
    if (ends_connection(&packet->wire)) {
        if (nat)
            packet_drop(packet, DROP_NO_FLOW);
        else
            forward_to_member(stage, packet, member, service);
        return;
    }
    enum error error = begin_flow(stage, packet, key, hash, service, member);
    if (error && nat) {
        packet_drop(packet, error == ERROR_EXISTS ? DROP_FLOW_CONFLICT : DROP_FLOW_TABLE_FULL);
        return;
    }
    if (error)
        stats_add(stage->counters.untracked, 1);
    forward_to_member(stage, packet, member, service);
}

static void admit_to_service(struct stage *stage, struct packet *packet, const struct flow_key *key,
                             uint64_t hash, uint32_t slot)
{
    const struct tables_service *service = &stage->tables->services[slot];
    if (service->owned && belongs_elsewhere(stage, packet, &key->source, key->source_port))
        return;
    // An earlier packet of this burst may have begun the flow.
    struct flow *flow = flow_lookup(stage->flows, key, hash, stage->now_ms);
    if (flow) {
        forward_established(stage, packet, flow);
        return;
    }
    const struct tables_pool *pool = service->pool;
    if (!pool) {
        packet_drop(packet, DROP_NO_SERVICE); // removed
        return;
    }
    uint32_t chosen = BALANCE_NONE;
    if (pool->balancer)
        chosen = balancer_pick(pool->balancer, &stage->cursors[pool->slot],
                               balance_hash(stage->tables, key));
    if (chosen == BALANCE_NONE)
        packet_drop(packet, DROP_NO_MEMBER);
    else
        admit_to_member(stage, packet, key, hash, slot, pool->members[chosen]);
}

static void admit_packet(struct stage *stage, struct packet *packet, const struct flow_key *key,
                         uint64_t hash)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    const struct endpoint *endpoint =
        endpoint_find(endpoints, &key->destination, key->destination_port, key->protocol);
    if (endpoint && endpoint->kind == ENDPOINT_SERVICE) {
        admit_to_service(stage, packet, key, hash, endpoint->value);
        return;
    }
    endpoint = endpoint_find(endpoints, &key->source, key->source_port, key->protocol);
    if (endpoint && endpoint->kind == ENDPOINT_MEMBER &&
        !belongs_elsewhere(stage, packet, &key->destination, key->destination_port))
        packet_drop(packet, DROP_NO_FLOW); // a reply nobody asked for, or one too late
}

void stage_admit(struct stage *stage, struct burst *burst)
{
    for (uint32_t k = 0; k < burst->key_count; k++) {
        struct packet *packet = &burst->packets[burst->packet_of[k]];
        if (packet->verdict == VERDICT_NONE)
            admit_packet(stage, packet, &burst->keys[k], burst->hashes[k]);
    }
}
