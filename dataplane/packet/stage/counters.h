// The packet plane's families in the statistics segment, each one line: workers write their own
// slots, anyone reads. By-slot families are indexed by the slots of struct tables, by-port ones by
// port.
#pragma once

#include <stdint.h>

#include "base/config/model.h"
#include "base/stats.h"
#include "dataplane/packet/stage/meter.h"
#include "dataplane/packet/wire/drop.h"

// Slots that services, members and pools have: as many as there may be and as many that left but
// still have flows, slot 0 unused.
#define TABLES_SERVICE_SLOTS (2 * CONFIG_VIPS_MAX + 1)
#define TABLES_MEMBER_SLOTS  (2 * CONFIG_MEMBERS_MAX + 1)
#define TABLES_POOL_SLOTS    (2 * CONFIG_POOLS_MAX + 1)
#define TABLES_RULE_SLOTS    (2 * CONFIG_RULES_MAX + 1)
#define TABLES_LOCAL_SLOTS   (2 * CONFIG_PORTS_MAX * CONFIG_LOCALS_MAX + 1)

// Of the devices that bonds are made of: index port * CONFIG_BOND_MAX + member.
#define COUNTERS_BOND_DEVICES (CONFIG_PORTS_MAX * CONFIG_BOND_MAX)

// X(enumerator, field, name, type, capacity, help). T(enumerator, beside, name, type, capacity,
// help): of those that lie beside each other four are a struct tally, three a struct meter_tally.
#define COUNTER_LIST(X, T)                                                                        \
    X(COUNTER_DROPS, drops, "weir_drops_packets_total", STATS_COUNTER, DROP_REASONS,              \
      "Packets dropped, by reason.")                                                              \
    X(COUNTER_PORT_RX_PACKETS, port_rx_packets, "weir_port_rx_packets_total", STATS_COUNTER,      \
      CONFIG_PORTS_MAX, "Packets received on a port.")                                            \
    X(COUNTER_PORT_RX_BYTES, port_rx_bytes, "weir_port_rx_bytes_total", STATS_COUNTER,            \
      CONFIG_PORTS_MAX, "Bytes received on a port, Ethernet headers included.")                   \
    X(COUNTER_PORT_TX_PACKETS, port_tx_packets, "weir_port_tx_packets_total", STATS_COUNTER,      \
      CONFIG_PORTS_MAX, "Packets given to a port to send.")                                       \
    X(COUNTER_PORT_TX_BYTES, port_tx_bytes, "weir_port_tx_bytes_total", STATS_COUNTER,            \
      CONFIG_PORTS_MAX, "Bytes given to a port to send, Ethernet headers included.")              \
    X(COUNTER_PORT_PUNTED, port_punted, "weir_port_punted_packets_total", STATS_COUNTER,          \
      CONFIG_PORTS_MAX, "Packets of a port handed to the kernel.")                                \
    X(COUNTER_PORT_LINK_DOWNS, port_link_downs, "weir_port_link_downs_total", STATS_COUNTER,      \
      CONFIG_PORTS_MAX, "Times a port was without link, at the start or after it had one.")       \
    X(COUNTER_PORT_FAILOVERS, port_failovers, "weir_port_failovers_total", STATS_COUNTER,         \
      CONFIG_PORTS_MAX, "Times another device of a port's bond took over.")                       \
    X(COUNTER_PORT_INJECTED, port_injected, "weir_port_injected_packets_total", STATS_COUNTER,    \
      CONFIG_PORTS_MAX, "Packets of the kernel sent on a port.")                                  \
    X(COUNTER_BOND_LINK_DOWNS, bond_link_downs, "weir_bond_link_downs_total", STATS_COUNTER,      \
      COUNTERS_BOND_DEVICES,                                                                      \
      "Times a device of a bond was without link, at the start or after it had one.")             \
    T(COUNTER_VIP_PACKETS, false, "weir_vip_packets_total", STATS_COUNTER, TABLES_SERVICE_SLOTS,  \
      "Packets from clients to a virtual address that went to a member.")                         \
    T(COUNTER_VIP_BYTES, true, "weir_vip_bytes_total", STATS_COUNTER, TABLES_SERVICE_SLOTS,       \
      "Bytes of those packets, Ethernet headers included.")                                       \
    T(COUNTER_VIP_FLOWS_CREATED, true, "weir_vip_flows_created_total", STATS_COUNTER,             \
      TABLES_SERVICE_SLOTS, "Flows that began at a virtual address.")                             \
    T(COUNTER_VIP_FLOWS, true, "weir_vip_flows", STATS_GAUGE, TABLES_SERVICE_SLOTS,               \
      "Flows of a virtual address.")                                                              \
    T(COUNTER_MEMBER_PACKETS, false, "weir_member_packets_total", STATS_COUNTER,                  \
      TABLES_MEMBER_SLOTS, "Packets from clients sent to a member.")                              \
    T(COUNTER_MEMBER_BYTES, true, "weir_member_bytes_total", STATS_COUNTER, TABLES_MEMBER_SLOTS,  \
      "Bytes of those packets, Ethernet headers included.")                                       \
    T(COUNTER_MEMBER_FLOWS_CREATED, true, "weir_member_flows_created_total", STATS_COUNTER,       \
      TABLES_MEMBER_SLOTS, "Flows that were given to a member.")                                  \
    T(COUNTER_MEMBER_FLOWS, true, "weir_member_flows", STATS_GAUGE, TABLES_MEMBER_SLOTS,          \
      "Flows that a member has.")                                                                 \
    T(COUNTER_STAGE_CALLS, false, "weir_stage_calls_total", STATS_COUNTER, METER_STAGES,          \
      "Calls of a stage, a sample scaled up.")                                                    \
    T(COUNTER_STAGE_PACKETS, true, "weir_stage_packets_total", STATS_COUNTER, METER_STAGES,       \
      "Packets that a stage was called for, a sample scaled up.")                                 \
    T(COUNTER_STAGE_CYCLES, true, "weir_stage_cycles_total", STATS_COUNTER, METER_STAGES,         \
      "Time-stamp counter cycles spent in a stage, a sample scaled up.")                          \
    X(COUNTER_ACCESS_PACKETS, access_packets, "weir_access_packets_total", STATS_COUNTER,         \
      TABLES_RULE_SLOTS, "Packets that an access rule decided on.")                               \
    X(COUNTER_LOCAL_PORTS, local_ports, "weir_local_ports", STATS_GAUGE, TABLES_LOCAL_SLOTS,      \
      "Ports of a local address that flows have.")                                                \
    X(COUNTER_LOCAL_REFUSALS, local_refusals, "weir_local_refusals_total", STATS_COUNTER,         \
      TABLES_LOCAL_SLOTS, "Times a new flow found no free port at a local address.")              \
    X(COUNTER_INTRODUCTIONS, introductions, "weir_introductions_total", STATS_COUNTER, 1,         \
      "Headers of the PROXY protocol sent to members, repeated ones included.")                   \
    X(COUNTER_CLIENT_OPTIONS, client_options, "weir_client_options_total", STATS_COUNTER, 1,      \
      "Segments to members with a TOA option, repeated ones included.")                           \
    X(COUNTER_OPTIONS_OMITTED, client_options_omitted, "weir_client_options_omitted_total",       \
      STATS_COUNTER, 1,                                                                           \
      "Such segments that went without it: no room in TCP header, packet or buffer.")             \
    X(COUNTER_LOCAL_EVICTIONS, local_evictions, "weir_local_evictions_total", STATS_COUNTER, 1,   \
      "Flows that were over, or without a complete handshake, whose local port another one got.") \
    X(COUNTER_AFFINITIES_EVICTED, affinities_evicted, "weir_affinity_evictions_total",            \
      STATS_COUNTER, 1, "Clients whose member was forgotten early, for want of room.")            \
    X(COUNTER_VIP_FLOWS_EARNED, vip_flows_earned, "weir_vip_flows_earned_total", STATS_COUNTER,   \
      TABLES_SERVICE_SLOTS, "Times a flow earned its place, as by a complete handshake.")         \
    X(COUNTER_VIP_STATELESS, vip_stateless, "weir_vip_stateless_workers", STATS_GAUGE,            \
      TABLES_SERVICE_SLOTS, "Workers where new flows go by hash alone, without an entry.")        \
    X(COUNTER_UNTRACKED, untracked, "weir_untracked_packets_total", STATS_COUNTER, 1,             \
      "Packets that went by the balancer's choice alone: stateless, or the flow table was full.") \
    X(COUNTER_PROBATION_EVICTIONS, probation_evictions, "weir_probation_evictions_total",         \
      STATS_COUNTER, 1, "Flows forgotten before they had earned their place, for want of room.")  \
    X(COUNTER_ICMP_RELAYED, icmp_relayed, "weir_icmp_errors_relayed_total", STATS_COUNTER, 1,     \
      "ICMP errors about flows that were passed on to members and clients.")                      \
    X(COUNTER_ICMP_UNSEARCHED, icmp_unsearched, "weir_icmp_errors_unsearched_total",              \
      STATS_COUNTER, 1,                                                                           \
      "ICMP errors whose flow was not sought at other workers: over the rate of those.")          \
    X(COUNTER_TUNNEL_ERRORS, tunnel_errors, "weir_tunnel_errors_total", STATS_COUNTER, 1,         \
      "ICMP errors of routers about packets on their way to a member in a tunnel.")               \
    X(COUNTER_ICMP_SENT, icmp_sent, "weir_icmp_errors_sent_total", STATS_COUNTER, 1,              \
      "ICMP errors of our own about packets that could not go on.")                               \
    X(COUNTER_ICMP_SUPPRESSED, icmp_suppressed, "weir_icmp_errors_suppressed_total",              \
      STATS_COUNTER, 1, "ICMP errors that were not sent: over the rate, or no free buffer.")      \
    X(COUNTER_TOO_BIG_SUPPRESSED, too_big_suppressed, "weir_icmp_too_big_suppressed_total",       \
      STATS_COUNTER, 1, "Errors over the rate that tell what fits: connections may hang.")        \
    X(COUNTER_FRAGMENTS, fragments, "weir_fragments_followed_total", STATS_COUNTER, 1,            \
      "Fragments that went the way of their datagram's first one.")                               \
    X(COUNTER_FRAGMENTS_EVICTED, fragments_evicted, "weir_fragment_evictions_total",              \
      STATS_COUNTER, 1,                                                                           \
      "Datagrams forgotten before all of their fragments came, for want of room.")                \
    X(COUNTER_FRAGMENT_DATAGRAMS, fragment_datagrams, "weir_fragment_datagrams", STATS_GAUGE, 1,  \
      "Datagrams in fragments that a worker has in mind, up to 1024.")                            \
    X(COUNTER_FRAGMENTS_WAITING, fragments_waiting, "weir_fragments_waiting", STATS_GAUGE, 1,     \
      "Fragments that wait at a worker for their datagram's first one, up to 256.")               \
    X(COUNTER_SPLIT, split, "weir_split_packets_total", STATS_COUNTER, 1,                         \
      "Packets too large for their way that were sent in fragments.")                             \
    X(COUNTER_MSS_CLAMPED, mss_clamped, "weir_mss_clamped_packets_total", STATS_COUNTER, 1,       \
      "SYNs whose maximum segment size was lowered to what fits their way.")                      \
    X(COUNTER_MSS_MALFORMED, mss_malformed, "weir_mss_malformed_packets_total", STATS_COUNTER, 1, \
      "SYNs to be lowered whose TCP options could not be read, left as they were.")               \
    X(COUNTER_SECOND_CHANCES, second_chances, "weir_second_chance_packets_total", STATS_COUNTER,  \
      1, "Packets of unknown flows that were sent with a list of members who may know them.")     \
    X(COUNTER_SECOND_CHANCES_CUT, second_chances_cut, "weir_second_chance_cut_packets_total",     \
      STATS_COUNTER, 1,                                                                           \
      "Such packets whose list could not hold all drained members before theirs.")                \
    X(COUNTER_HANDOFFS, handoffs, "weir_worker_handoffs_total", STATS_COUNTER, 1,                 \
      "Packets given to the worker that owns their flow or a queue.")                             \
    X(COUNTER_FULLNAT_HANDOFFS, fullnat_handoffs, "weir_worker_fullnat_handoffs_total",           \
      STATS_COUNTER, 1, "Packets of FullNAT that came to another worker than their flow's.")      \
    X(COUNTER_NEWS_LOST, news_lost, "weir_news_lost_total", STATS_COUNTER, 1,                     \
      "News of neighbours and of paths that the full mailbox of the main thread did not take.")   \
    X(COUNTER_NEIGHBOURS, neighbours, "weir_neighbours", STATS_GAUGE, 1,                          \
      "Neighbours that are known or asked for besides the configuration's next hops.")            \
    X(COUNTER_NEIGHBOURS_EVICTED, neighbours_evicted, "weir_neighbour_evictions_total",           \
      STATS_COUNTER, 1, "Of those, the ones that were forgotten early, for want of room.")        \
    X(COUNTER_NEIGHBOURS_REFUSED, neighbours_refused, "weir_neighbours_refused_total",            \
      STATS_COUNTER, 1, "Neighbours that were not taken in, for want of room.")                   \
    X(COUNTER_TURNS, turns, "weir_worker_turns_total", STATS_COUNTER, 1,                          \
      "Turns of a worker's loop.")                                                                \
    X(COUNTER_EMPTY_TURNS, empty_turns, "weir_worker_empty_turns_total", STATS_COUNTER, 1,        \
      "Turns that found nothing to do.")                                                          \
    X(COUNTER_SLEEPS, sleeps, "weir_worker_sleeps_total", STATS_COUNTER, 1,                       \
      "Times an idle worker slept.")                                                              \
    X(COUNTER_PACKETS, packets, "weir_worker_packets_total", STATS_COUNTER, 1,                    \
      "Packets a worker took from ports, TAP interfaces and other workers.")                      \
    X(COUNTER_BUSY_CYCLES, busy_cycles, "weir_worker_busy_cycles_total", STATS_COUNTER, 1,        \
      "Time-stamp counter cycles of turns that found work.")                                      \
    X(COUNTER_CYCLES, cycles, "weir_worker_cycles_total", STATS_COUNTER, 1,                       \
      "Time-stamp counter cycles since a worker began, sleep included.")                          \
    X(COUNTER_FLOWS, flows, "weir_worker_flows", STATS_GAUGE, 1,                                  \
      "Entries in use in a worker's flow table; a NAT flow has two.")

