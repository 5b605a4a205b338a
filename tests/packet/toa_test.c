// Members that are told who the client is by the TOA option: which segments carry it, where it
// stands, and what has no room for it. Segments are compared with the tests' own frames.
#include <netinet/in.h>
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

static const char configuration[] =
    "node: {name: test, cores: 0, flows: {per-worker: 4096}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"
    "pools:\n"
    "  - {name: p4, forward: fullnat, client-address: toa,\n"
    "     members: [{name: m, address: 10.2.0.11, port: 8080}]}\n"
    "  - {name: p6, forward: fullnat, client-address: toa,\n"
    "     members: [{name: m, address: 'fd00:2::11', port: 8080}]}\n"
    "vips:\n"
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p6}\n"
    "  - {name: t64, address: 'fd00:1::101', port: 80, protocol: tcp, pool: p4}\n";

#define CLIENT_ISN 1000u
#define MEMBER_ISN 0xffffffffu // what is acknowledged is 0

// Byte for byte: kind, size, port, address.
static const uint8_t option_v4[] = {254, 8, 0x9c, 0x40, 10, 1, 0, 10};
static const uint8_t option_v6[] = {254, 20, 0x9c, 0x40, 0xfd, 0, 0, 1, 0, 0,
                                    0,   0,  0,    0,    0,    0, 0, 0, 0, 0x10};

static struct span option_of(const struct way *way)
{
    return is_v6(way->client) ? span_of(option_v6, sizeof(option_v6))
                              : span_of(option_v4, sizeof(option_v4));
}

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    meet_stations();
    return 0;
}

static struct frame_spec says(struct frame_spec spec, uint8_t flags, uint32_t sequence,
                              uint32_t acknowledged)
{
    spec.tcp_flags = flags;
    spec.tcp_numbers = true;
    spec.tcp_sequence = sequence;
    spec.tcp_acknowledged = acknowledged;
    spec.dont_fragment = true;
    return spec;
}

static struct frame_spec from_client(const struct way *way, uint8_t flags, uint32_t sequence,
                                     uint32_t acknowledged)
{
    return says(from_client_of(way), flags, sequence, acknowledged);
}

static struct frame_spec from_member(const struct way *way, uint16_t port, uint8_t flags,
                                     uint32_t sequence, uint32_t acknowledged)
{
    return says(from_member_of(way, port), flags, sequence, acknowledged);
}

// What came of a client's segment is that, with those options.
static void assert_at_member(const struct outcome *outcome, const struct way *way, uint16_t port,
                             struct frame_spec segment, struct span options)
{
    bool crosses = is_v6(way->client) != is_v6(way->member);
    segment.destination_mac = member_mac;
    segment.source_mac = back_mac;
    segment.source = way->local;
    segment.destination = way->member;
    segment.source_port = port;
    segment.destination_port = MEMBER_PORT;
    segment.ttl = 63;
    segment.tcp_options = options;
    if (crosses) {
        segment.ipv4_id = load_be16(outcome->frame.bytes + FRAME_IP_AT + 4);
        segment.dont_fragment = segment.payload_size > 1220;
    }
    assert_frame(outcome, BACK, segment);
}

static struct span no_options(void)
{
    return span_of("", 0);
}

// As far as the member's SYN-ACK. Returns the local port.
static uint16_t open_connection(const struct way *way)
{
    struct frame_spec syn = from_client(way, SYN, CLIENT_ISN, 0);
    struct outcome outcome = rig_put(&rig, FRONT, syn);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    uint16_t port =
        load_be16(outcome.frame.bytes + (is_v6(way->member) ? FRAME_IPV6_L4 : FRAME_IPV4_L4));
    assert_at_member(&outcome, way, port, syn, no_options());
    outcome = rig_put(&rig, BACK, from_member(way, port, SYN | ACK, MEMBER_ISN, CLIENT_ISN + 1));
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    return port;
}

static void all_that_ends_the_handshake_carries_it(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        uint16_t port = open_connection(way);
        // The acknowledgement, lost or not, data, and a FIN that comes with them.
        struct frame_spec segments[] = {
            from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1),
            from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1),
            from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1),
            from_client(way, ACK | FIN, CLIENT_ISN + 101, MEMBER_ISN + 1),
        };
        segments[2].payload_size = segments[3].payload_size = 100;
        segments[1].padding_size = 6;
        for (size_t s = 0; s < 4; s++) {
            struct outcome outcome = rig_put(&rig, FRONT, segments[s]);
            assert_at_member(&outcome, way, port, segments[s], option_of(way));
        }
        // A RST makes no connection, nor does what acknowledges something else.
        struct frame_spec other = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 2);
        struct outcome outcome = rig_put(&rig, FRONT, other);
        assert_at_member(&outcome, way, port, other, no_options());
        other = from_client(way, RST | ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        outcome = rig_put(&rig, FRONT, other);
        assert_at_member(&outcome, way, port, other, no_options());
    }
    assert_int_equal(*rig.stage.counters.client_options, 4 * FULLNAT_WAYS);
    assert_int_equal(*rig.stage.counters.client_options_omitted, 0);
}

