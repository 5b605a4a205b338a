// Whether a worker has entries for the new flows of a service, or lets them go where the balancer's
// hash says without one. That is decided for each service, ten times a second, by what the worker
// sees itself: its flow table and its sets of flows on probation are its own.
//
// A worker is pressed while flows on probation are forgotten so fast that one in PRESSURE_CHANCE of
// the handshakes that take a period would be, or while its flow table is nearly full. Of the
// services that can do without entries (direct return, tunnels) the one with the largest part in it
// goes stateless then, one a period, until the pressure ends. Flows that have entries keep them.
//
// Without entries nobody can tell a flood from a crowd, so whether it is over is found out by
// having them again: after PRESSURE_STAY_MS, and after twice as long each time it was too early.
// docs/decisions/0027-under-pressure-new-flows-go-by-hash-alone.md
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "dataplane/packet/flow/probation.h"
#include "dataplane/packet/stage/counters.h"

#define PRESSURE_PERIOD_MS 100u
#define PRESSURE_CHANCE    64u

// A service has a part in the pressure with at least one in so many of the flows that make it.
#define PRESSURE_PART 64u

// The flow table is nearly full with so many entries in use, and has room again with so many.
#define PRESSURE_FULL(capacity) ((capacity) - (capacity) / 16)
#define PRESSURE_ROOM(capacity) ((capacity) - (capacity) / 8)

// How long a service is stateless: at first, and at most.
#define PRESSURE_STAY_MS     10000u
#define PRESSURE_STAY_MAX_MS 320000u

enum pressure_mode {
    PRESSURE_TRACKING,  // new flows have entries
    PRESSURE_STATELESS, // they have none, and go by hash
    PRESSURE_SETTLING,  // they have entries, and UDP ones still go by hash: they may be older
};

struct pressure_service;

struct pressure {
    uint32_t looked_ms;                 // when last
    uint64_t evictions[PROBATION_SETS]; // until then
    bool pressed;                       // then
    uint32_t away;                      // services that do not track
    uint8_t modes[TABLES_SERVICE_SLOTS];
    struct pressure_service *services; // owned; by slot
};

struct stage;

enum error pressure_init(struct pressure *pressure); // ERROR_NO_MEMORY
void pressure_fini(struct pressure *pressure);

// Once a turn: decides if it is time to.
void pressure_turn(struct stage *stage);

static inline enum pressure_mode pressure_mode(const struct pressure *pressure, uint16_t service)
{
    return (enum pressure_mode)pressure->modes[service];
}
