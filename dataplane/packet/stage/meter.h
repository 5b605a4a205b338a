// What each stage costs: calls, packets and time-stamp counter cycles, in the statistics segment.
//
// A full turn of a worker is measured about once in METER_INTERVAL, at intervals that follow
// nothing, and then counts METER_INTERVAL-fold; a turn of few packets, which has time, is always
// measured and counts once. Whether a turn is measured is settled before it begins, by the turn
// before, so totals are unbiased estimates. Not measured, a stage pays one branch a burst.
//
// One reading of the counter ends a stage and begins the next.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

#define METER_INTERVAL     32
#define METER_FULL_PACKETS 8 // a turn after one with so many packets is a full one

// X(enumerator, name, help)
#define METER_LIST(X)                                                                        \
    X(METER_RX, "rx", "takes packets from ports")                                            \
    X(METER_HANDED, "handed", "takes packets from other threads")                            \
    X(METER_INJECT, "inject", "takes packets from the kernel")                               \
    X(METER_SHORT_PATH, "short-path", "plain packets: look up, rewrite, queue; begin flows") \
    X(METER_OBSERVE, "observe", "traces: match, and tell")                                   \
    X(METER_CLASSIFY, "classify", "not plain: parse, and key of the flow")                   \
    X(METER_ESTABLISHED, "established", "not plain: look up and rewrite")                    \
    X(METER_ICMP_ERRORS, "icmp-errors", "not plain: ICMP errors about flows")                \
    X(METER_LOCAL, "local", "not plain: ARP, neighbour discovery, echo")                     \
    X(METER_ADMIT, "admit", "not plain: service, balancer, begin a flow")                    \
    X(METER_DISPATCH, "dispatch", "not plain: carry out the verdict")                        \
    X(METER_TX, "tx", "gives packets to ports")                                              \
    X(METER_PUNT, "punt", "gives packets to the kernel")                                     \
    X(METER_UPKEEP, "upkeep", "sweeps expired flows, holds flows against the rules")

enum meter_stage {
#define METER_ENUMERATOR(enumerator, name, help) enumerator,
    METER_LIST(METER_ENUMERATOR)
#undef METER_ENUMERATOR
    METER_STAGES,
};

// Static texts.
const char *meter_stage_name(enum meter_stage stage);

// A worker's slots of one stage, half a cache line; the families lie in this order.
struct meter_tally {
    uint64_t calls, packets, cycles;
    uint64_t unused;
};

struct meter {
    uint32_t weight;     // of this turn; 0: it is not measured
    uint32_t turns_left; // full turns until the next one is measured
    uint64_t last_tsc;   // where the stage before ended
    struct random random;
    struct meter_tally *tallies; // by enum meter_stage
};

// `tallies` are METER_STAGES of them, written by the meter's thread alone.
void meter_init(struct meter *meter, struct meter_tally *tallies);

// A turn begins at `now_tsc`; the one before handled `packets`.
void meter_turn(struct meter *meter, uint64_t now_tsc, uint32_t packets);

// meter_lap() of a measured turn.
void meter_count(struct meter *meter, enum meter_stage stage, uint32_t calls, uint32_t packets);

// What has passed since the last lap was `stage`: so many calls of it and packets. Neither, where a
// stage goes on after another one that it called.
static inline void meter_lap(struct meter *meter, enum meter_stage stage, uint32_t calls,
                             uint32_t packets)
{
    if (__builtin_expect(meter->weight != 0, 0))
        meter_count(meter, stage, calls, packets);
}
