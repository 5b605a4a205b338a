// What workers know of the configuration: one immutable snapshot, compiled by the main thread,
// published by one pointer, freed when no worker can still read it. Slots keep their numbers from
// one snapshot to the next, so flows and counters outlive a change.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/config/model.h"
#include "base/error.h"
#include "dataplane/balance/balance.h"
#include "dataplane/packet/flow/flow.h"
#include "dataplane/packet/local/local.h"
#include "dataplane/packet/route/neighbour.h"
#include "dataplane/packet/route/route.h"
#include "dataplane/packet/stage/endpoint.h"
#include "dataplane/packet/stage/rules.h"
#include "dataplane/packet/steer/steer.h"
#include "dataplane/packet/wire/rewrite.h"
#include "dataplane/packet/wire/tunnel.h"

struct registry;

// Where a member is and how packets get there. What is read for every packet lies in the first
// cache line.
struct tables_member {
    _Alignas(64) struct ip_address address;
    uint32_t neighbour;         // slot of the next hop
    uint16_t out_port;          // index of the port
    uint16_t port;              // of two-way ones: network byte order, 0: the vip's own
    uint16_t ip_size_max;       // the largest IP packet that fits the way there
    uint8_t forward;            // enum config_forward
    bool used;                  // the slot stands for a member
    bool removed;               // no longer configured; its flows go on
    bool active;                // gets new flows
    uint16_t weight;            // as configured
    uint8_t held_back;          // of its weight, in BALANCE_STEPS
    uint8_t list_size;          // bytes kept free on the way for a second chance's hops
    uint8_t client_address;     // enum config_client_address
    uint32_t pool;              // slot of its pool
    uint64_t returned_ns;       // when it began to get flows, while it warms up; 0: it is warm
    struct ip_address next_hop; // whose slot `neighbour` is
    uint64_t since;             // revision from which on the slot stands for this member
    _Alignas(64) struct wire_tunnel tunnel; // of tunnels
    uint16_t path_mtu; // of tunnels: what routers said the way takes; 0: as much as its port
    char name[CONFIG_NAME_SIZE];
    char pool_name[CONFIG_NAME_SIZE];
};

// A pool's members as its balancer sees them. Shared by snapshots while nothing in it changes.
struct tables_pool {
    uint32_t references; // of snapshots; main thread only
    uint32_t slot;
    char name[CONFIG_NAME_SIZE];
    enum config_balancer policy;
    uint32_t second_chance; // members besides a flow's own that may know it
    enum config_forward forward;
    struct balancer *balancer;      // NULL: no members
    struct balancer *by_hash;       // in its stead for what must agree without a flow; or NULL
    struct balance_member *weights; // what the balancer was built from
    uint32_t *members;              // slots, in the balancer's order
    uint32_t member_count;
    uint32_t affinity_ms;        // 0: none
    uint64_t client_masks[2][2]; // by `v4`: what of an address's 16 bytes makes a client
};

struct tables_service {
    bool used;
    bool removed; // no longer configured; its flows go on
    struct ip_address address;
    uint16_t port; // network byte order
    uint8_t protocol;
    // With several workers, its flows are at the worker that owns them: they are two-way, or were
    // of late.
    bool owned;
    bool steered;   // and that is the worker to which clients' packets come by the hash
    uint64_t since; // revision from which on the slot stands for this service
    const struct tables_pool *pool; // NULL once removed
    char name[CONFIG_NAME_SIZE];
};

// The port of a two-way member to which a service's packets go: network byte order.
static inline uint16_t tables_member_port(const struct tables_member *member,
                                          const struct tables_service *service)
{
    return member->port ? member->port : service->port;
}

// The port from which a member answers a service at a port: echo (port 0) has none.
static inline uint16_t tables_answering_port(const struct tables_member *member, uint16_t port)
{
    return member->port && port ? member->port : port;
}

