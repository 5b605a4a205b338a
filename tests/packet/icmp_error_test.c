// ICMP errors in, packets out: to whom each kind goes in each way of forwarding, and what of it is
// rewritten, the packet it quotes included.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/stage_configurations.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK

static const uint8_t router_mac[6] = {2, 0, 0, 0, 1, 3};

static void meet_neighbours(void)
{
    static const char *const front[] = {"10.1.0.10", "fd00:1::10"};
    static const char *const back[] = {"10.2.0.11", "fd00:2::11", "10.2.0.12", "10.2.0.31",
                                       "fd00:2::31"};
    for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++)
        rig_neighbour(&rig, FRONT, front[i], client_mac);
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++)
        rig_neighbour(&rig, BACK, back[i], member_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.21", member_mac);
}

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    meet_neighbours();
    return 0;
}

static void reopen(const char *yaml)
{
    rig_close(&rig);
    rig_open(&rig, yaml);
    meet_neighbours();
}

static struct outcome put_frame(uint16_t port, const struct frame *frame)
{
    static struct outcome outcome;
    rig_packet(&rig, port, frame, &outcome);
    return outcome;
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

static bool is_v6(const char *address)
{
    return strchr(address, ':');
}

// A packet of the client to a service.
static struct frame_spec request_to(const char *vip, uint16_t port, uint8_t protocol)
{
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = is_v6(vip) ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = port,
        .protocol = protocol,
        .tcp_flags = SYN,
        .payload_size = 64,
    };
}

// What comes back to the client, as it leaves.
static struct frame_spec answer_to(struct frame_spec request)
{
    struct frame_spec answer = request;
    answer.source = request.destination;
    answer.destination = request.source;
    answer.source_port = request.destination_port;
    answer.destination_port = request.source_port;
    answer.tcp_flags = ACK;
    answer.ttl = 3;
    return answer;
}

struct kind {
    uint8_t type, code;
    uint32_t rest;
};

// An error of a router at `source` about a packet, of which it quotes `quoted_size` bytes from the
// IP header on, 0: all.
static void build_error(struct frame *frame, const char *source, const uint8_t *to_mac,
                        struct kind kind, struct frame_spec about, uint16_t quoted_size)
{
    static struct frame quoted;
    frame_build(&quoted, &about);
    uint16_t size = (uint16_t)(quoted.size - FRAME_IP_AT);
    frame_build(frame, &(struct frame_spec){
                           .destination_mac = to_mac,
                           .source_mac = router_mac,
                           .source = source,
                           .destination = about.source,
                           .protocol = is_v6(source) ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
                           .icmp_type = kind.type,
                           .icmp_code = kind.code,
                           .icmp_rest = kind.rest,
                           .payload = quoted.bytes + FRAME_IP_AT,
                           .payload_size = quoted_size ? quoted_size : size,
                       });
}

static struct outcome put_error(uint16_t port, const char *source, struct kind kind,
                                struct frame_spec about, uint16_t quoted_size)
{
    static struct frame frame;
    build_error(&frame, source, port == FRONT ? front_mac : back_mac, kind, about, quoted_size);
    return put_frame(port, &frame);
}

// What went out is `expected` from the IP header on, but for TTL and the outer addresses that are
// in `expected` already; its checksums hold, and those of the packet that it quotes where it is
// whole.
static void assert_error(const struct outcome *outcome, uint32_t port, const uint8_t *to_mac,
                         const struct frame *expected)
{
    assert_int_equal(outcome->kind, OUTCOME_SENT);
    assert_int_equal(outcome->port, port);
    assert_int_equal(outcome->frame.size, expected->size);
    assert_memory_equal(outcome->frame.bytes, to_mac, 6);
    assert_memory_equal(outcome->frame.bytes + FRAME_IP_AT, expected->bytes + FRAME_IP_AT,
                        expected->size - FRAME_IP_AT);
    assert_true(frame_checksums_are_right(outcome->frame.bytes, outcome->frame.size));
}

static const struct kind kinds_v4[] = {
    {3, 0, 0},  {3, 1, 0},  {3, 3, 0},  {3, 4, 1400},        {3, 10, 0},
    {3, 13, 0}, {11, 0, 0}, {11, 1, 0}, {12, 0, 0x08000000},
};
static const struct kind kinds_v6[] = {
    {1, 0, 0}, {1, 1, 0}, {1, 3, 0}, {1, 4, 0}, {2, 0, 1400}, {3, 0, 0}, {3, 1, 0}, {4, 1, 40},
};

