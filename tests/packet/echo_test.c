// Echo as a service, packets in and packets out: members answer pings by FullNAT, identifiers are
// rewritten like ports, both ways, and from IPv6 to IPv4. What is expected is built by the tests'
// own frames.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/ways.h"
#include "tests/test.h"

#define WITHOUT_E4(cores)                                                                      \
    "node: {name: test, cores: " cores ", flows: {per-worker: 4096, udp: 60s}}\n"              \
    "ports:\n"                                                                                 \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"           \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"            \
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"                                     \
    "pools:\n"                                                                                 \
    "  - {name: p4, forward: fullnat, members: [{name: m, address: 10.2.0.11, port: 8080}]}\n" \
    "  - {name: p6, forward: fullnat, members: [{name: m, address: 'fd00:2::11'}]}\n"          \
    "vips:\n"                                                                                  \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"                 \
    "  - {name: e6, address: 'fd00:1::100', protocol: icmp, pool: p6}\n"                       \
    "  - {name: e64, address: 'fd00:1::101', protocol: icmp, pool: p4}\n"                      \
    "  - {name: own, address: 10.1.0.102, port: 80, protocol: tcp, pool: p4}\n"
#define E4(address)          "  - {name: e4, address: " address ", protocol: icmp, pool: p4}\n"
#define CONFIGURATION(cores) WITHOUT_E4(cores) E4("10.1.0.100")

#define E4_SLOT 5 // in the order of the vips

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.11", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::11", member_mac);
}

static int open_rig(void **state)
{
    open_with(CONFIGURATION("[0]"));
    return 0;
}

static struct outcome put(uint16_t port, struct frame_spec spec)
{
    return rig_put(&rig, port, spec);
}

// An echo message between two, whose version is theirs.
static struct frame_spec echo_between(const char *source, const char *destination, bool asks,
                                      uint16_t identifier, uint16_t sequence)
{
    bool v6 = is_v6(source);
    return (struct frame_spec){
        .source = source,
        .destination = destination,
        .protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
        .icmp_type = v6 ? (asks ? 128 : 129) : (asks ? 8 : 0),
        .icmp_rest = (uint32_t)identifier << 16 | sequence,
        .payload_size = 56,
    };
}

static struct frame_spec between(struct frame_spec spec, const uint8_t *to, const uint8_t *from)
{
    spec.destination_mac = to;
    spec.source_mac = from;
    return spec;
}

static struct frame_spec request_of(const struct way *way, uint16_t identifier, uint16_t sequence)
{
    return between(echo_between(way->client, way->vip, true, identifier, sequence), front_mac,
                   client_mac);
}

static struct frame_spec answer_of(const struct way *way, uint16_t identifier, uint16_t sequence)
{
    return between(echo_between(way->member, way->local, false, identifier, sequence), back_mac,
                   member_mac);
}

static struct frame_spec at_member(const struct way *way, const struct outcome *outcome,
                                   uint16_t identifier, uint16_t sequence)
{
    struct frame_spec spec = between(
        echo_between(way->local, way->member, true, identifier, sequence), member_mac, back_mac);
    spec.ttl = 63;
    if (!is_v6(way->member)) // what may be fragmented has a number of ours
        spec.ipv4_id = load_be16(outcome->frame.bytes + FRAME_IP_AT + 4);
    return spec;
}

static struct frame_spec at_client(const struct way *way, uint16_t identifier, uint16_t sequence)
{
    struct frame_spec spec = between(
        echo_between(way->vip, way->client, false, identifier, sequence), client_mac, front_mac);
    spec.ttl = 63;
    return spec;
}

static uint16_t identifier_of(const struct outcome *outcome)
{
    bool v6 = outcome->frame.bytes[12] == 0x86;
    return load_be16(outcome->frame.bytes + (v6 ? FRAME_IPV6_L4 : FRAME_IPV4_L4) + 4);
}

static void members_answer_pings(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        uint16_t identifier = 0;
        for (uint16_t sequence = 0; sequence < 300; sequence++) {
            struct outcome outcome = put(FRONT, request_of(way, 77, sequence));
            assert_int_equal(outcome.kind, OUTCOME_SENT);
            assert_true(sequence == 0 || identifier == identifier_of(&outcome));
            identifier = identifier_of(&outcome);
            assert_true(identifier >= LOCAL_PORTS_FIRST);
            assert_frame(&outcome, BACK, at_member(way, &outcome, identifier, sequence));
            outcome = put(BACK, answer_of(way, identifier, sequence));
            assert_frame(&outcome, FRONT, at_client(way, 77, sequence));
        }
    }
    assert_int_equal(rig.stage.counters.local_ports[1], 2);
    assert_int_equal(rig.stage.counters.local_ports[2], 1);
}