// As soon as it sends data, or takes some, the member has the connection; segments are like any
// other's then.
static void a_member_that_has_it_is_told_no_more(void **state)
{
    for (size_t i = 0; i < 3 * FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i % FULLNAT_WAYS];
        close_rig(state);
        open_rig(state);
        uint16_t port = open_connection(way);
        rig_put(&rig, FRONT, from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1));
        // A SYN-ACK that comes again changes nothing.
        rig_put(&rig, BACK, from_member(way, port, SYN | ACK, MEMBER_ISN, CLIENT_ISN + 1));
        struct frame_spec again = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        struct outcome outcome = rig_put(&rig, FRONT, again);
        assert_at_member(&outcome, way, port, again, option_of(way));
        struct frame_spec says = from_member(way, port, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1);
        if (i < FULLNAT_WAYS)
            says.payload_size = 1;
        else if (i < 2 * FULLNAT_WAYS)
            says.tcp_flags |= FIN;
        else
            says.tcp_acknowledged++;
        rig_put(&rig, BACK, says);
        outcome = rig_put(&rig, FRONT, again);
        assert_at_member(&outcome, way, port, again, no_options());
    }
}

// A client whose segment is out of the member's window is told by an acknowledgement, without that
// there is a connection: that is made of his next one, with an option of his own in it.
static void who_is_told_to_come_again_is_told_of_again(void **state)
{
    static const uint8_t forged[] = {254, 8, 0, 22, 192, 168, 7, 7};
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        uint16_t port = open_connection(way);
        struct frame_spec out = from_client(way, ACK, CLIENT_ISN + 0x10000000, MEMBER_ISN + 1);
        out.payload_size = 1;
        rig_put(&rig, FRONT, out);
        rig_put(&rig, BACK, from_member(way, port, ACK, MEMBER_ISN + 1, CLIENT_ISN + 1));
        struct frame_spec segment = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        segment.tcp_options = span_of(forged, sizeof(forged));
        uint8_t expected[28];
        struct span option = option_of(way);
        memcpy(expected, option.data, option.size);
        memset(expected + option.size, 1, sizeof(forged));
        struct outcome outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment,
                         span_of(expected, option.size + sizeof(forged)));
    }
}

// In front of the client's own options, of which one of this kind is taken out.
static void the_clients_own_options_stand_behind(void **state)
{
    static const uint8_t stamps[] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t forged[] = {254, 8,  0, 80, 192, 0, 2, 1, 1, 1,
                                     8,   10, 1, 2,  3,   4, 5, 6, 7, 8};
    static const uint8_t blanked[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    static const struct {
        struct span told, arrives;
    } rows[] = {{{stamps, sizeof(stamps)}, {stamps, sizeof(stamps)}},
                {{forged, sizeof(forged)}, {blanked, sizeof(blanked)}}};
    for (size_t i = 0; i < FULLNAT_WAYS * 2; i++) {
        const struct way *way = &fullnat_ways[i / 2];
        uint8_t expected[40];
        struct span option = option_of(way), told = rows[i % 2].told, arrives = rows[i % 2].arrives;
        memcpy(expected, option.data, option.size);
        memcpy(expected + option.size, arrives.data, arrives.size);
        uint16_t port = open_connection(way);
        struct frame_spec segment = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        segment.tcp_options = told;
        segment.payload_size = 33;
        struct outcome outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment,
                         span_of(expected, option.size + arrives.size));
        // In a SYN, too, and where there is no room for ours.
        segment = from_client(way, SYN, CLIENT_ISN, 0);
        segment.tcp_options = told;
        outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment, arrives);
    }
}

static void what_has_no_room_goes_without(void **state)
{
    static const uint8_t nothing[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        uint16_t port = open_connection(way);
        uint32_t size = (uint32_t)option_of(way).size;
        uint64_t omitted = *rig.stage.counters.client_options_omitted;
        // The header: 40 bytes of options are the most.
        struct frame_spec segment = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        segment.tcp_options = span_of(nothing, 40 - size + 4);
        struct outcome outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment, segment.tcp_options);
        assert_int_equal(*rig.stage.counters.client_options_omitted, omitted + 1);
        // The way: 1500 bytes.
        uint32_t headers = is_v6(way->member) ? 60 : 40;
        segment = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
        segment.payload_size = (uint16_t)(1500 - headers - size);
        if (is_v6(way->client) && segment.payload_size > 1440)
            segment.payload_size = 1440; // what the client's own way takes
        outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment, option_of(way));
        if (headers == 40 && is_v6(way->client))
            continue; // the member's way takes 20 bytes more than the client's
        segment.payload_size++;
        outcome = rig_put(&rig, FRONT, segment);
        assert_at_member(&outcome, way, port, segment, no_options());
        assert_int_equal(*rig.stage.counters.client_options_omitted, omitted + 2);
    }
}

// A connection anew on the same ports has numbers of its own.
static void another_connection_is_told_of_anew(void **state)
{
    const struct way *way = &fullnat_ways[0];
    uint16_t port = open_connection(way);
    rig_put(&rig, FRONT, from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1));
    rig_put(&rig, BACK, from_member(way, port, SYN | ACK, 7000, CLIENT_ISN + 1));
    struct frame_spec segment = from_client(way, ACK, CLIENT_ISN + 1, 7001);
    struct outcome outcome = rig_put(&rig, FRONT, segment);
    assert_at_member(&outcome, way, port, segment, option_of(way));
    segment = from_client(way, ACK, CLIENT_ISN + 1, MEMBER_ISN + 1);
    outcome = rig_put(&rig, FRONT, segment);
    assert_at_member(&outcome, way, port, segment, no_options());
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(all_that_ends_the_handshake_carries_it),
        RIG_TEST(a_member_that_has_it_is_told_no_more),
        RIG_TEST(who_is_told_to_come_again_is_told_of_again),
        RIG_TEST(the_clients_own_options_stand_behind),
        RIG_TEST(what_has_no_room_goes_without),
        RIG_TEST(another_connection_is_told_of_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
