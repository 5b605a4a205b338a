// Who earns a flow's place by a handshake: a client that heard what the member said, and nobody who
// made his address up and with it what he acknowledges.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/ways.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN WIRE_TCP_FIN
#define RST WIRE_TCP_RST

#define CONFIGURATION(per_worker, told)                                                       \
    "node: {name: test, cores: 0, flows: {per-worker: " per_worker "}}\n"                     \
    "ports:\n"                                                                                \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64],\n"          \
    "     gateway: [10.1.0.2]}\n"                                                             \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"           \
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"                                    \
    "pools:\n"                                                                                \
    "  - {name: n4, forward: nat, members: [{name: m, address: 10.2.0.11, port: 8080}]}\n"    \
    "  - {name: n6, forward: nat, members: [{name: m, address: 'fd00:2::11', port: 8080}]}\n" \
    "  - {name: f4, forward: fullnat, client-address: " told ",\n"                            \
    "     members: [{name: m, address: 10.2.0.12, port: 8080}]}\n"                            \
    "  - {name: f6, forward: fullnat, client-address: " told ",\n"                            \
    "     members: [{name: m, address: 'fd00:2::12', port: 8080}]}\n"                         \
    "vips:\n"                                                                                 \
    "  - {name: n4, address: 10.1.0.100, port: 80, protocol: tcp, pool: n4}\n"                \
    "  - {name: n6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: n6}\n"             \
    "  - {name: f4, address: 10.1.0.101, port: 80, protocol: tcp, pool: f4}\n"                \
    "  - {name: f6, address: 'fd00:1::101', port: 80, protocol: tcp, pool: f6}\n"

static const char configuration[] = CONFIGURATION("4096", "none");
static const char by_header[] = CONFIGURATION("4096", "proxy-v2");
static const char by_option[] = CONFIGURATION("4096", "toa");
static const char large[] = CONFIGURATION("1048576", "none");

static const struct way ways[] = {
    {"10.1.0.100", "10.1.0.10", "10.2.0.11", "10.1.0.10"},
    {"fd00:1::100", "fd00:1::10", "fd00:2::11", "fd00:1::10"},
    {"10.1.0.101", "10.1.0.10", "10.2.0.12", "10.2.0.200"},
    {"fd00:1::101", "fd00:1::10", "fd00:2::12", "fd00:2::200"},
};
#define WAYS    4u
#define FULLNAT 2u // and those behind it

#define CLIENT_ISN 1000u
#define MEMBER_ISN 0xfffffff0u // soon past the end of the numbers

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    rig_neighbour(&rig, FRONT, "10.1.0.2", client_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::11", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::12", member_mac);
}

static int open_rig(void **state)
{
    open_with(configuration);
    return 0;
}

// A connection, and whether its packets walk the stages.
struct connection {
    struct way way;
    uint16_t client_port, port; // the port that the member answers
    bool staged;
};

static struct outcome put(const struct connection *to, uint16_t in_port, struct frame_spec spec)
{
    spec.tcp_numbers = true;
    if (to->staged)
        spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    return rig_put(&rig, in_port, spec);
}

static struct outcome client_says(const struct connection *to, uint8_t flags, uint32_t acknowledged)
{
    struct frame_spec spec = from_client_of(&to->way);
    spec.source_port = to->client_port;
    spec.tcp_flags = flags;
    spec.tcp_sequence = flags & SYN ? CLIENT_ISN : CLIENT_ISN + 1;
    spec.tcp_acknowledged = acknowledged;
    return put(to, FRONT, spec);
}

static struct outcome member_says(const struct connection *to, uint8_t flags, uint32_t sequence,
                                  uint32_t acknowledged, uint16_t size)
{
    struct frame_spec spec = from_member_of(&to->way, to->port);
    spec.tcp_flags = flags;
    spec.tcp_sequence = sequence;
    spec.tcp_acknowledged = acknowledged;
    spec.payload_size = size;
    return put(to, BACK, spec);
}

static void client_opens(struct connection *to)
{
    struct outcome outcome = client_says(to, SYN, 0);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    size_t l4 = is_v6(to->way.member) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
    to->port = load_be16(outcome.frame.bytes + l4 + (to->staged ? 4 : 0));
}

static void member_answers(const struct connection *to, uint32_t isn)
{
    struct outcome outcome = member_says(to, SYN | ACK, isn, CLIENT_ISN + 1, 0);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
}

// As far as the member's answer.
static struct connection open_connection(const struct way *way, bool staged)
{
    struct connection to = {.way = *way, .client_port = CLIENT_PORT, .staged = staged};
    client_opens(&to);
    member_answers(&to, MEMBER_ISN);
    return to;
}

