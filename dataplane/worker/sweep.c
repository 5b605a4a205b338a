#include "dataplane/worker/sweep.h"

uint32_t sweep_due(uint32_t buckets, uint32_t elapsed_ms)
{
    uint64_t due = (uint64_t)buckets * elapsed_ms / SWEEP_PASS_MS + 1;
    uint64_t most = (uint64_t)SWEEP_RATE * elapsed_ms;
    uint64_t least = due < most ? due : most;
    return least < buckets ? (uint32_t)least : buckets;
}
