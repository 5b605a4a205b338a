// The short way of a burst: a plain packet of a known flow is read, found, rewritten and queued
// without a verdict, in passes over the burst so that memory is fetched ahead of its use. What is
// not plain, or needs more than that (a neighbour that is not known, a hop limit that runs out, a
// packet too large), walks the general stages, which decide everything anew: the short way changes
// nothing before it is sure.
//
// Order: packets of one flow leave in the order in which they came. A packet that walks the stages
// may be of the same flow as a plain one behind it, so it walks before the next plain one is sent,
// unless it is known to be of no flow.
#include <netinet/in.h>
#include <rte_prefetch.h>

#include "dataplane/packet/stage/stage_priv.h"
#include "dataplane/packet/wire/hop.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/packet/wire/short.h"

#define LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum kind {
    KIND_GENERAL, // not plain
    KIND_FOREIGN, // plain, and at none of our endpoints
    KIND_FLOW,    // plain, with a key
};

struct plain {
    _Alignas(64) struct wire_short wire;
    uint16_t endpoint;       // of the key
    uint8_t kind;            // enum kind
    uint64_t words[3];       // the key: of IPv4 the first word only
    uint64_t hash;           //
    struct flow *found;      // when the burst was looked up
    struct arrival *arrival; // where nothing was found then, else NULL
};
_Static_assert(sizeof(struct plain) == 64, "a packet of a burst takes one cache line");

// A burst on its way.
struct short_burst {
    struct stage *stage;
    uint16_t port;
    bool handed;
    bool ordered; // `general` must walk before another plain packet is sent
    uint32_t arrival_count;
    struct arrival arrivals[STAGE_BURST];
    struct burst general;
};

static inline bool key_v4(const struct stage *stage, const uint8_t *frame, struct plain *plain)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    const struct wire_short *wire = &plain->wire;
    uint32_t source = wire_short_v4_source(frame), destination = wire_short_v4_destination(frame);
    uint32_t peer = source;
    uint16_t peer_port = wire->source_port;
    uint16_t number = endpoint_number_v4(endpoints, ENDPOINT_SERVICE, destination,
                                         wire->destination_port, wire->protocol);
    if (number == 0) {
        number = endpoint_number_v4(endpoints, ENDPOINT_MEMBER, source, wire->source_port,
                                    wire->protocol);
        peer = destination;
        peer_port = wire->destination_port;
    }
    plain->endpoint = number;
    plain->words[0] = flow_word_v4(peer, peer_port, number);
    plain->hash = flow_hash_v4(stage->flows, plain->words[0]);
    return number != 0;
}

static __attribute__((noinline)) bool key_v6(const struct stage *stage, const uint8_t *frame,
                                             struct plain *plain)
{
    const struct endpoint_set *endpoints = stage->tables->endpoints;
    const struct wire_short *wire = &plain->wire;
    const uint8_t *source = frame + WIRE_SHORT_V6_SOURCE;
    const uint8_t *destination = frame + WIRE_SHORT_V6_DESTINATION;
    const uint8_t *peer = source;
    uint16_t peer_port = wire->source_port;
    uint16_t number = endpoint_number_v6(endpoints, ENDPOINT_SERVICE, destination,
                                         wire->destination_port, wire->protocol);
    if (number == 0) {
        number = endpoint_number_v6(endpoints, ENDPOINT_MEMBER, source, wire->source_port,
                                    wire->protocol);
        peer = destination;
        peer_port = wire->destination_port;
    }
    plain->endpoint = number;
    plain->words[0] = wire_load64(peer);
    plain->words[1] = wire_load64(peer + 8);
    plain->words[2] = peer_port | (uint64_t)number << 16;
    plain->hash = flow_hash_v6(stage->flows, plain->words);
    return number != 0;
}

static inline void classify(const struct stage *stage, struct rte_mbuf *mbuf, uint64_t mac,
                            struct plain *plain)
{
    const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
    plain->kind = KIND_GENERAL;
    if (UNLIKELY(mbuf_found_faulty(mbuf) != DROP_NONE) ||
        !wire_short_parse(frame, rte_pktmbuf_data_len(mbuf), rte_pktmbuf_pkt_len(mbuf),
                          mbuf_known(mbuf), mac, &plain->wire))
        return;
    bool ours = LIKELY(plain->wire.v4) ? key_v4(stage, frame, plain) : key_v6(stage, frame, plain);
    plain->kind = ours ? KIND_FLOW : KIND_FOREIGN;
}

