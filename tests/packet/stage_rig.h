// One worker's stages without a device, for tests that put packets in and look at what comes out:
// tables compiled from YAML, real flow and neighbour tables, outboxes that are looked at instead of
// sent. Time stands still but for rig_at().
#pragma once

#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/stage/stage.h"
#include "tests/packet/frame.h"

struct stage_rig {
    struct config *config;
    struct tables *tables;
    struct registry *services, *pools, *members, *endpoints, *rules, *locals;
    struct neighbour_table *neighbours;
    struct neighbour_actions actions;
    struct stats *stats;
    struct port ports[CONFIG_PORTS_MAX];
    struct port *port_list[CONFIG_PORTS_MAX];
    struct mailbox *handoff[8]; // NULL: this worker, and those that are none
    const struct steer *steer;
    struct rte_mempool *pool;
    struct stage stage;
    uint32_t waiting;    // fragments, before this packet
    const char *drained; // "pool/member", or NULL
    uint16_t path_mtu;   // what is known of the way to every tunnelled member; 0: nothing
    uint64_t now_ns;
};

// What became of one packet.
struct outcome {
    enum {
        OUTCOME_SENT,
        OUTCOME_PUNTED,
        OUTCOME_HELD,
        OUTCOME_HANDED,
        OUTCOME_CONSUMED,
        OUTCOME_WAITS, // a fragment
        OUTCOME_DROPPED
    } kind;
    enum drop_reason reason; // dropped
    uint32_t port;           // sent, punted, held
    uint32_t worker;         // handed
    struct hold_message held;
    struct news_message news; // of a packet that taught
    bool learned;
    bool answered;      // dropped, and its sender is told why
    struct frame frame; // sent, punted, held; answered: the answer, on `port`
};

// Starts DPDK without huge pages, once a process.
void rig_start_dpdk(void);

// A rig for a configuration. Every configured port has MAC 02:00:00:00:00:0N, N the port's index;
// fails the test on any error.
void rig_open(struct stage_rig *rig, const char *yaml);
// The same as another worker than the first, or with devices that spread packets by a hash of ours.
void rig_open_worker(struct stage_rig *rig, const char *yaml, uint32_t worker,
                     const struct steer *steer);
void rig_close(struct stage_rig *rig);

// Changes to another configuration, as a reload does.
void rig_reload(struct stage_rig *rig, const char *yaml);
// Tries to, in vain: fails the test if it can be done. `why` (256 bytes) is what people are told.
void rig_refuse(struct stage_rig *rig, const char *yaml, char *why);
// Compiles the same configuration again, with `drained` taken out.
void rig_drain(struct stage_rig *rig, const char *drained);

// Tells the neighbour table that an address is at a MAC.
void rig_neighbour(struct stage_rig *rig, uint32_t port, const char *address, const uint8_t *mac);

void rig_at(struct stage_rig *rig, uint32_t now_ms);

// One packet in; exactly one outcome.
void rig_packet(struct stage_rig *rig, uint16_t port, const struct frame *frame,
                struct outcome *outcome);

// The same for a frame that is yet to be built.
struct outcome rig_put(struct stage_rig *rig, uint16_t port, struct frame_spec spec);

// The same for a frame of a device that ports share.
void rig_tagged(struct stage_rig *rig, const struct port_vlans *vlans, const struct frame *frame,
                struct outcome *outcome);

// The same for a frame that the device leaves in buffers of `piece` bytes, chained.
void rig_pieces(struct stage_rig *rig, uint16_t port, const struct frame *frame, size_t piece,
                struct outcome *outcome);

// The same for a packet that another worker hands over.
void rig_handed(struct stage_rig *rig, enum handoff_type type, uint16_t origin, uint16_t port,
                const struct frame *frame, struct outcome *outcome);

// Several packets of one port in one burst; those that are sent come out in their order.
struct sent {
    uint32_t count;
    struct {
        uint32_t port;
        struct frame frame;
    } packets[2 * STAGE_BURST];
};
void rig_burst(struct stage_rig *rig, uint16_t port, const struct frame *frames, uint32_t count,
               struct sent *sent);

// How often a packet was dropped for a reason.
uint64_t rig_drops(const struct stage_rig *rig, enum drop_reason reason);
