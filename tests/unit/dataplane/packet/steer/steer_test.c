// Steering: our Toeplitz hash against both of DPDK's, and that ports are shared out so that each
// comes back to its worker, whatever the key, the addresses and the device's table are.
#include "dataplane/packet/steer/steer.h"

#include <rte_eal.h>
#include <rte_thash.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tests/test.h"

static struct random numbers;
static struct steer steer;

struct tuple {
    struct ip_address source, destination;
    uint16_t source_port, destination_port; // host byte order
};

static uint16_t swapped(uint16_t port)
{
    return __builtin_bswap16(port);
}

static void random_bytes(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_next(&numbers);
}

static struct ip_address random_address(bool v4)
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    return v4 ? ip_from_v4(bytes) : ip_from_v6(bytes);
}

static struct tuple random_tuple(bool v4)
{
    return (struct tuple){
        .source = random_address(v4),
        .destination = random_address(v4),
        .source_port = (uint16_t)random_next(&numbers),
        .destination_port = (uint16_t)random_next(&numbers),
    };
}

static void fitting_key(uint8_t *key)
{
    random_bytes(key, STEER_KEY_BYTES);
    steer_key_fit(key);
}

static void init(uint32_t entries, uint32_t workers)
{
    uint8_t key[STEER_KEY_BYTES];
    fitting_key(key);
    steer_init(&steer, key, entries, workers);
}

static uint32_t hash_of(const struct tuple *tuple)
{
    return steer_source(&steer, &tuple->source, swapped(tuple->source_port)) ^
           steer_destination(&steer, &tuple->destination, swapped(tuple->destination_port));
}

// As it is hashed: network byte order. Returns its size.
static uint32_t bytes_of(const struct tuple *tuple, uint8_t *bytes)
{
    uint32_t size = ip_is_v4(&tuple->source) ? 4 : 16;
    uint16_t ports[2] = {swapped(tuple->source_port), swapped(tuple->destination_port)};
    memcpy(bytes, tuple->source.bytes + 16 - size, size);
    memcpy(bytes + size, tuple->destination.bytes + 16 - size, size);
    memcpy(bytes + 2 * size, ports, 4);
    return 2 * size + 4;
}

static uint32_t soft_rss(const struct tuple *tuple)
{
    uint8_t bytes[36];
    uint32_t words[9], size = bytes_of(tuple, bytes);
    for (uint32_t i = 0; i < size / 4; i++)
        words[i] = rte_be_to_cpu_32(((unaligned_uint32_t *)bytes)[i]);
    return rte_softrss(words, size / 4, steer.key);
}

static void the_hash_is_dpdks(void **state)
{
    for (uint32_t i = 0; i < 2000; i++) {
        init(128, 4);
        struct tuple tuple = random_tuple(i % 2);
        assert_int_equal(hash_of(&tuple), soft_rss(&tuple));
        // Each bit of it alone, too.
        struct tuple bit = {.source = tuple.source, .destination = tuple.destination};
        bit.destination_port = (uint16_t)(1 << i % 16);
        assert_int_equal(hash_of(&bit), soft_rss(&bit));
    }
}

// DPDK's own adjuster finds ports with a key of its own: we must say that they are what was wanted.
static void ports_that_dpdk_adjusts_come_where_it_says(void **state)
{
    uint8_t key[STEER_KEY_BYTES];
    random_bytes(key, sizeof(key));
    struct rte_thash_ctx *context = rte_thash_init_ctx("steer", STEER_KEY_BYTES, 7, key, 0);
    assert_non_null(context);
    assert_int_equal(rte_thash_add_helper(context, "v4", 16, 80), 0);
    assert_int_equal(rte_thash_add_helper(context, "v6", 16, 272), 0);
    steer_init(&steer, rte_thash_get_key(context), 128, 4);
    for (uint32_t i = 0; i < 2000; i++) {
        bool v4 = i % 2;
        struct tuple tuple = random_tuple(v4);
        uint8_t bytes[36];
        uint32_t size = bytes_of(&tuple, bytes), wanted = i % 128;
        struct rte_thash_subtuple_helper *helper = rte_thash_get_helper(context, v4 ? "v4" : "v6");
        assert_int_equal(
            rte_thash_adjust_tuple(context, helper, bytes, size, wanted, 1, NULL, NULL), 0);
        tuple.destination_port = (uint16_t)(bytes[size - 2] << 8 | bytes[size - 1]);
        assert_int_equal(hash_of(&tuple) & 127, wanted);
        // And so do ours: of the block that it chose, the same.
        tuple.destination_port = 0;
        uint32_t worker = wanted % 4, own = 128 / 4;
        uint16_t port = (uint16_t)(bytes[size - 2] << 8 | bytes[size - 1]);
        if (port < STEER_PORTS_FIRST)
            continue;
        uint32_t number = (port - STEER_PORTS_FIRST) / 128u * own + wanted / 4;
        assert_int_equal(steer_port(&steer, v4, hash_of(&tuple), worker, number), port);
    }
    rte_thash_free_ctx(context);
}

