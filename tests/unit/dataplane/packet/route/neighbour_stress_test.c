// Calls in any order, from within actions too, and readers beside the writer.
#include "dataplane/packet/route/neighbour.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

#define MILLISECOND 1000000u
#define PORT        3u

static const struct siphash_key test_key = {1, 2};

static struct ip_address address_number(uint32_t number)
{
    const uint8_t bytes[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return ip_from_v4(bytes);
}

static void mac_of(unsigned number, uint8_t *mac)
{
    const uint8_t bytes[6] = {2, 0, 0, 0, 0, (uint8_t)number};
    memcpy(mac, bytes, sizeof(bytes));
}

#define HAMMER_ADDRESSES 24
#define HAMMER_CAPACITY  8
#define HAMMER_DYNAMIC   5
#define HAMMER_PACKETS   200000

struct hammer {
    struct neighbour_table *table;
    struct random random;
    uint64_t now_ns;
    unsigned depth;   // of calls from within actions
    uint32_t packets; // handed in so far
    uint8_t out[HAMMER_PACKETS];
    uint32_t walked;
    uint32_t pinned; // in all walks
    uint32_t dynamic;
    bool unpinned; // since the tick began
};

static void hammer_once(struct hammer *hammer);

// An action calls back into the table, as a shell does whose request is answered at once.
static void hammer_again(struct hammer *hammer)
{
    if (hammer->depth >= 3 || random_below(&hammer->random, 3) != 0)
        return;
    hammer->depth++;
    hammer_once(hammer);
    hammer->depth--;
}

static void hammer_packet_out(struct hammer *hammer, void *packet)
{
    uintptr_t number = (uintptr_t)packet;
    assert_true(number > 0 && number <= hammer->packets);
    assert_int_equal(hammer->out[number - 1]++, 0); // once
    hammer_again(hammer);
}

static bool hammer_ask(void *context, uint32_t port, const struct ip_address *address,
                       const uint8_t *mac)
{
    hammer_again(context);
    return true;
}

static void hammer_send(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
    hammer_packet_out(context, packet);
}

static void hammer_drop(void *context, void *packet, bool failed)
{
    hammer_packet_out(context, packet);
}

static void hammer_once(struct hammer *hammer)
{
    const struct neighbour_actions actions = {hammer_ask, hammer_send, hammer_drop, hammer};
    struct random *random = &hammer->random;
    struct ip_address address =
        address_number(1 + (uint32_t)random_below(random, HAMMER_ADDRESSES));
    uint8_t mac[6];
    mac_of(1 + (unsigned)random_below(random, 3), mac);
    uint32_t slot;
    switch (random_below(random, 16)) {
    case 0:
        neighbour_pin(hammer->table, PORT, &address, hammer->now_ns, &slot, &actions);
        break;
    case 1:
        if (random_below(random, 8) == 0) {
            neighbour_unpin_all(hammer->table);
            hammer->unpinned = true;
        }
        break;
    case 2:
    case 3:
        neighbour_learn(hammer->table, PORT, &address, mac, random_below(random, 2),
                        random_below(random, 2), random_below(random, 2), hammer->now_ns, &actions);
        break;
    case 4:
        neighbour_reclaim(hammer->table);
        break;
    default:
        hammer->packets++;
        neighbour_hold(hammer->table, PORT, &address, (void *)(uintptr_t)hammer->packets,
                       hammer->now_ns, &actions);
        break;
    }
}

static void check_entry(void *context, const struct neighbour_entry *entry)
{
    struct hammer *hammer = context;
    hammer->walked++;
    hammer->pinned += entry->pinned;
    hammer->dynamic += !entry->pinned;
    assert_true(entry->held <= NEIGHBOUR_HELD_MAX);
    assert_true(entry->held == 0 || entry->state == NEIGHBOUR_INCOMPLETE);
    assert_int_equal(entry->mac[0], entry->state == NEIGHBOUR_REACHABLE ? 2 : 0);
    uint32_t slot = neighbour_find(hammer->table, entry->port, &entry->address);
    assert_int_not_equal(slot, NEIGHBOUR_NONE);
    assert_int_equal(neighbour_view(hammer->table, slot).state, entry->state);
}

static void every_packet_comes_out_once_whatever_happens(void **state)
{
    static struct hammer hammer;
    const struct neighbour_actions actions = {hammer_ask, hammer_send, hammer_drop, &hammer};
    hammer.random = random_from_seed(11);
    assert_int_equal(
        neighbour_table_create(HAMMER_CAPACITY, HAMMER_DYNAMIC, test_key, &hammer.table),
        ERROR_NONE);
    while (hammer.packets < HAMMER_PACKETS - 1000) {
        hammer_once(&hammer);
        hammer.now_ns += random_below(&hammer.random, 500) * MILLISECOND;
        hammer.unpinned = false;
        neighbour_tick(hammer.table, hammer.now_ns, &actions);
        hammer.walked = hammer.dynamic = 0;
        neighbour_walk(hammer.table, check_entry, &hammer);
        assert_true(hammer.walked <= HAMMER_CAPACITY);
        assert_true(hammer.dynamic <= HAMMER_DYNAMIC || hammer.unpinned);
    }
    assert_true(hammer.pinned > 0);

    // Left alone, what waits fails, and all but the pinned are forgotten.
    hammer.depth = 3;
    neighbour_unpin_all(hammer.table);
    for (int i = 0; i < 1200; i++) {
        hammer.now_ns += UINT64_C(100) * MILLISECOND;
        neighbour_tick(hammer.table, hammer.now_ns, &actions);
    }
    for (uint32_t i = 0; i < hammer.packets; i++)
        assert_int_equal(hammer.out[i], 1);
    hammer.walked = 0;
    neighbour_walk(hammer.table, check_entry, &hammer);
    assert_int_equal(hammer.walked, 0);
    neighbour_table_destroy(hammer.table);
}

static bool ignore_ask(void *context, uint32_t port, const struct ip_address *address,
                       const uint8_t *mac)
{
    return true;
}

static void ignore_send(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
}

static void ignore_drop(void *context, void *packet, bool failed)
{
}

static const struct neighbour_actions ignore = {ignore_ask, ignore_send, ignore_drop, NULL};

#define READERS          2
#define SHARED_ADDRESSES 16
#define SHARED_CAPACITY  2
#define WRITER_ROUNDS    300

struct shared {
    struct neighbour_table *table;
    _Atomic bool stop;
    _Atomic uint64_t quiescent[READERS]; // writer: the reader
    _Atomic uint64_t seen;               // known neighbours that readers saw
};

struct reader {
    struct shared *shared;
    unsigned number;
};

// A slot that was found keeps its name until the reader's next quiescent state: its MAC is either
// that of the address looked for, or there is none.
static void *run_reader(void *context)
{
    struct reader *reader = context;
    struct shared *shared = reader->shared;
    struct random random = random_from_seed(reader->number);
    uint64_t wrong = 0;
    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        uint32_t number = 1 + (uint32_t)random_below(&random, SHARED_ADDRESSES);
        struct ip_address address = address_number(number);
        uint32_t slot = neighbour_find(shared->table, PORT, &address);
        for (int i = 0; slot != NEIGHBOUR_NONE && i < 20; i++) {
            if (i % 8 == 7)
                sched_yield(); // give the writer time to misuse
            struct neighbour_view view = neighbour_view(shared->table, slot);
            if (view.state != NEIGHBOUR_REACHABLE)
                continue;
            wrong += view.mac[5] != number;
            atomic_fetch_add_explicit(&shared->seen, 1, memory_order_relaxed);
        }
        atomic_fetch_add_explicit(&shared->quiescent[reader->number], 1, memory_order_release);
    }
    return (void *)(uintptr_t)wrong;
}

