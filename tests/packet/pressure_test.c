// Services whose new flows go by hash alone under pressure, and have entries again after it.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define CAPACITY 16384u
#define CLIENTS  400u // of which each has a port of its own

#define ONE     "10.1.0.101" // vips
#define TWO     "10.1.0.102"
#define TWO_WAY "10.1.0.103"
#define MEMBERS "{name: a, address: 10.2.0.11}, {name: b, address: 10.2.0.12}"
#define THIRD   ", {name: c, address: 10.2.0.13}"
#define FOURTH  ", {name: d, address: 10.2.0.14}"

#define CONFIGURATION(pool, protocol, members)                                              \
    "node: {name: test, cores: [0], flows: {per-worker: 16384}}\n"                          \
    "ports:\n"                                                                              \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16], gateway: [10.1.0.2]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"                       \
    "pools: [{name: p, " pool ", members: [" members "]},\n"                                \
    "        {name: q, forward: direct, members: [" MEMBERS "]},\n"                         \
    "        {name: r, forward: nat, members: [{name: d, address: 10.2.0.14}]}]\n"          \
    "vips: [{name: one, address: 10.1.0.101, port: 80, protocol: " protocol ", pool: p},\n" \
    "       {name: two, address: 10.1.0.102, port: 80, protocol: tcp, pool: q},\n"          \
    "       {name: two-way, address: 10.1.0.103, port: 80, protocol: tcp, pool: r}]\n"

#define DIRECT  CONFIGURATION("forward: direct", "tcp", MEMBERS)
#define IN_TURN "forward: direct, balancer: round-robin"

static struct stage_rig rig;
static struct random random_source;

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    random_source = random_from_seed(17);
    rig_neighbour(&rig, FRONT, "10.1.0.2", (const uint8_t[]){2, 0, 0, 0, 2, 1});
    rig_neighbour(&rig, FRONT, "10.1.0.10", (const uint8_t[]){2, 0, 0, 0, 2, 2});
    for (uint8_t i = 1; i <= 4; i++) {
        char address[IP_TEXT_SIZE];
        snprintf(address, sizeof(address), "10.2.0.%u", 10 + i);
        rig_neighbour(&rig, BACK, address, (const uint8_t[]){2, 0, 0, 0, 1, i});
    }
}

static uint16_t slot_of(const char *vip)
{
    struct ip_address address;
    assert_int_equal(ip_parse(vip, &address), ERROR_NONE);
    const struct tables *tables = rig.tables;
    for (uint16_t slot = 1; slot < tables->service_limit; slot++) {
        if (tables->services[slot].used && ip_equal(&tables->services[slot].address, &address))
            return slot;
    }
    fail_msg("no service at %s", vip);
    return 0;
}

static uint8_t protocol_of(const char *vip)
{
    return rig.tables->services[slot_of(vip)].protocol;
}

// Puts a client's packet in, of TCP with those flags; the member, 1 to 4, that it came to, 0: none.
static int put_from(const char *client, uint16_t port, const char *vip, uint8_t flags)
{
    struct outcome outcome = rig_put(&rig, FRONT,
                                     (struct frame_spec){.destination_mac = front_mac,
                                                         .source = client,
                                                         .destination = vip,
                                                         .protocol = protocol_of(vip),
                                                         .source_port = port,
                                                         .destination_port = 80,
                                                         .tcp_flags = flags});
    return outcome.kind == OUTCOME_SENT ? outcome.frame.bytes[5] : 0;
}

static int put(uint16_t port, const char *vip, uint8_t flags)
{
    return put_from("10.1.0.10", port, vip, flags);
}

static void flood(const char *vip, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char client[IP_TEXT_SIZE];
        uint64_t bits = random_next(&random_source);
        snprintf(client, sizeof(client), "198.%u.%u.%u", 18 + (unsigned)(bits & 1),
                 (unsigned)(bits >> 8 & 255), (unsigned)(bits >> 16 & 255));
        assert_int_not_equal(put_from(client, (uint16_t)(bits >> 32 | 1024), vip, SYN), 0);
    }
}

// A period passes.
static void tick(void)
{
    rig_at(&rig, rig.stage.now_ms + PRESSURE_PERIOD_MS);
    stage_expire(&rig.stage);
}

static void wait_ms(uint32_t ms)
{
    for (uint32_t passed = 0; passed < ms; passed += PRESSURE_PERIOD_MS)
        tick();
}

