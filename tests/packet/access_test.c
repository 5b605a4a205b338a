// Access rules in the stages: what may begin, what is asked, and what a change of the rules ends.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

// The members of `lost` and `chances` are nowhere to be found.
#define WITH_ROOM(flows)                                                              \
    "node: {name: test, cores: [0], flows: {per-worker: " flows "}}\n"                \
    "ports:\n"                                                                        \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"                \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"                 \
    "pools: [{name: p, members: [{name: a, address: 10.2.0.11, port: 8080}]},\n"      \
    "        {name: d, forward: direct, members: [{name: d, address: 10.2.0.12}]},\n" \
    "        {name: lost, forward: direct, members: [{address: 10.2.0.99}]},\n"       \
    "        {name: chances, forward: gue, balancer: ring, second-chance: 1,\n"       \
    "         members: [{address: 10.2.0.98}, {address: 10.2.0.99}]}]\n"              \
    "vips: [{name: v, address: 10.1.0.100, port: 80, protocol: tcp, pool: p},\n"      \
    "       {name: w, address: 10.1.0.101, port: 80, protocol: tcp, pool: d},\n"      \
    "       {name: x, address: 10.1.0.102, port: 80, protocol: tcp, pool: lost},\n"   \
    "       {name: y, address: 10.1.0.103, port: 80, protocol: tcp, pool: chances}]\n"
#define BEGINNING WITH_ROOM("4096")

static const char all_may[] = BEGINNING;
static const char office_may[] =
    BEGINNING "access: [{name: office, action: allow, from: 10.1.0.0/28},\n"
              "         {name: rest, action: deny}]\n";

static const uint8_t other_mac[6] = {2, 0, 0, 0, 1, 2};