enum counter {
#define COUNTER_ENUMERATOR(enumerator, field, name, type, capacity, help)   enumerator,
#define COUNTER_OF_TALLY(enumerator, is_beside, name, type, capacity, help) enumerator,
    COUNTER_LIST(COUNTER_ENUMERATOR, COUNTER_OF_TALLY)
#undef COUNTER_OF_TALLY
#undef COUNTER_ENUMERATOR
    COUNTERS,
};

// What is counted of a vip or a member, half a cache line: families in the order of the list.
struct tally {
    uint64_t packets, bytes;
    uint64_t flows_created, flows;
};

// One worker's slots of every family.
struct counters {
#define COUNTER_FIELD(enumerator, field, name, type, capacity, help) uint64_t *field;
#define COUNTER_OF_TALLY(enumerator, is_beside, name, type, capacity, help)
    COUNTER_LIST(COUNTER_FIELD, COUNTER_OF_TALLY)
#undef COUNTER_OF_TALLY
#undef COUNTER_FIELD
    struct tally *vips;         // by slot
    struct tally *members;      //
    struct meter_tally *stages; // by enum meter_stage
};

static inline void tally_packet(struct tally *tally, uint32_t bytes)
{
    stats_add(&tally->packets, 1);
    stats_add(&tally->bytes, bytes);
}

// The families in the order of enum counter, for stats_create().
extern const struct stats_family counter_families[COUNTERS];

// The slots that `writer` owns.
struct counters counters_of(struct stats *stats, uint32_t writer);
