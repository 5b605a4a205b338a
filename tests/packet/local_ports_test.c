// Local ports under pressure: floods that want them all, members that remember who had one before,
// and a long mixture of everything that begins and ends flows, after which none may be missing.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN (WIRE_TCP_FIN | WIRE_TCP_ACK)
#define RST WIRE_TCP_RST

static const uint8_t other_mac[6] = {2, 0, 0, 0, 1, 1};

// `members` of the pool; `forward` of it; what is local on each port; the vips.
#define CONFIGURATION(cores, front, back, forward, members, vips)                          \
    "node: {name: test, cores: " cores ", flows: {per-worker: 262144, tcp-opening: 10s,\n" \
    "       tcp-established: 900s, tcp-closing: 30s, udp: 60s}}\n"                         \
    "ports:\n"                                                                             \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/16],\n"                     \
    "     local-addresses: " front "}\n"                                                   \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24],\n"                      \
    "     local-addresses: " back "}\n"                                                    \
    "pools: [{name: p, forward: " forward ", members: " members "}]\n"                     \
    "vips: " vips "\n"

#define MEMBERS "[{name: a, address: 10.2.0.11}, {name: b, address: 10.2.0.12}]"
#define TCP_VIP "{name: t, address: 10.1.0.100, port: 80, protocol: tcp, pool: p}"
#define UDP_VIP "{name: u, address: 10.1.0.100, port: 53, protocol: udp, pool: p}"
#define VIPS    "[" TCP_VIP ", " UDP_VIP "]"
#define LOCAL   "[10.2.0.200]"
#define ONE     "[{name: a, address: 10.2.0.11}]"

static const char four_workers[] =
    CONFIGURATION("[0-3]", "[]", LOCAL, "fullnat", ONE, "[" TCP_VIP ", " UDP_VIP "]");

// What a site may make of it, one after the other.
static const char *const configurations[] = {
    CONFIGURATION("[0]", "[]", LOCAL, "fullnat", MEMBERS, VIPS),
    CONFIGURATION("[0]", "[]", "[10.2.0.200, 10.2.0.201]", "fullnat", MEMBERS, VIPS),
    CONFIGURATION("[0]", "[]", "[10.2.0.201]", "fullnat", MEMBERS, VIPS),
    CONFIGURATION("[0]", "[]", LOCAL, "fullnat", ONE, VIPS),
    CONFIGURATION("[0]", "[]", LOCAL, "nat", MEMBERS, VIPS),
    CONFIGURATION("[0]", "[]", "[]", "direct", MEMBERS, VIPS),
    CONFIGURATION("[0]", "[10.1.0.200]", LOCAL, "fullnat", MEMBERS, "[" TCP_VIP "]"),
};
#define CONFIGURATIONS (sizeof(configurations) / sizeof(configurations[0]))

static struct random random_source;

static uint32_t below(uint32_t bound)
{
    return (uint32_t)random_below(&random_source, bound);
}

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    random_source = random_from_seed(20);
    rig_neighbour(&rig, FRONT, "10.1.0.10", other_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", other_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", other_mac);
}

static int open_one(void **state)
{
    open_with(configurations[0]);
    return 0;
}

static int open_four(void **state)
{
    open_with(four_workers);
    return 0;
}

// A packet that belongs to this worker, whoever received it.
static const struct outcome *put(uint16_t port, struct frame_spec spec)
{
    static struct frame frame;
    static struct outcome outcome;
    spec.destination_mac = port == FRONT ? front_mac : back_mac;
    frame_build(&frame, &spec);
    rig_handed(&rig, HANDOFF_PROCESS, 0, port, &frame, &outcome);
    return &outcome;
}

static const struct outcome *from_client(const char *client, uint16_t port, uint8_t flags)
{
    return put(FRONT, (struct frame_spec){.source = client,
                                          .destination = "10.1.0.100",
                                          .protocol = flags ? IPPROTO_TCP : IPPROTO_UDP,
                                          .source_port = port,
                                          .destination_port = flags ? 80 : 53,
                                          .tcp_flags = flags});
}

// Whom the member sees: where a request went, and from where.
struct seen {
    char member[IP_TEXT_SIZE], local[IP_TEXT_SIZE];
    uint16_t port;
};

static struct seen seen_in(const struct outcome *outcome)
{
    struct seen seen;
    const uint8_t *ip = outcome->frame.bytes + FRAME_IP_AT;
    struct ip_address member = ip_from_v4(ip + 16), local = ip_from_v4(ip + 12);
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    ip_format(&member, seen.member);
    ip_format(&local, seen.local);
    seen.port = load_be16(outcome->frame.bytes + FRAME_IPV4_L4);
    return seen;
}