#define KINDS(v6) \
    ((v6) ? sizeof(kinds_v6) / sizeof(struct kind) : sizeof(kinds_v4) / sizeof(struct kind))
#define KIND(v6, i) ((v6) ? kinds_v6[i] : kinds_v4[i])

static const struct service {
    const char *vip;
    uint16_t port;
    uint8_t protocol;
    const char *member; // with NAT
    uint32_t out_port;
    uint32_t outer_size; // with a tunnel
} services[] = {
    {"10.1.0.100", 80, IPPROTO_TCP, "10.2.0.11", BACK, 0},
    {"10.1.0.100", 53, IPPROTO_UDP, "10.2.0.11", BACK, 0},
    {"fd00:1::100", 80, IPPROTO_TCP, "fd00:2::11", BACK, 0},
    {"10.1.0.101", 80, IPPROTO_TCP, NULL, FRONT, 0},
    {"10.1.0.102", 80, IPPROTO_TCP, NULL, BACK, 20},
    {"10.1.0.103", 80, IPPROTO_TCP, NULL, BACK, 40},
};

// An error that a router on the clients' side sent, about a packet of the member to the client.
static void assert_reaches_member(const struct service *service, struct kind kind,
                                  uint16_t quoted_size)
{
    bool v6 = is_v6(service->vip);
    const char *router = v6 ? "2001:db8::7" : "198.51.100.7";
    struct frame_spec about = answer_to(request_to(service->vip, service->port, service->protocol));
    struct outcome outcome = put_error(FRONT, router, kind, about, quoted_size);
    static struct frame expected;
    if (service->outer_size == 0) {
        if (service->member) {
            about.source = service->member;
            about.source_port = 8080;
        }
        build_error(&expected, router, member_mac, kind, about, quoted_size);
        frame_hop(expected.bytes + FRAME_IP_AT);
        assert_error(&outcome, service->out_port, member_mac, &expected);
        return;
    }
    build_error(&expected, router, front_mac, kind, about, quoted_size);
    frame_hop(expected.bytes + FRAME_IP_AT);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.frame.size, expected.size + service->outer_size);
    assert_memory_equal(outcome.frame.bytes + FRAME_IP_AT + service->outer_size,
                        expected.bytes + FRAME_IP_AT, expected.size - FRAME_IP_AT);
    assert_true(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void every_error_about_a_reply_reaches_the_member(void **state)
{
    for (size_t s = 0; s < sizeof(services) / sizeof(services[0]); s++) {
        const struct service *service = &services[s];
        bool v6 = is_v6(service->vip);
        struct frame_spec request = request_to(service->vip, service->port, service->protocol);
        assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
        for (size_t k = 0; k < KINDS(v6); k++) {
            assert_reaches_member(service, KIND(v6, k), 0);
            assert_reaches_member(service, KIND(v6, k), (uint16_t)((v6 ? 40 : 20) + 8));
        }
    }
    assert_int_equal(*rig.stage.counters.icmp_relayed, 2 * (5 * KINDS(false) + KINDS(true)));
}

// An error about a client's packet that was sent to a NAT member: of the member itself, or of a
// router before it. The client sees its own packet, and the service.
static void every_error_about_a_request_reaches_the_client(void **state)
{
    for (size_t s = 0; s < 3; s++) {
        const struct service *service = &services[s];
        bool v6 = is_v6(service->vip);
        struct frame_spec request = request_to(service->vip, service->port, service->protocol);
        assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
        const char *const sources[] = {service->member, v6 ? "fd00:2::99" : "10.2.0.99"};
        for (size_t k = 0; k < 2 * KINDS(v6); k++) {
            struct kind kind = KIND(v6, k / 2);
            uint16_t quoted_size = k % 2 ? 0 : (uint16_t)((v6 ? 40 : 20) + 8);
            struct frame_spec about = request;
            about.destination = service->member;
            about.destination_port = 8080;
            struct outcome outcome = put_error(BACK, sources[k % 2], kind, about, quoted_size);
            static struct frame expected;
            build_error(&expected, service->vip, client_mac, kind, request, quoted_size);
            expected.bytes[FRAME_IP_AT + (v6 ? 7 : 8)]--;
            frame_fix_checksums(&expected);
            assert_error(&outcome, FRONT, client_mac, &expected);
        }
    }
}

static void a_quoted_datagram_without_checksum_stays_without(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 53, IPPROTO_UDP);
    request.udp_without_checksum = true;
    assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
    struct frame_spec about = answer_to(request);
    struct outcome outcome = put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 0);
    about.source = "10.2.0.11";
    about.source_port = 8080;
    static struct frame expected;
    build_error(&expected, "198.51.100.7", member_mac, kinds_v4[3], about, 0);
    expected.bytes[FRAME_IP_AT + 8]--;
    frame_fix_checksums(&expected);
    assert_error(&outcome, BACK, member_mac, &expected);
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    put(FRONT, request);
    static struct frame frame;
    build_error(&frame, "198.51.100.7", front_mac, kinds_v4[3], answer_to(request), 0);
    frame.bytes[FRAME_IPV4_L4 + 2] ^= 0x40;
    struct outcome outcome = put_frame(FRONT, &frame);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_false(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
}

