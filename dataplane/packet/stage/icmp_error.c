// ICMP errors about flows go where the packet they quote came from: to the member that sent it with
// the virtual address as source, or with NAT to the client. The quoted packet is on its way from
// us, so its flow is sought with the ends turned round. An error changes nothing about a flow: who
// can make one up (RFC 5927) could else keep it alive, or end it. Whether the quoted sequence
// number is one in flight only the ends know, and they check it (RFC 5927 section 4).
#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/icmp_error.h"

// Errors a second and worker that may be asked about at the other workers.
#define SEARCHES_RATE  1000
#define SEARCHES_BURST 256

// Errors a second and worker about flows that are not known, which anybody can make up at will.
#define UNKNOWN_RATE  1000
#define UNKNOWN_BURST 256

// The key of the flow in which the quoted packet was sent. False: at none of our endpoints. An
// error goes to whom it quotes as the source; one that does not is made up.
static bool key_of(const struct stage *stage, const struct packet *packet,
                   const struct icmp_error *error, struct flow_key *key)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    struct ip_address destination = wire_destination(packet->frame, &packet->wire);
    if (!ip_equal(&destination, &error->source))
        return false;
    uint16_t number = 0;
    if (error->echo != ECHO_ASKS)
        number = endpoint_number(endpoints, ENDPOINT_SERVICE, &error->source, error->source_port,
                                 error->protocol);
    if (number != 0) { // a member's packet to a client
        *key = (struct flow_key){
            .peer = error->destination, .port = error->destination_port, .endpoint = number};
        return ip_is_unicast(&error->destination);
    }
    number = endpoint_number(endpoints, ENDPOINT_MEMBER, &error->destination,
                             error->destination_port, error->protocol);
    *key = (struct flow_key){.peer = error->source, .port = error->source_port, .endpoint = number};
    return number != 0; // a client's packet to a two-way flow's member
}

static void relay(struct stage *stage, struct packet *packet, const struct icmp_error *error,
                  const struct flow *flow, uint16_t service)
{
    packet->about = error;
    packet->pair = flow_pair_of(stage->flows, flow);
    if (flow->flags & FLOW_IS_REPLY)
        forward_reply(stage, packet, flow_pair_of(stage->flows, flow));
    else
        forward_to_member(stage, packet, flow->member, service);
    packet->about = NULL;
}

// A flow that is at no fixed worker is asked for at each in turn, once round: each error visits
// every worker at most once, and so many errors a second do. True: to the next one.
static bool search_on(struct stage *stage, struct packet *packet)
{
    uint32_t workers = stage->tables->workers;
    uint32_t next = (stage->worker + 1) % workers;
    if (workers == 1 || (packet->searched && next == packet->origin))
        return false;
    if (!packet->searched &&
        !budget_take(&stage->searches, SEARCHES_RATE, SEARCHES_BURST, stage->now_ms)) {
        stats_add(stage->counters.icmp_unsearched, 1);
        return false;
    }
    packet->origin = packet->searched ? packet->origin : (uint16_t)stage->worker;
    packet->searched = true;
    packet->owner = (uint16_t)next;
    packet->verdict = VERDICT_HANDOFF;
    return true;
}

// The member to which the hash alone leads, with direct return or a tunnel; else CHOOSE_NONE.
static uint16_t member_by_hash(struct stage *stage, const struct newcomer *newcomer)
{
    if (newcomer->endpoint >= ENDPOINT_NUMBER_MEMBERS)
        return CHOOSE_NONE;
    const struct tables_pool *pool = stage->tables->services[newcomer->endpoint].pool;
    if (!pool || config_forward_two_way(pool->forward))
        return CHOOSE_NONE;
    return choose_by_hash(stage, newcomer, pool);
}

// No flow is known. With direct return and tunnels the member may know the connection all the same:
// the table was lost or full, or the error came to another appliance than the flow (RFC 7690). A
// balancer that goes by the hash alone tells which member it is.
static void relay_unknown(struct stage *stage, struct packet *packet,
                          const struct icmp_error *error, const struct newcomer *newcomer)
{
    struct admission elsewhere = {0};
    bool owned = admit_is_owned(stage, newcomer);
    if (owned && admit_belongs_elsewhere(stage, newcomer, &elsewhere)) {
        packet->owner = elsewhere.owner;
        packet->verdict = VERDICT_HANDOFF;
        return;
    }
    if (!owned && search_on(stage, packet))
        return;
    uint16_t member = member_by_hash(stage, newcomer);
    if (member == CHOOSE_NONE) {
        packet_drop(packet, DROP_ICMP_NO_FLOW);
        return;
    }
    if (!rules_apply(stage, admit_rule(stage, newcomer))) {
        packet_drop(packet, DROP_ACCESS);
        return;
    }
    if (!budget_take(&stage->unknown, UNKNOWN_RATE, UNKNOWN_BURST, stage->now_ms)) {
        packet_drop(packet, DROP_ICMP_RATE);
        return;
    }
    const struct flow flow = {.member = member};
    relay(stage, packet, error, &flow, newcomer->endpoint);
}

// Whether the packet is for a virtual address, so that nobody but us can deal with it.
static bool is_for_vip(const struct stage *stage, const struct packet *packet)
{
    struct ip_address destination = wire_destination(packet->frame, &packet->wire);
    const struct endpoint *endpoint = endpoint_find(stage->tables->endpoints, &destination, 0, 0);
    return endpoint && endpoint->kind == ENDPOINT_VIP;
}

static void error_packet(struct stage *stage, struct packet *packet)
{
    bool believed = sender_is_possible(stage, packet);
    if (believed && tunnel_error(stage, packet))
        return;
    struct icmp_error error;
    struct span frame = span_of(packet->frame, rte_pktmbuf_data_len(packet->mbuf));
    enum drop_reason reason = icmp_error_read(frame, &packet->wire, &error);
    struct flow_key key;
    if (reason == DROP_NONE && !key_of(stage, packet, &error, &key))
        reason = DROP_ICMP_NO_FLOW;
    bool ours = reason == DROP_NONE || is_for_vip(stage, packet);
    if (ours && !believed)
        reason = DROP_IP_ADDRESS;
    if (reason != DROP_NONE) {
        if (ours)
            packet_drop(packet, reason);
        return; // else the kernel's
    }
    uint64_t hash = flow_hash(stage->flows, &key);
    const struct flow *flow = flow_find(stage->flows, &key, hash, stage->now_ms);
    if (flow) {
        relay(stage, packet, &error, flow, key.endpoint);
        return;
    }
    uint64_t words[FLOW_WORDS_V6];
    const struct newcomer newcomer = {
        .v4 = flow_key_words(&key, words) == FLOW_WORDS_V4,
        .words = words,
        .endpoint = key.endpoint,
        .protocol = error.protocol,
        .handed = packet->handed,
    };
    relay_unknown(stage, packet, &error, &newcomer);
}

void stage_icmp_errors(struct stage *stage, struct burst *burst)
{
    for (uint32_t i = 0; i < burst->count; i++) {
        struct packet *packet = &burst->packets[i];
        if (packet->verdict == VERDICT_NONE && icmp_error_is(&packet->wire) &&
            !is_group_mac(packet->frame))
            error_packet(stage, packet);
    }
}