static int open_rig(void **state)
{
    rig_open(&rig, all_may);
    rig_neighbour(&rig, FRONT, "10.1.0.10", other_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.200", other_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", other_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", other_mac);
    return 0;
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

static struct outcome client(const char *source, const char *vip, uint8_t flags)
{
    return put(FRONT, (struct frame_spec){.destination_mac = front_mac,
                                          .source_mac = other_mac,
                                          .source = source,
                                          .destination = vip,
                                          .source_port = 40000,
                                          .destination_port = 80,
                                          .tcp_flags = flags,
                                          .payload_size = 8});
}

static struct outcome ping(const char *source, const char *address)
{
    return put(FRONT, (struct frame_spec){.destination_mac = front_mac,
                                          .source_mac = other_mac,
                                          .source = source,
                                          .destination = address,
                                          .protocol = IPPROTO_ICMP,
                                          .icmp_type = 8,
                                          .payload_size = 8});
}

static void assert_denied(struct outcome outcome)
{
    assert_int_equal(outcome.kind, OUTCOME_DROPPED);
    assert_string_equal(drop_name(outcome.reason), "access");
}

static uint64_t decided_by(const char *name)
{
    const struct rules *rules = rig.tables->rules;
    for (uint32_t i = 0; i < rules->count; i++) {
        if (strcmp(rules->items[i].name, name) == 0)
            return rig.stage.counters.access_packets[rules->items[i].slot];
    }
    fail_msg("no rule %s", name);
    return 0;
}

// As many turns as hold all flows against the rules.
static void recheck(void)
{
    do
        rules_recheck(&rig.stage);
    while (rig.stage.rechecking);
}

static void who_may_not_does_not_begin_and_is_counted(void **state)
{
    rig_reload(&rig, office_may);
    assert_int_equal(client("10.1.0.10", "10.1.0.100", SYN).kind, OUTCOME_SENT);
    assert_int_equal(client("10.1.0.10", "10.1.0.100", ACK).kind, OUTCOME_SENT); // not asked again
    assert_denied(client("10.1.0.200", "10.1.0.100", SYN));
    assert_denied(client("10.1.0.200", "10.1.0.101", SYN));
    assert_int_equal(decided_by("office"), 1);
    assert_int_equal(decided_by("rest"), 2);
}

static void echo_to_a_virtual_address_is_asked_and_to_our_own_is_not(void **state)
{
    rig_reload(&rig, office_may);
    assert_denied(ping("10.1.0.200", "10.1.0.100"));
    assert_int_equal(ping("10.1.0.10", "10.1.0.100").kind, OUTCOME_SENT);
    assert_int_equal(ping("10.1.0.200", "10.1.0.1").kind, OUTCOME_SENT);
}

static void new_rules_end_the_flows_that_may_not_be(void **state)
{
    static const char *const vips[] = {"10.1.0.100", "10.1.0.101"}; // NAT, direct return
    for (int i = 0; i < 2; i++) {
        assert_int_equal(client("10.1.0.200", vips[i], SYN).kind, OUTCOME_SENT);
        assert_int_equal(client("10.1.0.10", vips[i], SYN).kind, OUTCOME_SENT);
    }
    assert_int_equal(flow_table_used(rig.stage.flows), 6);
    recheck(); // nothing to hold them against
    assert_int_equal(flow_table_used(rig.stage.flows), 6);
    rig_reload(&rig, office_may);
    recheck();
    assert_int_equal(flow_table_used(rig.stage.flows), 3);
    for (int i = 0; i < 2; i++) {
        assert_denied(client("10.1.0.200", vips[i], ACK));
        assert_int_equal(client("10.1.0.10", vips[i], ACK).kind, OUTCOME_SENT);
    }
    struct outcome reply = put(BACK, (struct frame_spec){.destination_mac = back_mac,
                                                         .source_mac = other_mac,
                                                         .source = "10.2.0.11",
                                                         .destination = "10.1.0.200",
                                                         .source_port = 8080,
                                                         .destination_port = 40000,
                                                         .tcp_flags = ACK});
    assert_int_equal(reply.reason, DROP_NO_FLOW);
}

static struct frame_spec of_port(const char *source, uint16_t port, uint8_t flags)
{
    return (struct frame_spec){.destination_mac = front_mac,
                               .source_mac = other_mac,
                               .source = source,
                               .destination = "10.1.0.101",
                               .source_port = port,
                               .destination_port = 80,
                               .tcp_flags = flags};
}

// A connection whose handshake is complete.
static void begin_of_port(const char *source, uint16_t port)
{
    put(FRONT, of_port(source, port, SYN));
    put(FRONT, of_port(source, port, ACK));
}

// A full table's entries are moved by inserts, also to where the walk has been.
static void no_flow_escapes_new_rules_by_moving(void **state)
{
    for (uint16_t i = 0; i < 3800; i++)
        begin_of_port("10.1.0.200", (uint16_t)(1000 + i));
    assert_int_equal(flow_table_used(rig.stage.flows), 3800);
    rig_reload(&rig, office_may);
    uint16_t begun = 0;
    do {
        rules_recheck(&rig.stage);
        for (uint16_t i = 0; i < 24; i++)
            begin_of_port("10.1.0.10", (uint16_t)(1000 + begun++));
    } while (rig.stage.rechecking);
    uint32_t left = 0;
    for (uint16_t i = 0; i < 3800; i++)
        left += put(FRONT, of_port("10.1.0.200", (uint16_t)(1000 + i), ACK)).kind == OUTCOME_SENT;
    assert_int_equal(left, 0);
}

// By a worker that still had the rules of before.
static void who_is_handed_over_is_judged_again_and_not_counted_again(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    rig_reload(&rig, office_may);
    struct frame_spec spec = of_port("10.1.0.200", 1000, SYN);
    spec.destination = "10.1.0.100";
    frame_build(&frame, &spec);
    rig_handed(&rig, HANDOFF_PROCESS, 1, FRONT, &frame, &outcome);
    assert_denied(outcome);
    assert_int_equal(decided_by("rest"), 0);
    spec.source = "10.1.0.10";
    frame_build(&frame, &spec);
    rig_handed(&rig, HANDOFF_PROCESS, 1, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(decided_by("office"), 0);
}

// Rules decide about flows: however many of a flow's packets come at once, and whichever way they
// take through the stages, one decision is counted.
static void a_decision_is_counted_once(void **state)
{
    rig_reload(&rig, office_may);
    static struct frame frames[2];
    static struct sent sent;
    struct frame_spec spec = of_port("10.1.0.10", 1000, SYN);
    frame_build(&frames[0], &spec);
    spec.tcp_flags = ACK;
    frame_build(&frames[1], &spec);
    rig_burst(&rig, FRONT, frames, 2, &sent);
    assert_int_equal(sent.count, 2);
    assert_int_equal(decided_by("office"), 1);
    // Begins no flow, and waits for its next hop.
    spec = of_port("10.1.0.10", 1001, WIRE_TCP_FIN);
    spec.destination = "10.1.0.102";
    assert_int_equal(put(FRONT, spec).kind, OUTCOME_HELD);
    assert_int_equal(decided_by("office"), 2);
    // May be known to another member than the one it goes to.
    spec = of_port("10.1.0.10", 1002, ACK);
    spec.destination = "10.1.0.103";
    assert_int_equal(put(FRONT, spec).kind, OUTCOME_HELD);
    assert_int_equal(decided_by("office"), 3);
}

static void a_packet_without_room_for_its_flow_is_counted_once(void **state)
{
    rig_close(&rig);
    rig_open(&rig, WITH_ROOM("1024"));
    rig_neighbour(&rig, BACK, "10.2.0.12", other_mac);
    for (uint16_t i = 0; i < 1024; i++)
        begin_of_port("10.1.0.10", (uint16_t)(1000 + i));
    assert_int_equal(flow_table_used(rig.stage.flows), 1024);
    assert_int_equal(*rig.stage.counters.untracked, 0);
    struct frame_spec spec = of_port("10.1.0.10", 1000, ACK);
    spec.destination = "10.1.0.102";
    assert_int_equal(put(FRONT, spec).kind, OUTCOME_HELD);
    assert_int_equal(*rig.stage.counters.untracked, 1);
}

static void rules_that_stay_keep_their_list_and_their_counts(void **state)
{
    rig_reload(&rig, office_may);
    const struct rules *before = rig.tables->rules;
    assert_denied(client("10.1.0.200", "10.1.0.100", SYN));
    rig_reload(&rig, office_may);
    assert_ptr_equal(rig.tables->rules, before);
    rig_reload(&rig, BEGINNING "access: [{name: rest, action: deny, from: 10.1.0.200/32}]\n");
    assert_int_equal(decided_by("rest"), 1); // known by its name
    assert_int_equal(client("10.1.0.201", "10.1.0.100", SYN).kind, OUTCOME_SENT);
    rig_reload(&rig, all_may);
    assert_null(rig.tables->rules);
    assert_int_equal(client("10.1.0.200", "10.1.0.100", SYN).kind, OUTCOME_SENT);
    // The registry has room for 64 rules: without reuse a hundred comings and goings would fail.
    for (int i = 0; i < 100; i++)
        rig_reload(&rig, i % 2 ? all_may : office_may);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(who_may_not_does_not_begin_and_is_counted),
        CASE(echo_to_a_virtual_address_is_asked_and_to_our_own_is_not),
        CASE(new_rules_end_the_flows_that_may_not_be),
        CASE(no_flow_escapes_new_rules_by_moving),
        CASE(who_is_handed_over_is_judged_again_and_not_counted_again),
        CASE(a_decision_is_counted_once),
        CASE(a_packet_without_room_for_its_flow_is_counted_once),
        CASE(rules_that_stay_keep_their_list_and_their_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
