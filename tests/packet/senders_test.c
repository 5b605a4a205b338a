// Addresses from which nobody sends to us: our own, and those of a connected network that are no
// host's. What says to come from there begins no flow, is not answered, and tells us nothing.
#include <netinet/in.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

#define NODE "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
#define PORTS(back_networks)                                                \
    "ports:\n"                                                              \
    "  - {name: front, device: net_null0,\n"                                \
    "     addresses: [10.1.0.1/24, 10.3.0.0/31, 'fd00:1::1/64']}\n"         \
    "  - {name: back, device: net_null1, addresses: [" back_networks "],\n" \
    "     local-addresses: [10.2.0.200]}\n"
#define POOLS                                                                \
    "pools:\n"                                                               \
    "  - {name: nat, members: [{address: 10.2.0.11}]}\n"                     \
    "  - {name: direct, forward: direct, members: [{address: 10.2.0.12}]}\n" \
    "  - {name: full, forward: fullnat, members: [{address: 10.2.0.13}]}\n"  \
    "  - {name: six, members: [{address: 'fd00:2::11'}]}\n"
#define VIPS                                                                           \
    "vips:\n"                                                                          \
    "  - {name: nat, address: 10.1.0.100, port: 80, protocol: tcp, pool: nat}\n"       \
    "  - {name: natu, address: 10.1.0.100, port: 53, protocol: udp, pool: nat}\n"      \
    "  - {name: direct, address: 10.1.0.101, port: 80, protocol: tcp, pool: direct}\n" \
    "  - {name: full, address: 10.1.0.102, port: 80, protocol: tcp, pool: full}\n"     \
    "  - {name: six, address: 'fd00:1::100', port: 80, protocol: tcp, pool: six}\n"
#define BACK_NETWORKS "10.2.0.1/24, 'fd00:2::1/64'"

static const char configuration[] = NODE PORTS(BACK_NETWORKS)
POOLS VIPS;
static const char client_is_a_vip[] = NODE PORTS(BACK_NETWORKS)
POOLS VIPS "  - {name: late, address: 10.1.0.10, port: 81, protocol: tcp, pool: nat}\n";

static const char tunnel[] =
    NODE PORTS(BACK_NETWORKS) "pools: [{name: t, forward: ipip, members: [{address: 10.2.0.14}]}]\n"
                              "vips: [{name: t, address: 10.1.0.103, port: 80, protocol: tcp,\n"
                              "        pool: t}]\n";

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    static const char *const members[] = {"10.2.0.11", "10.2.0.12", "10.2.0.13", "fd00:2::11"};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        rig_neighbour(&rig, BACK, members[i], member_mac);
    return 0;
}

static struct frame_spec from(const char *source, const char *vip, uint8_t flags)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = source,
        .destination = vip,
        .source_port = 80,
        .destination_port = 80,
        .tcp_flags = flags,
    };
}

static struct outcome put(struct frame_spec spec)
{
    return rig_put(&rig, FRONT, spec);
}

