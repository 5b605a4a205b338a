// How fast a worker goes through its tables for what has expired: by the time that went by, so that
// one that sleeps, or has no turn to spare, is not late. Pure.
#pragma once

#include <stdint.h>

#define SWEEP_PASS_MS 10000 // once through all buckets takes no longer,
#define SWEEP_RATE    64    // if that takes no more buckets a millisecond

// Buckets of a table of `buckets` that are due after `elapsed_ms`.
uint32_t sweep_due(uint32_t buckets, uint32_t elapsed_ms);
