#include "dataplane/packet/flow/probation.h"

#include "dataplane/packet/flow/flow_priv.h"
#include "tests/test.h"
#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#define TIMEOUT_MS 1000u
#define CAPACITY   4096u
#define SLOTS      512u

static struct flow_table *table;
static struct probation *probation;

static int set_up(void **state)
{
    assert_int_equal(flow_table_create(CAPACITY, test_secrets, &table), ERROR_NONE);
    assert_int_equal(probation_create(SLOTS, &probation), ERROR_NONE);
    return 0;
}

static int tear_down(void **state)
{
    probation_destroy(probation);
    flow_table_destroy(table);
    return 0;
}

static bool has(uint32_t number)
{
    struct flow_key key = key_of(number);
    return probation_has(probation, flow_hash(table, &key));
}

// True: it takes the slot of who has to leave.
static bool enter(uint32_t number, uint32_t now_ms, struct probation_leaver *leaver)
{
    struct flow_key key = key_of(number);
    uint64_t hash = flow_hash(table, &key);
    probation_prefetch(probation, hash);
    return probation_enter(probation, hash, ip_is_v4(&key.peer), now_ms, now_ms + TIMEOUT_MS,
                           leaver);
}

static void insert(uint32_t number, uint32_t now_ms)
{
    struct flow_key key = key_of(number);
    struct flow value = {.expires_ms = now_ms + TIMEOUT_MS, .member = 1};
    struct flow *flow;
    assert_int_equal(flow_insert(table, &key, flow_hash(table, &key), now_ms, value, &flow),
                     ERROR_NONE);
}

// A one-way flow begins. True: another went for it.
static bool begin(uint32_t number, uint32_t now_ms)
{
    struct probation_leaver leaver;
    bool evicted = enter(number, now_ms, &leaver) &&
                   probation_evict(probation, table, &leaver, 1, now_ms) == 1;
    insert(number, now_ms);
    return evicted;
}

static struct flow *look(uint32_t number, uint32_t now_ms)
{
    struct flow_key key = key_of(number);
    return flow_find(table, &key, flow_hash(table, &key), now_ms);
}

static void earn(uint32_t number)
{
    struct flow_key key = key_of(number);
    probation_leave(probation, flow_hash(table, &key));
}

static void has_whole_buckets_and_at_least_one(void **state)
{
    static const uint32_t slots[][2] = {{0, 8}, {1, 8}, {8, 8}, {15, 8}, {16, 16}};
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        struct probation *small;
        assert_int_equal(probation_create(slots[i][0], &small), ERROR_NONE);
        assert_int_equal(probation_slots(small), slots[i][1]);
        probation_destroy(small);
    }
    probation_destroy(NULL);
}

static void flows_without_handshake_are_never_more_than_slots(void **state)
{
    uint32_t evicted = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        evicted += begin(i, 0);
        assert_true(flow_table_used(table) <= SLOTS);
    }
    assert_int_equal(flow_table_used(table), SLOTS);
    assert_int_equal(evicted, 100000 - SLOTS);
    assert_int_equal(probation_evictions(probation), evicted);
}

static void an_earned_flow_stays_whatever_comes(void **state)
{
    for (uint32_t i = 0; i < 1000; i++) {
        begin(i, 0);
        earn(i);
    }
    for (uint32_t i = 1000; i < 101000; i++)
        begin(i, 0);
    for (uint32_t i = 0; i < 1000; i++)
        assert_non_null(look(i, 0));
    assert_int_equal(flow_table_used(table), 1000 + SLOTS);
}

// Else the slot of its former life would be chosen when the flow has long been earned.
static void a_flow_that_begins_again_has_one_slot(void **state)
{
    begin(7, 0);
    flow_remove(table, look(7, 0));
    assert_false(begin(7, 0));
    earn(7);
    for (uint32_t i = 1000; i < 101000; i++)
        begin(i, 0);
    assert_non_null(look(7, 0));
}

static void knows_who_has_a_slot(void **state)
{
    for (uint32_t i = 0; i < 10000; i++)
        begin(i, 0);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal(has(i), look(i, 0) != NULL);
    for (uint32_t i = 0; i < 10000; i++) {
        earn(i);
        assert_false(has(i));
    }
}

static void one_whose_time_has_passed_goes_first(void **state)
{
    // All slots are of flows that are over, but hold their entries.
    for (uint32_t i = 0; i < 10000; i++)
        begin(i, 0);
    assert_int_equal(flow_table_used(table), SLOTS);
    // A few new ones take their places, and push out none that lives.
    for (uint32_t i = 10000; i < 10064; i++)
        assert_false(begin(i, TIMEOUT_MS));
    for (uint32_t i = 10000; i < 10064; i++)
        assert_non_null(look(i, TIMEOUT_MS));
    assert_true(flow_table_used(table) <= SLOTS);
}