static inline struct flow *match(const struct flow_table *flows, const struct plain *plain)
{
    return LIKELY(plain->wire.v4) ? flow_match_v4(flows, plain->words[0], plain->hash)
                                  : flow_match_v6(flows, plain->words, plain->hash);
}

static inline bool is_still(const struct flow *flow, const struct plain *plain)
{
    return LIKELY(plain->wire.v4) ? flow_is_still_v4(flow, plain->words[0])
                                  : flow_is_still_v6(flow, plain->words);
}

// Fetched in a pass of its own: among the parser's loads and stores it stalls them, and costs half
// as much again as all the rest.
static inline void prefetch_buckets(const struct flow_table *flows, const struct plain *plain,
                                    uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (UNLIKELY(plain[i].kind != KIND_FLOW))
            continue;
        if (LIKELY(plain[i].wire.v4))
            flow_prefetch_v4(flows, plain[i].hash);
        else
            flow_prefetch_v6(flows, plain[i].hash);
    }
}

// What the look-up of a burst found.
struct findings {
    bool two_way; // flows with a record
    bool unknown; // packets of no flow
};

// Finds the flows, and fetches the records of two-way ones.
static inline struct findings look_up(const struct flow_table *flows, struct plain *plain,
                                      uint32_t count)
{
    struct findings findings = {false, false};
    for (uint32_t i = 0; i < count; i++) {
        plain[i].found = NULL;
        plain[i].arrival = NULL;
        if (UNLIKELY(plain[i].kind != KIND_FLOW))
            continue;
        plain[i].found = match(flows, &plain[i]);
        findings.unknown |= !plain[i].found;
        findings.two_way |= plain[i].found && plain[i].found->flags & FLOW_TWO_WAY;
    }
    for (uint32_t i = 0; findings.two_way && i < count; i++) {
        if (plain[i].found)
            rte_prefetch0(flow_pair_of(flows, plain[i].found));
    }
    return findings;
}

static inline struct newcomer newcomer_of(const struct plain *plain, bool handed)
{
    return (struct newcomer){
        .words = plain->words,
        .hash = plain->hash,
        .endpoint = plain->endpoint,
        .v4 = plain->wire.v4,
        .protocol = plain->wire.protocol,
        .tcp_flags = plain->wire.tcp_flags,
        .handed = handed,
    };
}

// Decides about packets of no flow as far as that can be done ahead of their turn in begin().
static __attribute__((noinline)) void meet(struct short_burst *burst, struct plain *plain,
                                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (plain[i].kind != KIND_FLOW || plain[i].found)
            continue;
        plain[i].arrival = &burst->arrivals[burst->arrival_count++];
        plain[i].arrival->newcomer = newcomer_of(&plain[i], burst->handed);
    }
    admit_ahead(burst->stage, burst->arrivals, burst->arrival_count);
}

// The packet's live flow now: what was found may be gone or moved since, or begun.
static inline struct flow *flow_now(struct stage *stage, const struct plain *plain)
{
    struct flow *flow = plain->found;
    if (!flow || UNLIKELY(!is_still(flow, plain)))
        flow = match(stage->flows, plain);
    return flow && flow_is_live(stage->flows, flow, stage->now_ms) ? flow : NULL;
}

// A packet that changes nothing of its flow but the time.
static inline void follow(const struct stage *stage, struct flow *flow, struct flow_pair *pair,
                          uint8_t state)
{
    uint32_t expires_ms = stage->now_ms + stage->tables->timeouts_ms[state];
    if (pair)
        pair->expires_ms = expires_ms;
    else
        flow->expires_ms = expires_ms;
}

static inline void send_to(struct stage *stage, struct rte_mbuf *mbuf, uint8_t *frame,
                           uint16_t out_port, struct neighbour_view hop)
{
    wire_set_macs(frame, hop.mac, stage->ports[out_port]->mac.addr_bytes);
    outbox_add(stage, out_port, mbuf);
}

// What an introduction that is complete asks of a plain packet, of either side. False: it is not
// complete, or the packet is about another connection.
static bool go_on_introduced(const struct plain *plain, uint8_t *frame,
                             const struct flow_pair *pair, bool reply)
{
    const struct wire_addition addition = introduction_addition(pair);
    if (!addition.taken || plain->wire.tcp_flags & WIRE_TCP_SYN)
        return false;
    uint8_t *tcp = frame + (plain->wire.v4 ? WIRE_SHORT_V4_L4 : WIRE_SHORT_V6_L4);
    uint32_t ip_header_size = plain->wire.v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE;
    if (!reply)
        wire_stream_shift(tcp, addition.size);
    else if (plain->wire.tcp_flags & WIRE_TCP_ACK)
        wire_stream_unshift(tcp, plain->wire.ip_size - ip_header_size, &addition);
    return true;
}

