// Fragments follow their first one. A first fragment has the ports and walks the stages like a
// whole packet; where it went is remembered for its datagram (fragments.h), and the later ones,
// which have no ports, go the same way, those that came before it too.
//
// With several workers, devices spread fragments in ways of their own, so all fragments of a
// datagram are first brought to one worker, chosen by their addresses and identification. Where the
// flow is another's (NAT), that one hands them on in order, and the owner does the same with them
// as if they had come there. docs/decisions/0016-fragments-follow-their-first.md
#include <netinet/in.h>

#include "dataplane/packet/stage/stage_priv.h"

enum way_kind {
    WAY_MEMBER,  // to a member of a service
    WAY_REPLY,   // to a client of a service
    WAY_HANDOFF, // to the worker that owns the flow
    WAY_PUNT,
    WAY_DROP,
};

// Whether a fragment may be of a flow: one to a virtual address, or of a NAT member to others than
// us, or of a FullNAT member to a local address.
static bool concerns_flows(const struct stage *stage, const struct wire_fragment *fragment)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    const struct endpoint *endpoint = endpoint_find(endpoints, &fragment->destination, 0, 0);
    if (endpoint && endpoint->kind != ENDPOINT_LOCAL)
        return endpoint->kind == ENDPOINT_VIP;
    return endpoint_find(endpoints, &fragment->source, 0, IPPROTO_FRAGMENT) != NULL;
}

static uint16_t gatherer_of(const struct stage *stage, const struct wire_fragment *fragment)
{
    uint64_t words[5];
    memcpy(words, fragment->source.bytes, 16);
    memcpy(words + 2, fragment->destination.bytes, 16);
    words[4] = fragment->id;
    uint64_t hash = siphash13_words(stage->owner_key, words, 5) >> 32;
    return (uint16_t)(hash * stage->tables->workers >> 32);
}

static enum fragments_answer take(struct stage *stage, const struct packet *packet,
                                  struct fragments_way *way, enum drop_reason *reason)
{
    const struct fragments_packet waiting = {
        .packet = packet->mbuf, .port = packet->in_port, .handed = packet->handed};
    uint64_t evicted = fragments_evicted(stage->fragments);
    enum fragments_answer answer =
        fragments_take(stage->fragments, &packet->fragment, &waiting, stage->now_ms, way, reason);
    stats_add(stage->counters.fragments_evicted, fragments_evicted(stage->fragments) - evicted);
    return answer;
}

void fragment_arrives(struct stage *stage, struct packet *packet)
{
    wire_fragment_read(packet->frame, &packet->wire, &packet->fragment);
    if (is_group_mac(packet->frame) || !concerns_flows(stage, &packet->fragment))
        return;
    uint16_t gatherer = gatherer_of(stage, &packet->fragment);
    if (gatherer == stage->worker) {
        packet->handed = false; // whoever brought it, it may have to go on to its flow's owner
    } else if (!packet->handed) {
        packet->owner = gatherer;
        packet->verdict = VERDICT_HANDOFF;
        return;
    }
    if (!packet->wire.first_fragment) {
        packet->verdict = VERDICT_FOLLOW; // in its turn: its first may be in the same burst
        return;
    }
    struct fragments_way way;
    enum drop_reason reason;
    if (take(stage, packet, &way, &reason) == FRAGMENTS_REFUSED)
        packet_drop(packet, reason);
    else
        packet->followed = true;
}

static struct fragments_way way_of(const struct stage *stage, const struct packet *packet)
{
    struct fragments_way way = {.service = packet->service,
                                .member = packet->member,
                                .owner = packet->owner,
                                .revision = stage->tables->revision};
    switch ((enum verdict)packet->verdict) {
    case VERDICT_SEND:
    case VERDICT_HOLD:
    case VERDICT_SPLIT:
        way.kind = packet->reply ? WAY_REPLY : WAY_MEMBER;
        way.local = packet->local;
        if (packet->local) {
            way.far_side = packet->far_side;
            way.identification = packet->identification;
        }
        break;
    case VERDICT_HANDOFF:
        way.kind = WAY_HANDOFF;
        break;
    case VERDICT_DROP:
        way.kind = WAY_DROP;
        way.reason = packet->reason;
        break;
    default:
        way.kind = WAY_PUNT;
    }
    return way;
}