static const struct outcome *from_member(const struct seen *seen, uint8_t flags)
{
    return put(BACK, (struct frame_spec){.source = seen->member,
                                         .destination = seen->local,
                                         .protocol = flags ? IPPROTO_TCP : IPPROTO_UDP,
                                         .source_port = flags ? 80 : 53,
                                         .destination_port = seen->port,
                                         .tcp_flags = flags});
}

static struct seen establish(const char *client, uint16_t port)
{
    struct seen seen = seen_in(from_client(client, port, SYN));
    assert_int_equal(from_member(&seen, SYN | ACK)->kind, OUTCOME_SENT);
    assert_int_equal(from_client(client, port, ACK)->kind, OUTCOME_SENT);
    return seen;
}

static void assert_goes_on(const char *client, uint16_t port, const struct seen *seen)
{
    struct seen now = seen_in(from_client(client, port, ACK));
    assert_string_equal(now.local, seen->local);
    assert_int_equal(now.port, seen->port);
    assert_int_equal(from_member(seen, ACK)->kind, OUTCOME_SENT);
}

// SYNs that nobody goes on from, from addresses that do not exist.
static void flood(uint32_t syns)
{
    for (uint32_t i = 0; i < syns; i++) {
        char client[IP_TEXT_SIZE];
        snprintf(client, sizeof(client), "10.1.%u.%u", below(200) + 1, below(250) + 1);
        from_client(client, (uint16_t)(1024 + below(60000)), SYN);
    }
}

// A flood takes no more than it may: handshakes find ports, and established flows keep theirs.
static void a_flood_of_syns_leaves_ports_for_handshakes(void **state)
{
    struct seen old[64];
    uint32_t all = local_ports_of_worker(rig.tables->locals[1].ports, 0);
    for (uint16_t i = 0; i < 64; i++)
        old[i] = establish("10.1.0.10", (uint16_t)(1000 + i));
    flood(2 * all);
    // Few are refused: where the turn comes to many that serve, one after the other.
    assert_true(rig_drops(&rig, DROP_LOCAL_PORTS_FULL) < 10);
    assert_true(*rig.stage.counters.local_evictions > all / 2);
    for (uint16_t i = 0; i < 64; i++) {
        assert_goes_on("10.1.0.10", (uint16_t)(1000 + i), &old[i]);
        struct seen fresh = establish("10.1.0.10", (uint16_t)(2000 + i));
        flood(100);
        assert_goes_on("10.1.0.10", (uint16_t)(2000 + i), &fresh);
    }
    assert_in_range(rig.stage.counters.local_ports[1], 128, all);
}

// All ports are with flows that are over, and wait for their time.
static void flows_that_are_over_give_their_ports(void **state)
{
    uint32_t all = local_ports_of_worker(rig.tables->locals[1].ports, 0);
    for (uint32_t i = 0; i < all + 100; i++) {
        uint16_t port = (uint16_t)(1024 + i);
        struct seen seen = establish("10.1.0.10", port);
        from_client("10.1.0.10", port, FIN);
        from_member(&seen, FIN);
        from_client("10.1.0.10", port, ACK);
    }
    assert_int_equal(rig_drops(&rig, DROP_LOCAL_PORTS_FULL), 0);
    assert_int_equal(rig.stage.counters.local_ports[1], all);
}

// None of those that serve is taken from: who comes is refused, by name.
static void flows_that_serve_keep_their_ports(void **state)
{
    uint32_t all = local_ports_of_worker(rig.tables->locals[1].ports, 0);
    struct seen first = establish("10.1.0.10", 1024);
    for (uint32_t i = 1; i < all; i++)
        establish("10.1.0.10", (uint16_t)(1024 + i));
    // One has seen a RST, which anybody may have made up.
    from_client("10.1.0.10", 1024, RST);
    for (uint32_t i = 0; i < all; i++)
        assert_int_equal(from_client("10.1.0.11", (uint16_t)(1024 + i), SYN)->reason,
                         DROP_LOCAL_PORTS_FULL);
    assert_goes_on("10.1.0.10", 1024, &first);
}

// A member that remembers a port's last connection (TIME-WAIT, or one that only it still has)
// answers a SYN with an ACK of that one; the client resets it (RFC 9293 section 3.5.1) and sends
// its SYN again, from the same port of ours.
static void a_member_is_talked_out_of_an_old_connection(void **state)
{
    struct seen seen = seen_in(from_client("10.1.0.10", 1024, SYN));
    assert_int_equal(from_member(&seen, ACK)->kind, OUTCOME_SENT);
    struct seen reset = seen_in(from_client("10.1.0.10", 1024, RST));
    assert_int_equal(reset.port, seen.port);
    rig_at(&rig, 1000);
    struct seen again = seen_in(from_client("10.1.0.10", 1024, SYN));
    assert_int_equal(again.port, seen.port);
    assert_int_equal(from_member(&seen, SYN | ACK)->kind, OUTCOME_SENT);
    assert_goes_on("10.1.0.10", 1024, &seen);
    rig_at(&rig, 60000);
    assert_goes_on("10.1.0.10", 1024, &seen);
}

