// Floods of datagrams from everywhere: flows that went on speaking stay, new ones get through, and
// neither the flow table nor local ports nor handshakes of TCP are lost to them.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "dataplane/packet/stage/udp.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

#define CAPACITY 16384u
#define FLOWS    1000u
#define FLOOD    100000u

#define CLIENT "10.1.0.10"
#define VIP    "10.1.0.100"
#define LOCAL  "10.2.0.200"

#define CONFIGURATION(forward, balancer)                                                    \
    "node: {name: test, cores: [0], flows: {per-worker: 16384, udp: 60s}}\n"                \
    "ports:\n"                                                                              \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16], gateway: [10.1.0.2]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24],\n"                       \
    "     local-addresses: [10.2.0.200]}\n"                                                 \
    "pools: [{name: p, forward: " forward ", balancer: " balancer ", members: [\n"          \
    "         {name: a, address: 10.2.0.11}, {name: b, address: 10.2.0.12}]}]\n"            \
    "vips: [{name: u, address: 10.1.0.100, port: 53, protocol: udp, pool: p},\n"            \
    "       {name: t, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}]\n"

static struct stage_rig rig;
static struct random random_source;

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    random_source = random_from_seed(23);
    rig_neighbour(&rig, FRONT, "10.1.0.2", (const uint8_t[]){2, 0, 0, 0, 2, 1});
    rig_neighbour(&rig, FRONT, CLIENT, (const uint8_t[]){2, 0, 0, 0, 2, 2});
    rig_neighbour(&rig, BACK, "10.2.0.11", (const uint8_t[]){2, 0, 0, 0, 1, 1});
    rig_neighbour(&rig, BACK, "10.2.0.12", (const uint8_t[]){2, 0, 0, 0, 1, 2});
}

// Where a client's packet came out; a member's answer goes back there.
struct way {
    int member; // 1 or 2; 0: it was dropped
    char peer[IP_TEXT_SIZE];
    uint16_t port;
};

static struct way put(uint8_t protocol, const char *client, uint16_t port, uint8_t flags)
{
    struct outcome outcome =
        rig_put(&rig, FRONT,
                (struct frame_spec){.destination_mac = front_mac,
                                    .source = client,
                                    .destination = VIP,
                                    .protocol = protocol,
                                    .source_port = port,
                                    .destination_port = protocol == IPPROTO_TCP ? 80 : 53,
                                    .tcp_flags = flags});
    struct way way = {.member = 0};
    if (outcome.kind != OUTCOME_SENT)
        return way;
    const uint8_t *frame = outcome.frame.bytes;
    struct ip_address peer = ip_from_v4(frame + FRAME_IP_AT + 12);
    ip_format(&peer, way.peer);
    way.port = (uint16_t)(frame[FRAME_IPV4_L4] << 8 | frame[FRAME_IPV4_L4 + 1]);
    way.member = frame[5];
    return way;
}

static struct way datagram(uint16_t port)
{
    return put(IPPROTO_UDP, CLIENT, port, 0);
}

static bool answer(uint8_t protocol, const struct way *way)
{
    char member[IP_TEXT_SIZE];
    snprintf(member, sizeof(member), "10.2.0.%d", 10 + way->member);
    return rig_put(&rig, BACK,
                   (struct frame_spec){.destination_mac = back_mac,
                                       .source = member,
                                       .destination = way->peer,
                                       .protocol = protocol,
                                       .source_port = protocol == IPPROTO_TCP ? 80 : 53,
                                       .destination_port = way->port,
                                       .tcp_flags = WIRE_TCP_SYN | WIRE_TCP_ACK})
               .kind == OUTCOME_SENT;
}

// `answered`: the members answer each.
static void flood(uint32_t count, bool answered)
{
    for (uint32_t i = 0; i < count; i++) {
        char client[IP_TEXT_SIZE];
        uint64_t bits = random_next(&random_source);
        snprintf(client, sizeof(client), "198.%u.%u.%u", 18 + (unsigned)(bits & 1),
                 (unsigned)(bits >> 8 & 255), (unsigned)(bits >> 16 & 255));
        struct way way = put(IPPROTO_UDP, client, (uint16_t)(bits >> 32 | 1024), 0);
        assert_int_not_equal(way.member, 0);
        if (answered)
            assert_true(answer(IPPROTO_UDP, &way));
    }
}