// Whether a plain packet may become one of the other version at once: what it is then fits its way
// and its buffer, and nobody's segment size has to be lowered.
static bool may_cross(const struct stage *stage, const struct rte_mbuf *mbuf,
                      const struct plain *plain, const struct flow_pair *pair)
{
    if (plain->wire.tcp_flags & WIRE_TCP_SYN)
        return false;
    return !plain->wire.v4 ||
           (plain->wire.ip_size + WIRE_CROSS_GROWTH <= stage->tables->ports[pair->way_port].mtu &&
            rte_pktmbuf_headroom(mbuf) >= WIRE_CROSS_GROWTH);
}

static uint8_t *cross_plain(struct stage *stage, struct rte_mbuf *mbuf, const struct plain *plain,
                            const struct flow_pair *pair, const struct wire_sides *sides)
{
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    struct wire_packet packet = {
        .kind = plain->wire.v4 ? WIRE_IPV4 : WIRE_IPV6,
        .protocol = plain->wire.protocol,
        .l3_offset = WIRE_SHORT_IP,
        .l4_offset = plain->wire.v4 ? WIRE_SHORT_V4_L4 : WIRE_SHORT_V6_L4,
        .end = (uint16_t)(WIRE_SHORT_IP + plain->wire.ip_size),
    };
    wire_cross_transport(frame, &packet, sides); // which a whole packet always can
    frame[WIRE_SHORT_IP + (plain->wire.v4 ? 8 : 7)]--;
    uint16_t id = plain->wire.v4 ? 0 : (uint16_t)fullnat_identify(stage, pair->member, 16);
    frame = wire_cross_header(frame, &packet, sides->source, sides->destination, id);
    if (plain->wire.v4)
        rte_pktmbuf_prepend(mbuf, WIRE_CROSS_GROWTH);
    else
        rte_pktmbuf_adj(mbuf, WIRE_CROSS_GROWTH);
    return frame;
}

// A plain packet of a flow that needs more than rewriting, and its rewriting. Returns where the
// frame begins then; NULL: it needs more than the short way, and nothing has changed.
static __attribute__((noinline)) uint8_t *go_beyond(struct stage *stage, struct rte_mbuf *mbuf,
                                                    const struct plain *plain,
                                                    const struct flow_pair *pair,
                                                    const struct wire_sides *sides, bool reply)
{
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    bool crossing = pair->beyond & BEYOND_CROSSES;
    if (crossing && !may_cross(stage, mbuf, plain, pair))
        return NULL;
    if (introduction_reached(pair) && !go_on_introduced(plain, frame, pair, reply))
        return NULL;
    if (crossing)
        return cross_plain(stage, mbuf, plain, pair, sides);
    if (!reply && !wire_short_is_atomic(frame, &plain->wire))
        wire_short_identify(frame, (uint16_t)fullnat_identify(stage, pair->member, 16));
    wire_short_translate_both(frame, &plain->wire, sides);
    return frame;
}

