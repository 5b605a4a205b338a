// Timers: a hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels",
// SOSP 1987). Timers are embedded in what they belong to, starting and cancelling one is O(1), and
// time is an argument. One thread owns a wheel and all timers in it.
//
// Eleven levels of 64 slots hold every 64-bit tick, so no deadline is too far. A timer stands in
// the level of the highest group of six bits in which its tick differs from the wheel's, hence all
// of a lower level fires before any of a higher one, and the next thing to do is found by one bit
// scan a level: advancing over idle time costs nothing, however long it was.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_LEVELS 11
#define TIMER_SLOTS  64

struct timer {
    struct timer *next;     // the ring of its slot; NULL while it does not run
    struct timer *previous; // of the oldest one: the youngest
    uint64_t tick;          // fires at this one
    void (*fire)(struct timer *timer, uint64_t now_ns, void *context);
    uint8_t level;
    uint8_t slot;
};

struct timer_wheel {
    uint64_t tick_ns;
    uint64_t at;      // where the wheel stands: all earlier ticks have fired
    uint64_t reached; // where it is going: what starts now fires later than this
    bool advancing;
    uint64_t occupied[TIMER_LEVELS];                // one bit a slot
    struct timer *slots[TIMER_LEVELS][TIMER_SLOTS]; // the oldest timer of each ring; borrowed
};

// `tick_ns` is the wheel's precision: a timer fires at its deadline or up to a tick later, never
// before it.
void timer_wheel_init(struct timer_wheel *wheel, uint64_t tick_ns, uint64_t now_ns);

// Fires what is due, in order of the ticks and within a tick in order of the starts. The callbacks
// get `now_ns` and `context`; they may start and cancel any timer, free their own, but not advance
// the wheel. What they start fires in a later call, even if its deadline has passed. A clock that
// stands still or goes back fires nothing.
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns, void *context);

// A timer that does not run. `fire` finds what the timer is embedded in by its address.
void timer_init(struct timer *timer,
                void (*fire)(struct timer *timer, uint64_t now_ns, void *context));

// Starts the timer, or starts it anew if it runs.
void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);

// Stops the timer if it runs.
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);

static inline bool timer_is_running(const struct timer *timer)
{
    return timer->next != NULL;
}