static void await_quiescence(struct shared *shared)
{
    uint64_t before[READERS];
    for (int i = 0; i < READERS; i++)
        before[i] = atomic_load_explicit(&shared->quiescent[i], memory_order_acquire);
    for (int i = 0; i < READERS; i++) {
        while (atomic_load_explicit(&shared->quiescent[i], memory_order_acquire) == before[i])
            sched_yield();
    }
}

static void readers_never_see_a_slot_change_its_name(void **state)
{
    struct shared shared = {.stop = false};
    assert_int_equal(
        neighbour_table_create(SHARED_CAPACITY, SHARED_CAPACITY, test_key, &shared.table),
        ERROR_NONE);
    pthread_t threads[READERS];
    struct reader readers[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.shared = &shared, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_reader, &readers[i]), 0);
    }

    struct random random = random_from_seed(5);
    uint64_t now_ns = 0;
    for (int round = 0; round < WRITER_ROUNDS; round++) {
        // Quiescence is waited for first, and more is freed before it is told: as the header
        // allows.
        await_quiescence(&shared);
        for (int i = 0; i < 100; i++) {
            uint32_t number = 1 + (uint32_t)random_below(&random, SHARED_ADDRESSES);
            struct ip_address address = address_number(number);
            uint8_t mac[6];
            mac_of(number, mac);
            neighbour_learn(shared.table, PORT, &address, mac, random_below(&random, 2), true, true,
                            now_ns, &ignore);
            now_ns += random_below(&random, 2000) * MILLISECOND;
            neighbour_tick(shared.table, now_ns, &ignore);
        }
        neighbour_reclaim(shared.table);
        for (int i = 0; i < 4; i++) {
            struct ip_address address =
                address_number(1 + (uint32_t)random_below(&random, SHARED_ADDRESSES));
            neighbour_hold(shared.table, PORT, &address, NULL, now_ns, &ignore);
        }
    }
    atomic_store(&shared.stop, true);
    for (unsigned i = 0; i < READERS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_true(atomic_load(&shared.seen) > 0);
    neighbour_table_destroy(shared.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_packet_comes_out_once_whatever_happens),
        cmocka_unit_test(readers_never_see_a_slot_change_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
