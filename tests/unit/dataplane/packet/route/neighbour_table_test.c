// The table around the state machine: its slots, its walk, and the limit of what is held.
#include "dataplane/packet/route/neighbour.h"

#include <string.h>

#include "tests/test.h"

#define MILLISECOND 1000000u
#define PORT        3u

static const struct siphash_key test_key = {1, 2};

static void mac_of(unsigned number, uint8_t *mac)
{
    const uint8_t bytes[6] = {2, 0, 0, 0, 0, (uint8_t)number};
    memcpy(mac, bytes, sizeof(bytes));
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

static struct ip_address address_number(uint32_t number)
{
    const uint8_t bytes[4] = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    return ip_from_v4(bytes);
}

static void believes_no_multicast_mac_or_address(void **state)
{
    static const struct {
        const char *address;
        uint8_t mac[6];
    } cases[] = {
        {"10.0.0.1", {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
        {"10.0.0.1", {0x01, 0, 0x5e, 0, 0, 1}},
        {"10.0.0.1", {0}},
        {"224.0.0.1", {2, 0, 0, 0, 0, 1}},
        {"0.0.0.0", {2, 0, 0, 0, 0, 1}},
        {"::", {2, 0, 0, 0, 0, 1}},
        {"ff02::1", {2, 0, 0, 0, 0, 1}},
    };
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(4, 4, test_key, &table), ERROR_NONE);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_address address;
        assert_int_equal(ip_parse(cases[i].address, &address), ERROR_NONE);
        neighbour_learn(table, PORT, &address, cases[i].mac, true, true, true, 0, &ignore);
        assert_int_equal(neighbour_find(table, PORT, &address), NEIGHBOUR_NONE);
    }
    neighbour_table_destroy(table);
}

static void one_address_on_many_ports_is_many_neighbours(void **state)
{
    enum {
        PORTS = 200
    }; // enough that some share a chain
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(PORTS, PORTS, test_key, &table), ERROR_NONE);
    struct ip_address address = address_number(1);
    uint8_t mac[6];
    for (unsigned port = 0; port < PORTS; port++) {
        mac_of(port + 1, mac);
        neighbour_learn(table, port, &address, mac, true, true, true, 0, &ignore);
    }
    for (unsigned port = 0; port < PORTS; port++) {
        uint32_t slot = neighbour_find(table, port, &address);
        assert_int_not_equal(slot, NEIGHBOUR_NONE);
        assert_int_equal(neighbour_view(table, slot).mac[5], port + 1);
    }
    assert_int_equal(neighbour_find(table, PORTS, &address), NEIGHBOUR_NONE);
    neighbour_table_destroy(table);
}

static void a_freed_slot_is_used_again_after_two_reclaims_with_a_new_generation(void **state)
{
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(1, 1, test_key, &table), ERROR_NONE);
    // One neighbour, two slots. Each new one evicts the one before.
    struct ip_address address = address_number(1);
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    uint32_t first = neighbour_find(table, PORT, &address);
    uint8_t generation = neighbour_view(table, first).generation;
    address = address_number(2);
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    assert_int_not_equal(neighbour_find(table, PORT, &address), first);
    assert_int_equal(neighbour_view(table, first).state, NEIGHBOUR_FREE);
    assert_int_not_equal(neighbour_view(table, first).generation, generation);

    // Workers may have passed their quiescent state before the slot was freed.
    for (uint32_t reclaims = 0; reclaims < 2; reclaims++) {
        address = address_number(3);
        neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
        assert_int_equal(neighbour_find(table, PORT, &address), NEIGHBOUR_NONE);
        assert_true(neighbour_table_counts(table).refused == reclaims + 1);
        neighbour_reclaim(table);
    }
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    assert_int_equal(neighbour_find(table, PORT, &address), first);
    assert_int_equal(neighbour_view(table, first).state, NEIGHBOUR_INCOMPLETE);
    assert_int_not_equal(neighbour_view(table, first).generation, generation);
    neighbour_table_destroy(table);
}

