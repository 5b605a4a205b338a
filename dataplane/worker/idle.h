// How an idle worker waits: it spins a while, then sleeps longer the longer nothing comes
// (docs/decisions/0007-adaptive-polling.md). Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IDLE_SPIN_TURNS     64   // empty turns before the first sleep
#define IDLE_SLEEP_FIRST_NS 1000 // then so long, and twice as long
#define IDLE_SLEEP_TURNS    16   // after each so many turns

// Nanoseconds to sleep after so many empty turns, at most `longest_ns`; 0: spin.
uint64_t idle_sleep_ns(uint32_t empty_turns, bool busy_poll, uint64_t longest_ns);
