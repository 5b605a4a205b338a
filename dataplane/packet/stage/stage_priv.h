// What the stages of one burst share. Private to dataplane/packet/stage.
#pragma once

#include <netinet/in.h>

#include "base/check.h"
#include "dataplane/packet/stage/stage.h"
#include "dataplane/packet/wire/cross.h"
#include "dataplane/packet/wire/fragment.h"
#include "dataplane/packet/wire/icmp_error.h"
#include "dataplane/packet/wire/stream.h"

enum verdict {
    VERDICT_NONE,           // no stage has decided yet
    VERDICT_SEND,           // on out_port, Ethernet header complete
    VERDICT_HOLD,           // on out_port, once the MAC of next_hop is known
    VERDICT_PUNT,           // to the kernel, through in_port's TAP interface
    VERDICT_PUNT_NEIGHBOUR, // the same, ARP or neighbour discovery
    VERDICT_CONSUMED,       // it was for us and has been understood
    VERDICT_HANDOFF,
    VERDICT_FOLLOW, // a later fragment: where its first one went
    VERDICT_SPLIT,  // on out_port, in fragments of at most size_max bytes
    VERDICT_DROP,
};

struct packet {
    struct rte_mbuf *mbuf;
    uint8_t *frame; // where the Ethernet header starts
    struct wire_packet wire;
    uint8_t verdict; // enum verdict
    uint8_t reason;  // enum drop_reason, of VERDICT_DROP
    bool handed;     // another worker gave it to us: it is not handed on
    bool followed;   // a first fragment, where others are to follow
    bool reply;      // of what is forwarded: a member's, to a client
    bool crosses;    // of VERDICT_SPLIT: pieces of it become IPv6
    bool searched;   // an ICMP error whose flow is sought at all workers, since `origin`
    uint16_t origin; //
    uint16_t in_port;
    uint16_t out_port;
    uint16_t owner;                 // of VERDICT_HANDOFF: the worker
    uint16_t service;               // slot; 0: of none, or not known (yet)
    uint16_t member;                // slot; 0: not known (yet)
    struct wire_fragment fragment;  // of a fragment, as it came
    struct ip_address next_hop;     // of VERDICT_HOLD
    struct neighbour_view hop;      // of VERDICT_SPLIT: who next_hop is
    uint16_t tunnel;                // of VERDICT_SPLIT: the member whose it is, 0: none
    uint16_t size_max;              // 0: it fits
    struct flow_pair *pair;         // while it is forwarded: of a two-way flow its record
    uint16_t local;                 // FullNAT: slot of the local address
    struct ip_address far_side;     // FullNAT: what took the sender's, or the receiver's, place
    uint32_t identification;        // FullNAT: of a datagram to a member, unless it is atomic
    const struct icmp_error *about; // while an ICMP error is forwarded: what it is about
    const struct chances *chances;  // while it is forwarded: who else may know its connection
};

struct burst {
    uint32_t count;
    struct observe_tap *tap; // its packets are watched; NULL: they are not
    struct packet packets[STAGE_BURST];
    // Of packets that may belong to a flow, without gaps: keys and their hashes.
    uint32_t key_count;
    uint8_t packet_of[STAGE_BURST];
    struct flow_key keys[STAGE_BURST];
    uint64_t hashes[STAGE_BURST];
};

static inline enum probation_set probation_set_of(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? PROBATION_TCP : PROBATION_UDP;
}

static inline void packet_drop(struct packet *packet, enum drop_reason reason)
{
    packet->verdict = VERDICT_DROP;
    packet->reason = (uint8_t)reason;
}

// Whether a packet can come from an address: not from one of ours, nor from the network's own
// address or the broadcast of a network of ours (RFC 1812 sections 5.3.7 and 5.3.8). Asked of what
// begins a flow or would be answered; whom a flow is with was asked when it began.
static inline bool can_be_sender(const struct stage *stage, const struct ip_address *source)
{
    return endpoint_number(stage->tables->endpoints, ENDPOINT_NO_SENDER, source, 0, IPPROTO_RAW) ==
           0;
}

