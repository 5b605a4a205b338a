// The packet plane's inside, shared by plane.c, publish.c, links.c, slow_path.c and view.c.
#pragma once

#include "base/stats.h"
#include "dataplane/packet/port/port.h"
#include "dataplane/packet/stage/registry.h"
#include "dataplane/packet/steer/steer.h"
#include "dataplane/worker/drains.h"
#include "dataplane/worker/paths.h"
#include "dataplane/worker/plane.h"
#include "dataplane/worker/worker.h"

// A worker's cycles when they were last looked at, and what the interval before that was like.
struct plane_load {
    uint64_t cycles, busy_cycles;
    double busy_share; // 0 to 1
};

struct watch; // watch.c

// A bond's devices when they were last looked at.
struct plane_bond {
    enum port_member_state states[CONFIG_BOND_MAX];
    uint32_t carrier; // active-backup: which of them carries, or did when one did
};

struct plane {
    struct worker_shared shared;
    struct worker *workers[CONFIG_WORKERS_MAX]; // owned
    uint32_t worker_count;
    int worker_nodes[CONFIG_WORKERS_MAX]; // NUMA nodes of their cores
    bool running;                         // worker threads were started
    bool huge_pages;

    const struct config *config;   // borrowed
    const struct tables *tables;   // the published snapshot
    struct registry *services;     // slots
    struct registry *pools;        //
    struct registry *member_slots; //
    struct registry *rules;        //
    struct registry *endpoints;    // numbers of NAT members' endpoints
    struct registry *locals;       // slots of local addresses
    struct drains drains;
    struct paths paths;
    bool paths_changed; // the tables do not say so yet

    struct neighbour_table *neighbours;
    struct neighbour_actions actions;
    uint64_t neighbours_ticked_ns;
    uint32_t asked_of_tick; // neighbours
    uint64_t graces_asked;  // tokens retired to learn that all workers passed a quiescent state
    uint64_t graces_passed; // those that came back

    struct steer steer; // where `steers`: a device spreads packets by a hash of ours
    bool steers;        //

    struct stats *stats;
    struct stats_reader *reader;
    struct counters counters; // the main thread's own slots
    uint32_t announced;       // how many announcements of this round were sent
    uint32_t joined;          // and how many of what is listened to
    uint64_t joined_ns;       // when that was begun by the clock
    uint32_t announce_rounds; // how many rounds are still to come
    uint64_t looked_after_ns; // links and counters, about once a second
    struct watch *watch;      // owned; NULL: nobody watches
    uint64_t watches_started; //
    struct plane_load loads[CONFIG_WORKERS_MAX];
    bool link_up[CONFIG_PORTS_MAX];
    struct plane_bond bonds[CONFIG_PORTS_MAX];
    uint64_t drops_told[DROP_REASONS];
    uint64_t neighbours_told;                      // forgotten or refused
    uint64_t stateless_told[TABLES_SERVICE_SLOTS]; // workers
};

// publish.c: compiles and publishes tables as `config` says, as this revision.
enum error plane_publish(struct plane *plane, const struct config *config, uint64_t revision,
                         char *why);

// publish.c: members and vips that left the configuration go once their last flow has ended,
// members that warm up get more, and what ways take is told or forgotten. No revision of its own:
// nothing that was asked for changes.
void plane_follow_time(struct plane *plane, uint64_t now_ns);

// steering.c: once all ports have started.
void plane_choose_steering(struct plane *plane);

// view.c
const char *plane_flow_state_text(enum flow_state state);
// Asks a worker for what it copies on demand, and waits: `state` says whose the copy is.
// ERROR_TIMEOUT.
enum error plane_ask(_Atomic int *state);

// watch_text.c: what a record tells to people; names are those that the tables have now.
void plane_watch_describe(const struct plane *plane, const struct observe_record *record,
                          struct plane_watch_view *view);

// watch.c: ends a watch that nobody asks about any more.
void plane_watch_turn(struct plane *plane, uint64_t now_ns);

// publish.c, for epoch_retire(): all workers have passed a quiescent state since it was retired.
void plane_grace_passed(void *plane);

// slow_path.c
struct neighbour_actions plane_neighbour_actions(struct plane *plane);

// links.c: notes how a port begins, once it has started.
void plane_note_link(struct plane *plane, uint32_t index);
// Whether a port has a link, and its speed. What changed, of a bond's devices too, is told, counted
// and announced here, so that what one who asks is shown and what is counted never differ.
bool plane_look_at_link(struct plane *plane, uint32_t index, uint32_t *speed_mbps);
void plane_watch_links(struct plane *plane);
// What a bond does by itself; costs little.
void plane_watch_bonds(struct plane *plane);

// All our addresses are to be announced, a few a turn.
void plane_announce(struct plane *plane);
