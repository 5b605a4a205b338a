// Which member a new flow gets: clients that stay with theirs, and members that warm up.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_rig.h"
#include "tests/test.h"

#define MEMBERS "{name: a, address: 10.2.0.11}, {name: b, address: 10.2.0.12}"
#define THIRD   ", {name: c, address: 10.2.0.13}"

#define CONFIGURATION(pool, members)                                             \
    "node: {name: test, cores: [0], flows: {per-worker: 8192}}\n"                \
    "ports:\n"                                                                   \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16]}\n"           \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"            \
    "pools: [{name: p, forward: direct, " pool ", members: [" members "]},\n"    \
    "        {name: q, forward: direct, " pool ", members: [" members "]}]\n"    \
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p},\n" \
    "       {name: w, address: 10.1.0.101, port: 80, protocol: tcp, pool: q}]\n"

static struct stage_rig rig;
static uint16_t next_port;
static uint8_t syn_or_rst = WIRE_TCP_SYN;

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    for (uint8_t i = 1; i <= 3; i++) {
        char address[IP_TEXT_SIZE];
        snprintf(address, sizeof(address), "10.2.0.%u", 10 + i);
        rig_neighbour(&rig, 1, address, (const uint8_t[]){2, 0, 0, 0, 1, i});
    }
}

// The member, 1 to 3, that a client's next connection to a vip goes to; 0: it was dropped.
static int connect_from(const char *client, const char *vip)
{
    static struct frame frame;
    static struct outcome outcome;
    struct frame_spec spec = {.destination_mac = (const uint8_t[]){2, 0, 0, 0, 0, 0},
                              .source = client,
                              .destination = vip,
                              .source_port = ++next_port,
                              .destination_port = 80,
                              .tcp_flags = syn_or_rst};
    frame_build(&frame, &spec);
    rig_packet(&rig, 0, &frame, &outcome);
    if (outcome.kind != OUTCOME_SENT)
        return 0;
    return outcome.frame.bytes[5];
}

static void assert_stays(const char *client, int member, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(connect_from(client, "10.1.0.100"), member);
}

static void without_affinity_flows_of_a_client_spread(void **state)
{
    open_with(CONFIGURATION("balancer: maglev", MEMBERS));
    int got[4] = {0};
    for (int i = 0; i < 100; i++)
        got[connect_from("10.1.0.10", "10.1.0.100")]++;
    assert_in_range(got[1], 25, 75);
    assert_in_range(got[2], 25, 75);
    rig_close(&rig);
}

#define STICKY  "affinity: {timeout: 10s, prefix-ipv4: 24}, balancer: "
#define IN_TURN STICKY "round-robin"

static void a_client_stays_with_its_member(void **state)
{
    open_with(CONFIGURATION(IN_TURN, MEMBERS));
    int first = connect_from("10.1.1.10", "10.1.0.100");
    int second = connect_from("10.1.2.10", "10.1.0.100");
    assert_true(first != second); // in turn
    assert_stays("10.1.1.10", first, 5);
    assert_stays("10.1.1.99", first, 5); // of the same /24
    assert_stays("10.1.2.10", second, 5);
    // Another pool remembers for itself: there its turn has just begun.
    assert_int_equal(connect_from("10.1.2.10", "10.1.0.101"), first);
    rig_close(&rig);
}

static void a_client_is_forgotten_after_its_time_without_a_new_flow(void **state)
{
    open_with(CONFIGURATION(IN_TURN, MEMBERS));
    int first = connect_from("10.1.1.10", "10.1.0.100");
    rig_at(&rig, 9999);
    assert_stays("10.1.1.10", first, 1); // begins its time anew
    rig_at(&rig, 19998);
    assert_stays("10.1.1.10", first, 1);
    rig_at(&rig, 29998);
    assert_int_equal(connect_from("10.1.1.10", "10.1.0.100"), 3 - first); // whose turn it is
    rig_close(&rig);
}