static bool take_state(void *context, const struct flow_view *flow)
{
    *(enum flow_state *)context = (enum flow_state)flow->state;
    return false;
}

// Of the only flow.
static enum flow_state state_now(void)
{
    enum flow_state state = FLOW_STATES;
    uint32_t position = 0;
    while (state == FLOW_STATES &&
           flow_walk(rig.stage.flows, &position, 1, rig.stage.now_ms, take_state, &state))
        continue;
    return state;
}

static uint64_t earned(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 1; i <= WAYS; i++)
        sum += rig.stage.counters.vip_flows_earned[i];
    return sum;
}

// What is acknowledged, from the member's first byte, and whether that is a client's who heard it.
static const struct {
    uint32_t acknowledged;
    bool heard;
} answers[] = {
    {0, true},           {1, true},           {14600, true}, {65535, true},  {65536, false},
    {0xffffffff, false}, {0x80000000, false}, {99, true},    {77777, false},
};

static void a_handshake_ends_with_what_the_member_said(void **state)
{
    for (uint32_t w = 0; w < 2 * WAYS; w++) {
        bool staged = w >= WAYS;
        if (staged && is_v6(ways[w % WAYS].vip))
            continue;
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
            for (uint8_t fin = 0; fin <= FIN; fin += FIN) {
                close_rig(state);
                open_rig(state);
                struct connection to = open_connection(&ways[w % WAYS], staged);
                assert_int_equal(state_now(), FLOW_TCP_ANSWERED);
                uint32_t acknowledged = MEMBER_ISN + 1 + answers[i].acknowledged;
                struct outcome outcome = client_says(&to, ACK | fin, acknowledged);
                assert_int_equal(outcome.kind, OUTCOME_SENT); // the member judges by itself
                enum flow_state ended = fin ? FLOW_TCP_CLIENT_CLOSED : FLOW_TCP_ESTABLISHED;
                assert_int_equal(state_now(), answers[i].heard ? ended : FLOW_TCP_ANSWERED);
                assert_int_equal(earned(), answers[i].heard);
                // A member whom that makes up nothing resets: the flow is no more than it was.
                member_says(&to, RST, MEMBER_ISN + 1, 0, 0);
                assert_int_equal(state_now(),
                                 answers[i].heard ? FLOW_TCP_RESET : FLOW_TCP_ANSWERED);
                client_says(&to, ACK, MEMBER_ISN + 1);
                assert_int_equal(state_now(),
                                 answers[i].heard ? FLOW_TCP_RESET : FLOW_TCP_ESTABLISHED);
                assert_int_equal(earned(), 1);
            }
        }
    }
}

// A member that forgets a handshake begins it anew with other numbers.
static void the_latest_answer_counts_and_data_more(void **state)
{
    for (uint32_t w = 0; w < WAYS; w++) {
        close_rig(state);
        open_rig(state);
        struct connection to = open_connection(&ways[w], false);
        member_answers(&to, 500000000);
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(state_now(), FLOW_TCP_ANSWERED);
        member_says(&to, ACK, 500000001, CLIENT_ISN + 1, 0); // to what is out of its window
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(state_now(), FLOW_TCP_ANSWERED);
        client_says(&to, ACK, 500000001);
        assert_int_equal(state_now(), FLOW_TCP_ESTABLISHED);
        close_rig(state);
        open_rig(state);
        // It sends data only to whom it has a connection with, whatever we make of the numbers.
        to = open_connection(&ways[w], false);
        client_says(&to, ACK, 0x12345678);
        member_says(&to, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1, 1);
        assert_int_equal(state_now(), FLOW_TCP_ESTABLISHED);
        assert_int_equal(earned(), 1);
    }
}

// An established flow that a RST has put on trial is far from its handshake.
static void a_connection_that_goes_on_is_not_asked_again(void **state)
{
    static const char *const told[] = {configuration, by_option};
    for (uint32_t w = 0; w < 2 * WAYS; w++) {
        close_rig(state);
        open_with(told[w / WAYS]);
        struct connection to = open_connection(&ways[w % WAYS], false);
        client_says(&to, ACK, MEMBER_ISN + 1);
        member_says(&to, ACK, MEMBER_ISN + 1, CLIENT_ISN + 2, 100);
        client_says(&to, RST, MEMBER_ISN + 1); // made up
        assert_int_equal(state_now(), FLOW_TCP_RESET);
        member_says(&to, ACK, MEMBER_ISN + 1000001, CLIENT_ISN + 1, 0);
        client_says(&to, ACK, MEMBER_ISN + 2000001);
        assert_int_equal(state_now(), FLOW_TCP_ESTABLISHED);
        // A connection anew with the same ports is.
        client_says(&to, RST, MEMBER_ISN + 1);
        client_says(&to, SYN, 0);
        member_answers(&to, 500000000);
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(state_now(), FLOW_TCP_ANSWERED);
        client_says(&to, ACK, 500000001);
        assert_int_equal(state_now(), FLOW_TCP_ESTABLISHED);
    }
}

