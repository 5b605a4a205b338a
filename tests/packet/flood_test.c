// Floods of SYNs from everywhere: established flows stay, and new handshakes complete.
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

#define CAPACITY      16384u
#define ESTABLISHED   2000u
#define FLOOD         200000u
#define FLOOD_PER_NEW 202u // no multiple of the members, with the handshake itself
#define MEMBER_MAC(n) ((const uint8_t[]){2, 0, 0, 0, 1, (n)})
#define VIP           "10.1.0.100"

#define CONFIGURATION(forward, balancer)                                                    \
    "node: {name: test, cores: [0], flows: {per-worker: 16384}}\n"                          \
    "ports:\n"                                                                              \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16], gateway: [10.1.0.2]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"                       \
    "pools: [{name: p, forward: " forward ", balancer: " balancer ", members: [\n"          \
    "         {name: a, address: 10.2.0.11}, {name: b, address: 10.2.0.12},\n"              \
    "         {name: c, address: 10.2.0.13}]}]\n"                                           \
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n"

static struct stage_rig rig;
static struct random random_source;

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    random_source = random_from_seed(17);
    rig_neighbour(&rig, FRONT, "10.1.0.2", MEMBER_MAC(9));
    rig_neighbour(&rig, FRONT, "10.1.0.10", MEMBER_MAC(8));
    for (uint8_t i = 1; i <= 3; i++) {
        char address[IP_TEXT_SIZE];
        snprintf(address, sizeof(address), "10.2.0.%u", 10 + i);
        rig_neighbour(&rig, BACK, address, MEMBER_MAC(i));
    }
}

// Puts a client's segment in; the member, 1 to 3, that it came to, 0: none.
static int from_client(const char *client, uint16_t port, uint8_t flags)
{
    static struct frame frame;
    static struct outcome outcome;
    struct frame_spec spec = {.destination_mac = (const uint8_t[]){2, 0, 0, 0, 0, FRONT},
                              .source = client,
                              .destination = VIP,
                              .source_port = port,
                              .destination_port = 80,
                              .tcp_flags = flags};
    frame_build(&frame, &spec);
    rig_packet(&rig, FRONT, &frame, &outcome);
    return outcome.kind == OUTCOME_SENT ? outcome.frame.bytes[5] : 0;
}

// A NAT member's answer. False: it did not get through.
static bool from_member(int member, const char *client, uint16_t port)
{
    static struct frame frame;
    static struct outcome outcome;
    char address[IP_TEXT_SIZE];
    snprintf(address, sizeof(address), "10.2.0.%d", 10 + member);
    struct frame_spec spec = {.destination_mac = (const uint8_t[]){2, 0, 0, 0, 0, BACK},
                              .source = address,
                              .destination = client,
                              .source_port = 80,
                              .destination_port = port,
                              .tcp_flags = SYN | ACK};
    frame_build(&frame, &spec);
    rig_packet(&rig, BACK, &frame, &outcome);
    return outcome.kind == OUTCOME_SENT;
}

static void flood(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char client[IP_TEXT_SIZE];
        uint64_t bits = random_next(&random_source);
        snprintf(client, sizeof(client), "198.%u.%u.%u", 18 + (unsigned)(bits & 1),
                 (unsigned)(bits >> 8 & 255), (unsigned)(bits >> 16 & 255));
        assert_int_not_equal(from_client(client, (uint16_t)(bits >> 32 | 1024), SYN), 0);
    }
}

// A handshake during which so many SYNs of others come. False: it did not complete.
static bool complete(uint16_t port, bool nat, uint32_t others)
{
    int member = from_client("10.1.0.10", port, SYN);
    assert_int_not_equal(member, 0);
    flood(others / 2);
    if (nat && !from_member(member, "10.1.0.10", port))
        return false;
    flood(others / 2);
    return from_client("10.1.0.10", port, ACK) == member;
}

static uint32_t established_left(const int *members)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < ESTABLISHED; i++)
        left += from_client("10.1.0.10", (uint16_t)(1024 + i), ACK) == members[i];
    return left;
}

static void flood_against(const char *yaml, bool nat)
{
    static int members[ESTABLISHED];
    open_with(yaml);
    for (uint32_t i = 0; i < ESTABLISHED; i++) {
        uint16_t port = (uint16_t)(1024 + i);
        members[i] = from_client("10.1.0.10", port, SYN);
        assert_true(!nat || from_member(members[i], "10.1.0.10", port));
        assert_int_equal(from_client("10.1.0.10", port, ACK), members[i]);
    }
    uint64_t created = rig.stage.counters.vips[1].flows_created;
    assert_int_equal(created, ESTABLISHED);
    assert_int_equal(*rig.stage.counters.probation_evictions, 0);

    // Handshakes that take as long as many SYNs, and such that nobody waits for: with NAT the
    // client asks again where the answer found no flow.
    uint32_t again = 0;
    flood(CAPACITY);
    for (uint32_t i = 0; i < FLOOD / FLOOD_PER_NEW; i++) {
        uint16_t port = (uint16_t)(20000 + i);
        uint32_t tries = 1;
        while (!complete(port, nat, FLOOD_PER_NEW))
            assert_true(nat && ++tries < 6);
        again += tries - 1;
    }
    print_message("%u of %u handshakes asked again\n", again, FLOOD / FLOOD_PER_NEW);
    assert_true(again < FLOOD / FLOOD_PER_NEW / 4);
    assert_true(*rig.stage.counters.probation_evictions > FLOOD / 2);
    uint32_t entries = nat ? 2 : 1;
    assert_in_range(flow_table_used(rig.stage.flows), 0,
                    entries * (ESTABLISHED + FLOOD / FLOOD_PER_NEW +
                               probation_slots(rig.stage.probations[PROBATION_TCP])));
    assert_int_equal(rig_drops(&rig, DROP_FLOW_TABLE_FULL), 0);
    assert_int_equal(*rig.stage.counters.untracked, 0);
    assert_int_equal(established_left(members), ESTABLISHED);
    rig_close(&rig);
}