// A service's protocol towards a member, which may be of the other IP version: ICMP is two.
static inline uint8_t tables_protocol_at(uint8_t protocol, const struct ip_address *member)
{
    bool icmp = protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
    return !icmp ? protocol : ip_is_v4(member) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

// A neighbour that the configuration needs.
struct tables_hop {
    uint32_t port;
    struct ip_address address;
};

// A local address.
struct tables_local {
    bool used;
    bool removed;      // no longer configured; its flows go on
    uint16_t out_port; // index of the port that answers for it
    struct ip_address address;
    uint32_t hash;             // what it gives to the hash of a packet to it
    struct local_ports *ports; // snapshots that have it refer to it; each worker touches its own
};

// The local addresses of one IP version that new flows out of a port get.
struct tables_locals {
    uint32_t count;
    uint16_t slots[CONFIG_LOCALS_MAX];
};

struct tables_port {
    uint32_t address_count;
    struct ip_prefix *addresses;
    struct tables_locals locals[2]; // by `v4`
    uint16_t mtu;
    uint64_t punt_rate; // packets a second and worker
};

struct tables {
    uint64_t revision;
    uint8_t route_generation; // another one when routes change: remembered ways are looked up anew
    uint32_t workers;
    bool busy_poll;                    // workers never sleep
    uint64_t sleep_max_ns;             // else their longest sleep
    struct siphash_key balance_key;    // from node.hash-seed: shared with sister appliances
    uint32_t timeouts_ms[FLOW_STATES]; //
    struct endpoint_set *endpoints;    // owned, as all below
    uint64_t *endpoint_numbers;        // members' that this snapshot uses, as a bit set
    const struct steer *steer;         // borrowed; NULL: no port spreads packets by our hash
    uint32_t *endpoint_hashes; // with `steer`: what members' endpoints give to the hash of replies
    struct route *route_list;  // what `routes` was built from
    uint32_t route_count;
    struct tables_hop *hops; // gateways and members' next hops, each at least once
    uint32_t hop_count;
    struct route_table *routes; //
    struct tables_port ports[CONFIG_PORTS_MAX];
    uint32_t port_count;
    struct tables_service *services; // by slot
    uint32_t service_limit;          // one past the highest slot
    struct tables_member *members;   // by slot
    uint32_t member_limit;           //
    struct tables_local *locals;     // by slot
    uint32_t local_limit;            //
    struct tables_pool **pools;      // in the configuration's order
    uint32_t pool_count;
    struct rules *rules; // NULL: without any
    // When a member that warms up is to get more, or a path's MTU is to be forgotten; 0: never.
    uint64_t next_step_ns;
};

// What the compiler needs besides the configuration. All borrowed.
struct tables_context {
    uint64_t revision;
    const struct tables *previous; // or NULL
    struct registry *services;     // give out the slots
    struct registry *pools;
    struct registry *members;
    struct registry *locals;
    struct registry *rules;
    struct registry *endpoints;         // numbers of members' endpoints, ENDPOINT_NUMBERS of them
    struct neighbour_table *neighbours; // next hops are pinned there
    const struct neighbour_actions *actions;
    const struct steer *steer; // or NULL; the same for all snapshots
    uint64_t now_ns;
    // Whether a member is to get nothing new although its configuration is active (an operator's
    // `drain`).
    bool (*drained)(void *context, const char *pool, const char *member);
    // Flows that workers hold towards a member's slot, of a service's slot, from a local address's.
    uint64_t (*member_flows)(void *context, uint32_t slot);
    uint64_t (*local_flows)(void *context, uint32_t slot);
    uint64_t (*service_flows)(void *context, uint32_t slot);
    // What routers on the way to a tunnelled member have said that it takes, and until when that is
    // believed. 0: nothing.
    uint16_t (*path_mtu)(void *context, const struct ip_address *member, uint64_t now_ns,
                         uint64_t *until_ns);
    void *context;
};

// Compiles a snapshot. On an error `why` (256 bytes) has a sentence, and nothing but slots and pins
// that nobody uses yet has changed. All workers must have passed a quiescent state since the
// previous snapshot was published: that is what makes it safe to free slots of removed members.
enum error tables_compile(const struct config *config, const struct tables_context *context,
                          struct tables **tables, char *why);

// For epoch_retire().
void tables_destroy(void *tables);
