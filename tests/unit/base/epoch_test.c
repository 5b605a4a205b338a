#include "base/epoch.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/check.h"
#include "tests/test.h"

static int destroyed[8];
static int destroyed_count;

static void note_destroyed(void *thing)
{
    destroyed[destroyed_count++] = *(int *)thing;
}

static struct epoch *new_epoch(uint32_t readers)
{
    static struct epoch epoch;
    epoch_init(&epoch, readers);
    destroyed_count = 0;
    return &epoch;
}

static void frees_at_once_when_every_reader_is_offline(void **state)
{
    struct epoch *epoch = new_epoch(2);
    int thing = 7;
    epoch_retire(epoch, note_destroyed, &thing);
    assert_int_equal(destroyed_count, 0); // never before epoch_reclaim()
    assert_int_equal(epoch_reclaim(epoch), 0);
    assert_int_equal(destroyed_count, 1);
    assert_int_equal(destroyed[0], 7);
    epoch_fini(epoch);
}

static void waits_for_every_reader_that_was_online(void **state)
{
    struct epoch *epoch = new_epoch(3);
    int thing = 7;
    epoch_quiescent(epoch, 0);
    epoch_quiescent(epoch, 1);
    epoch_retire(epoch, note_destroyed, &thing);
    assert_int_equal(epoch_reclaim(epoch), 1);
    epoch_quiescent(epoch, 0);
    assert_int_equal(epoch_reclaim(epoch), 1);
    assert_int_equal(destroyed_count, 0);
    epoch_quiescent(epoch, 1);
    assert_int_equal(epoch_reclaim(epoch), 0);
    assert_int_equal(destroyed_count, 1);
    epoch_offline(epoch, 0);
    epoch_offline(epoch, 1);
    epoch_fini(epoch);
}

static void a_reader_that_goes_offline_delays_nothing(void **state)
{
    struct epoch *epoch = new_epoch(1);
    int thing = 7;
    epoch_quiescent(epoch, 0);
    epoch_retire(epoch, note_destroyed, &thing);
    assert_int_equal(epoch_reclaim(epoch), 1);
    epoch_offline(epoch, 0);
    assert_int_equal(epoch_reclaim(epoch), 0);
    epoch_fini(epoch);
}

static void a_reader_that_comes_later_delays_nothing_retired_before(void **state)
{
    struct epoch *epoch = new_epoch(1);
    int thing = 7;
    epoch_retire(epoch, note_destroyed, &thing);
    epoch_quiescent(epoch, 0);
    assert_int_equal(epoch_reclaim(epoch), 0);
    epoch_offline(epoch, 0);
    epoch_fini(epoch);
}

static void frees_in_the_order_of_retiring_as_far_as_readers_have_come(void **state)
{
    struct epoch *epoch = new_epoch(1);
    int things[] = {1, 2, 3};
    epoch_quiescent(epoch, 0);
    epoch_retire(epoch, note_destroyed, &things[0]);
    epoch_retire(epoch, note_destroyed, &things[1]);
    epoch_quiescent(epoch, 0);
    epoch_retire(epoch, note_destroyed, &things[2]);
    assert_int_equal(epoch_reclaim(epoch), 1);
    assert_int_equal(destroyed_count, 2);
    assert_int_equal(destroyed[0], 1);
    assert_int_equal(destroyed[1], 2);
    epoch_offline(epoch, 0);
    epoch_fini(epoch); // frees the third
    assert_int_equal(destroyed_count, 3);
    assert_int_equal(destroyed[2], 3);
}

static struct epoch *chained_epoch;

static void retire_another(void *thing)
{
    note_destroyed(thing);
    static int inner = 2;
    epoch_retire(chained_epoch, note_destroyed, &inner);
}

static void a_thing_may_retire_another_when_it_is_destroyed(void **state)
{
    chained_epoch = new_epoch(1);
    int outer = 1;
    epoch_retire(chained_epoch, retire_another, &outer);
    assert_int_equal(epoch_reclaim(chained_epoch), 0);
    assert_int_equal(destroyed_count, 2);
    epoch_fini(chained_epoch);
}

// Readers that follow a published pointer, going offline now and then, while the publisher swaps
// and frees: the sanitizers see a use after free or a race, and the check sees a torn thing.
#define PUBLISHED_READERS 2
#define PUBLISHED_SWAPS   20000

struct published {
    uint64_t value;
    uint64_t complement;
};

static struct epoch shared_epoch;
static _Atomic(struct published *) shared_pointer;
static _Atomic bool shared_stop;

static struct published *new_published(uint64_t value)
{
    struct published *published = malloc(sizeof(*published));
    CHECK(published);
    *published = (struct published){.value = value, .complement = ~value};
    return published;
}

static void destroy_published(void *thing)
{
    struct published *published = thing;
    published->value = published->complement = 0; // what a late reader would trip over
    free(published);
}

static void *read_published(void *argument)
{
    uint32_t reader = *(uint32_t *)argument;
    uint64_t last = 0;
    for (uint32_t turn = 0; !atomic_load(&shared_stop); turn++) {
        epoch_quiescent(&shared_epoch, reader);
        for (int i = 0; i < 4; i++) {
            const struct published *published =
                atomic_load_explicit(&shared_pointer, memory_order_acquire);
            CHECK(published->complement == ~published->value);
            CHECK(published->value >= last);
            last = published->value;
        }
        if (turn % 3 == 0)
            epoch_offline(&shared_epoch, reader);
        if (turn % 64 == 0)
            sched_yield();
    }
    epoch_offline(&shared_epoch, reader);
    return NULL;
}

static void readers_never_meet_what_was_freed(void **state)
{
    epoch_init(&shared_epoch, PUBLISHED_READERS);
    atomic_store(&shared_pointer, new_published(0));
    atomic_store(&shared_stop, false);
    pthread_t threads[PUBLISHED_READERS];
    uint32_t numbers[PUBLISHED_READERS];
    for (uint32_t i = 0; i < PUBLISHED_READERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, read_published, &numbers[i]), 0);
    }
    for (uint64_t swap = 1; swap <= PUBLISHED_SWAPS; swap++) {
        struct published *old =
            atomic_exchange_explicit(&shared_pointer, new_published(swap), memory_order_acq_rel);
        epoch_retire(&shared_epoch, destroy_published, old);
        // A reader that was preempted holds everything back: let it run.
        while (epoch_reclaim(&shared_epoch) > 16)
            sched_yield();
    }
    atomic_store(&shared_stop, true);
    for (uint32_t i = 0; i < PUBLISHED_READERS; i++)
        pthread_join(threads[i], NULL);
    epoch_fini(&shared_epoch);
    free(atomic_load(&shared_pointer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frees_at_once_when_every_reader_is_offline),
        cmocka_unit_test(waits_for_every_reader_that_was_online),
        cmocka_unit_test(a_reader_that_goes_offline_delays_nothing),
        cmocka_unit_test(a_reader_that_comes_later_delays_nothing_retired_before),
        cmocka_unit_test(frees_in_the_order_of_retiring_as_far_as_readers_have_come),
        cmocka_unit_test(a_thing_may_retire_another_when_it_is_destroyed),
        cmocka_unit_test(readers_never_meet_what_was_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