static void a_flood_costs_no_direct_return_flow(void **state)
{
    flood_against(CONFIGURATION("direct", "maglev"), false);
}

static void nor_one_whose_balancer_goes_by_turns(void **state)
{
    flood_against(CONFIGURATION("direct", "round-robin"), false);
}

static void nor_a_tunnelled_one(void **state)
{
    flood_against(CONFIGURATION("ipip", "least-connections"), false);
}

static void nor_a_nat_flow(void **state)
{
    flood_against(CONFIGURATION("nat", "maglev"), true);
}

// Nothing is given to members that only stand by, whatever comes.
static void nor_does_it_wake_those_who_stand_by(void **state)
{
    open_with(CONFIGURATION("direct", "failover"));
    flood(4 * CAPACITY);
    assert_true(probation_is_pressed(rig.stage.probations[PROBATION_TCP], rig.stage.now_ms));
    for (uint16_t port = 1024; port < 1124; port++)
        assert_int_equal(from_client("10.1.0.10", port, SYN), 1);
    rig_drain(&rig, "p/a");
    for (uint16_t port = 2024; port < 2124; port++)
        assert_int_equal(from_client("10.1.0.10", port, SYN), 2);
    rig_close(&rig);
}

// What begins in the middle is on probation too.
static void made_up_acks_fill_no_table(void **state)
{
    open_with(CONFIGURATION("direct", "maglev"));
    for (uint32_t i = 0; i < 4 * CAPACITY; i++) {
        char client[IP_TEXT_SIZE];
        snprintf(client, sizeof(client), "198.18.%u.%u", i >> 8 & 255, i & 255);
        assert_int_not_equal(from_client(client, (uint16_t)(1024 + (i >> 16)), ACK), 0);
    }
    assert_int_equal(flow_table_used(rig.stage.flows),
                     probation_slots(rig.stage.probations[PROBATION_TCP]));
    assert_int_equal(probation_slots(rig.stage.probations[PROBATION_TCP]), CAPACITY / 8);
    rig_close(&rig);
}

// Those who have to go are sought for a whole burst: one of the burst may be among them before its
// own flow has begun.
static void a_bursts_flows_are_bounded_as_well(void **state)
{
    static struct frame frames[STAGE_BURST];
    static struct sent sent;
    static const char *const forwards[] = {CONFIGURATION("direct", "maglev"),
                                           CONFIGURATION("nat", "maglev")};
    for (size_t c = 0; c < RTE_DIM(forwards); c++) {
        open_with(forwards[c]);
        probation_destroy(rig.stage.probations[PROBATION_TCP]);
        assert_int_equal(probation_create(2 * PROBATION_WAYS, &rig.stage.probations[PROBATION_TCP]),
                         ERROR_NONE);
        for (uint32_t i = 0; i < 20000; i += STAGE_BURST) {
            for (uint32_t k = 0; k < STAGE_BURST; k++) {
                struct frame_spec spec = {.destination_mac = (const uint8_t[]){2, 0, 0, 0, 0, 0},
                                          .source = "10.1.0.10",
                                          .destination = VIP,
                                          .source_port = (uint16_t)(1024 + i + k),
                                          .destination_port = 80,
                                          .tcp_flags = SYN};
                frame_build(&frames[k], &spec);
            }
            rig_burst(&rig, FRONT, frames, STAGE_BURST, &sent);
            assert_int_equal(sent.count, STAGE_BURST);
            assert_true(flow_table_used(rig.stage.flows) <= (c + 1) * 2 * PROBATION_WAYS);
        }
        assert_int_equal(flow_table_used(rig.stage.flows), (c + 1) * 2 * PROBATION_WAYS);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_costs_no_direct_return_flow),
        cmocka_unit_test(nor_one_whose_balancer_goes_by_turns),
        cmocka_unit_test(nor_a_tunnelled_one),
        cmocka_unit_test(nor_a_nat_flow),
        cmocka_unit_test(nor_does_it_wake_those_who_stand_by),
        cmocka_unit_test(made_up_acks_fill_no_table),
        cmocka_unit_test(a_bursts_flows_are_bounded_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