static void a_client_is_placed_by_its_hash_first_and_stays_when_members_change(void **state)
{
    open_with(CONFIGURATION(STICKY "maglev", MEMBERS));
    int had[64];
    char client[IP_TEXT_SIZE];
    int got[4] = {0};
    for (int i = 0; i < 64; i++) {
        snprintf(client, sizeof(client), "10.1.%d.7", 128 + i);
        had[i] = connect_from(client, "10.1.0.100");
        got[had[i]]++;
        assert_stays(client, had[i], 2);
    }
    assert_in_range(got[1], 16, 48);
    rig_reload(&rig, CONFIGURATION(STICKY "maglev", MEMBERS THIRD));
    for (int i = 0; i < 64; i++) {
        snprintf(client, sizeof(client), "10.1.%d.8", 128 + i);
        assert_stays(client, had[i], 1);
    }
    memset(got, 0, sizeof(got));
    for (int i = 0; i < 64; i++) {
        snprintf(client, sizeof(client), "10.1.%d.8", 64 + i);
        got[connect_from(client, "10.1.0.100")]++;
    }
    assert_true(got[3] > 8); // those that are new go by the new members
    rig_close(&rig);
}

static void a_client_of_a_drained_member_gets_another_and_stays_there(void **state)
{
    open_with(CONFIGURATION(STICKY "maglev", MEMBERS));
    int first = connect_from("10.1.1.10", "10.1.0.100");
    rig_drain(&rig, first == 1 ? "p/a" : "p/b");
    assert_stays("10.1.1.10", 3 - first, 3);
    rig_drain(&rig, NULL);
    assert_stays("10.1.1.10", 3 - first, 3);
    rig_close(&rig);
}

// How many of 1600 connections member b gets.
static int share_of_b(void)
{
    int got = 0;
    for (int i = 0; i < 1600; i++)
        got += connect_from("10.1.0.10", "10.1.0.100") == 2;
    return got;
}

static void assert_near(int got, int expected)
{
    assert_in_range(got, expected - expected / 6 - 12, expected + expected / 6 + 12);
}

static void a_member_that_returns_warms_up_in_steps(void **state)
{
    static const char *const pools[] = {
        CONFIGURATION("slow-start: 16s, balancer: weighted-round-robin", MEMBERS),
        CONFIGURATION("slow-start: 16s, balancer: maglev", MEMBERS),
        CONFIGURATION("slow-start: 16s, balancer: two-choices", MEMBERS),
    };
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
        open_with(pools[i]);
        assert_near(share_of_b(), 800); // at the start all are warm
        assert_true(rig.tables->next_step_ns == 0);
        rig_close(&rig);

        open_with(pools[i]);
        rig_drain(&rig, "p/b");
        rig_drain(&rig, NULL);
        static const struct {
            uint32_t at_ms;
            int sixteenths;
        } steps[] = {{0, 1}, {999, 1}, {1000, 2}, {7500, 8}, {14999, 15}};
        for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
            rig_at(&rig, steps[s].at_ms);
            rig_drain(&rig, NULL); // compiles as it is now
            const struct tables_pool *pool = rig.tables->pools[0];
            assert_int_equal(pool->weights[1].held_back, 16 - steps[s].sixteenths);
            assert_int_equal(pool->weights[0].held_back, 0);
            uint64_t begin_ns = rig.now_ns - steps[s].at_ms * 1000000ull;
            assert_true(rig.tables->next_step_ns ==
                        begin_ns + (uint64_t)steps[s].sixteenths * 1000000000u);
        }
        assert_near(share_of_b(), 1600 * 15 / 31);
        rig_at(&rig, 15000);
        rig_drain(&rig, NULL);
        assert_int_equal(rig.tables->pools[0]->weights[1].held_back, 0);
        assert_true(rig.tables->next_step_ns == 0);
        rig_close(&rig);
    }
}