static inline bool port_owns(const struct stage *stage, uint16_t index,
                             const struct ip_address *address)
{
    const struct tables_port *port = &stage->tables->ports[index];
    for (uint32_t i = 0; i < port->address_count; i++) {
        if (ip_equal(&port->addresses[i].address, address))
            return true;
    }
    return false;
}

// The same of a packet that came by a link.
static inline bool sender_is_possible(const struct stage *stage, const struct packet *packet)
{
    struct ip_address source = wire_source(packet->frame, &packet->wire);
    if (ip_is_of_a_link(&source))
        return !port_owns(stage, packet->in_port, &source);
    return ip_is_unicast(&source) && can_be_sender(stage, &source);
}

// What the device that received a packet says of its checksums: wire_parse()'s WIRE_KNOWN_*, and
// why the packet is to be dropped, or DROP_NONE.
static inline unsigned mbuf_known(const struct rte_mbuf *mbuf)
{
    uint64_t ip = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    return ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? WIRE_KNOWN_IPV4_CHECKSUM_GOOD : WIRE_KNOWN_NOTHING;
}

static inline enum drop_reason mbuf_found_faulty(const struct rte_mbuf *mbuf)
{
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD)
        return DROP_IPV4_CHECKSUM;
    if ((mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD)
        return DROP_L4_CHECKSUM;
    return DROP_NONE;
}

static inline bool is_group_mac(const uint8_t *mac)
{
    return mac[0] & 1;
}

// short_path.c: packets received on one port, from the wire or from another worker (`handed`).
// Those that are plain and belong to a flow, or begin one, are done at once; the others walk the
// stages below. Takes the mbufs.
void stage_short_path(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count,
                      bool handed);

// sample.c: one packet of a burst counts for all of it. Nothing is taken.
void stage_sample(struct stage *stage, struct rte_mbuf *const *packets, uint32_t count);

// observe.c: the same, while there is a tap.
void stage_observe(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count,
                   bool handed);
// Of a burst whose packets are watched: a stage has decided; a packet is about to be dispatched; it
// has been.
void observe_stage_ended(struct stage *stage, struct burst *burst, enum meter_stage ended);
void observe_leaving(struct stage *stage, struct burst *burst, uint32_t index);
void observe_left(struct stage *stage, struct burst *burst, uint32_t index);

// vlan.c: puts the port's tag on what is about to be sent, and drops what has no room for it.
// Returns by how many bytes each packet grew: none where the device puts the tag in.
uint32_t vlan_tag(struct stage *stage, const struct port *port, struct outbox *box);

// Of a frame with a tag that names no VLAN, but a priority alone, makes one without. False: it is
// not such a frame.
bool vlan_untag_priority(struct packet *packet);

// Tells the main thread. Where its mailbox is full this one piece of news is lost, and counted.
static inline void send_news(struct stage *stage, const struct news_message *news)
{
    if (!mailbox_send(stage->news, news))
        stats_add(stage->counters.news_lost, 1);
}

// stage.c: a packet without a verdict.
void packet_init(struct packet *packet, struct rte_mbuf *mbuf, uint16_t port, bool handed);
// stage.c: a packet for stage_walk().
void burst_add(struct burst *burst, struct rte_mbuf *mbuf, uint16_t port, bool handed);
// stage.c: the stages for what is not plain, from classify to dispatch. Empties the burst.
void stage_walk(struct stage *stage, struct burst *burst);

// classify.c: parses every packet and fills the keys.
void stage_classify(struct stage *stage, struct burst *burst);

// established.c: looks the keys up, and sends what belongs to a flow.
void stage_established(struct stage *stage, struct burst *burst);
// The same for one packet and its flow. `service` is that of a client's packet.
void forward_established(struct stage *stage, struct packet *packet, struct flow *flow,
                         uint16_t service, uint64_t hash);
// A packet of a flow, and what it says (UDP: nothing): its state after it, and its time. `hash`: of
// the packet's key, as `endpoint` is.
void flow_follow(struct stage *stage, struct flow *flow, const struct wire_segment *says,
                 uint16_t endpoint, uint64_t hash);
// Whether it begins a new connection in a flow whose own is over.
bool flow_reopens(const struct stage *stage, const struct flow *flow, uint8_t tcp_flags);

