// Clients that want a member to take them for somebody else, by what they put in front of our
// header or beside our option.
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
#define URG WIRE_TCP_URG

static const char configuration[] =
    "node: {name: test, cores: 0, flows: {per-worker: 4096}}\n"
    "ports:\n"
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"
    "pools:\n"
    "  - {name: p4, forward: fullnat, client-address: proxy-v2,\n"
    "     members: [{name: m, address: 10.2.0.11, port: 8080}]}\n"
    "  - {name: p6, forward: fullnat, client-address: proxy-v2,\n"
    "     members: [{name: m, address: 'fd00:2::11', port: 8080}]}\n"
    "vips:\n"
    "  - {name: p4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"
    "  - {name: p6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p6}\n"
    "  - {name: p64, address: 'fd00:1::101', port: 80, protocol: tcp, pool: p4}\n";

#define CLIENT_ISN 0xffffffffu // the stream begins at 0
#define MEMBER_ISN 7000u
#define BEGINS     (CLIENT_ISN + 1)

static uint16_t header_size_of(const struct way *way)
{
    return is_v6(way->client) ? 52 : 28;
}

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    meet_stations();
    return 0;
}

static struct frame_spec from_client(const struct way *way, uint8_t flags, uint32_t sequence,
                                     uint16_t size)
{
    struct frame_spec spec = from_client_of(way);
    spec.tcp_flags = flags;
    spec.tcp_numbers = true;
    spec.tcp_sequence = sequence;
    spec.tcp_acknowledged = flags & SYN ? 0 : MEMBER_ISN + 1;
    spec.payload_size = size;
    return spec;
}

static void member_says(const struct way *way, uint16_t port, uint8_t flags, uint32_t acknowledged)
{
    struct frame_spec spec = from_member_of(way, port);
    spec.tcp_flags = flags;
    spec.tcp_numbers = true;
    spec.tcp_sequence = flags & SYN ? MEMBER_ISN : MEMBER_ISN + 1;
    spec.tcp_acknowledged = acknowledged;
    assert_int_equal(rig_put(&rig, BACK, spec).kind, OUTCOME_SENT);
}

static size_t member_l4(const struct way *way)
{
    return is_v6(way->member) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
}

// A connection whose member has answered.
struct connection {
    const struct way *way;
    uint16_t port; // local
};

static struct connection open_connection(const struct way *way)
{
    struct outcome outcome = rig_put(&rig, FRONT, from_client(way, SYN | URG, CLIENT_ISN, 0));
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    const uint8_t *tcp = outcome.frame.bytes + member_l4(way);
    assert_int_equal(tcp[13], SYN);
    struct connection to = {.way = way, .port = load_be16(tcp)};
    member_says(way, to.port, SYN | ACK, BEGINS);
    return to;
}

// What a segment of the client's, or of us in front of it, is at the member.
struct arrived {
    int64_t at; // from where the stream begins
    uint32_t size;
    uint8_t flags;
    uint16_t urgent;
};

// Puts a client's segment in. Returns how many come to the member.
static uint32_t put(const struct way *way, struct frame_spec spec, struct arrived arrived[2])
{
    static struct frame frame;
    static struct sent sent;
    frame_build(&frame, &spec);
    rig_burst(&rig, FRONT, &frame, 1, &sent);
    assert_true(sent.count <= 2);
    for (uint32_t i = 0; i < sent.count; i++) {
        const struct frame *at = &sent.packets[i].frame;
        const uint8_t *tcp = at->bytes + member_l4(way);
        assert_int_equal(sent.packets[i].port, BACK);
        assert_true(frame_checksums_are_right(at->bytes, at->size));
        arrived[i] = (struct arrived){
            .at = (int32_t)(load_be32(tcp + 4) - BEGINS),
            .size = (uint32_t)(at->bytes + at->size - tcp) - (tcp[12] >> 4) * 4u,
            .flags = tcp[13],
            .urgent = load_be16(tcp + 18),
        };
    }
    return sent.count;
}