// A client's packet to a member, of a flow where there is one. False: it needs more than the short
// way.
static inline bool send_to_member(struct stage *stage, struct rte_mbuf *mbuf,
                                  const struct plain *plain, uint16_t member_slot,
                                  const struct flow *flow)
{
    const struct tables *tables = stage->tables;
    const struct tables_member *member = &tables->members[member_slot];
    DCHECK(member_slot < tables->member_limit && member->used);
    struct neighbour_view hop = neighbour_view(stage->neighbours, member->neighbour);
    if (UNLIKELY(hop.state != NEIGHBOUR_REACHABLE || plain->wire.ip_size > member->ip_size_max ||
                 plain->wire.ttl <= 1))
        return false;
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint32_t bytes = rte_pktmbuf_pkt_len(mbuf);
    switch ((enum config_forward)member->forward) {
    case CONFIG_FORWARD_NAT:
        wire_short_translate(frame, &plain->wire, false, &member->address,
                             tables_member_port(member, &tables->services[plain->endpoint]));
        break;
    case CONFIG_FORWARD_FULLNAT: {
        const struct flow_pair *pair = flow_pair_of(stage->flows, flow);
        const struct wire_sides sides = {
            .source = &pair->answered,
            .source_port = pair->answered_port,
            .destination = &member->address,
            .destination_port = tables_member_port(member, &tables->services[plain->endpoint]),
        };
        if (LIKELY(!pair->beyond && wire_short_is_atomic(frame, &plain->wire)))
            wire_short_translate_both(frame, &plain->wire, &sides);
        else if (!(frame = go_beyond(stage, mbuf, plain, pair, &sides, false)))
            return false;
        break;
    }
    case CONFIG_FORWARD_DIRECT:
        wire_hop(frame + WIRE_SHORT_IP, plain->wire.v4);
        break;
    case CONFIG_FORWARD_IPIP:
    case CONFIG_FORWARD_GRE:
        frame = member_wrap(stage, mbuf, frame + WIRE_SHORT_IP, plain->wire.ip_size, member, false);
        if (UNLIKELY(!frame))
            return false;
        break;
    case CONFIG_FORWARD_GUE:
        frame = member_wrap(stage, mbuf, frame + WIRE_SHORT_IP, plain->wire.ip_size, member, true);
        if (UNLIKELY(!frame))
            return false;
        break;
    }
    tally_packet(&stage->counters.members[member_slot], bytes);
    tally_packet(&stage->counters.vips[plain->endpoint], bytes);
    send_to(stage, mbuf, frame, member->out_port, hop);
    return true;
}

// A member's reply to a client, by the way that an earlier one found.
static inline bool send_to_client(struct stage *stage, struct rte_mbuf *mbuf,
                                  const struct plain *plain, const struct flow_pair *pair)
{
    struct neighbour_view hop;
    if (UNLIKELY(!way_recall(stage, pair, &hop) || hop.state != NEIGHBOUR_REACHABLE ||
                 plain->wire.ttl <= 1 ||
                 plain->wire.ip_size > stage->tables->ports[pair->way_port].mtu))
        return false;
    const struct tables_service *service = &stage->tables->services[pair->service];
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    if (is_fullnat(pair)) {
        const struct wire_sides sides = {
            .source = &service->address,
            .source_port = service->port,
            .destination = &pair->client,
            .destination_port = pair->client_port,
        };
        if (LIKELY(!pair->beyond))
            wire_short_translate_both(frame, &plain->wire, &sides);
        else if (!(frame = go_beyond(stage, mbuf, plain, pair, &sides, true)))
            return false;
    } else {
        wire_short_translate(frame, &plain->wire, true, &service->address, service->port);
    }
    send_to(stage, mbuf, frame, pair->way_port, hop);
    return true;
}

// A SYN, to whichever member.
static void clamp_syn(struct stage *stage, struct rte_mbuf *mbuf, const struct plain *plain,
                      uint16_t member)
{
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint8_t *tcp = frame + (plain->wire.v4 ? WIRE_SHORT_V4_L4 : WIRE_SHORT_V6_L4);
    member_clamp_mss(stage, mbuf, tcp, plain->wire.v4, &stage->tables->members[member]);
}

// A packet that may change its flow's state: what it says, before it is rewritten. False: it begins
// a connection anew, and the stages forget the old one first.
static __attribute__((noinline)) bool hear(struct stage *stage, struct rte_mbuf *mbuf,
                                           const struct plain *plain, const struct flow *flow,
                                           struct wire_segment *says)
{
    const uint8_t *ip = rte_pktmbuf_mtod(mbuf, const uint8_t *) + WIRE_SHORT_IP;
    uint32_t header_size = plain->wire.v4 ? WIRE_IPV4_SIZE : WIRE_IPV6_SIZE;
    *says = (struct wire_segment){.flags = 0};
    if (plain->wire.protocol != IPPROTO_TCP)
        return true;
    *says = wire_segment_read(ip + header_size, plain->wire.ip_size - header_size);
    if (!(says->flags & WIRE_TCP_SYN))
        return true;
    if (flow_reopens(stage, flow, says->flags))
        return false;
    if (!(flow->flags & FLOW_IS_REPLY))
        clamp_syn(stage, mbuf, plain, flow->member);
    return true;
}

