#include "base/timer.h"

#include <string.h>

#include "base/check.h"

#define LEVEL_BITS 6

_Static_assert(1u << LEVEL_BITS == TIMER_SLOTS, "a level is one group of bits");
_Static_assert(TIMER_LEVELS *LEVEL_BITS >= 64, "the levels hold every tick");

// A slot with timers in it, and the first tick that falls into it.
struct place {
    unsigned level;
    unsigned slot;
    uint64_t tick;
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t tick_ns, uint64_t now_ns)
{
    CHECK(tick_ns > 0);
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick_ns = tick_ns;
    wheel->at = now_ns / tick_ns;
    wheel->reached = wheel->at;
}

// Puts the timer at the end of the ring it belongs to from where the wheel stands.
static void link_timer(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t difference = timer->tick ^ wheel->at;
    unsigned level = difference ? (63u - (unsigned)__builtin_clzll(difference)) / LEVEL_BITS : 0;
    unsigned slot = (timer->tick >> (level * LEVEL_BITS)) % TIMER_SLOTS;
    timer->level = (uint8_t)level;
    timer->slot = (uint8_t)slot;

    struct timer *oldest = wheel->slots[level][slot];
    if (!oldest) {
        timer->next = timer;
        timer->previous = timer;
        wheel->slots[level][slot] = timer;
        wheel->occupied[level] |= UINT64_C(1) << slot;
        return;
    }
    timer->next = oldest;
    timer->previous = oldest->previous;
    oldest->previous->next = timer;
    oldest->previous = timer;
}

static void unlink_timer(struct timer_wheel *wheel, struct timer *timer)
{
    struct timer **oldest = &wheel->slots[timer->level][timer->slot];
    DCHECK(*oldest);
    if (timer->next == timer) {
        *oldest = NULL;
        wheel->occupied[timer->level] &= ~(UINT64_C(1) << timer->slot);
    } else {
        timer->next->previous = timer->previous;
        timer->previous->next = timer->next;
        if (*oldest == timer)
            *oldest = timer->next;
    }
    timer->next = NULL;
    timer->previous = NULL;
}

// The slot that comes first: the lowest one of the lowest level that has any. A slot behind the
// wheel is always empty, so the lowest bit is the nearest one.
static bool find_first(const struct timer_wheel *wheel, struct place *first)
{
    for (unsigned level = 0; level < TIMER_LEVELS; level++) {
        if (wheel->occupied[level] == 0)
            continue;
        unsigned shift = level * LEVEL_BITS;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        uint64_t above = (wheel->at >> shift) & ~(uint64_t)(TIMER_SLOTS - 1);
        *first = (struct place){.level = level, .slot = slot, .tick = (above | slot) << shift};
        return true;
    }
    return false;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns, void *context)
{
    CHECK(!wheel->advancing);
    uint64_t target = now_ns / wheel->tick_ns;
    if (target <= wheel->reached)
        return;
    wheel->advancing = true;
    wheel->reached = target;

    struct place first;
    while (find_first(wheel, &first) && first.tick <= target) {
        DCHECK(first.tick >= wheel->at);
        wheel->at = first.tick;
        // Read the ring's head anew each time: a callback may have cancelled its neighbours. It
        // cannot have added to this slot, because what starts now fires after `reached`.
        struct timer *timer;
        while ((timer = wheel->slots[first.level][first.slot]) != NULL) {
            unlink_timer(wheel, timer);
            if (first.level == 0)
                timer->fire(timer, now_ns, context);
            else
                link_timer(wheel, timer); // the wheel stands nearer now: a lower level
        }
    }
    wheel->at = target;
    wheel->advancing = false;
}

void timer_init(struct timer *timer,
                void (*fire)(struct timer *timer, uint64_t now_ns, void *context))
{
    *timer = (struct timer){.fire = fire};
}

void timer_start(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
    timer_cancel(wheel, timer);
    // Rounded up, so that no timer fires early.
    uint64_t tick = deadline_ns / wheel->tick_ns + (deadline_ns % wheel->tick_ns != 0);
    timer->tick = tick > wheel->reached ? tick : wheel->reached + 1;
    link_timer(wheel, timer);
}

void timer_cancel(struct timer_wheel *wheel, struct timer *timer)
{
    if (timer_is_running(timer))
        unlink_timer(wheel, timer);
}