// icmp_error.c: ICMP errors about flows.
void stage_icmp_errors(struct stage *stage, struct burst *burst);

// local.c: ARP, neighbour discovery, echo to our addresses.
void stage_local(struct stage *stage, struct burst *burst);

// admit.c: new flows. What is left undecided after it is not ours.
void stage_admit(struct stage *stage, struct burst *burst);

// A packet that belongs to no flow.
struct newcomer {
    const uint64_t *words; // its flow's key: of IPv4 one word, else three
    uint64_t hash;         //
    uint16_t endpoint;     // of the key
    bool v4;
    uint8_t protocol;
    uint8_t tcp_flags; // 0: UDP
    bool handed;
};

// Where a FullNAT flow's member answers.
struct borrowed {
    uint16_t local; // slot of the local address; 0: nothing is borrowed
    uint16_t port;  // network byte order
    uint32_t number;
};

// What becomes of it.
struct admission {
    uint8_t verdict; // VERDICT_SEND: to `member`; VERDICT_HANDOFF: to `owner`; VERDICT_DROP
    uint8_t reason;  // enum drop_reason
    uint16_t owner;
    uint16_t member;
    uint16_t member_endpoint; // of a two-way member: the number of where it answers
    bool placed;              // ahead of the flow: it is among those on probation
    struct borrowed borrowed; // the same: FullNAT's port
    struct flow *flow;        // that began, or NULL
    const struct rule *rule;  // access rule that decided and counts it, or NULL
    bool uncertain;           // VERDICT_SEND: others may know its connection; no flow begins
    bool untracked;           // VERDICT_SEND: no flow begins, as its service tracks none now, or
                              // there was no room
};
// The decision, in two steps, so that memory is fetched in between: choose() finds out where it
// goes, begin() begins the flow of what goes to a member. Either may be done again for the same
// packet, so what it counts as is counted when it is carried out.
struct admission admit_choose(struct stage *stage, const struct newcomer *newcomer);
void admit_begin(struct stage *stage, const struct newcomer *newcomer, struct admission *admission);
void admit_count(struct stage *stage, const struct admission *admission);

// The access rule that decides whether a client's newcomer may begin, or NULL.
const struct rule *admit_rule(const struct stage *stage, const struct newcomer *newcomer);

// A newcomer of a burst.
struct arrival {
    struct newcomer newcomer;
    bool decided; // `admission` is filled
    struct admission admission;
};
// The burst's newcomers before their turns: decides about all of which that does not depend on
// those before, and gives the flows that will begin what admit_begin() gives them else: a place
// among those on probation, if need be another's, and of FullNAT a local port. So what each of them
// touches is fetched for all of them together.
void admit_ahead(struct stage *stage, struct arrival *arrivals, uint32_t count);
// After their turns: ports whose flows have not begun are given back.
void admit_done(struct stage *stage, const struct arrival *arrivals, uint32_t count);

// Whether flows at its endpoint are at the worker that owns them; and, where they are, whether this
// one's is another's, which `admission` names then.
bool admit_is_owned(const struct stage *stage, const struct newcomer *newcomer);
bool admit_belongs_elsewhere(const struct stage *stage, const struct newcomer *newcomer,
                             struct admission *admission);

// Its key in full.
struct flow_key newcomer_key(const struct newcomer *newcomer);

// choose.c: the slot of the member that a newcomer gets, or CHOOSE_NONE.
#define CHOOSE_NONE 0
uint16_t choose_member(struct stage *stage, const struct newcomer *newcomer,
                       const struct tables_pool *pool);
// Whether it may be chosen before it is its turn, and again for another packet of its flow: what is
// chosen depends on nothing that a choice changes.
bool choose_ahead(const struct stage *stage, const struct newcomer *newcomer);
// The same where the hash alone decides now, whatever the client had last, else CHOOSE_NONE.
uint16_t choose_by_hash(struct stage *stage, const struct newcomer *newcomer,
                        const struct tables_pool *pool);

// The hash by which the pool's balancer chooses for it.
uint64_t choose_hash(const struct stage *stage, const struct newcomer *newcomer,
                     const struct tables_pool *pool);