static const char *const nobodys[] = {
    "10.1.0.1",   "10.2.0.1",   // ports' own
    "10.1.0.100", "10.1.0.101", // virtual: of this service, or another
    "10.2.0.200",               // local
    "10.1.0.255", "10.2.0.255", // broadcasts
    "10.1.0.0",   "10.2.0.0",   // networks' own
};
static const char *const nobodys_of_v6[] = {"fd00:1::1", "fd00:2::1", "fd00:1::100"};
static const char *const hosts[] = {"10.1.0.10", "10.1.0.254", "10.3.0.1", "10.9.0.255",
                                    "10.2.0.11"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void nobody_begins_no_flow(void **state)
{
    static const char *const vips[] = {"10.1.0.100", "10.1.0.101", "10.1.0.102"};
    for (size_t v = 0; v < COUNT(vips); v++) {
        for (size_t i = 0; i < COUNT(nobodys); i++) {
            assert_dropped(put(from(nobodys[i], vips[v], SYN)), DROP_IP_ADDRESS);
            // Nor as one of which no flow is known.
            assert_dropped(put(from(nobodys[i], vips[v], ACK)), DROP_IP_ADDRESS);
        }
    }
    for (size_t i = 0; i < COUNT(nobodys_of_v6); i++)
        assert_dropped(put(from(nobodys_of_v6[i], "fd00:1::100", SYN)), DROP_IP_ADDRESS);
    assert_int_equal(*rig.stage.counters.flows, 0);
    assert_int_equal(rig.stage.counters.vips[1].flows_created, 0);
}

// Nor does what walks the stages, as a packet with IP options does.
static void nor_by_the_long_way(void **state)
{
    static const uint8_t no_operation[4] = {1, 1, 1, 1};
    for (size_t i = 0; i < COUNT(nobodys); i++) {
        struct frame_spec spec = from(nobodys[i], "10.1.0.100", SYN);
        spec.ipv4_options = span_of(no_operation, sizeof(no_operation));
        assert_dropped(put(spec), DROP_IP_ADDRESS);
    }
}

static void hosts_begin_flows(void **state)
{
    for (size_t i = 0; i < COUNT(hosts); i++)
        assert_int_equal(put(from(hosts[i], "10.1.0.100", SYN)).kind, OUTCOME_SENT);
    // Of IPv6 no address is a broadcast.
    assert_int_equal(put(from("fd00:1::", "fd00:1::100", SYN)).kind, OUTCOME_SENT);
    assert_int_equal(put(from("fd00:1::ffff:ffff:ffff:ffff", "fd00:1::100", SYN)).kind,
                     OUTCOME_SENT);
}

static struct frame_spec ping(const char *source)
{
    struct frame_spec spec = from(source, "10.1.0.100", 0);
    spec.protocol = IPPROTO_ICMP;
    spec.icmp_type = 8;
    return spec;
}

// To a port of the vip that no service has.
static struct frame_spec lost_datagram(const char *source)
{
    struct frame_spec spec = from(source, "10.1.0.100", 0);
    spec.protocol = IPPROTO_UDP;
    spec.destination_port = 9;
    return spec;
}

static void nobody_is_answered(void **state)
{
    for (size_t i = 0; i < COUNT(nobodys); i++) {
        assert_dropped(put(ping(nobodys[i])), DROP_IP_ADDRESS);
        struct outcome outcome = put(lost_datagram(nobodys[i]));
        assert_dropped(outcome, DROP_IP_ADDRESS);
        assert_false(outcome.answered);
    }
    assert_int_equal(put(ping("10.1.0.10")).kind, OUTCOME_SENT);
    struct outcome outcome = put(lost_datagram("10.1.0.10"));
    assert_dropped(outcome, DROP_NO_SERVICE);
    assert_true(outcome.answered);
}

// What a station says of where it is: a network's own address and its broadcast are no station's.
static void nobody_is_a_neighbour(void **state)
{
    static const char *const edges[] = {"10.1.0.255", "10.1.0.0"};
    for (size_t i = 0; i < COUNT(edges); i++) {
        for (uint16_t operation = 1; operation <= 2; operation++) {
            struct frame_spec spec = {.destination_mac = front_mac,
                                      .source_mac = client_mac,
                                      .source = edges[i],
                                      .destination = "10.1.0.1",
                                      .arp_operation = operation};
            struct outcome outcome = put(spec);
            assert_dropped(outcome, DROP_IP_ADDRESS);
            assert_false(outcome.learned);
            spec.source = "10.1.0.77";
            outcome = put(spec);
            assert_int_equal(outcome.kind, operation == 1 ? OUTCOME_SENT : OUTCOME_CONSUMED);
            assert_true(outcome.learned);
        }
    }
    // Who claims what is ours is told of, whatever else becomes of it.
    struct outcome outcome = put((struct frame_spec){.destination_mac = broadcast_mac,
                                                     .source_mac = client_mac,
                                                     .source = "10.1.0.100",
                                                     .destination = "10.1.0.100",
                                                     .arp_operation = 1});
    assert_true(outcome.learned);
    assert_true(outcome.news.conflict);
}

// An error about a reply of a member, to the vip; one about a request, to the client, as a NAT
// member's router sends it.
static struct outcome put_error(const char *source, bool about_reply)
{
    static struct frame quoted;
    struct frame_spec about = from("10.1.0.10", "10.2.0.11", SYN);
    if (about_reply)
        about = from("10.1.0.100", "10.1.0.10", ACK);
    frame_build(&quoted, &about);
    return rig_put(&rig, about_reply ? FRONT : BACK,
                   (struct frame_spec){
                       .destination_mac = about_reply ? front_mac : back_mac,
                       .source_mac = client_mac,
                       .source = source,
                       .destination = about.source,
                       .protocol = IPPROTO_ICMP,
                       .icmp_type = 3,
                       .icmp_code = 1,
                       .payload = quoted.bytes + FRAME_IP_AT,
                       .payload_size = (uint16_t)(quoted.size - FRAME_IP_AT),
                   });
}

static void nobody_tells_of_errors(void **state)
{
    assert_int_equal(put(from("10.1.0.10", "10.1.0.100", SYN)).kind, OUTCOME_SENT);
    for (int about_reply = 0; about_reply < 2; about_reply++) {
        for (size_t i = 0; i < COUNT(nobodys); i++)
            assert_dropped(put_error(nobodys[i], about_reply), DROP_IP_ADDRESS);
        assert_int_equal(put_error("10.9.0.255", about_reply).kind, OUTCOME_SENT);
    }
    assert_int_equal(*rig.stage.counters.icmp_relayed, 2);
}

// Nor is what it says of the way to a tunnelled member believed.
static void nobody_tells_of_ways(void **state)
{
    rig_reload(&rig, tunnel);
    rig_neighbour(&rig, BACK, "10.2.0.14", member_mac);
    struct frame_spec request = from("10.1.0.10", "10.1.0.103", SYN);
    request.payload_size = 1000;
    struct outcome sent = put(request);
    assert_int_equal(sent.kind, OUTCOME_SENT);
    struct frame_spec error = {
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = "10.2.0.255",
        .destination = "10.2.0.1",
        .protocol = IPPROTO_ICMP,
        .icmp_type = 3,
        .icmp_code = 4,
        .icmp_rest = 900,
        .payload = sent.frame.bytes + FRAME_IP_AT,
        .payload_size = (uint16_t)(sent.frame.size - FRAME_IP_AT),
    };
    assert_false(rig_put(&rig, BACK, error).learned);
    error.source = "10.2.0.77";
    assert_true(rig_put(&rig, BACK, error).learned);
}

// A client's address that becomes ours: its flows go on, and end by themselves.
static void flows_that_began_go_on(void **state)
{
    assert_int_equal(put(from("10.1.0.10", "10.1.0.100", SYN)).kind, OUTCOME_SENT);
    rig_reload(&rig, client_is_a_vip);
    assert_int_equal(put(from("10.1.0.10", "10.1.0.100", ACK)).kind, OUTCOME_SENT);
    struct frame_spec other = from("10.1.0.10", "10.1.0.100", SYN);
    other.source_port = 81;
    assert_dropped(put(other), DROP_IP_ADDRESS);
    rig_reload(&rig, configuration);
    assert_int_equal(put(from("10.1.0.10", "10.1.0.100", ACK)).kind, OUTCOME_SENT);
    assert_int_equal(put(other).kind, OUTCOME_SENT); // and it is a host's again
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(nobody_begins_no_flow),  CASE(nor_by_the_long_way),    CASE(hosts_begin_flows),
        CASE(nobody_is_answered),     CASE(flows_that_began_go_on), CASE(nobody_is_a_neighbour),
        CASE(nobody_tells_of_errors), CASE(nobody_tells_of_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