static bool is_stateless(const char *vip)
{
    bool stateless = pressure_mode(&rig.stage.pressure, slot_of(vip)) == PRESSURE_STATELESS;
    assert_int_equal(rig.stage.counters.vip_stateless[slot_of(vip)], stateless);
    return stateless;
}

// Twice as many as the set of those on probation holds: nearly all of the second half push another
// one out.
static uint32_t too_many(void)
{
    return 2 * probation_slots(rig.stage.probations[PROBATION_TCP]);
}

static void flood_until_stateless(const char *vip)
{
    for (int periods = 0; periods < 4 && !is_stateless(vip); periods++) {
        flood(vip, too_many());
        tick();
    }
    assert_true(is_stateless(vip));
}

// Connections, at ports from `first` on, whose handshakes are complete.
static void connect_all(const char *vip, uint16_t first, int *members)
{
    for (uint16_t i = 0; i < CLIENTS; i++) {
        members[i] = put((uint16_t)(first + i), vip, SYN);
        assert_int_not_equal(members[i], 0);
        assert_int_equal(put((uint16_t)(first + i), vip, ACK), members[i]);
    }
}

static uint32_t moved(const char *vip, uint16_t first, const int *members)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < CLIENTS; i++)
        count += put((uint16_t)(first + i), vip, ACK) != members[i];
    return count;
}

static void new_flows_have_no_entries_under_pressure_and_old_ones_keep_theirs(void **state)
{
    static const char *const pools[] = {
        DIRECT,
        CONFIGURATION("forward: ipip, balancer: ring", "tcp", MEMBERS),
        CONFIGURATION("forward: direct, balancer: source-hash", "tcp", MEMBERS),
        CONFIGURATION(IN_TURN, "tcp", MEMBERS),
        CONFIGURATION("forward: gue, balancer: least-connections", "tcp", MEMBERS),
        CONFIGURATION("forward: direct, balancer: failover", "tcp", MEMBERS),
    };
    for (size_t i = 0; i < RTE_DIM(pools); i++) {
        static int before[CLIENTS], during[CLIENTS], after[CLIENTS];
        open_with(pools[i]);
        connect_all(ONE, 1024, before);
        flood_until_stateless(ONE);
        assert_false(is_stateless(TWO));

        uint64_t created = rig.stage.counters.vips[slot_of(ONE)].flows_created;
        uint64_t untracked = *rig.stage.counters.untracked;
        connect_all(ONE, 2048, during);
        assert_int_equal(rig.stage.counters.vips[slot_of(ONE)].flows_created, created);
        assert_int_equal(*rig.stage.counters.untracked, untracked + 2 * CLIENTS);
        assert_int_equal(moved(ONE, 1024, before), 0);
        assert_int_equal(moved(ONE, 2048, during), 0);

        wait_ms(PRESSURE_STAY_MS);
        assert_false(is_stateless(ONE));
        connect_all(ONE, 3072, after);
        assert_int_equal(moved(ONE, 1024, before), 0);
        assert_int_equal(moved(ONE, 2048, during), 0); // which have entries from here on
        assert_int_equal(moved(ONE, 3072, after), 0);
        assert_int_equal(rig.stage.counters.vips[slot_of(ONE)].flows_created,
                         created + 2 * CLIENTS);
        rig_close(&rig);
    }
}

// How long it is stateless, in ms. Connections begin meanwhile, also long after the last eviction.
static uint32_t stay_ms(void)
{
    static int members[CLIENTS];
    uint32_t began_ms = rig.stage.now_ms;
    for (uint16_t port = 1024; is_stateless(ONE); port = (uint16_t)(port + 1000)) {
        connect_all(ONE, port, members);
        wait_ms(PRESSURE_STAY_MS / 2);
    }
    return rig.stage.now_ms - began_ms;
}

static void who_comes_back_too_early_stays_away_for_longer(void **state)
{
    open_with(CONFIGURATION(IN_TURN, "tcp", MEMBERS));
    uint32_t expected_ms = PRESSURE_STAY_MS;
    for (int i = 0; i < 7; i++) {
        flood_until_stateless(ONE);
        assert_int_equal(stay_ms(), expected_ms);
        expected_ms = RTE_MIN(2 * expected_ms, PRESSURE_STAY_MAX_MS);
    }
    assert_int_equal(expected_ms, PRESSURE_STAY_MAX_MS);
    wait_ms(PRESSURE_STAY_MAX_MS); // of calm: the next time is a first one
    flood_until_stateless(ONE);
    assert_int_equal(stay_ms(), PRESSURE_STAY_MS);
    rig_close(&rig);
}