// Whatever becomes of the pool, its vips and the addresses, established flows go on.
static void flows_go_on_however_the_file_changes(void **state)
{
    struct seen tcp[16], udp[16];
    for (size_t c = 1; c < CONFIGURATIONS; c++) {
        rig_reload(&rig, configurations[0]);
        for (uint16_t i = 0; i < 16; i++) {
            uint16_t port = (uint16_t)(3000 + 16 * c + i);
            tcp[i] = establish("10.1.0.10", port);
            udp[i] = seen_in(from_client("10.1.0.10", port, 0));
        }
        for (int again = 0; again < 3; again++) {
            rig_reload(&rig, configurations[c]);
            for (uint16_t i = 0; i < 16; i++) {
                uint16_t port = (uint16_t)(3000 + 16 * c + i);
                assert_goes_on("10.1.0.10", port, &tcp[i]);
                struct seen now = seen_in(from_client("10.1.0.10", port, 0));
                assert_int_equal(now.port, udp[i].port);
                assert_string_equal(now.local, udp[i].local);
                const struct outcome *reply = from_member(&udp[i], 0);
                assert_int_equal(reply->kind, OUTCOME_SENT);
                assert_int_equal(reply->port, FRONT);
                assert_true(frame_checksums_are_right(reply->frame.bytes, reply->frame.size));
            }
        }
    }
}

static uint64_t ports_in_use(void)
{
    uint64_t sum = 0;
    for (uint32_t slot = 1; slot < rig.tables->local_limit; slot++)
        sum += rig.stage.counters.local_ports[slot];
    return sum;
}

// A step of the mixture below.
static void step(struct seen *seen, uint32_t now_ms)
{
    static const uint8_t flags[] = {SYN, SYN, SYN | ACK, ACK, ACK, ACK, FIN, FIN, RST, 0, 0};
    uint32_t index = below(64);
    uint8_t flag = flags[below(sizeof(flags))];
    uint32_t what = below(2000);
    if (what == 0) {
        rig_reload(&rig, configurations[below(CONFIGURATIONS)]);
    } else if (what == 1) {
        rig_drain(&rig, below(2) ? "p/a" : NULL);
    } else if (what == 2) {
        rig_at(&rig, now_ms + 5000 * below(20));
    } else if (what < 20) {
        flow_sweep(rig.stage.flows, 64, rig.stage.now_ms);
    } else if (what < 1000 && seen[index].port != 0) {
        from_member(&seen[index], flag);
    } else {
        const struct outcome *outcome = from_client("10.1.0.10", (uint16_t)(5000 + index), flag);
        if (outcome->kind == OUTCOME_SENT && outcome->port == BACK)
            seen[index] = seen_in(outcome);
    }
}

static void no_port_is_lost(void **state)
{
    struct seen seen[64] = {0};
    uint64_t most = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        step(seen, rig.stage.now_ms);
        most = most < ports_in_use() ? ports_in_use() : most;
    }
    assert_true(most > 20);
    rig_reload(&rig, configurations[1]);
    rig_at(&rig, rig.stage.now_ms + 3600 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    assert_int_equal(flow_table_used(rig.stage.flows), 0);
    for (uint32_t slot = 1; slot < rig.tables->local_limit; slot++) {
        assert_int_equal(rig.stage.counters.local_ports[slot], 0);
        struct local_ports *ports = rig.tables->locals[slot].ports;
        for (uint16_t bank = 0; ports && bank < LOCAL_BANKS; bank++) {
            uint32_t number;
            for (uint32_t i = 0; i < local_ports_of_worker(ports, 0); i++)
                assert_true(local_ports_take(ports, 0, bank, &number));
        }
    }
    for (uint32_t slot = 0; slot < rig.tables->member_limit; slot++)
        assert_int_equal(rig.stage.counters.members[slot].flows, 0);
    for (uint32_t slot = 0; slot < rig.tables->service_limit; slot++)
        assert_int_equal(rig.stage.counters.vips[slot].flows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flood_of_syns_leaves_ports_for_handshakes, open_four,
                                        close_rig),
        cmocka_unit_test_setup_teardown(flows_that_are_over_give_their_ports, open_four, close_rig),
        cmocka_unit_test_setup_teardown(flows_that_serve_keep_their_ports, open_four, close_rig),
        cmocka_unit_test_setup_teardown(a_member_is_talked_out_of_an_old_connection, open_one,
                                        close_rig),
        cmocka_unit_test_setup_teardown(flows_go_on_however_the_file_changes, open_one, close_rig),
        cmocka_unit_test_setup_teardown(no_port_is_lost, open_one, close_rig),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