static bool carry_out(struct stage *stage, uint16_t port, struct rte_mbuf *mbuf,
                      const struct plain *plain, const struct admission *admission)
{
    switch ((enum verdict)admission->verdict) {
    case VERDICT_SEND:
        if (plain->wire.tcp_flags & WIRE_TCP_SYN)
            clamp_syn(stage, mbuf, plain, admission->member);
        return send_to_member(stage, mbuf, plain, admission->member, admission->flow);
    case VERDICT_HANDOFF:
        stage_hand_off(stage, mbuf, admission->owner, port, HANDOFF_PROCESS);
        return true;
    default:
        // A member that speaks with the appliance itself: the stages know our own addresses.
        if (plain->endpoint >= ENDPOINT_NUMBER_MEMBERS)
            return false;
        stage_drop_of(stage, mbuf, (enum drop_reason)admission->reason, plain->endpoint);
        return true;
    }
}

// The first packet of a flow. What walks the stages is counted there, unless its flow has begun.
static __attribute__((noinline)) bool begin(struct short_burst *burst, struct rte_mbuf *mbuf,
                                            const struct plain *plain)
{
    struct stage *stage = burst->stage;
    struct arrival unmet, *arrival = plain->arrival;
    if (UNLIKELY(!arrival)) {
        unmet.newcomer = newcomer_of(plain, burst->handed);
        unmet.decided = false;
        arrival = &unmet;
    }
    struct admission *admission = &arrival->admission;
    if (UNLIKELY(!arrival->decided))
        *admission = admit_choose(stage, &arrival->newcomer);
    if (UNLIKELY(admission->uncertain))
        return false;
    admit_begin(stage, &arrival->newcomer, admission);
    bool done = carry_out(stage, burst->port, mbuf, plain, admission);
    if (done || admission->flow)
        admit_count(stage, admission);
    return done;
}

// One plain packet. False: it walks the stages.
static inline bool go(struct short_burst *burst, struct rte_mbuf *mbuf, const struct plain *plain)
{
    struct stage *stage = burst->stage;
    struct flow *flow = flow_now(stage, plain);
    if (UNLIKELY(!flow))
        return begin(burst, mbuf, plain);
    struct wire_segment says;
    struct flow_pair *pair = flow_pair_of(stage->flows, flow);
    uint8_t state = pair ? pair->state : flow->state;
    bool quiet = flow_is_quiet(state, plain->wire.tcp_flags);
    if (UNLIKELY(!quiet) && !hear(stage, mbuf, plain, flow, &says))
        return false;
    bool sent = flow->flags & FLOW_IS_REPLY
                    ? send_to_client(stage, mbuf, plain, pair)
                    : send_to_member(stage, mbuf, plain, flow->member, flow);
    if (LIKELY(sent && quiet))
        follow(stage, flow, pair, state);
    else if (sent)
        flow_follow(stage, flow, &says, plain->endpoint, plain->hash);
    return sent;
}

static __attribute__((noinline)) void set_aside(struct short_burst *burst, struct rte_mbuf *mbuf,
                                                enum kind kind)
{
    burst_add(&burst->general, mbuf, burst->port, burst->handed);
    burst->ordered |= kind != KIND_FOREIGN;
}

static __attribute__((noinline)) void walk(struct short_burst *burst)
{
    stage_walk(burst->stage, &burst->general);
    burst->ordered = false;
}

void stage_short_path(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count,
                      bool handed)
{
    struct plain plain[STAGE_BURST];
    struct short_burst burst;
    burst.stage = stage;
    burst.port = port;
    burst.handed = handed;
    burst.ordered = false;
    burst.arrival_count = 0;
    burst.general.count = 0;
    burst.general.tap = NULL;
    uint64_t mac = wire_mac_word(stage->ports[port]->mac.addr_bytes);
    for (uint32_t i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(packets[i], void *));
    for (uint32_t i = 0; i < count; i++)
        classify(stage, packets[i], mac, &plain[i]);
    prefetch_buckets(stage->flows, plain, count);
    struct findings findings = look_up(stage->flows, plain, count);
    if (findings.unknown)
        meet(&burst, plain, count);
    for (uint32_t i = 0; i < count; i++) {
        if (LIKELY(plain[i].kind == KIND_FLOW)) {
            if (UNLIKELY(burst.ordered))
                walk(&burst);
            if (LIKELY(go(&burst, packets[i], &plain[i])))
                continue;
        }
        set_aside(&burst, packets[i], (enum kind)plain[i].kind);
    }
    if (burst.general.count)
        walk(&burst);
    if (findings.unknown)
        admit_done(stage, burst.arrivals, burst.arrival_count);
}