// chances.c: whether members are to be told who else may know a newcomer; whom; and what
// member_wrap() does with the list of them.
struct chances {
    uint32_t count; // 0: there is nobody else
    struct ip_address hops[GUE_HOPS_MAX];
};
bool chances_wanted(const struct newcomer *newcomer, const struct tables_pool *pool);
void chances_find(struct stage *stage, const struct newcomer *newcomer, uint16_t member,
                  struct chances *chances);
uint8_t *chances_wrap(const struct stage *stage, struct rte_mbuf *mbuf, uint8_t *inner,
                      uint32_t inner_size, const struct tables_member *member,
                      const struct chances *chances);

// forward.c: the last step of every forwarding: fits the port, and the next hop's MAC. What is held
// needs packet->next_hop.
void forward_send(struct stage *stage, struct packet *packet, uint16_t out_port,
                  struct neighbour_view next_hop);

// forward.c: one packet to a member, or a member's reply to a client. Of an ICMP error (`about`)
// the packet that it quotes was sent the other way. To a FullNAT member packet->pair is needed.
void forward_to_member(struct stage *stage, struct packet *packet, uint32_t member_slot,
                       uint32_t service_slot);
void forward_reply(struct stage *stage, struct packet *packet, struct flow_pair *pair);

// fullnat.c: a local address and a port of this worker's, for a flow from a client's key of that
// hash to a member's endpoint. DROP_NONE or DROP_LOCAL_PORTS_FULL.
enum drop_reason fullnat_borrow(struct stage *stage, const struct tables_member *member,
                                uint64_t hash, uint16_t endpoint, struct borrowed *borrowed);
// The same before the flow begins, where the first address that it would ask has a free one; else
// nothing changes.
void fullnat_borrow_ahead(struct stage *stage, const struct tables_member *member, uint64_t hash,
                          uint16_t endpoint, struct borrowed *borrowed);
// When the flow ends, or has not begun.
void fullnat_give_back(struct stage *stage, uint16_t endpoint, uint16_t local, uint32_t number);
// The worker whose reply a packet to this address and port is, if that is a local address.
bool fullnat_owner(const struct stage *stage, const struct flow_key *key, uint16_t *owner);

// An identification of so many bits for a datagram to a member, which no other worker gives.
uint32_t fullnat_identify(struct stage *stage, uint32_t member, uint32_t bits);

static inline bool is_fullnat(const struct flow_pair *pair)
{
    return pair->local != 0;
}

// What a FullNAT flow's packets need beyond the rewriting of addresses and ports, in flow_pair's
// `beyond`: an enum introduction, and this where client and member speak different versions.
#define BEYOND_CROSSES 0x80

// introduce.c: how far a member has been told who the client is.
enum introduction {
    INTRODUCTION_NONE,           // it is not told, or has nothing to be told any more
    INTRODUCTION_OPTION_AWAITED, // the option: its SYN-ACK was not seen
    INTRODUCTION_OPTION,         // what acknowledges that carries it
    INTRODUCTION_AWAITED,        // the header: its SYN-ACK was not seen
    INTRODUCTION_DUE,            // nothing was sent behind the SYN
    INTRODUCTION_SENT,           // but nothing of the client's behind it
    INTRODUCTION_FOLLOWED,       //
    INTRODUCTION_TAKEN,          // the member has acknowledged it
};
static inline enum introduction introduction_reached(const struct flow_pair *pair)
{
    return (enum introduction)(pair->beyond & ~BEYOND_CROSSES);
}
enum introduction introduction_of(const struct tables_member *member, uint8_t protocol);
// What was put in front of the client's stream, once the member's SYN-ACK was seen.
struct wire_addition introduction_addition(const struct flow_pair *pair);
// Whether a member that acknowledges so much has the header, once its SYN-ACK was seen.
bool introduction_takes(const struct flow_pair *pair, uint32_t acknowledged);
// A client's packet of a flow with an introduction, its addresses already rewritten. False: it has
// been dropped.
bool introduce(struct stage *stage, struct packet *packet, struct flow_pair *pair);
// The same of a member's.
void introduction_answered(const struct packet *packet, struct flow_pair *pair);

