// Local ports: whose they are, that none is given out twice, and that all are given out before one
// is refused.
#include "dataplane/packet/local/local.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

// Two numbers that share a bank, and one that does not.
#define ENDPOINT      2050
#define SAME_BANK     (ENDPOINT + LOCAL_BANKS)
#define OTHER_BANK    (ENDPOINT + 1)
#define MODEL_STEPS   400000
#define MODEL_MEMBERS 3

static struct local_ports *ports_for(uint32_t workers)
{
    struct local_ports *ports;
    assert_int_equal(local_ports_create(workers, NULL, &ports), ERROR_NONE);
    return ports;
}

// Takes all of a worker's ports towards an endpoint, and marks them.
static uint32_t take_all(struct local_ports *ports, uint32_t worker, uint16_t endpoint,
                         uint8_t *taken)
{
    uint32_t count = 0, number;
    for (; local_ports_take(ports, worker, endpoint, &number); count++) {
        uint16_t port = local_ports_in_turn(ports, worker, number);
        assert_true(port >= LOCAL_PORTS_FIRST);
        assert_int_equal(local_ports_owner_in_turn(ports, port), worker);
        assert_int_equal(taken[port], 0);
        taken[port] = 1;
    }
    return count;
}

static void test_workers_share_all_ports_and_never_one(void **state)
{
    static uint8_t taken[UINT16_MAX + 1];
    for (uint32_t workers = 1; workers <= LOCAL_WORKERS_MAX; workers++) {
        struct local_ports *ports = ports_for(workers);
        memset(taken, 0, sizeof(taken));
        uint32_t all = 0;
        for (uint32_t worker = 0; worker < workers; worker++) {
            uint32_t count = take_all(ports, worker, ENDPOINT, taken);
            assert_int_equal(count, local_ports_of_worker(ports, worker));
            all += count;
        }
        assert_int_equal(all, local_ports_all(ports));
        // What the header promises.
        assert_true(workers == 1 ? all == 64448 : all >= 54656);
        local_ports_release(ports);
    }
}

// Of a table of `entries` some are the workers' before others: these have an entry more. Where all
// have many there is not room for all ports, and where they have few it is not even.
static void test_workers_have_as_many_as_they_are_said_to(void **state)
{
    uint32_t least = UINT32_MAX;
    for (uint32_t workers = 2; workers <= LOCAL_WORKERS_MAX; workers++) {
        for (uint32_t entries = 2; entries <= 512; entries *= 2) {
            if (entries < workers)
                continue;
            uint32_t counts[LOCAL_WORKERS_MAX];
            for (uint32_t worker = 0; worker < workers; worker++)
                counts[worker] = 64512 / entries * ((entries - worker - 1) / workers + 1);
            struct local_ports *ports;
            assert_int_equal(local_ports_create(workers, counts, &ports), ERROR_NONE);
            for (uint32_t worker = 0; worker < workers; worker++) {
                uint32_t number, taken = 0;
                for (; local_ports_take(ports, worker, ENDPOINT, &number); taken++)
                    assert_true(number < counts[worker]);
                assert_int_equal(taken, local_ports_of_worker(ports, worker));
            }
            least = local_ports_all(ports) < least ? local_ports_all(ports) : least;
            local_ports_release(ports);
        }
    }
    assert_int_equal(least, 49280); // what the header promises
}

// Where all are in use, the turn is that of the one that was given out first, and goes round.
static void test_the_turn_goes_round(void **state)
{
    struct local_ports *ports = ports_for(3);
    uint32_t all = local_ports_of_worker(ports, 2);
    uint32_t first[2], number;
    for (uint32_t i = 0; i < all; i++)
        assert_true(local_ports_take(ports, 2, ENDPOINT, i < 2 ? &first[i] : &number));
    for (uint32_t i = 0; i < 2 * all; i++) {
        number = local_ports_turn(ports, 2, ENDPOINT);
        assert_true(number < all && (i % all >= 2 || number == first[i % all]));
    }
    // What is given back behind the turn is found all the same.
    local_ports_give_back(ports, 2, ENDPOINT, first[1]);
    assert_true(local_ports_take(ports, 2, ENDPOINT, &number));
    assert_int_equal(number, first[1]);
    local_ports_release(ports);
}

static void test_a_port_serves_endpoints_of_other_banks_too(void **state)
{
    static uint8_t taken[UINT16_MAX + 1];
    struct local_ports *ports = ports_for(2);
    memset(taken, 0, sizeof(taken));
    uint32_t count = take_all(ports, 1, ENDPOINT, taken), number;
    assert_false(local_ports_take(ports, 1, SAME_BANK, &number));
    memset(taken, 0, sizeof(taken));
    assert_int_equal(take_all(ports, 1, OTHER_BANK, taken), count);
    assert_true(local_ports_take(ports, 0, ENDPOINT, &number)); // the other worker's are free
    local_ports_release(ports);
}

