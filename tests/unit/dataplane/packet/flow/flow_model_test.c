// The flow table against a model: an array with one place for each key that may occur. Random
// operations from a seed, time included, run on both, and whatever one can see of the table must
// be what the model says.
#include "base/random.h"
#include "dataplane/packet/flow/flow.h"
#include "tests/test.h"
#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#define KEYS       120u
#define CAPACITY   60u
#define STEPS      60000u
#define TIMEOUT_MS 1000u
#define NO_PEER    UINT32_MAX

// What the model knows of a key.
struct known {
    struct flow *flow; // NULL: not in the table
    uint32_t peer;     // key, or NO_PEER
    uint32_t expires_ms;
    uint8_t state;
};

struct run {
    struct flow_table *table;
    struct random random;
    uint32_t now_ms;
    uint32_t used; // entries that were inserted and not yet freed
    bool removing; // freed entries may be live
    struct known known[KEYS];
};

static bool live(const struct run *run, uint32_t key)
{
    const struct known *known = &run->known[key];
    if (!known->flow)
        return false;
    if ((int32_t)(known->expires_ms - run->now_ms) > 0)
        return true;
    return known->peer != NO_PEER &&
           (int32_t)(run->known[known->peer].expires_ms - run->now_ms) > 0;
}

// flow->member holds the key's number.
static void on_free(void *context, const struct flow *flow)
{
    struct run *run = context;
    struct known *known = &run->known[flow->member];
    assert_true(known->flow == flow);
    struct flow_key key = key_of(flow->member);
    assert_memory_equal(&flow->key, &key, sizeof(key));
    assert_int_equal(flow->state, known->state);
    assert_true(run->removing || !live(run, flow->member));
    run->used--;
    if (known->peer == NO_PEER) {
        known->flow = NULL;
        return;
    }
    // Peers are freed together: the second of the two calls forgets both.
    struct known *peer = &run->known[known->peer];
    if (peer->flow) {
        known->flow = NULL;
        return;
    }
    known->flow = NULL;
    known->peer = peer->peer = NO_PEER;
}

static uint32_t some_key(struct run *run)
{
    return (uint32_t)random_below(&run->random, KEYS);
}

static uint64_t hash_of(const struct run *run, uint32_t number)
{
    struct flow_key key = key_of(number);
    return flow_hash(run->table, &key);
}

static uint32_t some_timeout(struct run *run)
{
    return (uint32_t)random_below(&run->random, TIMEOUT_MS) + 1;
}

static bool insert(struct run *run, uint32_t number)
{
    struct flow_key key = key_of(number);
    uint32_t expires_ms = run->now_ms + some_timeout(run);
    bool was_live = live(run, number);
    struct flow *flow = NULL;
    enum error error =
        flow_insert(run->table, &key, hash_of(run, number), run->now_ms, expires_ms, &flow);
    if (was_live) {
        assert_int_equal(error, ERROR_EXISTS);
        return false;
    }
    if (error) {
        assert_int_equal(error, ERROR_FULL);
        assert_int_equal(flow_table_used(run->table), CAPACITY);
        return false;
    }
    assert_null(run->known[number].flow);
    assert_int_equal(flow->peer, FLOW_NONE);
    flow->member = number;
    run->known[number] = (struct known){.flow = flow, .peer = NO_PEER, .expires_ms = expires_ms};
    run->used++;
    return true;
}

static void insert_pair(struct run *run, uint32_t number)
{
    uint32_t other = some_key(run);
    if (other == number || !insert(run, number))
        return;
    if (!insert(run, other)) {
        run->removing = true;
        flow_remove(run->table, run->known[number].flow);
        run->removing = false;
        return;
    }
    flow_pair(run->table, run->known[number].flow, run->known[other].flow);
    run->known[number].peer = other;
    run->known[other].peer = number;
}