static void an_error_keeps_no_flow_alive(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    put(FRONT, request); // opening: 10 s
    rig_at(&rig, 9000);
    assert_int_equal(put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0).kind,
                     OUTCOME_SENT);
    rig_at(&rig, 11000);
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0),
                   DROP_ICMP_NO_FLOW);
}

static void errors_about_nothing_we_know_are_dropped_by_name(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    struct frame_spec about = answer_to(request);
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 0), DROP_ICMP_NO_FLOW);
    put(FRONT, request);
    about.protocol = IPPROTO_GRE;
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 0), DROP_ICMP_NO_FLOW);
    about = answer_to(request);
    about.fragment_offset = 1480;
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 0), DROP_ICMP_NO_FLOW);
    about = answer_to(request);
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 27), DROP_ICMP_MALFORMED);
    assert_dropped(put_error(FRONT, "198.51.100.7", kinds_v4[3], about, 12), DROP_ICMP_MALFORMED);
    // Neither a source quench (RFC 6633) nor a redirect.
    assert_dropped(put_error(FRONT, "198.51.100.7", (struct kind){4, 0, 0}, about, 0), DROP_ICMP);
    assert_dropped(put_error(FRONT, "198.51.100.7", (struct kind){5, 1, 0}, about, 0), DROP_ICMP);
    // To another address than the one it quotes as its source.
    static struct frame frame;
    build_error(&frame, "198.51.100.7", front_mac, kinds_v4[3], about, 0);
    frame.bytes[FRAME_IP_AT + 19] = 101;
    frame_fix_checksums(&frame);
    assert_dropped(put_frame(FRONT, &frame), DROP_ICMP_NO_FLOW);
    // The member's side: nothing is known of it, and it is not for us.
    struct frame_spec stray = request;
    stray.destination = "10.2.0.11";
    stray.destination_port = 8081;
    assert_dropped(put_error(BACK, "10.2.0.11", kinds_v4[2], stray, 0), DROP_PUNT_DISABLED);
}

static void an_error_whose_hops_ran_out_goes_nowhere(void **state)
{
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    put(FRONT, request);
    static struct frame frame;
    build_error(&frame, "198.51.100.7", front_mac, kinds_v4[3], answer_to(request), 0);
    frame.bytes[FRAME_IP_AT + 8] = 1;
    frame_fix_checksums(&frame);
    assert_dropped(put_frame(FRONT, &frame), DROP_TTL);
}

// With direct return the balancer's choice stands in for a flow that was lost: it chooses for the
// error as it does for the client's packet.
static void without_a_flow_the_hash_tells_the_member(void **state)
{
    reopen(both_direct);
    for (uint16_t port = 1000; port < 1032; port++) {
        struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
        request.source_port = port;
        struct outcome error = put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0);
        assert_int_equal(error.kind, OUTCOME_SENT);
        assert_int_equal(flow_table_used(rig.stage.flows), port - 1000);
        struct outcome first = put(FRONT, request);
        assert_memory_equal(error.frame.bytes, first.frame.bytes, 6);
    }
}

