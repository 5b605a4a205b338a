// What the stages of one burst share. Private to dataplane/packet/stage.
#pragma once

#include "base/check.h"
#include "dataplane/packet/stage/stage.h"

enum verdict {
    VERDICT_NONE,           // no stage has decided yet
    VERDICT_SEND,           // on out_port, Ethernet header complete
    VERDICT_HOLD,           // on out_port, once the MAC of next_hop is known
    VERDICT_PUNT,           // to the kernel, through in_port's TAP interface
    VERDICT_PUNT_NEIGHBOUR, // the same, ARP or neighbour discovery
    VERDICT_CONSUMED,       // it was for us and has been understood
    VERDICT_HANDOFF,
    VERDICT_DROP,
};

struct packet {
    struct rte_mbuf *mbuf;
    uint8_t *frame; // where the Ethernet header starts
    struct wire_packet wire;
    uint8_t verdict; // enum verdict
    uint8_t reason;  // enum drop_reason, of VERDICT_DROP
    bool handed;     // another worker gave it to us: it is not handed on
    uint16_t in_port;
    uint16_t out_port;
    uint16_t owner;             // of VERDICT_HANDOFF: the worker
    struct ip_address next_hop; // of VERDICT_HOLD
};

struct burst {
    uint32_t count;
    struct packet packets[STAGE_BURST];
    // Of packets that may belong to a flow, without gaps: keys, their hashes, and what was found.
    uint32_t key_count;
    uint8_t packet_of[STAGE_BURST];
    struct flow_key keys[STAGE_BURST];
    uint64_t hashes[STAGE_BURST];
    struct flow *found[STAGE_BURST];
};

static inline void packet_drop(struct packet *packet, enum drop_reason reason)
{
    packet->verdict = VERDICT_DROP;
    packet->reason = (uint8_t)reason;
}

static inline bool is_group_mac(const uint8_t *mac)
{
    return mac[0] & 1;
}

// classify.c: parses every packet and fills the keys.
void stage_classify(struct stage *stage, struct burst *burst);

// established.c: looks the keys up, and sends what belongs to a flow.
void stage_established(struct stage *stage, struct burst *burst);
// The same for one packet and its flow.
void forward_established(struct stage *stage, struct packet *packet, struct flow *flow);

// local.c: ARP, neighbour discovery, echo to our addresses.
void stage_local(struct stage *stage, struct burst *burst);

// admit.c: new flows. What is left undecided after it is not ours.
void stage_admit(struct stage *stage, struct burst *burst);

// forward.c: one packet to a member, or a member's reply to a client.
void forward_to_member(struct stage *stage, struct packet *packet, uint32_t member_slot,
                       uint32_t service_slot);
void forward_reply(struct stage *stage, struct packet *packet, struct flow *flow);