// A client that only ends connections has none: it is not remembered, pushes nobody out, and takes
// no turn.
static void what_ends_a_connection_takes_no_place(void **state)
{
    open_with(CONFIGURATION(IN_TURN, MEMBERS));
    assert_int_equal(connect_from("10.1.1.10", "10.1.0.100"), 1);
    syn_or_rst = WIRE_TCP_RST;
    int resets = 0; // by hash, so to either
    char client[IP_TEXT_SIZE];
    for (int i = 0; i < 32; i++) {
        snprintf(client, sizeof(client), "10.1.%d.10", 2 + i);
        resets += connect_from(client, "10.1.0.100") == 2;
    }
    assert_in_range(resets, 4, 28);
    syn_or_rst = WIRE_TCP_SYN;
    for (int i = 0; i < 32; i++) {
        snprintf(client, sizeof(client), "10.1.%d.10", 2 + i);
        assert_int_equal(connect_from(client, "10.1.0.100"), 2 - i % 2);
    }
    rig_close(&rig);
}

static void a_cold_member_gets_a_sixteenth_of_its_share(void **state)
{
    open_with(CONFIGURATION("slow-start: 16s", MEMBERS));
    rig_reload(&rig, CONFIGURATION("slow-start: 16s", "{name: a, address: 10.2.0.11}"));
    rig_reload(&rig, CONFIGURATION("slow-start: 16s", MEMBERS));
    assert_near(share_of_b(), 1600 / 17);
    // One that goes while it warms up begins anew when it returns.
    rig_at(&rig, 8000);
    rig_drain(&rig, "p/b");
    rig_drain(&rig, NULL);
    assert_int_equal(rig.tables->pools[0]->weights[1].held_back, 15);
    // Without slow start it has its share at once.
    rig_reload(&rig, CONFIGURATION("balancer: maglev", MEMBERS));
    assert_near(share_of_b(), 800);
    rig_close(&rig);
}

// Packets of several flows that all begin in one burst, so many of each; a packet's source port
// says which flow it is of.
static void begin_in_a_burst(uint32_t flows, uint32_t packets_each)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    uint32_t count = 0;
    assert_true(flows * packets_each <= STAGE_BURST);
    for (uint32_t i = 0; i < flows * packets_each; i++) {
        struct frame_spec spec = {.destination_mac = (const uint8_t[]){2, 0, 0, 0, 0, 0},
                                  .source = "10.1.0.10",
                                  .destination = "10.1.0.100",
                                  .source_port = (uint16_t)(next_port + 1 + i / packets_each),
                                  .destination_port = 80,
                                  .tcp_flags = WIRE_TCP_SYN};
        frame_build(&frames[count++], &spec);
    }
    next_port = (uint16_t)(next_port + flows);
    rig_burst(&rig, 0, frames, count, &sent);
    assert_int_equal(sent.count, count);
}

// However many packets of new flows come together: in turn, and by load, each flow counts once.
static void flows_that_begin_together_spread_as_if_one_by_one(void **state)
{
    static const char *const pools[] = {
        CONFIGURATION("balancer: round-robin", MEMBERS),
        CONFIGURATION("balancer: weighted-round-robin", MEMBERS),
        CONFIGURATION("balancer: least-connections", MEMBERS),
    };
    static const struct {
        uint32_t flows, packets_each;
    } bursts[] = {{32, 1}, {16, 2}, {1, 2}, {1, 2}, {8, 4}};
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
        open_with(pools[i]);
        for (size_t b = 0; b < sizeof(bursts) / sizeof(bursts[0]); b++)
            begin_in_a_burst(bursts[b].flows, bursts[b].packets_each);
        const struct tables_pool *pool = rig.tables->pools[0];
        for (uint32_t m = 0; m < 2; m++)
            assert_int_equal(rig.stage.counters.members[pool->members[m]].flows, 29);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_affinity_flows_of_a_client_spread),
        cmocka_unit_test(a_client_stays_with_its_member),
        cmocka_unit_test(a_client_is_forgotten_after_its_time_without_a_new_flow),
        cmocka_unit_test(a_client_is_placed_by_its_hash_first_and_stays_when_members_change),
        cmocka_unit_test(a_client_of_a_drained_member_gets_another_and_stays_there),
        cmocka_unit_test(a_member_that_returns_warms_up_in_steps),
        cmocka_unit_test(flows_that_begin_together_spread_as_if_one_by_one),
        cmocka_unit_test(what_ends_a_connection_takes_no_place),
        cmocka_unit_test(a_cold_member_gets_a_sixteenth_of_its_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
