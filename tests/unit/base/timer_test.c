// The wheel is held against a model: an array of deadlines, searched from end to end.
#include "base/timer.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

#define TICK_NS     1000u
#define TIMERS      64
#define STEPS       20000
#define FIRED_MAX   256
#define NOT_RUNNING UINT64_MAX

struct world;

struct item {
    struct timer timer;
    struct world *world;
    unsigned id;
    uint64_t tick;     // the model: when it must fire, or NOT_RUNNING
    uint64_t sequence; // the model: the order of the starts
};

struct world {
    struct timer_wheel wheel;
    struct random random;
    struct item items[TIMERS];
    uint64_t now_ns;
    uint64_t sequence;
    uint64_t fired;
};

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void start(struct world *world, unsigned id, uint64_t deadline_ns)
{
    struct item *item = &world->items[id];
    timer_start(&world->wheel, &item->timer, deadline_ns);
    item->tick = later((deadline_ns + TICK_NS - 1) / TICK_NS, world->now_ns / TICK_NS + 1);
    item->sequence = world->sequence++;
}

static void cancel(struct world *world, unsigned id)
{
    timer_cancel(&world->wheel, &world->items[id].timer);
    world->items[id].tick = NOT_RUNNING;
}

// The item that must fire first by the model, or NULL when none runs.
static struct item *model_first(struct world *world)
{
    struct item *first = NULL;
    for (unsigned i = 0; i < TIMERS; i++) {
        struct item *item = &world->items[i];
        if (item->tick == NOT_RUNNING)
            continue;
        if (!first || item->tick < first->tick ||
            (item->tick == first->tick && item->sequence < first->sequence))
            first = item;
    }
    return first;
}

// Delays of all magnitudes: from one within the tick to one that needs the higher levels.
static uint64_t random_delay(struct world *world)
{
    return random_next(&world->random) >> (24 + random_below(&world->random, 40));
}

static void fire(struct timer *timer, uint64_t now_ns, void *context)
{
    struct item *item = (struct item *)timer;
    struct world *world = context;
    assert_ptr_equal(model_first(world), item);
    assert_true(now_ns == world->now_ns);
    assert_true(item->tick <= now_ns / TICK_NS);
    assert_false(timer_is_running(timer));
    item->tick = NOT_RUNNING;
    world->fired++;

    // A callback may do to any timer, itself and those of its own tick included, what it likes.
    unsigned other = (unsigned)random_below(&world->random, TIMERS);
    switch (random_below(&world->random, 4)) {
    case 0:
        start(world, item->id, now_ns);
        break;
    case 1:
        start(world, other, now_ns + random_delay(world));
        break;
    case 2:
        cancel(world, other);
        break;
    default:
        break;
    }
}

static void build_world(struct world *world, uint64_t seed, uint64_t now_ns)
{
    memset(world, 0, sizeof(*world));
    world->random = random_from_seed(seed);
    world->now_ns = now_ns;
    timer_wheel_init(&world->wheel, TICK_NS, now_ns);
    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&world->items[i].timer, fire);
        world->items[i].id = i;
        world->items[i].tick = NOT_RUNNING;
    }
}

static void advance(struct world *world, uint64_t now_ns)
{
    world->now_ns = now_ns;
    timer_wheel_advance(&world->wheel, now_ns, world);
    struct item *first = model_first(world);
    assert_true(!first || first->tick > now_ns / TICK_NS);
}

static void fires_in_the_order_of_a_sorted_list(void **state)
{
    static struct world world;
    for (uint64_t seed = 0; seed < 8; seed++) {
        // Start shortly before a carry through many levels.
        build_world(&world, seed, ((UINT64_C(1) << (12 + 4 * seed)) - 3) * TICK_NS);
        for (unsigned step = 0; step < STEPS; step++) {
            unsigned id = (unsigned)random_below(&world.random, TIMERS);
            switch (random_below(&world.random, 3)) {
            case 0:
                // Many share a tick, some have passed.
                start(&world, id, world.now_ns + random_below(&world.random, 4) * TICK_NS);
                break;
            case 1:
                start(&world, id, world.now_ns + random_delay(&world));
                break;
            default:
                cancel(&world, id);
                break;
            }
            if (random_below(&world.random, 4) == 0)
                advance(&world, world.now_ns + random_delay(&world));
        }
        assert_true(world.fired > STEPS / 16);
    }
}

static void never_fires_early_and_at_most_one_tick_late(void **state)
{
    static struct world world;
    build_world(&world, 3, 0);
    for (unsigned round = 0; round < 5000; round++) {
        uint64_t start_ns = world.now_ns + random_below(&world.random, TICK_NS);
        advance(&world, start_ns);
        for (unsigned i = 0; i < TIMERS; i++)
            cancel(&world, i);
        uint64_t deadline_ns = start_ns + random_below(&world.random, 200 * TICK_NS);
        timer_start(&world.wheel, &world.items[0].timer, deadline_ns);
        world.items[0].tick = 0; // fires whenever it does
        uint64_t fired = world.fired;
        if (deadline_ns > start_ns) {
            world.now_ns = deadline_ns - 1;
            timer_wheel_advance(&world.wheel, world.now_ns, &world);
            assert_true(world.fired == fired);
        }
        world.now_ns = deadline_ns + TICK_NS;
        timer_wheel_advance(&world.wheel, world.now_ns, &world);
        assert_true(world.fired == fired + 1);
    }
}

static void waits_for_the_farthest_deadline(void **state)
{
    static struct world world;
    build_world(&world, 1, 0);
    timer_wheel_init(&world.wheel, 1, 0);
    struct timer *timer = &world.items[0].timer;
    timer_start(&world.wheel, timer, UINT64_MAX);
    timer_wheel_advance(&world.wheel, UINT64_MAX - 1, &world);
    assert_true(timer_is_running(timer));
}

static void ignores_a_clock_that_goes_back(void **state)
{
    static struct world world;
    build_world(&world, 1, 100 * TICK_NS);
    start(&world, 0, 101 * TICK_NS);
    timer_wheel_advance(&world.wheel, 50 * TICK_NS, &world);
    assert_true(world.fired == 0);
    advance(&world, 101 * TICK_NS);
    assert_true(world.fired == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_in_the_order_of_a_sorted_list),
        cmocka_unit_test(never_fires_early_and_at_most_one_tick_late),
        cmocka_unit_test(waits_for_the_farthest_deadline),
        cmocka_unit_test(ignores_a_clock_that_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