static void it_does_not_come_back_while_the_worker_is_pressed(void **state)
{
    open_with(DIRECT);
    flood_until_stateless(ONE);
    for (uint32_t passed = 0; passed < 2 * PRESSURE_STAY_MS; passed += PRESSURE_PERIOD_MS) {
        flood(TWO_WAY, probation_slots(rig.stage.probations[PROBATION_TCP]) / 8);
        tick();
    }
    assert_true(is_stateless(ONE));
    wait_ms(2 * PRESSURE_PERIOD_MS);
    assert_false(is_stateless(ONE));
    rig_close(&rig);
}

// Nor is it one whose handshakes are completed, however many there are.
static void it_is_the_flooded_service_and_no_other(void **state)
{
    static int members[CLIENTS];
    open_with(DIRECT);
    uint16_t port = 1024;
    for (int periods = 0; periods < 4 && !is_stateless(ONE); periods++) {
        flood(ONE, too_many() / 2);
        for (int i = 0; i < 8; i++, port = (uint16_t)(port + CLIENTS))
            connect_all(TWO, port, members);
        tick();
    }
    assert_true(is_stateless(ONE));
    assert_false(is_stateless(TWO));
    rig_close(&rig);
}

// The worker's clock of 32 bits comes by the time of a flood again, after 49.7 days.
static void a_flood_long_ago_presses_nobody(void **state)
{
    open_with(DIRECT);
    flood(TWO_WAY, too_many());
    const struct probation *probation = rig.stage.probations[PROBATION_TCP];
    assert_true(probation_is_pressed(probation, rig.stage.now_ms));
    uint32_t flooded_ms = rig.stage.now_ms;
    wait_ms(PROBATION_PRESSED_MS);
    rig_at(&rig, flooded_ms);
    assert_false(probation_is_pressed(probation, rig.stage.now_ms));
    rig_close(&rig);
}

// First who presses most, then the next one, if that alone is too much.
static void they_go_one_at_a_time(void **state)
{
    open_with(DIRECT);
    for (int periods = 0; periods < 5; periods++) {
        flood(ONE, too_many());
        flood(TWO, too_many() / 2);
        tick();
        assert_int_equal(is_stateless(ONE), periods >= 1);
        assert_int_equal(is_stateless(TWO), periods >= 2);
    }
    rig_close(&rig);
}

// A reply must find its client: NAT cannot do without. And who has no part in it stays as it is.
static void two_way_services_keep_their_entries(void **state)
{
    open_with(DIRECT);
    for (int periods = 0; periods < 5; periods++) {
        flood(TWO_WAY, too_many());
        flood(ONE, 8);
        tick();
    }
    assert_false(is_stateless(TWO_WAY));
    assert_false(is_stateless(ONE));
    rig_close(&rig);
}

static void few_evictions_are_no_pressure(void **state)
{
    open_with(DIRECT);
    flood(ONE, too_many());
    tick();
    uint32_t few = probation_slots(rig.stage.probations[PROBATION_TCP]) / PRESSURE_CHANCE;
    for (int periods = 0; periods < 20; periods++) {
        flood(ONE, few);
        tick();
    }
    assert_true(*rig.stage.counters.probation_evictions > 10 * few);
    assert_false(is_stateless(ONE));
    for (int periods = 0; periods < 2; periods++) {
        flood(ONE, few + few / 4);
        tick();
    }
    assert_true(is_stateless(ONE));
    rig_close(&rig);
}

