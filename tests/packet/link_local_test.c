// Link-local addresses of IPv6: every port may have them, the same ones too, and what they mean,
// its link tells. Routers are known by them; nothing else leads there.
#include <netinet/in.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

// Both ports have fe80::1, and a router at fe80::fe.
static const char configuration[] =
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: ['fd00:1::1/64', 'fe80::1/64'],\n"
    "     gateway: ['fe80::fe']}\n"
    "  - {name: back, device: net_null1,\n"
    "     addresses: ['fe80::1/64', 'fe80::2/64', 'fd00:2::1/64'],\n"
    "     routes: [{to: 'fd00:3::/64', via: 'fe80::fe'}]}\n"
    "pools: [{name: p, members: [{address: 'fd00:3::11'}]}]\n"
    "vips: [{name: v, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p}]\n";

static const uint8_t front_router_mac[6] = {2, 0, 0, 0, 2, 1};
static const uint8_t back_router_mac[6] = {2, 0, 0, 0, 2, 2};
static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, FRONT, "fe80::fe", front_router_mac);
    rig_neighbour(&rig, BACK, "fe80::fe", back_router_mac);
    return 0;
}

static void each_port_has_its_own_router(void **state)
{
    struct frame_spec request = {
        .destination_mac = front_mac,
        .source_mac = front_router_mac,
        .source = "2001:db8::10",
        .destination = "fd00:1::100",
        .source_port = 40000,
        .destination_port = 80,
        .tcp_flags = SYN,
    };
    struct outcome outcome = rig_put(&rig, FRONT, request);
    struct frame_spec expected = request;
    expected.destination_mac = back_router_mac;
    expected.source_mac = back_mac;
    expected.destination = "fd00:3::11";
    expected.ttl = 63;
    assert_frame(&outcome, BACK, expected);

    struct frame_spec reply = {
        .destination_mac = back_mac,
        .source_mac = back_router_mac,
        .source = "fd00:3::11",
        .destination = "2001:db8::10",
        .source_port = 80,
        .destination_port = 40000,
        .tcp_flags = SYN | ACK,
    };
    outcome = rig_put(&rig, BACK, reply);
    expected = reply;
    expected.destination_mac = front_router_mac;
    expected.source_mac = front_mac;
    expected.source = "fd00:1::100";
    expected.ttl = 63;
    assert_frame(&outcome, FRONT, expected);
}

static struct frame_spec question(const uint8_t *port_mac, const char *target)
{
    return (struct frame_spec){
        .destination_mac = port_mac,
        .source_mac = client_mac,
        .source = "fe80::10",
        .destination = target,
        .protocol = IPPROTO_ICMPV6,
        .icmp_type = 135,
        .nd_target = target,
    };
}

static void each_port_answers_for_its_own(void **state)
{
    for (uint16_t port = FRONT; port <= BACK; port++) {
        const uint8_t *port_mac = port == FRONT ? front_mac : back_mac;
        struct outcome outcome = rig_put(&rig, port, question(port_mac, "fe80::1"));
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_int_equal(outcome.port, port);
    }
    assert_int_equal(rig_put(&rig, BACK, question(back_mac, "fe80::2")).kind, OUTCOME_SENT);
    assert_dropped(rig_put(&rig, FRONT, question(front_mac, "fe80::2")), DROP_PUNT_DISABLED);
}

static struct frame_spec ping(const uint8_t *port_mac, const char *source, const char *target)
{
    return (struct frame_spec){
        .destination_mac = port_mac,
        .source_mac = client_mac,
        .source = source,
        .destination = target,
        .protocol = IPPROTO_ICMPV6,
        .icmp_type = 128,
    };
}

static void echo_is_answered_on_the_link_alone(void **state)
{
    assert_int_equal(rig_put(&rig, FRONT, ping(front_mac, "fe80::fe", "fe80::1")).kind,
                     OUTCOME_SENT);
    assert_int_equal(rig_put(&rig, BACK, ping(back_mac, "fe80::fe", "fe80::2")).kind, OUTCOME_SENT);
    assert_dropped(rig_put(&rig, FRONT, ping(front_mac, "fe80::fe", "fe80::2")),
                   DROP_PUNT_DISABLED);
    // A station may have what is ours on the other link, not what is ours on its own.
    assert_int_equal(rig_put(&rig, FRONT, ping(front_mac, "fe80::2", "fe80::1")).kind,
                     OUTCOME_SENT);
    assert_dropped(rig_put(&rig, BACK, ping(back_mac, "fe80::2", "fe80::1")), DROP_IP_ADDRESS);
}

// A claim of an address is told of on the link where it is ours.
static void a_claim_is_a_conflict_on_its_link(void **state)
{
    struct frame_spec claim = {
        .destination_mac = group_mac,
        .source_mac = client_mac,
        .source = "fe80::2",
        .destination = "ff02::1",
        .protocol = IPPROTO_ICMPV6,
        .icmp_type = 136,
        .icmp_rest = 0x20000000, // override
        .nd_target = "fe80::2",
    };
    struct outcome outcome = rig_put(&rig, BACK, claim);
    assert_true(outcome.learned);
    assert_true(outcome.news.conflict);
    outcome = rig_put(&rig, FRONT, claim);
    assert_true(outcome.learned);
    assert_false(outcome.news.conflict);
}

// Who is known by no other address is answered nothing across links (RFC 4291 section 2.5.6).
static void no_reply_leads_to_another_link(void **state)
{
    struct frame_spec request = {
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = "fe80::10",
        .destination = "fd00:1::100",
        .source_port = 40000,
        .destination_port = 80,
        .tcp_flags = SYN,
    };
    rig_put(&rig, FRONT, request);
    struct frame_spec reply = {
        .destination_mac = back_mac,
        .source_mac = back_router_mac,
        .source = "fd00:3::11",
        .destination = "fe80::10",
        .source_port = 80,
        .destination_port = 40000,
        .tcp_flags = SYN | ACK,
    };
    assert_dropped(rig_put(&rig, BACK, reply), DROP_NO_ROUTE);
}

int main(void)
{
    rig_start_dpdk();
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(each_port_has_its_own_router),       CASE(each_port_answers_for_its_own),
        CASE(echo_is_answered_on_the_link_alone), CASE(a_claim_is_a_conflict_on_its_link),
        CASE(no_reply_leads_to_another_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
