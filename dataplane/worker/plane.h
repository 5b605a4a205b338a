// The packet plane as the daemon sees it: started from a configuration, changed by another one,
// looked at, stopped. All of it is the main thread's. A change is taken in three steps: prepare
// (compile new tables; may fail, changes nothing), commit (swap one pointer), retire (free the old
// tables after every worker has passed a quiescent state).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"

#define PLANE_WHY_SIZE 512

struct plane;
struct stats_reader;

// Starts DPDK, opens the ports, builds the tables, starts the workers. `config` is borrowed until
// the next change or plane_destroy(). Once a process. On an error `why` has a sentence.
enum error plane_create(const struct config *config, struct plane **plane, char *why);

// Stops the workers, closes the ports, frees everything. NULL is allowed.
void plane_destroy(struct plane *plane);

// Changes to `config`, which is borrowed from then on. On an error the old one goes on unharmed:
// ERROR_UNSUPPORTED for what only a restart can change, and `why` names it.
enum error plane_change(struct plane *plane, const struct config *config, char *why);

// An operator's word: the member gets no new flows, over reloads, until it is undone.
// ERROR_NOT_FOUND. `changed`: it was not so before.
enum error plane_drain(struct plane *plane, const char *pool, const char *member, bool drain,
                       bool *changed, char *why);

// The slow path: what workers sent, neighbours' timers, what can be freed, what should be told.
// Call whenever the loop turns, at least every PLANE_TURN_MS. True: there is more, come again at
// once.
#define PLANE_TURN_MS 2
bool plane_turn(struct plane *plane, uint64_t now_ns);

// Views for people. Texts are borrowed.
uint64_t plane_revision(const struct plane *plane);
bool plane_huge_pages(const struct plane *plane);
int plane_stats_fd(const struct plane *plane);
const struct stats_reader *plane_stats(const struct plane *plane);

struct plane_port_view {
    const char *driver;
    bool link_up;
    uint32_t speed_mbps;
    uint8_t mac[6];
    uint16_t rx_queues, tx_queues;
    const char *steering;     // "rss", "handoff", "single"
    const char *steering_why; // why none better; "": it is the best
    int numa_node;            // below 0: not known
    const char *bond;         // "active-backup", "balance-xor", "802.3ad"; NULL: no bond
    uint32_t member_count;    // devices that it is made of
    bool punts;
    bool rx_checksum, tx_checksum;
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t rx_missed, rx_errors, tx_errors, rx_no_buffer;
};
void plane_port_view(struct plane *plane, uint32_t port, struct plane_port_view *view);

// A device of a bond; link_downs is counted under the number `instance` of
// weir_bond_link_downs_total.
struct plane_bond_view {
    char device[64];   // DPDK's name of it
    const char *state; // "active", "standby", "waiting", "down"
    uint32_t speed_mbps;
    uint32_t instance;
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};
void plane_bond_view(const struct plane *plane, uint32_t port, uint32_t member,
                     struct plane_bond_view *view);

// What a port's device offers to do, and whether it does; `why` it does not.
struct plane_offload_view {
    const char *name;
    bool offered, used;
    const char *why;
};
void plane_walk_offloads(const struct plane *plane, uint32_t port,
                         void (*visit)(void *context, const struct plane_offload_view *view),
                         void *context);

// Drop reasons: instance `instance` of the family weir_drops_packets_total. NULL past the last.
struct plane_drop_text {
    uint32_t instance;
    const char *name;
    const char *help;
    const char *remedy;
};
const struct plane_drop_text *plane_drop_reason(uint32_t index);

// Of those, the ones whose vip is known, by the vip's slot and by worker.
uint64_t plane_service_drops(const struct plane *plane, uint32_t slot, uint32_t reason,
                             uint32_t worker);

// Stages: instance `index` of the families weir_stage_*. NULL past the last.
struct plane_stage_text {
    const char *name;
    const char *help;
};
const struct plane_stage_text *plane_stage_text(uint32_t index);