static void flood_against(const char *yaml, bool two_way)
{
    static struct way ways[FLOWS];
    open_with(yaml);
    for (uint16_t i = 0; i < FLOWS; i++) {
        ways[i] = datagram((uint16_t)(1024 + i));
        assert_true(!two_way || answer(IPPROTO_UDP, &ways[i]));
        rig_at(&rig, rig.stage.now_ms + UDP_TRIAL_MS);
        assert_int_equal(datagram((uint16_t)(1024 + i)).member, ways[i].member);
    }
    uint32_t slot = two_way ? 2 : 1;
    assert_int_equal(rig.stage.counters.vip_flows_earned[1], FLOWS);

    // A handshake of TCP that begins before the flood and is completed after it.
    struct way syn = put(IPPROTO_TCP, CLIENT, 9999, WIRE_TCP_SYN);
    flood(FLOOD, two_way);
    assert_true(*rig.stage.counters.probation_evictions > FLOOD / 2);
    assert_int_equal(probation_evictions(rig.stage.probations[PROBATION_TCP]), 0);
    assert_true(!two_way || answer(IPPROTO_TCP, &syn));
    assert_int_equal(put(IPPROTO_TCP, CLIENT, 9999, WIRE_TCP_ACK).member, syn.member);

    for (uint16_t i = 0; i < FLOWS; i++) {
        struct way way = datagram((uint16_t)(1024 + i));
        assert_int_equal(way.member, ways[i].member);
        assert_string_equal(way.peer, ways[i].peer);
        assert_int_equal(way.port, ways[i].port);
        assert_true(!two_way || answer(IPPROTO_UDP, &way));
    }
    assert_int_equal(rig.stage.counters.vip_flows_earned[1], FLOWS);
    assert_in_range(flow_table_used(rig.stage.flows), slot * FLOWS,
                    slot * (FLOWS + 1 + probation_slots(rig.stage.probations[PROBATION_UDP])));
    assert_int_equal(rig_drops(&rig, DROP_FLOW_TABLE_FULL), 0);
    assert_int_equal(rig_drops(&rig, DROP_LOCAL_PORTS_FULL), 0);
    assert_int_equal(*rig.stage.counters.untracked, 0);
    // New ones get through as well, and earn their place.
    for (uint16_t port = 20000; port < 20100; port++) {
        struct way way = datagram(port);
        assert_true(!two_way || answer(IPPROTO_UDP, &way));
        rig_at(&rig, rig.stage.now_ms + UDP_TRIAL_MS);
        assert_int_equal(datagram(port).member, way.member);
    }
    assert_int_equal(rig.stage.counters.vip_flows_earned[1], FLOWS + 100);
    rig_close(&rig);
}

static void a_flood_costs_no_direct_return_flow(void **state)
{
    flood_against(CONFIGURATION("direct", "maglev"), false);
}

static void nor_one_whose_balancer_goes_by_turns(void **state)
{
    flood_against(CONFIGURATION("ipip", "round-robin"), false);
}

// Members answer what was made up, too.
static void nor_a_nat_flow(void **state)
{
    flood_against(CONFIGURATION("nat", "maglev"), true);
}

static void nor_a_fullnat_flow_and_its_port(void **state)
{
    flood_against(CONFIGURATION("fullnat", "maglev"), true);
}

// All ports of the only member: those who were not answered, or had one word, make room.
static void local_ports_are_taken_from_who_has_not_earned_them(void **state)
{
    open_with("node: {name: test, cores: [0], flows: {per-worker: 1048576, udp: 60s}}\n"
              "ports:\n"
              "  - {name: front, device: net_null0, addresses: [10.1.0.1/16],\n"
              "     gateway: [10.1.0.2]}\n"
              "  - {name: back, device: net_null1, addresses: [10.2.0.1/24],\n"
              "     local-addresses: [10.2.0.200]}\n"
              "pools: [{name: p, forward: fullnat, members: [{name: a, address: 10.2.0.11}]}]\n"
              "vips: [{name: u, address: 10.1.0.100, port: 53, protocol: udp, pool: p}]\n");
    struct way kept = datagram(1024);
    assert_true(answer(IPPROTO_UDP, &kept));
    assert_int_equal(datagram(1024).port, kept.port);
    uint32_t slots = probation_slots(rig.stage.probations[PROBATION_UDP]);
    assert_true(slots > 65536); // more than ports
    flood(slots, false);
    assert_int_equal(rig_drops(&rig, DROP_LOCAL_PORTS_FULL), 0);
    assert_true(*rig.stage.counters.local_evictions > (slots - 65536) / 2);
    assert_true(answer(IPPROTO_UDP, &kept));
    assert_int_equal(datagram(1024).port, kept.port);
    rig_close(&rig);
}

// Nobody answers, as to a log's lines, and it goes on for longer than a flow lives without a word.
static void who_is_not_answered_is_not_cut_off(void **state)
{
    static const char *const pools[] = {CONFIGURATION("nat", "round-robin"),
                                        CONFIGURATION("direct", "round-robin")};
    for (size_t i = 0; i < RTE_DIM(pools); i++) {
        open_with(pools[i]);
        int member = datagram(1024).member;
        for (int seconds = 30; seconds < 600; seconds += 30) {
            rig_at(&rig, (uint32_t)seconds * 1000);
            assert_int_equal(datagram(1024).member, member);
            assert_int_not_equal(datagram((uint16_t)(2000 + seconds)).member, 0); // takes a turn
        }
        assert_int_equal(rig.stage.counters.vip_flows_earned[1], i == 0 ? 0 : 1);
        rig_close(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_costs_no_direct_return_flow),
        cmocka_unit_test(nor_one_whose_balancer_goes_by_turns),
        cmocka_unit_test(nor_a_nat_flow),
        cmocka_unit_test(nor_a_fullnat_flow_and_its_port),
        cmocka_unit_test(local_ports_are_taken_from_who_has_not_earned_them),
        cmocka_unit_test(who_is_not_answered_is_not_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
