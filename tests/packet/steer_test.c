// Devices that spread packets by the hash that we compute: FullNAT's packets, both ways, come to
// the worker that owns their flow, and nobody hands over. The device here is DPDK's own software
// hash in front of several workers' stages; when it lies, what it misplaces is handed over and is
// right.
#include <netinet/in.h>
#include <rte_thash.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/stage_rig.h"
#include "tests/packet/stations.h"
#include "tests/test.h"

#define WORKERS 3
#define FLOWS   120 // of each kind

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define CONFIGURATION(forward)                                                                    \
    "node: {name: test, cores: [0-2], flows: {per-worker: 65536, udp: 60s}}\n"                    \
    "ports:\n"                                                                                    \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16, fd00:1::1/64]}\n"              \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"               \
    "     local-addresses: [10.2.0.200, 10.2.0.201, 'fd00:2::200']}\n"                            \
    "pools:\n"                                                                                    \
    "  - {name: p4, forward: " forward ", members: [{name: a, address: 10.2.0.11, port: 8080},\n" \
    "     {name: b, address: 10.2.0.12}]}\n"                                                      \
    "  - {name: p6, forward: " forward ", members: [{address: 'fd00:2::11', port: 8080}]}\n"      \
    "vips:\n"                                                                                     \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"                    \
    "  - {name: u4, address: 10.1.0.100, port: 53, protocol: udp, pool: p4}\n"                    \
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p6}\n"                 \
    "  - {name: u6, address: 'fd00:1::100', port: 53, protocol: udp, pool: p6}\n"

static const char fullnat[] = CONFIGURATION("fullnat");
static const char nat[] = CONFIGURATION("nat");

static const struct kind {
    const char *vip, *client;
    uint16_t port;
    uint8_t protocol;
} kinds[] = {
    {"10.1.0.100", "10.1.0.10", 80, IPPROTO_TCP},
    {"10.1.0.100", "10.1.0.10", 53, IPPROTO_UDP},
    {"fd00:1::100", "fd00:1::10", 80, IPPROTO_TCP},
    {"fd00:1::100", "fd00:1::10", 53, IPPROTO_UDP},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct stage_rig rigs[WORKERS];
static struct steer steer;
static uint32_t lie; // by how many queues the device is off

static void meet_neighbours(struct stage_rig *rig)
{
    rig_neighbour(rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(rig, BACK, "10.2.0.12", member_mac);
    rig_neighbour(rig, BACK, "fd00:2::11", member_mac);
}

static void open_rigs(const char *yaml)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        rig_open_worker(&rigs[w], yaml, w, &steer);
        meet_neighbours(&rigs[w]);
    }
}

static int set_up(void **state)
{
    uint8_t key[STEER_KEY_BYTES];
    random_os_bytes(key, sizeof(key));
    steer_key_fit(key);
    steer_init(&steer, key, 128, WORKERS);
    lie = 0;
    open_rigs(fullnat);
    return 0;
}

static int tear_down(void **state)
{
    for (uint32_t w = 0; w < WORKERS; w++)
        rig_close(&rigs[w]);
    return 0;
}

static bool is_v6(const uint8_t *frame)
{
    return frame[12] == 0x86;
}

// Where the ports are. Before them lie both addresses.
static uint32_t ports_at(const uint8_t *frame)
{
    return is_v6(frame) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
}

// As a device does it: the hash, its table of 512 entries, the queue.
static uint32_t queue_of(const struct frame *frame)
{
    uint32_t size = is_v6(frame->bytes) ? 36 : 12, words[9];
    const uint8_t *tuple = frame->bytes + ports_at(frame->bytes) - (size - 4);
    for (uint32_t i = 0; i < size / 4; i++)
        words[i] = load_be32(tuple + 4 * i);
    uint32_t hash = rte_softrss(words, size / 4, steer.key);
    return (hash % 512 % steer.entries % WORKERS + lie) % WORKERS;
}

// A packet comes in; where it ends, be it at another worker. `at`: the first one.
static struct outcome receive(uint16_t port, struct frame_spec spec, uint32_t *at)
{
    static struct frame frame;
    static struct outcome outcome;
    frame_build(&frame, &spec);
    *at = queue_of(&frame);
    rig_packet(&rigs[*at], port, &frame, &outcome);
    if (outcome.kind != OUTCOME_HANDED)
        return outcome;
    assert_int_equal(outcome.worker, (*at + WORKERS - lie) % WORKERS);
    struct frame handed = outcome.frame;
    rig_handed(&rigs[outcome.worker], HANDOFF_PROCESS, 0, port, &handed, &outcome);
    return outcome;
}

static struct frame_spec request_of(const struct kind *kind, uint16_t client_port, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = kind->client,
        .destination = kind->vip,
        .protocol = kind->protocol,
        .source_port = client_port,
        .destination_port = kind->port,
        .tcp_flags = flags,
        .payload_size = 20,
    };
}

// What the member got, so that it can answer, and nobody else.
struct seen {
    char member[IP_TEXT_SIZE], local[IP_TEXT_SIZE];
    uint16_t member_port, local_port;
};