void fragment_decided(struct stage *stage, const struct packet *packet)
{
    struct fragments_way way = way_of(stage, packet);
    fragments_decide(stage->fragments, &packet->fragment, &way, stage->now_ms);
}

// Changes of the configuration may have come between the first fragment and this one, and only a
// flow keeps a member or a service in the tables: their slots may be free, or another's.
static bool still_there(const struct stage *stage, const struct fragments_way *way)
{
    const struct tables *tables = stage->tables;
    if (way->service >= tables->service_limit || way->member >= tables->member_limit)
        return false;
    const struct tables_service *service = &tables->services[way->service];
    const struct tables_member *member = &tables->members[way->member];
    return service->used && service->since <= way->revision && member->used &&
           member->since <= way->revision;
}

static void go(struct stage *stage, struct packet *packet, const struct fragments_way *way)
{
    bool forwarded = way->kind == WAY_MEMBER || way->kind == WAY_REPLY;
    struct flow_pair pair = {.client = way->local ? way->far_side : packet->fragment.destination,
                             .answered = way->far_side,
                             .service = way->service,
                             .member = way->member,
                             .local = way->local};
    packet->pair = &pair;
    packet->service = way->service;
    packet->identification = way->identification;
    if (forwarded && !still_there(stage, way)) {
        packet->service = 0;
        packet_drop(packet, DROP_NO_MEMBER);
    } else if (way->kind == WAY_MEMBER) {
        forward_to_member(stage, packet, way->member, way->service);
    } else if (way->kind == WAY_REPLY) {
        forward_reply(stage, packet, &pair);
    } else if (way->kind == WAY_HANDOFF) {
        packet->owner = way->owner;
        packet->verdict = VERDICT_HANDOFF;
    } else if (way->kind == WAY_DROP) {
        packet_drop(packet, (enum drop_reason)way->reason);
    } else {
        packet->verdict = VERDICT_PUNT;
    }
    if (packet->verdict != VERDICT_DROP)
        stats_add(stage->counters.fragments, 1);
    packet->pair = NULL;
    stage_dispatch(stage, packet);
}

void fragment_follow(struct stage *stage, const struct packet *packet)
{
    struct packet follower = *packet;
    struct fragments_way way;
    enum drop_reason reason;
    switch (take(stage, packet, &way, &reason)) {
    case FRAGMENTS_FOLLOW:
        go(stage, &follower, &way);
        return;
    case FRAGMENTS_REFUSED:
        stage_drop(stage, packet->mbuf, reason);
        return;
    case FRAGMENTS_WAIT:
    case FRAGMENTS_FIRST:
        return;
    }
}

void fragment_release(void *context, const struct fragments_packet *waited,
                      const struct fragments_way *way)
{
    struct stage *stage = context;
    struct packet packet;
    packet_init(&packet, waited->packet, waited->port, waited->handed);
    struct span headers = span_of(packet.frame, rte_pktmbuf_data_len(packet.mbuf));
    enum drop_reason reason = wire_parse(headers, rte_pktmbuf_pkt_len(packet.mbuf),
                                         WIRE_KNOWN_IPV4_CHECKSUM_GOOD, &packet.wire);
    CHECK(reason == DROP_NONE); // as it was when it came
    wire_fragment_read(packet.frame, &packet.wire, &packet.fragment);
    go(stage, &packet, way);
}

void fragment_give_up(void *context, const struct fragments_packet *waited, enum drop_reason reason)
{
    stage_drop(context, waited->packet, reason);
}