static void look_up_burst(struct run *run)
{
    struct flow_key keys[FLOW_BURST_MAX];
    uint64_t hashes[FLOW_BURST_MAX];
    uint32_t numbers[FLOW_BURST_MAX];
    struct flow *found[FLOW_BURST_MAX];
    uint32_t count = (uint32_t)random_below(&run->random, FLOW_BURST_MAX + 1);
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = some_key(run);
        keys[i] = key_of(numbers[i]);
        hashes[i] = hash_of(run, numbers[i]);
    }
    flow_lookup_burst(run->table, keys, hashes, count, run->now_ms, found);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(found[i] == (live(run, numbers[i]) ? run->known[numbers[i]].flow : NULL));
        assert_true(flow_lookup(run->table, &keys[i], hashes[i], run->now_ms) == found[i]);
    }
}

static void change(struct run *run, uint32_t number)
{
    struct known *known = &run->known[number];
    if (!live(run, number))
        return;
    uint32_t timeout_ms = some_timeout(run);
    uint32_t expires_ms = run->now_ms + timeout_ms;
    if (random_below(&run->random, 4) > 0) {
        flow_touch(known->flow, run->now_ms, timeout_ms);
        known->expires_ms = expires_ms;
        return;
    }
    enum flow_state state = (enum flow_state)random_below(&run->random, FLOW_STATES);
    flow_set_state(run->table, known->flow, state, run->now_ms, timeout_ms);
    known->state = (uint8_t)state;
    known->expires_ms = expires_ms;
    if (known->peer != NO_PEER) {
        run->known[known->peer].state = (uint8_t)state;
        run->known[known->peer].expires_ms = expires_ms;
    }
}

static void remove_one(struct run *run, uint32_t number)
{
    if (!live(run, number))
        return;
    uint32_t peer = run->known[number].peer;
    run->removing = true;
    flow_remove(run->table, run->known[number].flow);
    run->removing = false;
    assert_null(run->known[number].flow);
    assert_true(peer == NO_PEER || !run->known[peer].flow);
}

static bool visit(void *context, const struct flow *flow)
{
    struct run *run = context;
    assert_true(live(run, flow->member));
    assert_true(run->known[flow->member].flow == flow);
    return true;
}

static void step(struct run *run)
{
    uint32_t number = some_key(run);
    uint32_t position = 0;
    switch (random_below(&run->random, 16)) {
    case 0:
    case 1:
    case 2:
        insert(run, number);
        break;
    case 3:
    case 4:
    case 5:
        insert_pair(run, number);
        break;
    case 6:
    case 7:
        look_up_burst(run);
        break;
    case 8:
    case 9:
    case 10:
        change(run, number);
        break;
    case 11:
        remove_one(run, number);
        break;
    case 12:
        flow_sweep(run->table, (uint32_t)random_below(&run->random, 20), run->now_ms);
        break;
    case 13:
        assert_false(flow_walk(run->table, &position, KEYS, run->now_ms, visit, run));
        break;
    default:
        run->now_ms += (uint32_t)random_below(&run->random, TIMEOUT_MS / 10);
    }
    assert_int_equal(flow_table_used(run->table), run->used);
}

static void run_from(uint64_t seed, uint32_t now_ms)
{
    struct run run = {.random = random_from_seed(seed), .now_ms = now_ms};
    for (uint32_t i = 0; i < KEYS; i++)
        run.known[i].peer = NO_PEER;
    assert_int_equal(flow_table_create(CAPACITY, TEST_SIPHASH_KEY, &run.table), ERROR_NONE);
    flow_table_on_free(run.table, on_free, &run);
    for (uint32_t i = 0; i < STEPS; i++)
        step(&run);
    run.now_ms += 2 * TIMEOUT_MS;
    flow_sweep(run.table, flow_table_buckets(run.table), run.now_ms);
    assert_int_equal(run.used, 0);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_null(run.known[i].flow);
    flow_table_destroy(run.table);
}

static void agrees_with_the_model(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        run_from(seed, 0);
}

static void agrees_with_the_model_while_the_clock_wraps(void **state)
{
    run_from(6, UINT32_MAX - STEPS / 2);
    run_from(7, INT32_MAX - STEPS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_model),
        cmocka_unit_test(agrees_with_the_model_while_the_clock_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
