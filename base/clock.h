// Time as a value. Code that decides by time takes `now` as an argument, in the units its name
// says; only shells and loops read a clock, once a turn.
#pragma once

#include <stdint.h>

#define NANOSECONDS_PER_SECOND      1000000000u
#define NANOSECONDS_PER_MILLISECOND 1000000u
#define NANOSECONDS_PER_MICROSECOND 1000u

// Nanoseconds of CLOCK_MONOTONIC.
uint64_t clock_monotonic_ns(void);

// Nanoseconds since 1970-01-01 UTC, for people and logs only: it may jump.
uint64_t clock_realtime_ns(void);
