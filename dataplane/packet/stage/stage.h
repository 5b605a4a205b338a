// The stages a packet walks, a burst at a time: classify (what is it), established (a flow is
// known: rewrite and send), local (ARP, ND, echo for our addresses), admit (a new flow: service,
// balancer, flow table), punt (not ours). Every packet leaves with exactly one verdict, which
// dispatch carries out: into an outbox, to the kernel, to another worker, to the main thread, or
// dropped by name.
//
// A struct stage belongs to one worker thread; nothing in it is shared but what is said so.
#pragma once

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/siphash.h"
#include "dataplane/balance/affinity.h"
#include "dataplane/packet/flow/flow.h"
#include "dataplane/packet/flow/probation.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/packet/route/neighbour.h"
#include "dataplane/packet/stage/counters.h"
#include "dataplane/packet/stage/drops.h"
#include "dataplane/packet/stage/fragments.h"
#include "dataplane/packet/stage/handshakes.h"
#include "dataplane/packet/stage/meter.h"
#include "dataplane/packet/stage/observe.h"
#include "dataplane/packet/stage/pressure.h"
#include "dataplane/packet/stage/tables.h"
#include "dataplane/packet/trace/talkers.h"
#include "dataplane/packet/wire/drop.h"
#include "dataplane/packet/wire/parse.h"

#define STAGE_BURST 32

// Bits in which a flow remembers the slot of a neighbour.
#define STAGE_NEIGHBOUR_BITS 24

// Members of FullNAT share so many counters of identifications, so that each comes round late.
#define STAGE_IDENTIFICATIONS 256

// From a worker to the main thread, which keeps the neighbours: a message told where `address` is.
// Or what the way to a tunnelled member at `address` takes.
struct news_message {
    uint16_t path_mtu; // not 0: IP packets of so many bytes, and nothing else counts
    uint8_t mac[6];
    bool solicited;
    bool override;
    bool create;
    bool conflict; // `address` is ours: another station claims it
    uint16_t port;
    struct ip_address address;
};

// From a worker to the main thread: `packet` waits for the MAC of `address`. The mbuf is handed
// over.
struct hold_message {
    struct rte_mbuf *packet;
    uint16_t port;
    struct ip_address address;
};

// From a worker (or the main thread) to another worker. The mbuf is handed over.
enum handoff_type {
    HANDOFF_PROCESS,  // received on `port`, its flow is yours
    HANDOFF_SEARCH,   // an ICMP error received on `port`: is its flow yours?
    HANDOFF_TRANSMIT, // send it on `port` as it is
    HANDOFF_PUNT,     // give it to the kernel through the TAP interface of `port`
};

struct handoff_message {
    struct rte_mbuf *packet;
    uint16_t port;
    uint16_t type;   // enum handoff_type
    uint16_t origin; // of HANDOFF_SEARCH: the worker that began it
};

// Packets that wait for the end of the burst to be sent together.
struct outbox {
    uint32_t count;
    struct rte_mbuf *packets[2 * STAGE_BURST];
};

// What a worker has spent of late of something that is limited, in millionths of a packet.
struct budget {
    uint64_t used_millionths;
    uint32_t emptied_ms;
};

// What we say by ICMP of our own, each within limits of its own: nobody uses up another's.
enum answer_kind {
    ANSWER_TOO_BIG, // what fits a way, without which connections hang; and what routers say of it
    ANSWER_UNDELIVERABLE,
    ANSWER_ECHO,
    ANSWER_KINDS,
};

// And each receiver's errors within a share of them; many have one of so many.
#define ANSWER_SHARES 256u

struct stage {
    uint32_t worker;
    uint32_t now_ms;             // set by the worker each turn
    const struct tables *tables; // set by the worker each turn; shared, immutable
    struct flow_table *flows;
    struct probation *probations[PROBATION_SETS]; // of the table's flows, those on probation
    struct pressure pressure;                     // which services' new flows have entries
    const struct neighbour_table *neighbours;     // shared, written by the main thread
    struct port *const *ports;                    // shared, immutable after start
    struct siphash_key owner_key;                 // which worker owns a NAT flow; the same for all
    struct balance_cursor *cursors;               // by pool slot
    struct affinity_table *affinities;            // for pools with affinity
    struct fragments *fragments;                  // of datagrams on their way
    struct mailbox *news;                         // to the main thread
    struct mailbox *held;                         // to the main thread
    struct mailbox **handoff;                     // to each worker; [worker] itself is NULL
    struct counters counters;
    struct drops drops;           // by service
    struct handshakes handshakes; // by member
    uint32_t now_ticks;           // set by the worker each turn; of 2^HANDSHAKE_TICK_BITS cycles
    struct meter meter;           // of this turn
    struct observe_tap *tap;      // set by the worker each turn; NULL: nobody watches
    struct talkers talkers;       // by a sample
    uint32_t talkers_halved_ms;   //
    enum drop_reason last_drop;   // what was dropped last was dropped for this
    uint64_t rules_held; // digest of the rules that all flows were held against, or are being
    uint32_t recheck_position;
    bool rechecking;
    bool recheck_again; // one that may not be has moved meanwhile
    struct budget punt_budgets[CONFIG_PORTS_MAX];
    // The kernel's own ARP and neighbour discovery goes on while other packets are over the rate.
    struct budget neighbour_budgets[CONFIG_PORTS_MAX];
    uint32_t identifications[STAGE_IDENTIFICATIONS]; // how many fullnat_identify() has given
    struct budget searches;                          // for flows of ICMP errors, at other workers
    struct budget unknown; // ICMP errors that go on although their flows are not known
    struct budget answers[ANSWER_KINDS];
    struct budget answer_shares[ANSWER_SHARES];
    struct outbox outboxes[CONFIG_PORTS_MAX];
    struct outbox punts[CONFIG_PORTS_MAX];
};

// Makes what the stages count in, and registers the accounting of flows that end with the stage's
// flow table. Call once flow table and counters are filled in. ERROR_NO_MEMORY.
enum error stage_init(struct stage *stage);
void stage_fini(struct stage *stage);

// Once a turn: drops fragments that have waited too long, and decides whose new flows have entries.
void stage_expire(struct stage *stage);

// Walks `count` (at most STAGE_BURST) packets received on `port` through the stages. Takes the
// mbufs.
void stage_receive(struct stage *stage, uint16_t port, struct rte_mbuf **packets, uint32_t count);

// The same for packets of a device that ports share, or whose frames are tagged: each goes to the
// port that has its VLAN, without its tag.
void stage_receive_tagged(struct stage *stage, const struct port_vlans *vlans,
                          struct rte_mbuf **packets, uint32_t count);

// The same for packets that another worker handed over: each has its own port.
void stage_receive_handed(struct stage *stage, const struct handoff_message *messages,
                          uint32_t count);

// Queues a packet that is ready to go. Takes the mbuf.
void stage_transmit(struct stage *stage, uint16_t port, struct rte_mbuf *packet);

// Halves what the top talkers have as often as it was due since: also of a worker that was idle.
void stage_age_talkers(struct stage *stage);

// Sends what the outboxes hold; what a device does not take is dropped by name.
void stage_flush(struct stage *stage);

// Drops a packet by name. Takes the mbuf.
void stage_drop(struct stage *stage, struct rte_mbuf *packet, enum drop_reason reason);
// The same of a packet of a service, which is counted there, too; 0: of none that is known.
void stage_drop_of(struct stage *stage, struct rte_mbuf *packet, enum drop_reason reason,
                   uint16_t service);