static void test_a_port_rests_as_long_as_there_are_others(void **state)
{
    struct local_ports *ports = ports_for(1);
    static bool seen[UINT16_MAX + 1];
    memset(seen, 0, sizeof(seen));
    uint32_t all = local_ports_of_worker(ports, 0);
    for (uint32_t i = 0; i < all; i++) {
        uint32_t number;
        assert_true(local_ports_take(ports, 0, ENDPOINT, &number));
        assert_false(seen[number]);
        seen[number] = true;
        local_ports_give_back(ports, 0, ENDPOINT, number);
    }
    local_ports_release(ports);
}

// Every single free port is found, wherever the search begins.
static void test_the_last_free_port_is_found(void **state)
{
    static const uint32_t numbers[] = {0, 1, 63, 64, 4095, 4096, 21503, 21439, 777};
    static uint8_t taken[UINT16_MAX + 1];
    struct local_ports *ports = ports_for(3);
    memset(taken, 0, sizeof(taken));
    uint32_t all = take_all(ports, 2, ENDPOINT, taken);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uint32_t number = numbers[i] % all, found;
        local_ports_give_back(ports, 2, ENDPOINT, number);
        assert_true(local_ports_take(ports, 2, SAME_BANK, &found));
        assert_int_equal(found, number);
        assert_false(local_ports_take(ports, 2, ENDPOINT, &found));
    }
    local_ports_release(ports);
}

static void test_it_is_freed_with_the_last_who_refers_to_it(void **state)
{
    struct local_ports *ports = ports_for(1);
    local_ports_acquire(ports);
    local_ports_release(ports);
    uint32_t number;
    assert_true(local_ports_take(ports, 0, ENDPOINT, &number));
    local_ports_release(ports);
    local_ports_release(NULL);
}

// What the model knows: who has a port, by bank.
struct held {
    uint16_t endpoint;
    uint32_t number;
};

struct model {
    struct local_ports *ports;
    uint32_t worker;
    uint8_t used[LOCAL_BANKS][UINT16_MAX + 1];
    uint32_t used_count[LOCAL_BANKS];
    struct held *held;
    uint32_t held_count;
};

static void model_take(struct model *model, uint16_t endpoint)
{
    uint32_t bank = endpoint % LOCAL_BANKS;
    uint32_t number;
    bool taken = local_ports_take(model->ports, model->worker, endpoint, &number);
    assert_int_equal(taken,
                     model->used_count[bank] < local_ports_of_worker(model->ports, model->worker));
    if (!taken)
        return;
    assert_int_equal(model->used[bank][number]++, 0);
    model->used_count[bank]++;
    model->held[model->held_count++] = (struct held){endpoint, number};
}

static void model_give_back(struct model *model, uint32_t index)
{
    struct held held = model->held[index];
    uint32_t bank = held.endpoint % LOCAL_BANKS;
    local_ports_give_back(model->ports, model->worker, held.endpoint, held.number);
    model->used[bank][held.number] = 0;
    model->used_count[bank]--;
    model->held[index] = model->held[--model->held_count];
}

// Waves of taking and giving back, to full and to empty, over endpoints that share banks or not.
static void test_against_a_model(void **state)
{
    static struct model model;
    memset(&model, 0, sizeof(model));
    model.ports = ports_for(40);
    model.worker = 39;
    model.held = calloc(MODEL_MEMBERS * UINT16_MAX, sizeof(*model.held));
    assert_non_null(model.held);
    static const uint16_t endpoints[MODEL_MEMBERS] = {ENDPOINT, SAME_BANK, OTHER_BANK};
    struct random random = random_from_seed(7);
    for (uint32_t step = 0; step < MODEL_STEPS; step++) {
        bool filling = step / 4000 % 2 == 0;
        bool take = random_below(&random, 4) < (filling ? 3 : 1);
        if (take)
            model_take(&model, endpoints[random_below(&random, MODEL_MEMBERS)]);
        else if (model.held_count > 0)
            model_give_back(&model, (uint32_t)random_below(&random, model.held_count));
    }
    free(model.held);
    local_ports_release(model.ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_share_all_ports_and_never_one),
        cmocka_unit_test(test_workers_have_as_many_as_they_are_said_to),
        cmocka_unit_test(test_the_turn_goes_round),
        cmocka_unit_test(test_a_port_serves_endpoints_of_other_banks_too),
        cmocka_unit_test(test_a_port_rests_as_long_as_there_are_others),
        cmocka_unit_test(test_the_last_free_port_is_found),
        cmocka_unit_test(test_it_is_freed_with_the_last_who_refers_to_it),
        cmocka_unit_test(test_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