static void address_text(const uint8_t *bytes, bool v6, char *text)
{
    struct ip_address address = v6 ? ip_from_v6(bytes) : ip_from_v4(bytes);
    ip_format(&address, text);
}

static struct seen seen_by_member(const struct outcome *outcome)
{
    const uint8_t *frame = outcome->frame.bytes;
    bool v6 = is_v6(frame);
    uint32_t at = ports_at(frame), size = v6 ? 16 : 4;
    struct seen seen = {.local_port = load_be16(frame + at),
                        .member_port = load_be16(frame + at + 2)};
    address_text(frame + at - 2 * size, v6, seen.local);
    address_text(frame + at - size, v6, seen.member);
    return seen;
}

static struct frame_spec reply_of(const struct seen *seen, uint8_t protocol, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = seen->member,
        .destination = seen->local,
        .protocol = protocol,
        .source_port = seen->member_port,
        .destination_port = seen->local_port,
        .tcp_flags = flags,
        .payload_size = 20,
    };
}

static uint64_t handoffs(void)
{
    uint64_t sum = 0;
    for (uint32_t w = 0; w < WORKERS; w++)
        sum += *rigs[w].stage.counters.fullnat_handoffs;
    return sum;
}

static struct seen seen[KINDS * FLOWS];

// Opens a flow and goes on with it, both ways. Returns the worker that has it.
static uint32_t converse(const struct kind *kind, uint16_t client_port, struct seen *by_member)
{
    uint32_t first, at;
    struct outcome outcome = receive(FRONT, request_of(kind, client_port, SYN), &first);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.port, BACK);
    *by_member = seen_by_member(&outcome);
    for (int round = 0; round < 2; round++) {
        uint8_t flags = round == 0 ? SYN | ACK : ACK;
        outcome = receive(BACK, reply_of(by_member, kind->protocol, flags), &at);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.port, FRONT);
        assert_int_equal(at, first);
        assert_int_equal(load_be16(outcome.frame.bytes + ports_at(outcome.frame.bytes)),
                         kind->port);
        assert_int_equal(load_be16(outcome.frame.bytes + ports_at(outcome.frame.bytes) + 2),
                         client_port);
        outcome = receive(FRONT, request_of(kind, client_port, ACK), &at);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(at, first);
        struct seen again = seen_by_member(&outcome);
        assert_memory_equal(&again, by_member, sizeof(again));
    }
    return first;
}

static bool same_protocol(size_t a, size_t b)
{
    return kinds[a / FLOWS].protocol == kinds[b / FLOWS].protocol;
}

static uint32_t converse_all(void)
{
    uint32_t by_worker[WORKERS] = {0};
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < KINDS * FLOWS; i++) {
        by_worker[converse(&kinds[i / FLOWS], (uint16_t)(20000 + i), &seen[i])]++;
        for (size_t j = 0; j < i; j++)
            assert_true(!same_protocol(i, j) || memcmp(&seen[i], &seen[j], sizeof(seen[i])) != 0);
    }
    // All have some of them, and nothing is counted twice.
    for (uint32_t w = 0; w < WORKERS; w++) {
        assert_in_range(by_worker[w], KINDS * FLOWS / WORKERS / 2, KINDS * FLOWS / WORKERS * 2);
        uint64_t used = 0;
        for (uint32_t slot = 1; slot <= 3; slot++)
            used += rigs[w].stage.counters.local_ports[slot];
        assert_int_equal(used, by_worker[(w + lie) % WORKERS]);
    }
    return KINDS * FLOWS;
}

static void nobody_hands_over(void **state)
{
    converse_all();
    assert_int_equal(handoffs(), 0);
}

// Whatever tables the devices have in common.
static void small_tables_will_do(void **state)
{
    uint8_t key[STEER_KEY_BYTES];
    memcpy(key, steer.key, sizeof(key));
    for (uint32_t entries = 4; entries <= 16; entries *= 2) {
        tear_down(state);
        steer_init(&steer, key, entries, WORKERS);
        open_rigs(fullnat);
        uint32_t used = 0;
        for (size_t i = 0; i < KINDS * FLOWS; i++) {
            converse(&kinds[i / FLOWS], (uint16_t)(20000 + i), &seen[i]);
            used++;
        }
        assert_int_equal(used, KINDS * FLOWS);
        assert_int_equal(handoffs(), 0);
    }
}

// A table that was changed behind our back: each packet comes to the wrong worker.
static void a_device_that_lies_costs_hand_offs_and_nothing_else(void **state)
{
    lie = 1;
    uint32_t flows = converse_all();
    assert_int_equal(handoffs(), 5 * flows);
}

// What was taken before the device began to lie is found, too.
static void a_device_may_begin_to_lie(void **state)
{
    struct seen by_member;
    uint32_t at;
    for (size_t i = 0; i < KINDS; i++) {
        lie = 0;
        converse(&kinds[i], 30000, &by_member);
        lie = 2;
        struct outcome outcome = receive(BACK, reply_of(&by_member, kinds[i].protocol, ACK), &at);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        outcome = receive(FRONT, request_of(&kinds[i], 30000, ACK), &at);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
    }
    assert_int_equal(handoffs(), 2 * KINDS);
}