// Two machines may well use one identifier.
static void clients_are_told_apart(void **state)
{
    struct way other = fullnat_ways[0];
    other.client = "10.1.0.11";
    struct outcome one = put(FRONT, request_of(&fullnat_ways[0], 1, 1));
    uint16_t first = identifier_of(&one);
    struct outcome two = put(FRONT, request_of(&other, 1, 1));
    uint16_t second = identifier_of(&two);
    assert_int_not_equal(first, second);
    one = put(BACK, answer_of(&fullnat_ways[0], second, 1));
    assert_frame(&one, FRONT, at_client(&other, 1, 1));
    one = put(BACK, answer_of(&fullnat_ways[0], first, 1));
    assert_frame(&one, FRONT, at_client(&fullnat_ways[0], 1, 1));
}

static void others_answers_are_dropped(void **state)
{
    struct outcome outcome = put(FRONT, request_of(&fullnat_ways[0], 1, 1));
    uint16_t identifier = identifier_of(&outcome);
    assert_dropped(put(BACK, answer_of(&fullnat_ways[0], (uint16_t)(identifier + 1), 1)),
                   DROP_NO_FLOW);
    struct frame_spec stranger = answer_of(&fullnat_ways[0], identifier, 1);
    stranger.source = "10.2.0.66";
    assert_dropped(put(BACK, stranger), DROP_ICMP);
    // An answer to a service is none of a client's questions, whatever its identifier.
    put(FRONT, request_of(&fullnat_ways[0], 0, 1));
    struct frame_spec unasked =
        between(echo_between("10.1.0.10", "10.1.0.100", false, 0, 1), front_mac, client_mac);
    assert_dropped(put(FRONT, unasked), DROP_ICMP);
    assert_int_equal(rig.stage.counters.vips[E4_SLOT].flows_created, 2);
}

// Where there is no such service the appliance answers, as it does at its local addresses.
static void other_addresses_answer_themselves(void **state)
{
    struct way own = {"10.1.0.102", "10.1.0.10", NULL, NULL};
    struct outcome outcome = put(FRONT, request_of(&own, 9, 9));
    struct frame_spec expected =
        between(echo_between("10.1.0.102", "10.1.0.10", false, 9, 9), client_mac, front_mac);
    assert_frame(&outcome, FRONT, expected);
    // Even with an identifier that could be the port which a member has not.
    for (uint16_t identifier = 0; identifier < 2; identifier++) {
        struct frame_spec from_member = between(
            echo_between("10.2.0.11", "10.2.0.200", true, identifier, 1), back_mac, member_mac);
        outcome = put(BACK, from_member);
        expected = between(echo_between("10.2.0.200", "10.2.0.11", false, identifier, 1),
                           member_mac, back_mac);
        assert_frame(&outcome, BACK, expected);
    }
}

static void a_wrong_checksum_stays_wrong(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        struct frame_spec request = request_of(&fullnat_ways[i], 5, 5);
        frame_build(&frame, &request);
        frame.bytes[frame.size - 1] ^= 1;
        rig_packet(&rig, FRONT, &frame, &outcome);
        assert_int_equal(outcome.kind, OUTCOME_SENT);
        assert_false(frame_checksums_are_right(outcome.frame.bytes, outcome.frame.size));
    }
}

// A large ping: fragments follow their first, which has the identifier. They do not cross, as
// ICMPv6 asks for a checksum over the length of the whole.
static void large_pings_go_in_their_fragments(void **state)
{
    static struct frame whole, fragments[3], wanted, together;
    static struct sent sent;
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        struct frame_spec request = request_of(way, 33, 7);
        request.payload_size = 3000;
        frame_build(&whole, &request);
        size_t headers = is_v6(way->client) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
        for (uint32_t f = 0; f < 3; f++) {
            size_t offset = f * 1448, left = whole.size - headers - offset;
            frame_fragment(&fragments[f], &whole, 99, offset, left < 1448 ? left : 1448);
        }
        rig_burst(&rig, FRONT, fragments, 3, &sent);
        if (is_v6(way->client) != is_v6(way->member)) {
            assert_int_equal(sent.count, 0);
            assert_int_equal(rig_drops(&rig, DROP_VERSION_FRAGMENT), 3);
            continue;
        }
        assert_int_equal(sent.count, 3);
        const struct frame *parts[3];
        for (uint32_t f = 0; f < 3; f++)
            parts[f] = &sent.packets[f].frame;
        assert_true(frame_put_together(parts, 3, 0, &together));
        struct outcome outcome = {.frame = together};
        struct frame_spec expected = at_member(way, &outcome, identifier_of(&outcome), 7);
        expected.payload_size = 3000;
        frame_build(&wanted, &expected);
        assert_int_equal(together.size, wanted.size);
        assert_memory_equal(together.bytes, wanted.bytes, wanted.size);
    }
}

