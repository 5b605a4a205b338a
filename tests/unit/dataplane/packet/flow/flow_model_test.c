// The flow table against a model: an array with one place for each key that may occur. Random
// operations from a seed, time included, run on both, and whatever one can see of the table must
// be what the model says.
#include "base/random.h"
#include "dataplane/packet/flow/flow_priv.h"
#include "tests/test.h"
#include "tests/unit/dataplane/packet/flow/flow_keys.h"

#define KEYS       120u
#define CAPACITY   60u
#define STEPS      60000u
#define TIMEOUT_MS 1000u
#define NO_PEER    UINT32_MAX

// What the model knows of a key.
struct known {
    bool there;    // in the table, expired or not
    bool is_reply; // of a two-way flow
    uint32_t peer; // key of the other direction, or NO_PEER
    uint32_t expires_ms;
    uint8_t state;
};

struct run {
    struct flow_table *table;
    struct random random;
    uint32_t now_ms;
    uint32_t used; // entries that were inserted and not yet freed
    bool removing; // freed flows may be live
    struct known known[KEYS];
};

static bool live(const struct run *run, uint32_t key)
{
    const struct known *known = &run->known[key];
    return known->there && (int32_t)(known->expires_ms - run->now_ms) > 0;
}

// `member` is the number of the client's key.
static void on_free(void *context, uint16_t service, uint16_t member, const struct flow_pair *pair)
{
    struct run *run = context;
    struct known *known = &run->known[member];
    assert_true(known->there && !known->is_reply);
    assert_int_equal(service, key_of(member).endpoint);
    assert_true(run->removing || !live(run, member));
    assert_int_equal(pair != NULL, known->peer != NO_PEER);
    known->there = false;
    run->used--;
    if (!pair)
        return;
    assert_int_equal(pair->state, known->state);
    assert_int_equal(pair->expires_ms, known->expires_ms);
    run->known[known->peer].there = false;
    run->used--;
}

static uint32_t some_key(struct run *run)
{
    return (uint32_t)random_below(&run->random, KEYS);
}

static uint32_t some_expiry(struct run *run)
{
    return run->now_ms + (uint32_t)random_below(&run->random, TIMEOUT_MS) + 1;
}

static void assert_found(struct run *run, const struct flow *flow, uint32_t number)
{
    const struct known *known = &run->known[number];
    if (!live(run, number)) {
        assert_null(flow);
        return;
    }
    assert_non_null(flow);
    assert_int_equal(flow_state_of(run->table, flow), known->state);
    assert_int_equal(flow_expires_ms(run->table, flow), known->expires_ms);
    assert_int_equal(flow->member, known->is_reply ? known->peer : number);
    assert_int_equal((flow->flags & FLOW_IS_REPLY) != 0, known->is_reply);
    assert_int_equal(flow_pair_of(run->table, flow) != NULL, known->peer != NO_PEER);
}

static struct flow *find(struct run *run, uint32_t number)
{
    struct flow_key key = key_of(number);
    struct flow *flow = flow_find(run->table, &key, flow_hash(run->table, &key), run->now_ms);
    assert_found(run, flow, number);
    return flow;
}

static void assert_full(const struct run *run, enum error error, uint32_t entries)
{
    assert_int_equal(error, ERROR_FULL);
    assert_true(flow_table_used(run->table) + entries > CAPACITY);
}

static void insert(struct run *run, uint32_t number)
{
    struct flow_key key = key_of(number);
    struct flow value = {.expires_ms = some_expiry(run),
                         .member = (uint16_t)number,
                         .state = (uint8_t)random_below(&run->random, FLOW_STATES)};
    bool was_live = live(run, number);
    struct flow *flow = NULL;
    enum error error =
        flow_insert(run->table, &key, flow_hash(run->table, &key), run->now_ms, value, &flow);
    if (was_live) {
        assert_int_equal(error, ERROR_EXISTS);
        assert_found(run, flow, number);
        return;
    }
    if (error) {
        assert_full(run, error, 1);
        return;
    }
    assert_false(run->known[number].there);
    run->known[number] = (struct known){
        .there = true, .peer = NO_PEER, .expires_ms = value.expires_ms, .state = value.state};
    run->used++;
    assert_found(run, flow, number);
}

static void insert_pair(struct run *run, uint32_t number)
{
    uint32_t other = some_key(run);
    if (other == number)
        return;
    struct flow_pair values = pair_of(number, other, some_expiry(run));
    values.state = (uint8_t)random_below(&run->random, FLOW_STATES);
    struct flow_key key = key_of(number);
    bool taken = live(run, number), other_taken = live(run, other);
    struct flow *flow = NULL;
    enum error error =
        flow_insert_pair(run->table, &values, flow_hash(run->table, &key), run->now_ms, &flow);
    if (taken || other_taken) {
        assert_int_equal(error, ERROR_EXISTS);
        assert_found(run, flow, taken ? number : other);
        return;
    }
    if (error) {
        assert_full(run, error, 2);
        return;
    }
    assert_false(run->known[number].there || run->known[other].there);
    struct known known = {
        .there = true, .peer = other, .expires_ms = values.expires_ms, .state = values.state};
    run->known[number] = known;
    known.peer = number;
    known.is_reply = true;
    run->known[other] = known;
    run->used += 2;
    assert_found(run, flow, number);
}

static void change(struct run *run, uint32_t number)
{
    struct known *known = &run->known[number];
    struct flow *flow = find(run, number);
    if (!flow)
        return;
    known->expires_ms = some_expiry(run);
    known->state = (uint8_t)random_below(&run->random, FLOW_STATES);
    flow_set(run->table, flow, (enum flow_state)known->state, known->expires_ms);
    if (known->peer == NO_PEER)
        return;
    run->known[known->peer].expires_ms = known->expires_ms;
    run->known[known->peer].state = known->state;
}

static void remove_one(struct run *run, uint32_t number)
{
    struct flow *flow = find(run, number);
    if (!flow)
        return;
    run->removing = true;
    flow_remove(run->table, flow);
    run->removing = false;
    assert_false(run->known[number].there);
    assert_null(find(run, number));
}

static bool visit(void *context, const struct flow_view *flow)
{
    struct run *run = context;
    const struct known *known = &run->known[flow->member];
    struct flow_key client = key_of(flow->member);
    assert_true(live(run, flow->member));
    assert_memory_equal(&flow->client, &client.peer, sizeof(client.peer));
    assert_int_equal(flow->client_port, client.port);
    assert_int_equal(flow->service, client.endpoint);
    assert_int_equal(flow->expires_ms, known->expires_ms);
    assert_int_equal(flow->state, known->state);
    assert_true(flow->direction == FLOW_FORWARD || known->peer != NO_PEER);
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
        find(run, number);
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
    assert_int_equal(flow_table_create(CAPACITY, test_secrets, &run.table), ERROR_NONE);
    flow_table_on_free(run.table, on_free, &run);
    for (uint32_t i = 0; i < STEPS; i++) {
        step(&run);
        if (i % 64 == 0) {
            for (uint32_t key = 0; key < KEYS; key++)
                find(&run, key);
        }
    }
    run.now_ms += 2 * TIMEOUT_MS;
    flow_sweep(run.table, flow_table_buckets(run.table), run.now_ms);
    assert_int_equal(run.used, 0);
    for (uint32_t i = 0; i < KEYS; i++)
        assert_false(run.known[i].there);
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