static void a_two_way_flow_goes_whole(void **state)
{
    for (uint32_t i = 0; i < 20000; i += 4) {
        struct flow_pair pair = pair_of(i, 100000 + i, TIMEOUT_MS);
        struct flow_key key = key_of(i);
        struct flow *flow;
        uint64_t hash = flow_hash(table, &key);
        struct probation_leaver leaver;
        if (enter(i, 0, &leaver))
            assert_int_equal(probation_evict(probation, table, &leaver, 1, 0), 1);
        assert_int_equal(flow_insert_pair(table, &pair, hash, 0, &flow), ERROR_NONE);
        struct flow_key client = flow_client_key(table, look(100000 + i, 0));
        assert_memory_equal(&client, &key, sizeof(key));
    }
    assert_int_equal(flow_table_used(table), 2 * SLOTS);
}

static void many_leave_at_once(void **state)
{
    struct probation_leaver leavers[PROBATION_LEAVERS_MAX];
    for (uint32_t i = 0; i < 40000;) {
        uint32_t count = 0, first = i;
        for (; i < first + PROBATION_LEAVERS_MAX; i++)
            count += enter(i, 0, &leavers[count]);
        probation_evict(probation, table, leavers, count, 0);
        for (uint32_t n = first; n < i; n++) {
            struct probation_leaver again;
            if (enter(n, 0, &again)) // one that came with it has its slot
                probation_evict(probation, table, &again, 1, 0);
            struct flow_key key = key_of(n);
            struct flow_pair pair = pair_of(n, 100000 + n, TIMEOUT_MS);
            struct flow *flow;
            if (n % 3)
                insert(n, 0);
            else
                assert_int_equal(flow_insert_pair(table, &pair, flow_hash(table, &key), 0, &flow),
                                 ERROR_NONE);
        }
        assert_true(flow_table_used(table) - flow_table_two_way(table) <= SLOTS);
    }
    assert_int_equal(flow_table_used(table) - flow_table_two_way(table), SLOTS);
    assert_in_range(flow_table_two_way(table), SLOTS / 4, SLOTS / 2);
}

// Two flows may share a hash, and a slot with it, once in 2^64.
static void an_earned_flow_is_not_removed_by_a_slot(void **state)
{
    static const enum flow_state earned[] = {FLOW_TCP_ESTABLISHED, FLOW_TCP_CLIENT_CLOSED,
                                             FLOW_TCP_MEMBER_CLOSED, FLOW_UDP};
    for (uint32_t i = 0; i < 400; i++) {
        begin(i, 0);
        flow_set(table, look(i, 0), earned[i / 100], TIMEOUT_MS);
    }
    for (uint32_t i = 1000; i < 101000; i++)
        begin(i, 0);
    for (uint32_t i = 0; i < 400; i++)
        assert_non_null(look(i, 0));
}

// Half of a bucket's flows at random go for as many as the bucket has slots: nobody can tell whose
// turn it is.
static void who_goes_is_random(void **state)
{
    uint32_t newest = 0, left = 0;
    for (uint32_t i = 0; i < 10000; i++)
        begin(i, 0);
    for (uint32_t i = 10000; i < 10000 + SLOTS; i++)
        begin(i, 0);
    for (uint32_t i = 10000; i < 10000 + SLOTS; i++)
        newest += look(i, 0) != NULL;
    for (uint32_t i = 0; i < 10000; i++)
        left += look(i, 0) != NULL;
    assert_int_equal(newest + left, SLOTS);
    // 1 - 1/e of the newest, were it exactly random; in turn it would be all of some buckets.
    assert_in_range(newest, SLOTS * 55 / 100, SLOTS * 72 / 100);
}

static void is_pressed_for_a_while_after_one_had_to_go(void **state)
{
    assert_false(probation_is_pressed(probation, 0));
    for (uint32_t i = 0; i < 10000; i++)
        begin(i, 5);
    assert_true(probation_is_pressed(probation, 5));
    assert_true(probation_is_pressed(probation, 5 + PROBATION_PRESSED_MS - 1));
    assert_false(probation_is_pressed(probation, 5 + PROBATION_PRESSED_MS));
}

// A clock of 32 bits comes by the time of the eviction again, after 49.7 days.
static void a_flood_long_ago_does_not_press_again(void **state)
{
    for (uint32_t i = 0; i < 10000; i++)
        begin(i, 5);
    for (uint64_t now_ms = 5; now_ms < (1ull << 32); now_ms += PROBATION_PRESSED_MS / 2)
        probation_age(probation, (uint32_t)now_ms);
    assert_false(probation_is_pressed(probation, 5 + PROBATION_PRESSED_MS - 1));
    for (uint32_t i = 20000; i < 30000; i++)
        begin(i, 6);
    assert_true(probation_is_pressed(probation, 6 + PROBATION_PRESSED_MS - 1));
}

#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_whole_buckets_and_at_least_one),
        WITH_TABLE(flows_without_handshake_are_never_more_than_slots),
        WITH_TABLE(an_earned_flow_stays_whatever_comes),
        WITH_TABLE(a_flow_that_begins_again_has_one_slot),
        WITH_TABLE(knows_who_has_a_slot),
        WITH_TABLE(one_whose_time_has_passed_goes_first),
        WITH_TABLE(a_two_way_flow_goes_whole),
        WITH_TABLE(many_leave_at_once),
        WITH_TABLE(an_earned_flow_is_not_removed_by_a_slot),
        WITH_TABLE(who_goes_is_random),
        WITH_TABLE(is_pressed_for_a_while_after_one_had_to_go),
        WITH_TABLE(a_flood_long_ago_does_not_press_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