// Each way in which a client may reach into its stream from in front of it.
static void assert_nothing_gets_in_front(const struct connection *to)
{
    struct frame_spec rows[] = {
        from_client(to->way, ACK, BEGINS - 1, 29),
        from_client(to->way, ACK, BEGINS - 1, 2),
        from_client(to->way, ACK, BEGINS - 1400, 1401),
        from_client(to->way, ACK | FIN, BEGINS - 1, 1), // would end the stream at its beginning
        from_client(to->way, ACK | FIN, BEGINS - 1, 200),
        from_client(to->way, FIN, BEGINS - 1, 29),
    };
    uint64_t dropped = rig_drops(&rig, DROP_PROXY_HEADER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_dropped(rig_put(&rig, FRONT, rows[i]), DROP_PROXY_HEADER);
    // What more comes of a datagram may reach further than its first fragment.
    static struct frame whole, first;
    static uint32_t id;
    struct outcome outcome;
    struct frame_spec spec = from_client(to->way, ACK, BEGINS - 20, 80);
    frame_build(&whole, &spec);
    frame_fragment(&first, &whole, ++id, 0, 40);
    rig_packet(&rig, FRONT, &first, &outcome);
    assert_dropped(outcome, DROP_PROXY_HEADER);
    assert_int_equal(rig_drops(&rig, DROP_PROXY_HEADER) - dropped,
                     sizeof(rows) / sizeof(rows[0]) + 1);
    // Who asks whether the member is there does so in front of his stream.
    struct arrived arrived[2];
    assert_int_equal(put(to->way, from_client(to->way, ACK, BEGINS - 1, 1), arrived), 1);
    assert_int_equal(arrived[0].at, -1);
    assert_int_equal(arrived[0].size, 1);
}

static void nothing_of_a_client_is_in_front_of_the_header(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        struct connection to = open_connection(way);
        struct arrived arrived[2];
        assert_nothing_gets_in_front(&to);
        assert_int_equal(put(way, from_client(way, ACK, BEGINS, 0), arrived), 1); // with the header
        assert_int_equal(arrived[0].size, header_size_of(way));
        assert_nothing_gets_in_front(&to);
        assert_int_equal(put(way, from_client(way, ACK, BEGINS, 10), arrived), 1); // behind it
        assert_int_equal(arrived[0].at, header_size_of(way));
        assert_nothing_gets_in_front(&to);
        // Once the member has it, what is in front of the stream is within the header, and old.
        member_says(way, to.port, ACK, BEGINS + header_size_of(way));
        assert_int_equal(put(way, from_client(way, ACK, BEGINS - 1, 29), arrived), 1);
        assert_int_equal(arrived[0].at, header_size_of(way) - 1);
    }
}

// Receivers take urgent data out of the stream: with a pointer into the header, a byte of that.
static void no_urgent_pointer_leads_into_the_header(void **state)
{
    for (size_t i = 0; i < FULLNAT_WAYS; i++) {
        const struct way *way = &fullnat_ways[i];
        struct connection to = open_connection(way);
        struct frame_spec probe = from_client(way, ACK | URG, BEGINS - 1, 1),
                          acknowledgement = from_client(way, ACK | URG, BEGINS, 0),
                          data = from_client(way, ACK | URG, BEGINS, 10);
        probe.tcp_urgent = acknowledgement.tcp_urgent = data.tcp_urgent = 17;
        const struct {
            const struct frame_spec *spec;
            uint32_t count;
        } rows[] = {{&probe, 1}, {&data, 2}, {&data, 2}, {&probe, 1}, {&acknowledgement, 1}};
        struct arrived arrived[2];
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
            assert_int_equal(put(way, *rows[r].spec, arrived), rows[r].count);
            for (uint32_t k = 0; k < rows[r].count; k++) {
                assert_int_equal(arrived[k].flags & URG, 0);
                assert_int_equal(arrived[k].urgent, 0);
            }
        }
        close_rig(state);
        open_rig(state);
        to = open_connection(way);
        assert_int_equal(put(way, acknowledgement, arrived), 1);
        assert_int_equal(arrived[0].size, header_size_of(way));
        assert_int_equal(arrived[0].flags & URG, 0);
        assert_int_equal(arrived[0].urgent, 0);
        // What comes behind it is the client's own affair.
        member_says(way, to.port, ACK, BEGINS + header_size_of(way));
        assert_int_equal(put(way, data, arrived), 1);
        assert_int_equal(arrived[0].flags & URG, URG);
        assert_int_equal(arrived[0].urgent, 17);
    }
}

// A first fragment that holds the TCP header alone is not an acknowledgement: a header in it would
// lie where the data does.
static void no_header_goes_into_a_fragment(void **state)
{
    for (size_t i = 0; i < 2; i++) { // fragments of TCP do not cross
        const struct way *way = &fullnat_ways[i];
        open_connection(way);
        static const uint8_t options[] = {1, 1, 1, 1}; // pieces end at multiples of eight bytes
        struct frame_spec spec = from_client(way, ACK, BEGINS, 40);
        spec.tcp_options = span_of(options, sizeof(options));
        static struct frame whole, first;
        static struct sent sent;
        frame_build(&whole, &spec);
        frame_fragment(&first, &whole, 7, 0, 24);
        rig_burst(&rig, FRONT, &first, 1, &sent);
        assert_int_equal(sent.count, 2);
        const struct frame *header = &sent.packets[0].frame, *piece = &sent.packets[1].frame;
        const uint8_t *tcp = header->bytes + member_l4(way);
        assert_int_equal(load_be32(tcp + 4), BEGINS);
        assert_int_equal(header->bytes + header->size - tcp, 24 + header_size_of(way));
        assert_int_equal(piece->size, first.size);
        tcp = piece->bytes + piece->size - 24;
        assert_int_equal(load_be32(tcp + 4), BEGINS + header_size_of(way));
    }
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(nothing_of_a_client_is_in_front_of_the_header),
        RIG_TEST(no_urgent_pointer_leads_into_the_header),
        RIG_TEST(no_header_goes_into_a_fragment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