// What moves while nobody remembers: what the balancer's table moves, and those of who left.
static void members_that_change_meanwhile_move_few(void **state)
{
    static const char *const pools[] = {
        CONFIGURATION("forward: direct", "tcp", MEMBERS THIRD),
        CONFIGURATION(IN_TURN, "tcp", MEMBERS THIRD),
        CONFIGURATION("forward: direct, balancer: ring", "tcp", MEMBERS THIRD),
    };
    static const char *const more[] = {
        CONFIGURATION("forward: direct", "tcp", MEMBERS THIRD FOURTH),
        CONFIGURATION(IN_TURN, "tcp", MEMBERS THIRD FOURTH),
        CONFIGURATION("forward: direct, balancer: ring", "tcp", MEMBERS THIRD FOURTH),
    };
    for (size_t i = 0; i < RTE_DIM(pools); i++) {
        static int before[CLIENTS], during[CLIENTS];
        open_with(pools[i]);
        connect_all(ONE, 1024, before);
        flood_until_stateless(ONE);
        connect_all(ONE, 2048, during);
        rig_reload(&rig, more[i]);
        assert_true(is_stateless(ONE));
        assert_int_equal(moved(ONE, 1024, before), 0);
        // A quarter is the new member's, with Maglev some per cent move between the others.
        uint32_t count = moved(ONE, 2048, during);
        print_message("%u of %u moved to or for a fourth member\n", count, CLIENTS);
        assert_in_range(count, CLIENTS / 6, CLIENTS / 3);

        // A drained member keeps the flows that have entries, and those alone.
        rig_reload(&rig, pools[i]);
        assert_int_equal(moved(ONE, 2048, during), 0);
        rig_drain(&rig, "p/a");
        assert_int_equal(moved(ONE, 1024, before), 0);
        count = 0;
        for (uint16_t k = 0; k < CLIENTS; k++) {
            int member = put((uint16_t)(2048 + k), ONE, ACK);
            assert_in_range(member, 2, 3);
            count += during[k] != 1 && member != during[k];
        }
        print_message("%u of others' moved for a drain\n", count);
        assert_in_range(count, 0, CLIENTS / 25);
        rig_close(&rig);
    }
}

// Unless members are told who else may know: then they are asked.
static void a_second_chance_is_given_meanwhile(void **state)
{
    open_with(CONFIGURATION("forward: gue, balancer: ring, second-chance: 1", "tcp", MEMBERS));
    flood_until_stateless(ONE);
    int member = put(1024, ONE, SYN);
    uint64_t chances = *rig.stage.counters.second_chances;
    assert_int_equal(put(1024, ONE, ACK), member);
    assert_int_equal(*rig.stage.counters.second_chances, chances + 1);
    rig_close(&rig);
}

static void udp_of_turns_stays_until_nothing_can_be_older(void **state)
{
    static int members[CLIENTS];
    open_with(CONFIGURATION(IN_TURN, "udp", MEMBERS));
    flood_until_stateless(ONE);
    for (uint16_t i = 0; i < CLIENTS; i++)
        members[i] = put((uint16_t)(1024 + i), ONE, 0);
    wait_ms(PRESSURE_STAY_MS);
    assert_false(is_stateless(ONE));
    for (uint16_t i = 0; i < CLIENTS; i++)
        assert_int_equal(put((uint16_t)(1024 + i), ONE, 0), members[i]);
    // From here on turns count again.
    wait_ms(rig.tables->timeouts_ms[FLOW_UDP]);
    int first = put(5000, ONE, 0);
    assert_int_equal(put(5001, ONE, 0), 3 - first);
    assert_int_equal(put(5002, ONE, 0), first);
    rig_close(&rig);
}

// Who is remembered stays so while it speaks; nobody else is.
static void affinity_is_kept_and_not_begun_meanwhile(void **state)
{
    open_with(CONFIGURATION(IN_TURN ", affinity: {timeout: 3s}", "tcp", MEMBERS));
    flood(ONE, too_many());
    tick();
    int had[12];
    char client[IP_TEXT_SIZE];
    for (size_t i = 0; i < RTE_DIM(had); i++) {
        snprintf(client, sizeof(client), "10.1.1.%zu", i + 1);
        had[i] = put_from(client, 1024, ONE, SYN);
    }
    flood(ONE, too_many() / 64); // not so many that a client goes for them
    tick();
    assert_true(is_stateless(ONE));
    // The hash would have some of them go to a third member now.
    rig_reload(&rig, CONFIGURATION(IN_TURN ", affinity: {timeout: 3s}", "tcp", MEMBERS THIRD));
    for (uint32_t passed = 0; passed < PRESSURE_STAY_MS - 1000; passed += 1000) {
        for (size_t i = 0; i < RTE_DIM(had); i++) {
            snprintf(client, sizeof(client), "10.1.1.%zu", i + 1);
            assert_int_equal(put_from(client, 2048, ONE, ACK), had[i]);
        }
        wait_ms(1000);
        assert_true(is_stateless(ONE));
    }
    rig_reload(&rig, CONFIGURATION(IN_TURN ", affinity: {timeout: 3s}", "tcp", MEMBERS));
    int member = put_from("10.1.7.10", 1024, ONE, SYN);
    rig_drain(&rig, member == 1 ? "p/a" : "p/b");
    assert_int_equal(put_from("10.1.7.10", 1024, ONE, ACK), 3 - member);
    rig_drain(&rig, NULL);
    assert_int_equal(put_from("10.1.7.10", 1024, ONE, ACK), member);
    rig_close(&rig);
}