// Anybody can make such errors up: members get few of them, and those about known flows as ever.
static void errors_about_flows_that_are_not_known_are_few(void **state)
{
    reopen(both_direct);
    struct frame_spec known = request_to("10.1.0.100", 80, IPPROTO_TCP);
    assert_int_equal(put(FRONT, known).kind, OUTCOME_SENT);
    struct frame_spec unknown = known;
    unknown.source_port = 1;
    uint32_t sent = 0;
    for (int i = 0; i < 600; i++)
        sent += put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(unknown), 0).kind ==
                OUTCOME_SENT;
    assert_int_equal(sent, 256);
    assert_int_equal(rig_drops(&rig, DROP_ICMP_RATE), 600 - sent);
    assert_int_equal(put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(known), 0).kind,
                     OUTCOME_SENT);
    rig_at(&rig, 1);
    assert_int_equal(put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(unknown), 0).kind,
                     OUTCOME_SENT);
}

// With several workers: a NAT flow's owner gets the error. What is at no fixed worker is asked for
// once round.
static void with_several_workers_the_flow_is_found(void **state)
{
    reopen(two_workers);
    uint32_t handed = 0;
    for (uint16_t port = 1000; port < 1064; port++) {
        struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
        request.source_port = port;
        bool elsewhere = put(FRONT, request).kind == OUTCOME_HANDED;
        struct outcome error = put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0);
        assert_int_equal(error.kind, elsewhere ? OUTCOME_HANDED : OUTCOME_SENT);
        handed += elsewhere;
    }
    assert_in_range(handed, 16, 48);

    reopen(two_workers_ipip);
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    struct outcome outcome = put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0);
    assert_int_equal(outcome.kind, OUTCOME_HANDED);
    assert_int_equal(outcome.worker, 1);
    assert_int_equal(put(FRONT, request).kind, OUTCOME_SENT);
    outcome = put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    // So many a second are asked about; then the balancer's choice must do.
    request.source_port = 1;
    uint32_t searched = 0;
    for (int i = 0; i < 600; i++)
        searched += put_error(FRONT, "198.51.100.7", kinds_v4[3], answer_to(request), 0).kind ==
                    OUTCOME_HANDED;
    assert_in_range(searched, 200, 300);
    assert_int_equal(*rig.stage.counters.icmp_unsearched, 600 - searched);
}

// The last worker that is asked knows that it is the last.
static void a_search_ends_where_it_began(void **state)
{
    reopen(two_workers_ipip);
    static struct frame frame;
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    build_error(&frame, "198.51.100.7", front_mac, kinds_v4[3], answer_to(request), 0);
    struct outcome outcome;
    rig_handed(&rig, HANDOFF_SEARCH, 1, FRONT, &frame, &outcome);
    assert_int_equal(outcome.kind, OUTCOME_SENT); // Maglev tells which member it is
    assert_int_equal(flow_table_used(rig.stage.flows), 0);
}

// Nobody has asked the rules about it before: it goes to a member here, by the choice alone.
static void a_search_ends_at_the_rules(void **state)
{
    char denying[2048];
    snprintf(denying, sizeof(denying), "%saccess: [{name: nobody, action: deny}]\n",
             two_workers_ipip);
    reopen(denying);
    static struct frame frame;
    struct frame_spec request = request_to("10.1.0.100", 80, IPPROTO_TCP);
    build_error(&frame, "198.51.100.7", front_mac, kinds_v4[3], answer_to(request), 0);
    struct outcome outcome;
    rig_handed(&rig, HANDOFF_SEARCH, 1, FRONT, &frame, &outcome);
    assert_dropped(outcome, DROP_ACCESS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(every_error_about_a_reply_reaches_the_member),
        CASE(every_error_about_a_request_reaches_the_client),
        CASE(a_quoted_datagram_without_checksum_stays_without),
        CASE(a_wrong_checksum_stays_wrong),
        CASE(an_error_keeps_no_flow_alive),
        CASE(errors_about_nothing_we_know_are_dropped_by_name),
        CASE(an_error_whose_hops_ran_out_goes_nowhere),
        CASE(without_a_flow_the_hash_tells_the_member),
        CASE(errors_about_flows_that_are_not_known_are_few),
        CASE(with_several_workers_the_flow_is_found),
        CASE(a_search_ends_where_it_began),
        CASE(a_search_ends_at_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