// An error that quotes `size` bytes of a message as it left us.
static struct frame_spec error_about(struct frame_spec about, const char *router, uint8_t type,
                                     uint8_t code, uint16_t size)
{
    static struct frame quoted;
    frame_build(&quoted, &about);
    return (struct frame_spec){
        .source = router,
        .destination = about.source,
        .protocol = is_v6(router) ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
        .icmp_type = type,
        .icmp_code = code,
        .payload = quoted.bytes + FRAME_IP_AT,
        .payload_size = size,
    };
}

// Type and code that say that hops ran out, as traceroute asks, and that a host is not there.
static const struct {
    uint8_t v4[2], v6[2];
} errors[] = {{{11, 0}, {3, 0}}, {{3, 1}, {1, 0}}};

static struct frame_spec error_in(bool v6, size_t error, struct frame_spec about,
                                  const char *router, uint16_t size)
{
    const uint8_t *says = v6 ? errors[error].v6 : errors[error].v4;
    return error_about(about, router, says[0], says[1], size);
}

// What a router on the members' side says of a request reaches who asked, about the request as that
// was; one on the clients' side speaks to the member of its answer.
static void errors_reach_whom_they_are_about(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS * 2; i++) {
        const struct way *way = &fullnat_ways[i / 2];
        size_t error = i % 2;
        bool v6 = is_v6(way->client), member_v6 = is_v6(way->member);
        uint16_t client_size = v6 ? 104 : 84, member_size = member_v6 ? 104 : 84;
        struct outcome outcome = put(FRONT, request_of(way, 77, 3));
        uint16_t identifier = identifier_of(&outcome);
        struct frame_spec about = at_member(way, &outcome, identifier, 3);
        const char *router = member_v6 ? "2001:db8::1" : "192.0.2.1";
        outcome = put(BACK, between(error_in(member_v6, error, about, router, member_size),
                                    back_mac, member_mac));
        uint16_t id = about.ipv4_id;
        about = request_of(way, 77, 3);
        about.ttl = 63; // as it was when the error was made
        about.ipv4_id = v6 ? 0 : id;
        struct frame_spec expected =
            between(error_in(v6, error, about, way->vip, client_size), client_mac, front_mac);
        expected.ttl = 63;
        assert_frame(&outcome, FRONT, expected);

        about = at_client(way, 77, 3);
        router = v6 ? "2001:db8::1" : "192.0.2.1";
        outcome = put(
            FRONT, between(error_in(v6, error, about, router, client_size), front_mac, client_mac));
        about = answer_of(way, identifier, 3);
        about.ttl = 63;
        expected = between(error_in(member_v6, error, about, way->local, member_size), member_mac,
                           back_mac);
        expected.ttl = 63;
        if (v6 != member_v6)
            expected.ipv4_id = load_be16(outcome.frame.bytes + FRAME_IP_AT + 4);
        assert_frame(&outcome, BACK, expected);
    }
    assert_int_equal(*rig.stage.counters.icmp_relayed, 4 * FULLNAT_WAYS);
}

// An identifier that looks like the port which who answers has not makes no question of an answer.
static void errors_about_others_messages_are_dropped(void **state)
{
    const struct way *way = &fullnat_ways[0];
    put(FRONT, request_of(way, 0, 1));
    struct frame_spec about[] = {
        echo_between(way->vip, way->client, true, 0, 1),     // we asked nobody
        echo_between(way->vip, way->client, false, 1, 1),    // to another identifier
        echo_between(way->local, way->member, false, 0, 1),  // nor answered a member
        echo_between(way->local, way->member, true, 999, 1), // nor asked it so
    };
    for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
        struct frame_spec error =
            between(error_about(about[i], "192.0.2.1", 11, 0, 84), front_mac, client_mac);
        struct outcome outcome = put(FRONT, error);
        assert_true(outcome.kind == OUTCOME_PUNTED || outcome.kind == OUTCOME_DROPPED);
    }
    assert_int_equal(*rig.stage.counters.icmp_relayed, 0);
}

// We are a hop, as traceroute shows: one before the address that answers.
static void a_request_whose_hops_run_out_is_answered(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        bool v6 = is_v6(way->client);
        struct frame_spec request = request_of(way, 4, 1);
        request.ttl = 1;
        struct outcome outcome = put(FRONT, request);
        assert_dropped(outcome, DROP_TTL);
        assert_true(outcome.answered);
        struct frame_spec expected = between(
            error_about(request, v6 ? "fd00:1::1" : "10.1.0.1", v6 ? 3 : 11, 0, v6 ? 104 : 84),
            client_mac, front_mac);
        expected.traffic_class = v6 ? 0 : 0xc0;
        expected.dont_fragment = true;
        static struct frame frame;
        frame_build(&frame, &expected);
        assert_int_equal(outcome.frame.size, frame.size);
        assert_memory_equal(outcome.frame.bytes, frame.bytes, frame.size);
    }
}

