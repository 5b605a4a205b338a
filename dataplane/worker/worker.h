// One packet worker: a thread bound to a core that polls its queue of every port, walks what comes
// through the stages, and never waits for anyone. All it shares is listed in docs/threading.md: the
// tables by epoch, messages by mailbox, counters by statistics segment. Private to
// dataplane/worker, but for its tests.
#pragma once

#include <stdatomic.h>

#include "base/epoch.h"
#include "dataplane/packet/stage/stage.h"

#define WORKER_FLOW_PAGE 256

// What all workers of a plane read.
struct worker_shared {
    struct epoch epoch;                    // reader i is worker i
    _Atomic(const struct tables *) tables; // writer: the main thread
    _Atomic bool stop;                     // writer: the main thread
    uint32_t workers;
    uint32_t port_count;
    struct port *ports[CONFIG_PORTS_MAX];
};

// A page of a worker's flows, copied for the main thread: asked for and awaited by it, filled by
// the worker between two bursts.
enum worker_page_state {
    WORKER_PAGE_IDLE,  // the main thread's
    WORKER_PAGE_ASKED, // the worker's
    WORKER_PAGE_READY, // the main thread's
};

struct worker_page {
    _Atomic int state; // enum worker_page_state
    uint32_t position; // of the walk, in and out
    bool more;
    uint32_t count;
    uint32_t now_ms; // the worker's clock
    struct flow_view flows[WORKER_FLOW_PAGE];
};

// The same of who talks most.
struct worker_talkers {
    _Atomic int state; // enum worker_page_state
    struct talkers talkers;
};

struct worker {
    uint32_t index;
    uint32_t core;
    struct worker_shared *shared;
    struct stage stage;
    struct mailbox *
        *inboxes; // from each worker; [shared->workers] is the main thread's; [index] NULL
    struct worker_page *page;
    struct worker_talkers told;        // copied for the main thread
    _Atomic(struct observe_tap *) tap; // writer: the main thread; NULL: nobody watches
    uint64_t started_tsc;
    uint64_t cycles_per_ms;
    uint32_t idle_turns;   // since something came
    uint32_t swept_ms;     // when it last looked for what has expired
    uint32_t turn_packets; // of the last one
};

// The body of the worker's thread: turns until shared->stop. The argument is a struct worker.
int worker_run(void *worker);

// One turn: takes what is there and handles it. Returns how many packets that were.
uint32_t worker_turn(struct worker *worker);