// Connections that both ends keep, until the table is nearly full.
static uint32_t fill_table(void)
{
    uint32_t count = 0;
    uint32_t full = PRESSURE_FULL(CAPACITY);
    for (; flow_table_used(rig.stage.flows) < full; count++) {
        char client[IP_TEXT_SIZE];
        snprintf(client, sizeof(client), "198.20.%u.%u", count >> 8 & 255, count & 255);
        put_from(client, 1024, ONE, SYN);
        put_from(client, 1024, ONE, ACK);
    }
    return count;
}

static void a_table_that_is_nearly_full_presses_too(void **state)
{
    open_with(DIRECT);
    fill_table();
    tick();
    assert_false(is_stateless(ONE)); // whose flows it is shows in the second period
    for (uint16_t port = 1024; port < 1034; port++)
        put(port, ONE, SYN);
    put(2048, TWO, SYN);
    tick();
    assert_true(is_stateless(ONE));
    assert_false(is_stateless(TWO));
    wait_ms(2 * PRESSURE_STAY_MS);
    assert_true(is_stateless(ONE)); // there is no room yet
    // What is over is swept; there is room once all of it is.
    rig_at(&rig, rig.stage.now_ms + rig.tables->timeouts_ms[FLOW_TCP_ESTABLISHED]);
    for (int periods = 0; periods < 64 && is_stateless(ONE); periods++) {
        flow_sweep(rig.stage.flows, CAPACITY / 64, rig.stage.now_ms); // as a worker's turns do
        tick();
    }
    assert_false(is_stateless(ONE));
    rig_close(&rig);
}

// What a slot's last service had is not the next one's.
static void another_service_begins_with_entries(void **state)
{
    static const char other[] =
        "node: {name: test, cores: [0], flows: {per-worker: 16384}}\n"
        "ports: [{name: front, device: net_null0, addresses: [10.1.0.1/16]},\n"
        "        {name: back, device: net_null1, addresses: [10.2.0.1/24]}]\n"
        "pools: [{name: p, forward: direct, members: [" MEMBERS "]}]\n"
        "vips: [{name: other, address: 10.1.0.104, port: 80, protocol: tcp, pool: p}]\n";
    open_with(DIRECT);
    flood_until_stateless(ONE);
    // NAT from now on: at once, and for good.
    rig_reload(&rig, CONFIGURATION("forward: nat", "tcp", MEMBERS));
    uint64_t untracked = *rig.stage.counters.untracked;
    assert_int_not_equal(put(1024, ONE, SYN), 0);
    assert_int_equal(*rig.stage.counters.untracked, untracked);
    tick();
    assert_false(is_stateless(ONE));

    rig_reload(&rig, DIRECT);
    flood_until_stateless(ONE);
    uint16_t slot = slot_of(ONE);
    rig_at(&rig, rig.stage.now_ms + rig.tables->timeouts_ms[FLOW_TCP_ESTABLISHED]);
    flow_sweep(rig.stage.flows, 2 * flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    for (int i = 0; i < 3; i++)
        rig_reload(&rig, other);
    rig_reload(&rig, DIRECT);
    bool again = slot_of(ONE) == slot || slot_of(TWO) == slot || slot_of(TWO_WAY) == slot;
    assert_true(again);
    tick();
    assert_false(is_stateless(ONE) || is_stateless(TWO) || is_stateless(TWO_WAY));
    assert_int_equal(rig.stage.pressure.away, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_flows_have_no_entries_under_pressure_and_old_ones_keep_theirs),
        cmocka_unit_test(who_comes_back_too_early_stays_away_for_longer),
        cmocka_unit_test(it_does_not_come_back_while_the_worker_is_pressed),
        cmocka_unit_test(it_is_the_flooded_service_and_no_other),
        cmocka_unit_test(a_flood_long_ago_presses_nobody),
        cmocka_unit_test(they_go_one_at_a_time),
        cmocka_unit_test(two_way_services_keep_their_entries),
        cmocka_unit_test(few_evictions_are_no_pressure),
        cmocka_unit_test(members_that_change_meanwhile_move_few),
        cmocka_unit_test(a_second_chance_is_given_meanwhile),
        cmocka_unit_test(udp_of_turns_stays_until_nothing_can_be_older),
        cmocka_unit_test(affinity_is_kept_and_not_begun_meanwhile),
        cmocka_unit_test(a_table_that_is_nearly_full_presses_too),
        cmocka_unit_test(another_service_begins_with_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