// Where a header goes in front of the stream, the member that acknowledges it has heard the client.
static void a_header_that_is_taken_ends_the_handshake(void **state)
{
    for (uint32_t w = FULLNAT; w < WAYS; w++) {
        close_rig(state);
        open_with(by_header);
        uint32_t size = is_v6(ways[w].client) ? 52 : 28;
        struct connection to = open_connection(&ways[w], false);
        client_says(&to, ACK, 0x12345678); // carries the header
        client_says(&to, ACK, MEMBER_ISN + 1);
        member_says(&to, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1, 0);
        member_says(&to, ACK, MEMBER_ISN + 1, CLIENT_ISN + size, 0);
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(state_now(), FLOW_TCP_ANSWERED);
        member_says(&to, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1 + size, 0);
        assert_int_equal(state_now(), FLOW_TCP_ESTABLISHED);
        assert_int_equal(earned(), 1);
    }
}

#define MADE_UP 70000u // more than a member has local ports

// Clients that nobody sees, each with its own handshake: the member answers, they acknowledge what
// they cannot know, and the member resets that or says nothing.
static void make_up(const struct way *way, uint32_t count, uint8_t flags, bool answered,
                    bool resets)
{
    for (uint32_t i = 0; i < count; i++) {
        char client[IP_TEXT_SIZE];
        snprintf(client, sizeof(client), "198.18.%u.%u", i >> 8 & 255, i & 255);
        struct connection to = {.way = *way, .client_port = (uint16_t)(1024 + (i >> 16))};
        to.way.client = client;
        if (strcmp(way->local, way->client) == 0)
            to.way.local = client;
        if (answered) {
            client_opens(&to);
            member_answers(&to, 0x40000000 + 7 * i);
            client_says(&to, flags, 99);
        } else {
            struct outcome outcome = client_says(&to, flags, 99);
            assert_int_equal(outcome.kind, OUTCOME_SENT);
            to.port = load_be16(outcome.frame.bytes + FRAME_IPV4_L4);
        }
        if (resets)
            member_says(&to, RST, 99, 0, 0);
    }
}

static const struct {
    uint8_t flags;
    bool answered, resets;
} made_up[] = {
    {ACK, true, true},  {ACK, true, false}, {ACK | FIN, true, false},
    {RST, true, false}, {ACK, false, true},
};

static void made_up_handshakes_fill_no_table(void **state)
{
    for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); i++) {
        close_rig(state);
        open_rig(state);
        make_up(&ways[0], 8192, made_up[i].flags, made_up[i].answered, made_up[i].resets);
        assert_in_range(flow_table_used(rig.stage.flows), 0,
                        2 * probation_slots(rig.stage.probations[PROBATION_TCP]));
        assert_int_equal(earned(), 0);
        struct connection to = open_connection(&ways[0], false);
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(earned(), 1);
    }
}

static void nor_do_they_use_up_local_ports(void **state)
{
    for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); i++) {
        close_rig(state);
        open_with(large);
        struct connection kept = open_connection(&ways[FULLNAT], false);
        client_says(&kept, ACK, MEMBER_ISN + 1);
        make_up(&ways[FULLNAT], MADE_UP, made_up[i].flags, made_up[i].answered, made_up[i].resets);
        assert_int_equal(earned(), 1);
        assert_int_equal(rig_drops(&rig, DROP_LOCAL_PORTS_FULL), 0);
        struct connection to = {.way = ways[FULLNAT], .client_port = CLIENT_PORT + 1};
        client_opens(&to);
        member_answers(&to, MEMBER_ISN);
        client_says(&to, ACK, MEMBER_ISN + 1);
        assert_int_equal(earned(), 2);
        assert_int_equal(member_says(&kept, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1, 0).kind,
                         OUTCOME_SENT);
    }
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_handshake_ends_with_what_the_member_said),
        RIG_TEST(the_latest_answer_counts_and_data_more),
        RIG_TEST(a_connection_that_goes_on_is_not_asked_again),
        RIG_TEST(a_header_that_is_taken_ends_the_handshake),
        RIG_TEST(made_up_handshakes_fill_no_table),
        RIG_TEST(nor_do_they_use_up_local_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