// An operator who sees these rise has too many neighbours; failed ones have nothing to lose.
static void what_gives_way_is_counted_unless_it_failed(void **state)
{
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(4, 2, test_key, &table), ERROR_NONE);
    struct ip_address pinned = address_number(9), address;
    uint32_t slot;
    neighbour_pin(table, PORT, &pinned, 0, &slot, &ignore);
    for (unsigned i = 1; i <= 2; i++) {
        address = address_number(i);
        neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    }
    struct neighbour_counts counts = neighbour_table_counts(table);
    assert_int_equal(counts.dynamic, 2);
    assert_int_equal(counts.dynamic_max, 2);
    assert_int_equal(counts.evicted, 0);

    address = address_number(3);
    neighbour_hold(table, PORT, &address, NULL, 0, &ignore);
    assert_int_equal(neighbour_table_counts(table).evicted, 1);
    uint64_t now_ns = 0;
    for (; now_ns < UINT64_C(5000) * MILLISECOND; now_ns += 100 * MILLISECOND)
        neighbour_tick(table, now_ns, &ignore);
    assert_int_equal(neighbour_view(table, neighbour_find(table, PORT, &address)).state,
                     NEIGHBOUR_FAILED);
    address = address_number(4);
    neighbour_hold(table, PORT, &address, NULL, now_ns, &ignore);
    counts = neighbour_table_counts(table);
    assert_int_equal(counts.dynamic, 2);
    assert_int_equal(counts.evicted, 1);
    assert_int_equal(counts.refused, 0);
    neighbour_table_destroy(table);
}

static void collect_entry(void *context, const struct neighbour_entry *entry)
{
    struct neighbour_entry **next = context;
    *(*next)++ = *entry;
}

static void a_walk_shows_each_neighbour(void **state)
{
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(4, 4, test_key, &table), ERROR_NONE);
    struct ip_address known = address_number(1), wanted = address_number(2);
    uint8_t mac[6];
    mac_of(9, mac);
    uint32_t slot;
    neighbour_learn(table, 5, &known, mac, true, true, true, 0, &ignore);
    neighbour_pin(table, 6, &wanted, 0, &slot, &ignore);
    int packet;
    neighbour_hold(table, 6, &wanted, &packet, 0, &ignore);

    struct neighbour_entry entries[4], *end = entries;
    neighbour_walk(table, collect_entry, &end);
    assert_int_equal(end - entries, 2);
    assert_int_equal(entries[0].port, 5);
    assert_true(ip_equal(&entries[0].address, &known));
    assert_memory_equal(entries[0].mac, mac, sizeof(mac));
    assert_int_equal(entries[0].state, NEIGHBOUR_REACHABLE);
    assert_false(entries[0].pinned);
    assert_int_equal(entries[0].held, 0);
    assert_int_equal(entries[1].port, 6);
    assert_int_equal(entries[1].state, NEIGHBOUR_INCOMPLETE);
    assert_true(entries[1].pinned);
    assert_int_equal(entries[1].held, 1);
    neighbour_table_destroy(table);
}

// Packets by what became of them.
struct fates {
    uint32_t asked;
    uint32_t sent;
    uint32_t dropped;
    void *last; // of those sent or dropped
};

static bool count_ask(void *context, uint32_t port, const struct ip_address *address,
                      const uint8_t *mac)
{
    ((struct fates *)context)->asked++;
    return true;
}

static void count_send(void *context, uint32_t port, const uint8_t *mac, void *packet)
{
    struct fates *fates = context;
    fates->sent++;
    fates->last = packet;
}

static void count_drop(void *context, void *packet, bool failed)
{
    struct fates *fates = context;
    assert_false(failed);
    fates->dropped++;
    fates->last = packet;
}

static void sum_held(void *context, const struct neighbour_entry *entry)
{
    *(uint32_t *)context += entry->held;
}

static uint32_t held_by_all(const struct neighbour_table *table)
{
    uint32_t held = 0;
    neighbour_walk(table, sum_held, &held);
    return held;
}