static void a_worker_without_ports_refuses_and_gets_them_back(void **state)
{
    struct stage_rig *rig = &rigs[0];
    uint32_t all = local_ports_of_worker(rig->tables->locals[3].ports, 0), begun = 0;
    for (uint32_t port = 1; port <= all + 1; port++) {
        static struct frame frame, answer;
        static struct outcome outcome;
        struct frame_spec spec = request_of(&kinds[3], (uint16_t)port, 0);
        frame_build(&frame, &spec);
        rig_handed(rig, HANDOFF_PROCESS, 0, FRONT, &frame, &outcome);
        if (outcome.kind != OUTCOME_SENT)
            continue;
        begun++;
        // Both sides speak and the client goes on, so that the port is not given to another.
        struct seen by_member = seen_by_member(&outcome);
        spec = reply_of(&by_member, kinds[3].protocol, 0);
        frame_build(&answer, &spec);
        rig_handed(rig, HANDOFF_PROCESS, 0, BACK, &answer, &outcome);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        rig_handed(rig, HANDOFF_PROCESS, 0, FRONT, &frame, &outcome);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
    }
    assert_int_equal(rig_drops(rig, DROP_LOCAL_PORTS_FULL), 1);
    assert_int_equal(begun, all);
    assert_int_equal(rig->stage.counters.local_ports[3], all);
    rig_at(rig, 61000);
    flow_sweep(rig->stage.flows, flow_table_buckets(rig->stage.flows), rig->stage.now_ms);
    for (uint32_t slot = 1; slot <= 3; slot++)
        assert_int_equal(rig->stage.counters.local_ports[slot], 0);
    struct seen by_member;
    for (uint32_t i = 0; i < 64; i++)
        converse(&kinds[3], (uint16_t)(100 + i), &by_member);
}

static void reload_all(const char *yaml)
{
    for (uint32_t w = 0; w < WORKERS; w++) {
        rig_reload(&rigs[w], yaml);
        meet_neighbours(&rigs[w]);
    }
}

// Flows from when a vip's pool was NAT keep their owners, so the vip's new ones are there, too,
// until the last of them has ended.
static void a_vip_that_was_nat_goes_on_where_its_flows_are(void **state)
{
    tear_down(state);
    open_rigs(nat);
    struct outcome outcome;
    uint32_t at;
    for (uint16_t port = 1000; port < 1064; port++) {
        static struct frame frame;
        static struct outcome begun;
        struct frame_spec spec = request_of(&kinds[1], port, 0);
        frame_build(&frame, &spec);
        uint32_t queue = queue_of(&frame);
        rig_packet(&rigs[queue], FRONT, &frame, &begun);
        if (begun.kind == OUTCOME_HANDED) {
            struct frame handed = begun.frame;
            rig_handed(&rigs[begun.worker], HANDOFF_PROCESS, 0, FRONT, &handed, &begun);
        }
        assert_int_equal(begun.kind, OUTCOME_SENT);
    }
    assert_int_equal(handoffs(), 0); // NAT's are not counted there
    reload_all(fullnat);
    for (uint32_t w = 0; w < WORKERS; w++) {
        const struct tables_service *services = rigs[w].tables->services;
        assert_false(services[2].steered);
        assert_true(services[1].steered);
        rig_at(&rigs[w], 61000);
        flow_sweep(rigs[w].stage.flows, flow_table_buckets(rigs[w].stage.flows),
                   rigs[w].stage.now_ms);
    }
    reload_all(fullnat);
    for (uint32_t w = 0; w < WORKERS; w++)
        assert_true(rigs[w].tables->services[2].steered);
    outcome = receive(FRONT, request_of(&kinds[1], 2000, 0), &at);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(handoffs(), 0);
}

static void flows_outlive_reloads(void **state)
{
    struct seen before[KINDS];
    uint32_t at;
    for (size_t i = 0; i < KINDS; i++)
        converse(&kinds[i], 31000, &before[i]);
    reload_all(fullnat);
    for (size_t i = 0; i < KINDS; i++) {
        struct outcome outcome = receive(FRONT, request_of(&kinds[i], 31000, ACK), &at);
        struct seen after = seen_by_member(&outcome);
        assert_memory_equal(&after, &before[i], sizeof(after));
        outcome = receive(BACK, reply_of(&before[i], kinds[i].protocol, ACK), &at);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
    }
    assert_int_equal(handoffs(), 0);
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(nobody_hands_over),
        RIG_TEST(small_tables_will_do),
        RIG_TEST(a_device_that_lies_costs_hand_offs_and_nothing_else),
        RIG_TEST(a_device_may_begin_to_lie),
        RIG_TEST(a_worker_without_ports_refuses_and_gets_them_back),
        RIG_TEST(a_vip_that_was_nat_goes_on_where_its_flows_are),
        RIG_TEST(flows_outlive_reloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