// cross.c: whether a two-way flow's packet becomes one of the other version on its way to an
// address.
bool crosses(const struct packet *packet, const struct ip_address *destination);
// How such a packet fits a way for IP packets of `size_max` bytes.
struct cross_fit {
    bool fits;
    uint32_t split_size; // where it does not: it may go in pieces of so many bytes; 0: it may not
    uint32_t tell;       // what its sender is told fits
};
struct cross_fit cross_fits(const struct packet *packet, uint32_t size_max);
// Makes it one, with those addresses and ports; a SYN tells no larger segments than fit the way
// back. What goes to a client in pieces keeps its header until each has its own, in cross_piece().
// False: it has been dropped.
bool cross(struct stage *stage, struct packet *packet, const struct wire_sides *sides);
bool cross_piece(struct stage *stage, struct packet *piece);
// The same of an ICMP error.
bool cross_error(struct stage *stage, struct packet *packet,
                 const struct icmp_error_crossing *crossing);

// A packet of our own, to an address.
void forward_own(struct stage *stage, struct packet *packet, const struct ip_address *destination);

// Counts a client's packet as sent to its member.
void forward_tally(struct stage *stage, const struct packet *packet, uint32_t bytes);
// A piece of a packet with VERDICT_SPLIT: it gets a verdict of its own.
void forward_piece(struct stage *stage, struct packet *piece);

// follow.c: fragments. A fragment of a service or a member has come.
void fragment_arrives(struct stage *stage, struct packet *packet);
// A packet with VERDICT_FOLLOW. Takes its mbuf.
void fragment_follow(struct stage *stage, const struct packet *packet);
// The verdict of a packet that is `followed` has been carried out.
void fragment_decided(struct stage *stage, const struct packet *packet);
// For the table of fragments; `context` is the stage.
void fragment_release(void *context, const struct fragments_packet *packet,
                      const struct fragments_way *way);
void fragment_give_up(void *context, const struct fragments_packet *packet,
                      enum drop_reason reason);

// split.c: sends a packet with VERDICT_SPLIT. Takes its mbuf.
void stage_split(struct stage *stage, const struct packet *packet);

// icmp_answer.c: tells the sender of a packet that is dropped why, where that may be told.
void answer_too_big(struct stage *stage, const struct packet *packet, uint32_t mtu);
void answer_time_exceeded(struct stage *stage, const struct packet *packet);
void answer_port_unreachable(struct stage *stage, const struct packet *packet);
// Whether one more error may be sent to a receiver now; where not, it is counted.
bool answer_is_due(struct stage *stage, enum answer_kind kind, const struct ip_address *receiver);
// The same of an answer to an echo request, which the caller drops where not.
bool answer_echo_is_due(struct stage *stage);

// tunnel_error.c: an ICMP error. False: it is not about a packet in a tunnel of ours.
bool tunnel_error(struct stage *stage, struct packet *packet);

// Puts a tunnelled member's outer headers in front of an IP packet, and moves the start of the mbuf
// to the Ethernet header in front of them, whose addresses are still to be set. Returns that, or
// NULL where the buffer has no room; then nothing has changed. `udp`: the member is a GUE one.
static inline uint8_t *member_wrap(const struct stage *stage, struct rte_mbuf *mbuf, uint8_t *inner,
                                   uint32_t inner_size, const struct tables_member *member,
                                   bool udp);

// stage.c: carries a verdict out. Takes the mbuf.
void stage_dispatch(struct stage *stage, const struct packet *packet);

// stage.c: a leaky bucket: each packet fills it, time empties it at `rate` packets a second, and
// `burst` packets fit. False: it is full.
bool budget_take(struct budget *budget, uint64_t rate, uint64_t burst, uint32_t now_ms);

// forward.c: lowers the MSS of a SYN. `tcp` is its TCP header in the mbuf's first piece.
void clamp_mss(struct stage *stage, const struct rte_mbuf *mbuf, uint8_t *tcp, uint16_t mss_max);
// The same to what fits the way to a tunnelled member, `v4` being the version around it.
void member_clamp_mss(struct stage *stage, const struct rte_mbuf *mbuf, uint8_t *tcp, bool v4,
                      const struct tables_member *member);