static void many_neighbours_hold_no_more_packets_than_the_limit(void **state)
{
    enum {
        CAPACITY = NEIGHBOUR_HELD_TOTAL_MAX + 10
    };
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(CAPACITY, CAPACITY, test_key, &table), ERROR_NONE);
    struct fates fates = {0};
    const struct neighbour_actions actions = {count_ask, count_send, count_drop, &fates};
    struct ip_address first = address_number(1), late = address_number(CAPACITY);
    char packets[NEIGHBOUR_HELD_TOTAL_MAX + 4];
    for (uint32_t i = 0; i < NEIGHBOUR_HELD_TOTAL_MAX; i++) {
        struct ip_address address = address_number(i + 1);
        neighbour_hold(table, PORT, &address, &packets[i], 0, &actions);
    }
    assert_int_equal(held_by_all(table), NEIGHBOUR_HELD_TOTAL_MAX);
    assert_int_equal(fates.dropped, 0);

    // One that holds none keeps none, but is asked for.
    char *packet = &packets[NEIGHBOUR_HELD_TOTAL_MAX];
    fates.asked = 0;
    neighbour_hold(table, PORT, &late, packet, 0, &actions);
    assert_int_equal(fates.asked, 1);
    assert_int_equal(fates.dropped, 1);
    assert_ptr_equal(fates.last, packet);
    // One that holds some exchanges the oldest.
    neighbour_hold(table, PORT, &first, packet + 1, 0, &actions);
    assert_int_equal(fates.dropped, 2);
    assert_ptr_equal(fates.last, &packets[0]);
    assert_int_equal(held_by_all(table), NEIGHBOUR_HELD_TOTAL_MAX);

    // An answer makes room for one more, and no more.
    uint8_t mac[6];
    mac_of(1, mac);
    neighbour_learn(table, PORT, &first, mac, true, true, false, 0, &actions);
    assert_int_equal(fates.sent, 1);
    assert_ptr_equal(fates.last, packet + 1);
    neighbour_hold(table, PORT, &late, packet + 2, 0, &actions);
    assert_int_equal(fates.dropped, 2);
    assert_int_equal(held_by_all(table), NEIGHBOUR_HELD_TOTAL_MAX);
    neighbour_hold(table, PORT, &late, packet + 3, 0, &actions);
    assert_int_equal(fates.dropped, 3);
    assert_ptr_equal(fates.last, packet + 2);
    neighbour_table_destroy(table);
}

// Neighbours that fail or give way must return what they held to the total, else it runs dry.
static void the_limit_of_held_packets_follows_failures_and_evictions(void **state)
{
    enum {
        CAPACITY = 16
    };
    struct neighbour_table *table;
    assert_int_equal(neighbour_table_create(CAPACITY, CAPACITY, test_key, &table), ERROR_NONE);
    char packet;
    uint64_t now_ns = 0;
    for (uint32_t i = 0; i < 4 * NEIGHBOUR_HELD_TOTAL_MAX; i++) {
        struct ip_address address = address_number(i / 3 + 1);
        neighbour_hold(table, PORT, &address, &packet, now_ns, &ignore);
        if (i % 16 == 0)
            now_ns += UINT64_C(1500) * MILLISECOND;
        neighbour_tick(table, now_ns, &ignore);
        neighbour_reclaim(table);
    }
    struct ip_address address = address_number(4 * NEIGHBOUR_HELD_TOTAL_MAX);
    neighbour_hold(table, PORT, &address, NULL, now_ns, &ignore);
    uint32_t before = held_by_all(table);
    neighbour_hold(table, PORT, &address, &packet, now_ns, &ignore);
    assert_int_equal(held_by_all(table), before + 1);
    neighbour_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_no_multicast_mac_or_address),
        cmocka_unit_test(one_address_on_many_ports_is_many_neighbours),
        cmocka_unit_test(a_freed_slot_is_used_again_after_two_reclaims_with_a_new_generation),
        cmocka_unit_test(what_gives_way_is_counted_unless_it_failed),
        cmocka_unit_test(a_walk_shows_each_neighbour),
        cmocka_unit_test(many_neighbours_hold_no_more_packets_than_the_limit),
        cmocka_unit_test(the_limit_of_held_packets_follows_failures_and_evictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