// The way to a member of IPv4 takes what came in one piece by IPv6; the answer, which may be
// fragmented, goes to the client in as many pieces as it must, with the checksum of the whole.
static void an_answer_too_long_for_its_way_is_split(void **state)
{
    static struct frame wanted, together;
    static struct sent sent;
    const struct way *way = &fullnat_ways[2];
    struct frame_spec request = request_of(way, 6, 1);
    request.payload_size = 1452;
    struct outcome outcome = put(FRONT, request);
    struct frame_spec expected = at_member(way, &outcome, identifier_of(&outcome), 1);
    expected.payload_size = 1452;
    expected.dont_fragment = true;
    expected.ipv4_id = 0;
    assert_frame(&outcome, BACK, expected);

    struct frame_spec answer = answer_of(way, identifier_of(&outcome), 1);
    answer.payload_size = 1472;
    answer.ipv4_id = 5;
    static struct frame frame;
    frame_build(&frame, &answer);
    rig_burst(&rig, BACK, &frame, 1, &sent);
    assert_int_equal(sent.count, 2);
    const struct frame *parts[] = {&sent.packets[0].frame, &sent.packets[1].frame};
    assert_true(frame_put_together(parts, 2, 0, &together));
    expected = at_client(way, 6, 1);
    expected.payload_size = 1472;
    frame_build(&wanted, &expected);
    assert_int_equal(together.size, wanted.size);
    assert_memory_equal(together.bytes, wanted.bytes, wanted.size);
}

// A service that leaves answers its pings until they end, and takes no new ones.
static void pings_outlive_changes(void **state)
{
    const struct way *way = &fullnat_ways[0];
    struct outcome outcome = put(FRONT, request_of(way, 8, 1));
    uint16_t identifier = identifier_of(&outcome);
    static const char *const changes[] = {
        CONFIGURATION("[0]") "  - {name: more, address: 10.1.0.103, protocol: icmp, pool: p4}\n",
        WITHOUT_E4("[0]"),
        WITHOUT_E4("[0]") E4("10.1.0.104"),
        CONFIGURATION("[0]"),
    };
    for (uint16_t i = 0; i < 4; i++) {
        rig_reload(&rig, changes[i]);
        outcome = put(FRONT, request_of(way, 8, i));
        assert_frame(&outcome, BACK, at_member(way, &outcome, identifier, i));
        outcome = put(BACK, answer_of(way, identifier, i));
        assert_frame(&outcome, FRONT, at_client(way, 8, i));
        if (i == 1 || i == 2)
            assert_dropped(put(FRONT, request_of(way, 9, i)), DROP_NO_SERVICE);
    }
    assert_int_equal(rig.stage.counters.vips[E4_SLOT].flows_created, 1);
}

// An answer goes to the worker whose identifier it has.
static void answers_are_handed_to_whose_they_are(void **state)
{
    rig_close(&rig);
    open_with(CONFIGURATION("[0-3]"));
    for (uint16_t identifier = 2048; identifier < 2064; identifier++) {
        struct outcome outcome = put(BACK, answer_of(&fullnat_ways[0], identifier, 1));
        if (identifier % 4 == 0) {
            assert_dropped(outcome, DROP_NO_FLOW);
            continue;
        }
        assert_int_equal(outcome.kind, OUTCOME_HANDED);
        assert_int_equal(outcome.worker, identifier % 4);
    }
}

static void a_ping_that_ended_gives_its_identifier_back(void **state)
{
    put(FRONT, request_of(&fullnat_ways[0], 1, 1));
    assert_int_equal(rig.stage.counters.local_ports[1], 1);
    rig_at(&rig, 61 * 1000);
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), rig.stage.now_ms);
    assert_int_equal(rig.stage.counters.local_ports[1], 0);
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(members_answer_pings),
        RIG_TEST(clients_are_told_apart),
        RIG_TEST(others_answers_are_dropped),
        RIG_TEST(other_addresses_answer_themselves),
        RIG_TEST(a_wrong_checksum_stays_wrong),
        RIG_TEST(large_pings_go_in_their_fragments),
        RIG_TEST(errors_reach_whom_they_are_about),
        RIG_TEST(errors_about_others_messages_are_dropped),
        RIG_TEST(a_request_whose_hops_run_out_is_answered),
        RIG_TEST(an_answer_too_long_for_its_way_is_split),
        RIG_TEST(pings_outlive_changes),
        RIG_TEST(answers_are_handed_to_whose_they_are),
        RIG_TEST(a_ping_that_ended_gives_its_identifier_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
