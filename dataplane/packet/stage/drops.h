// Where packets were dropped: by service, for the drops whose service is known. The totals by
// reason are counters (counters.h); this is a worker's own table, which the main thread reads.
//
// It has a cell for each slot of a service and each reason, and costs memory only where something
// was dropped: pages that were never written are not there.
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/stats.h"
#include "dataplane/packet/stage/counters.h"

struct drops {
    uint64_t (*of_service)[DROP_REASONS]; // owned; by slot; written by the worker
};

// ERROR_NO_MEMORY.
enum error drops_init(struct drops *drops);
void drops_fini(struct drops *drops);

// `service` 0: it is not known.
static inline void drops_count(struct drops *drops, uint16_t service, enum drop_reason reason)
{
    if (service)
        stats_add(&drops->of_service[service][reason], 1);
}

// Any thread.
uint64_t drops_of_service(const struct drops *drops, uint32_t service, enum drop_reason reason);

// A slot begins a new life: no worker knows it yet. Main thread.
void drops_forget(struct drops *drops, uint32_t service);