static void few_bits_of_a_key_are_chosen(void **state)
{
    for (uint32_t i = 0; i < 500; i++) {
        uint8_t key[STEER_KEY_BYTES], before[STEER_KEY_BYTES];
        random_bytes(before, sizeof(before));
        memcpy(key, before, sizeof(key));
        steer_key_fit(key);
        int changed = 0;
        for (size_t b = 0; b < sizeof(key); b++)
            changed += __builtin_popcount(key[b] ^ before[b]);
        assert_in_range(changed, 0, 18);
        memcpy(before, key, sizeof(key));
        steer_key_fit(key);
        assert_memory_equal(key, before, sizeof(key));
        for (uint32_t entries = 2; entries <= STEER_ENTRIES_MAX; entries *= 2)
            steer_init(&steer, key, entries, 1); // checks it
    }
}

// All ports of all workers towards one address and port.
static void share_out(bool v4)
{
    static uint8_t owner[UINT16_MAX + 1];
    memset(owner, 0xff, sizeof(owner));
    struct tuple reply = random_tuple(v4);
    reply.destination_port = 0;
    uint32_t hash = hash_of(&reply), all = 0;
    for (uint32_t worker = 0; worker < steer.workers; worker++) {
        for (uint32_t number = 0; number < steer_ports(&steer, worker); number++) {
            uint16_t port = steer_port(&steer, v4, hash, worker, number);
            assert_true(port >= STEER_PORTS_FIRST);
            assert_int_equal(owner[port], 0xff);
            owner[port] = (uint8_t)worker;
            all++;
            reply.destination_port = port;
            assert_int_equal(steer_worker_of_entry(&steer, hash_of(&reply)), worker);
            reply.destination_port = 0;
        }
    }
    assert_int_equal(all, UINT16_MAX + 1 - STEER_PORTS_FIRST);
}

static void every_port_is_one_workers_and_comes_back_to_it(void **state)
{
    for (uint32_t workers = 1; workers <= STEER_WORKERS_MAX; workers += workers < 8 ? 1 : 7) {
        for (uint32_t entries = 2; entries <= STEER_ENTRIES_MAX; entries *= 2) {
            if (entries < workers)
                continue;
            init(entries, workers);
            share_out(workers % 2);
            share_out(entries % 4);
        }
    }
}

// A device's table may be larger than what all of them have in common.
static void larger_tables_repeat(void **state)
{
    init(64, 3);
    for (uint32_t entry = 0; entry < 2048; entry++)
        assert_int_equal(steer_worker_of_entry(&steer, entry), entry % 64 % 3);
}

static int start_dpdk(void **state)
{
    char *arguments[] = {"steer-test", "--no-huge",      "--no-shconf",       "--no-pci", "-m",
                         "64",         "--no-telemetry", "--log-level=error", NULL};
    return rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) < 0;
}

static int stop_dpdk(void **state)
{
    return rte_eal_cleanup();
}

int main(void)
{
    numbers = random_from_seed(22);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_dpdks),
        cmocka_unit_test(ports_that_dpdk_adjusts_come_where_it_says),
        cmocka_unit_test(few_bits_of_a_key_are_chosen),
        cmocka_unit_test(every_port_is_one_workers_and_comes_back_to_it),
        cmocka_unit_test(larger_tables_repeat),
    };
    return cmocka_run_group_tests(tests, start_dpdk, stop_dpdk);
}