// Members, services: slots by which counters are indexed.
struct plane_member_view {
    uint32_t slot;
    const char *pool;
    const char *name;
    struct ip_address address;
    uint16_t port; // host byte order, 0: the vip's own
    uint16_t weight;
    const char *state;    // "active", "slow-start", "drain", "removed"
    const char *next_hop; // "reachable", "incomplete", "failed", "unknown"
    uint16_t path_mtu;    // of a tunnel's way, where it is less than its port's; else 0
};
void plane_walk_members(const struct plane *plane,
                        void (*visit)(void *context, const struct plane_member_view *view),
                        void *context);
// How long handshakes with a member (slot) took, from SYN to ACK.
#define PLANE_HANDSHAKE_BUCKETS 124
struct plane_handshakes {
    uint64_t count;
    double p50_us, p90_us, p99_us; // that part took at most so many microseconds
    uint32_t bucket_count;         // of the histogram; those that hold none are left out
    struct {
        double longest_us;
        uint64_t count;
    } buckets[PLANE_HANDSHAKE_BUCKETS];
};
struct plane_handshakes plane_handshakes(const struct plane *plane, uint32_t slot);

// The slot of a configured vip, 0 if it has none.
uint32_t plane_vip_slot(const struct plane *plane, const struct config_vip *vip);

// What each pool's balancer would do with new flows.
struct plane_share_view {
    const char *pool;
    const char *balancer;
    const char *member;
    uint32_t weight; // as it counts now: 0 for one that is drained
    double share;    // of new flows, 0 to 1
    // Of the flows that are others', the part that would get another member, were this one
    // drained. Below 0: the policy does not go by hash, or of more than PLANE_MOVES_MEMBERS members
    // is asked: each takes a balancer of its own, and the main thread has other things to do.
    double moves;
};
#define PLANE_MOVES_MEMBERS 64
// Visits the members of a pool, or of all with NULL. ERROR_NOT_FOUND: no such pool;
// ERROR_NO_MEMORY.
enum error plane_walk_shares(const struct plane *plane, const char *pool,
                             void (*visit)(void *context, const struct plane_share_view *view),
                             void *context);

// Rules of the access list in the order in which they decide; slots index their counters.
struct plane_rule_view {
    uint32_t slot;
    const char *name;
    bool denies;
};
uint32_t plane_rules(const struct plane *plane);
struct plane_rule_view plane_rule_view(const struct plane *plane, uint32_t index);

// Local addresses; slots index their counters.
struct plane_local_view {
    uint32_t slot;
    uint32_t port;
    struct ip_address address;
    bool removed;              // no longer configured; its flows go on
    uint32_t ports_per_member; // that all workers together can give to one member's port
};
void plane_walk_locals(const struct plane *plane,
                       void (*visit)(void *context, const struct plane_local_view *view),
                       void *context);

struct plane_worker_view {
    uint32_t core;
    int numa_node;          // below 0: not known
    uint32_t flow_capacity; // entries
    uint64_t flow_bytes;    // memory of the whole flow table
    double busy_share;      // 0 to 1: of the last second
};
uint32_t plane_workers(const struct plane *plane);
void plane_worker_view(const struct plane *plane, uint32_t worker, struct plane_worker_view *view);

struct plane_flow_view {
    uint32_t worker;
    uint8_t protocol; // IPPROTO_*
    bool reply;
    struct ip_address client, vip, member;
    uint16_t client_port, vip_port; // host byte order
    const char *vip_name, *pool, *member_name;
    const char *state;
    uint32_t expires_ms; // from now
};
// Where a walk over the flows of all workers is; zero: at its start.
struct plane_flow_place {
    uint32_t worker;
    uint32_t position; // in its table
};

