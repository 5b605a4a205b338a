// Packets that people watch. While a worker has a tap, packets that its filter may want take the
// general way, one burst after another in their order, and what each stage decided about them is
// written down; what the filter wanted goes to the main thread by mailbox. The other packets of the
// burst go as ever. Without a tap a burst pays one branch.
#pragma once

#include "base/mailbox.h"
#include "dataplane/packet/stage/meter.h"
#include "dataplane/packet/trace/filter.h"
#include "dataplane/packet/wire/parse.h"

#define OBSERVE_STEPS_MAX 8
#define OBSERVE_SNAP_MIN  128 // bytes of a frame that are always kept, where it has them

// What becomes of a packet.
enum observe_verdict {
    OBSERVE_ON, // to the next stage
    OBSERVE_SENT,
    OBSERVE_HELD,     // until its next hop's MAC is known
    OBSERVE_PUNTED,   // to the kernel
    OBSERVE_CONSUMED, // it was for us
    OBSERVE_HANDED,   // to another worker
    OBSERVE_FOLLOWS,  // a fragment: what its first one does
    OBSERVE_SPLIT,    // sent in fragments
    OBSERVE_DROPPED,
};

// What one stage made of a packet.
struct observe_step {
    uint8_t stage;   // enum meter_stage
    uint8_t verdict; // enum observe_verdict
    uint8_t reason;  // enum drop_reason, of a drop
    uint8_t state;   // enum flow_state; FLOW_STATES: it has no flow
};

// A packet's way, told to the main thread. After it `snap` bytes of the frame as it came, and as
// many as it was when it left the stages.
struct observe_record {
    uint64_t tsc; // when its burst was taken up
    uint16_t worker;
    uint16_t in_port;
    uint16_t out_port; // sent, held
    uint16_t owner;    // handed off: to whom
    uint16_t service;  // slot; 0: none
    uint16_t member;   // slot; 0: none
    bool handed;       // came from another worker
    bool leaves;       // there is a frame that leaves
    uint8_t verdict;   // enum observe_verdict
    uint8_t reason;    // enum drop_reason; DROP_NONE: not dropped
    uint8_t step_count;
    struct observe_step steps[OBSERVE_STEPS_MAX];
    uint32_t in_size, out_size;   // of the frame
    uint16_t in_bytes, out_bytes; // of those, kept
    uint8_t bytes[];
};

// One worker's end of a watch. Made by the main thread, written by the worker.
struct observe_tap {
    const struct filter *filter; // shared, immutable
    struct mailbox *records;     // owned; to the main thread, in pieces
    uint32_t snap;               // bytes kept of a frame
    uint32_t rate;               // records a second
    uint32_t emptied_ms;
    uint64_t used_thousandths;        // of the bucket of records
    uint64_t told;                    // records sent
    uint64_t lost;                    // wanted, but the mailbox was full
    uint64_t limited;                 // wanted, but over the rate
    struct observe_record *pending[]; // owned; one for each packet of a burst
};

// ERROR_NO_MEMORY. `filter` is borrowed.
enum error observe_tap_create(const struct filter *filter, uint32_t snap, uint32_t rate,
                              struct observe_tap **tap);
void observe_tap_destroy(struct observe_tap *tap); // NULL is allowed

// What a record takes at most, of a watch that keeps `snap` bytes of a frame.
size_t observe_record_size(uint32_t snap);

// Main thread: the next record, into as many bytes as observe_record_size() says. False: there is
// none.
bool observe_receive(struct observe_tap *tap, struct observe_record *record);