// stage.c: gives a packet to another worker. Takes the mbuf.
void stage_hand_off(struct stage *stage, struct rte_mbuf *packet, uint16_t worker, uint16_t port,
                    enum handoff_type type);
void stage_flush_port(struct stage *stage, uint16_t port);

static inline void outbox_add(struct stage *stage, uint16_t port, struct rte_mbuf *packet)
{
    struct outbox *box = &stage->outboxes[port];
    box->packets[box->count++] = packet;
    if (__builtin_expect(box->count == RTE_DIM(box->packets), 0))
        stage_flush_port(stage, port);
}

// The last step of wrapping: the headers end at `end`.
static inline uint8_t *member_wrapped(struct rte_mbuf *mbuf, uint8_t *end,
                                      const struct wire_tunnel_header *header, bool device_sums)
{
    if (header->v4 && device_sums) {
        mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
        mbuf->l2_len = WIRE_ETHERNET_SIZE;
        mbuf->l3_len = WIRE_IPV4_SIZE;
    }
    uint8_t *frame = end - header->size - WIRE_ETHERNET_SIZE;
    ptrdiff_t added = rte_pktmbuf_mtod(mbuf, uint8_t *) - frame;
    return (uint8_t *)rte_pktmbuf_prepend(mbuf, (uint16_t)added);
}

static inline uint8_t *member_wrap(const struct stage *stage, struct rte_mbuf *mbuf, uint8_t *inner,
                                   uint32_t inner_size, const struct tables_member *member,
                                   bool udp)
{
    uint8_t *start = rte_pktmbuf_mtod(mbuf, uint8_t *);
    uint32_t in_front = (uint32_t)(inner - start);
    if (__builtin_expect(rte_pktmbuf_headroom(mbuf) + in_front < WIRE_TUNNEL_ROOM, 0))
        return NULL;
    bool device_sums = stage->ports[member->out_port]->tx_ipv4_checksum;
    const struct wire_tunnel_header *header =
        wire_tunnel_write(inner, inner_size, &member->tunnel, device_sums);
    if (udp)
        wire_tunnel_write_udp(inner, inner_size, header);
    return member_wrapped(mbuf, inner, header, device_sums);
}

_Static_assert(CONFIG_PORTS_MAX <= UINT8_MAX + 1, "a flow remembers its port in 8 bits");

// The way of a two-way flow's replies: the neighbour's slot, with the slot's generation and that of
// the routes, so that it is looked up again when either changed.
static inline uint32_t way_pack(uint32_t slot, uint8_t slot_generation)
{
    DCHECK(slot >> STAGE_NEIGHBOUR_BITS == 0);
    return slot | (uint32_t)slot_generation << STAGE_NEIGHBOUR_BITS;
}

// Fills `hop` where the flow remembers its way and that is still right.
static inline bool way_recall(const struct stage *stage, const struct flow_pair *pair,
                              struct neighbour_view *hop)
{
    uint32_t slot = pair->way & ((1u << STAGE_NEIGHBOUR_BITS) - 1);
    if (slot == NEIGHBOUR_NONE || pair->way_routes != stage->tables->route_generation)
        return false;
    *hop = neighbour_view(stage->neighbours, slot);
    return hop->generation == pair->way >> STAGE_NEIGHBOUR_BITS;
}

// The states in which a segment without SYN, FIN and RST changes nothing but the time: see
// tcp_next_state().
#define FLOW_QUIET_STATES                                                                       \
    (1u << FLOW_TCP_ESTABLISHED | 1u << FLOW_TCP_CLIENT_CLOSED | 1u << FLOW_TCP_MEMBER_CLOSED | \
     1u << FLOW_TCP_CLOSING | 1u << FLOW_UDP)

static inline bool flow_is_quiet(uint8_t state, uint8_t tcp_flags)
{
    return (FLOW_QUIET_STATES >> state & 1) &&
           !(tcp_flags & (WIRE_TCP_SYN | WIRE_TCP_FIN | WIRE_TCP_RST));
}