// Calls `visit` for the next page of flows and moves `*place` on; the walk is over when
// `place->worker` is plane_workers(). A big table has many pages: the main thread has other work in
// between. ERROR_TIMEOUT if the worker does not answer; ERROR_EMPTY if `visit` returned false: it
// wants no more.
enum error plane_walk_flows(struct plane *plane, struct plane_flow_place *place,
                            bool (*visit)(void *context, const struct plane_flow_view *view),
                            void *context);

// Who talks most of late, of all workers together and the heaviest first.
struct plane_talker_view {
    struct ip_address client;
    double packets_share, bytes_share; // 0 to 1: of what clients sent and got
    double too_high;                   // the packets' share may be less by so much
};
// ERROR_TIMEOUT if a worker does not answer; ERROR_NO_MEMORY.
enum error plane_walk_talkers(struct plane *plane, uint32_t limit,
                              void (*visit)(void *context, const struct plane_talker_view *view),
                              void *context);

// Watching packets. One watch at a time; its number is what start gave.
struct plane_watch_request {
    const char *filter; // text, dataplane/packet/trace/filter.h
    uint32_t snap;      // bytes of each frame that are wanted, up to PLANE_WATCH_SNAP_MAX
    uint32_t rate;      // packets a second and worker at most
};
#define PLANE_WATCH_SNAP_MAX 9216

struct plane_watch_fault {
    size_t at, length; // of the filter's text, where that is wrong
    char why[PLANE_WHY_SIZE];
    char remedy[PLANE_WHY_SIZE];
};
// ERROR_INVALID: the filter; ERROR_EXISTS: there is a watch; ERROR_NO_MEMORY.
enum error plane_watch_start(struct plane *plane, const struct plane_watch_request *request,
                             uint64_t *number, struct plane_watch_fault *fault);
// ERROR_NOT_FOUND: it has ended.
enum error plane_watch_stop(struct plane *plane, uint64_t number);

#define PLANE_WATCH_STEPS_MAX 8
#define PLANE_WATCH_TEXT_SIZE 320

struct plane_watch_step {
    const char *stage;
    char verdict[PLANE_WATCH_TEXT_SIZE];
};

struct plane_watch_view {
    uint64_t time_ns; // since 1970
    uint32_t worker, in_port, out_port;
    bool handed;                        // came from another worker
    char packet[PLANE_WATCH_TEXT_SIZE]; // what it is
    const char *verdict;                // "sent", "held", "punted", "consumed", "handed", "dropped"
    const char *reason;                 // why it was dropped, else NULL
    const char *vip, *pool, *member;    // NULL where there is none
    uint32_t step_count;
    struct plane_watch_step steps[PLANE_WATCH_STEPS_MAX];
    uint32_t in_size, out_size; // of the frame; out: 0 where none leaves
    uint32_t in_bytes, out_bytes;
    const uint8_t *in, *out; // the first bytes of both
};

struct plane_watch_counts {
    uint64_t lost;    // wanted, but nobody took them in time
    uint64_t limited; // wanted, but over the rate
};
// Visits at most `limit` packets that were watched, worker by worker. `more`: there may be more
// already. ERROR_NOT_FOUND: it has ended, as it does when nobody asks for some seconds.
enum error plane_watch_read(struct plane *plane, uint64_t number, uint32_t limit,
                            void (*visit)(void *context, const struct plane_watch_view *view),
                            void *context, bool *more, struct plane_watch_counts *counts);

struct plane_neighbour_view {
    uint32_t port;
    struct ip_address address;
    uint8_t mac[6];
    const char *state;
    bool pinned;
    uint32_t held;
};
// Those that the configuration does not name, of all ports together.
struct plane_neighbour_counts {
    uint32_t dynamic, dynamic_max;
    uint64_t evicted; // forgotten early, for want of room
    uint64_t refused; // not taken in, for want of room
};
struct plane_neighbour_counts plane_neighbour_counts(const struct plane *plane);
void plane_walk_neighbours(const struct plane *plane,
                           void (*visit)(void *context, const struct plane_neighbour_view *view),
                           void *context);
