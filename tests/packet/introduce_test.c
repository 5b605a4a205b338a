// Members that are told who the client is by the PROXY protocol: where the header stands in the
// client's stream, whatever is lost, doubled and overtaken on its way. Single segments are compared
// with the tests' own frames; whole connections run between a client and a member that know
// nothing of each other's numbers.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "base/random.h"
#include "dataplane/packet/wire/parse.h"
#include "dataplane/packet/wire/proxy.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/ways.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN
#define ACK WIRE_TCP_ACK
#define FIN WIRE_TCP_FIN
#define RST WIRE_TCP_RST

#define CONFIGURATION(told)                                                          \
    "node: {name: test, cores: 0, flows: {per-worker: 4096}}\n"                      \
    "ports:\n"                                                                       \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"  \
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"                           \
    "pools:\n"                                                                       \
    "  - {name: p4, forward: fullnat, client-address: " told ",\n"                   \
    "     members: [{name: m, address: 10.2.0.11, port: 8080}]}\n"                   \
    "  - {name: p6, forward: fullnat, client-address: " told ",\n"                   \
    "     members: [{name: m, address: 'fd00:2::11', port: 8080}]}\n"                \
    "vips:\n"                                                                        \
    "  - {name: t4, address: 10.1.0.100, port: 80, protocol: tcp, pool: p4}\n"       \
    "  - {name: t6, address: 'fd00:1::100', port: 80, protocol: tcp, pool: p6}\n"

static const char told[] = CONFIGURATION("proxy-v2");
static const char not_told[] = CONFIGURATION("none");

#define WITHIN 2u // the ways within one version; forgers_test.c has the third

// What the header for that client must be, byte for byte.
static const uint8_t header_v4[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49,
                                    0x54, 0x0a, 0x21, 0x11, 0x00, 0x0c, 10,   1,    0,    10,
                                    10,   1,    0,    100,  0x9c, 0x40, 0x00, 0x50};
static const uint8_t header_v6[] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21,
    0x21, 0x00, 0x24, 0xfd, 0,    0,    1,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0x10, 0xfd, 0,    0,    1,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0x01, 0x00, 0x9c, 0x40, 0x00, 0x50};

static struct span header_of(const struct way *way)
{
    return is_v6(way->vip) ? span_of(header_v6, sizeof(header_v6))
                           : span_of(header_v4, sizeof(header_v4));
}

static int open_rig(void **state)
{
    rig_open(&rig, told);
    meet_stations();
    return 0;
}

// A segment, its numbers as its sender counts.
struct segment {
    uint32_t sequence, acknowledged;
    uint8_t flags;
    const void *data;
    uint16_t size;
    struct span options;
    uint16_t window;
    uint16_t padding;
};

static void fill(struct frame_spec *spec, const struct segment *segment)
{
    spec->protocol = IPPROTO_TCP;
    spec->tcp_numbers = true;
    spec->tcp_sequence = segment->sequence;
    spec->tcp_acknowledged = segment->acknowledged;
    spec->tcp_flags = segment->flags;
    spec->payload = segment->data;
    spec->payload_size = segment->size;
    spec->tcp_options = segment->options;
    spec->tcp_window = segment->window;
    spec->padding_size = segment->padding;
}

static struct frame_spec from_client(const struct way *way, const struct segment *segment)
{
    struct frame_spec spec = from_client_of(way);
    spec.dont_fragment = true;
    fill(&spec, segment);
    return spec;
}

static struct frame_spec from_member(const struct way *way, uint16_t port,
                                     const struct segment *segment)
{
    struct frame_spec spec = from_member_of(way, port);
    fill(&spec, segment);
    return spec;
}

// As they arrive.
static struct frame_spec at_member(const struct way *way, uint16_t port,
                                   const struct segment *segment)
{
    struct frame_spec spec = from_member(way, port, segment);
    spec.destination_mac = member_mac;
    spec.source_mac = back_mac;
    spec.source = way->local;
    spec.destination = way->member;
    spec.source_port = port;
    spec.destination_port = MEMBER_PORT;
    spec.ttl = 63;
    spec.dont_fragment = true; // the client's, the member has none
    return spec;
}

static struct frame_spec at_client(const struct way *way, const struct segment *segment)
{
    struct frame_spec spec = from_client(way, segment);
    spec.destination_mac = client_mac;
    spec.source_mac = front_mac;
    spec.source = way->vip;
    spec.destination = way->client;
    spec.source_port = 80;
    spec.destination_port = CLIENT_PORT;
    spec.ttl = 63;
    spec.dont_fragment = false;
    return spec;
}

static struct sent sent;

static void put(uint16_t port, struct frame_spec spec)
{
    static struct frame frame;
    frame_build(&frame, &spec);
    rig_burst(&rig, port, &frame, 1, &sent);
}

static void assert_sent(uint32_t index, uint32_t port, struct frame_spec expected)
{
    static struct frame frame;
    assert_in_range(index, 0, sent.count - 1);
    assert_int_equal(sent.packets[index].port, port);
    frame_build(&frame, &expected);
    assert_int_equal(sent.packets[index].frame.size, frame.size);
    assert_memory_equal(sent.packets[index].frame.bytes, frame.bytes, frame.size);
}

static size_t l4_of(const struct way *way)
{
    return is_v6(way->vip) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
}

// Client and member, and what each would say next.
struct connection {
    const struct way *way;
    uint16_t port;   // local
    uint32_t client; // the client's next sequence number, as it counts
    uint32_t member; //
    uint32_t begins; // of the client's stream
    struct span header;
};

#define CLIENT_ISN 0xfffffff0u // soon past the end of the numbers

static struct connection open_connection(const struct way *way)
{
    struct connection to = {.way = way,
                            .client = CLIENT_ISN + 1,
                            .begins = CLIENT_ISN + 1,
                            .member = 7001,
                            .header = header_of(way)};
    put(FRONT, from_client(way, &(struct segment){.sequence = CLIENT_ISN, .flags = SYN}));
    assert_int_equal(sent.count, 1);
    to.port = load_be16(sent.packets[0].frame.bytes + l4_of(way));
    assert_sent(0, BACK,
                at_member(way, to.port, &(struct segment){.sequence = CLIENT_ISN, .flags = SYN}));
    return to;
}

static void answer(const struct connection *to)
{
    struct segment segment = {
        .sequence = 7000, .acknowledged = to->begins, .flags = SYN | ACK, .window = 1000};
    put(BACK, from_member(to->way, to->port, &segment));
    assert_int_equal(sent.count, 1);
    segment.window = (uint16_t)(1000 - to->header.size); // the header will take of it
    assert_sent(0, FRONT, at_client(to->way, &segment));
}

static struct segment client_says(const struct connection *to, uint8_t flags, uint16_t size)
{
    return (struct segment){
        .sequence = to->client, .acknowledged = to->member, .flags = flags | ACK, .size = size};
}

static void assert_header(const struct connection *to, uint32_t index, uint8_t flags)
{
    struct segment segment = {.sequence = to->begins,
                              .acknowledged = to->member,
                              .flags = flags,
                              .data = to->header.data,
                              .size = (uint16_t)to->header.size};
    struct frame_spec expected = at_member(to->way, to->port, &segment);
    assert_sent(index, BACK, expected);
}

static void assert_shifted(const struct connection *to, uint32_t index, struct segment segment)
{
    segment.sequence += (uint32_t)to->header.size;
    assert_sent(index, BACK, at_member(to->way, to->port, &segment));
}

static void member_says(const struct connection *to, uint32_t acknowledged, struct span options)
{
    put(BACK, from_member(to->way, to->port,
                          &(struct segment){.sequence = to->member,
                                            .acknowledged = acknowledged,
                                            .flags = ACK,
                                            .options = options}));
    assert_int_equal(sent.count, 1);
}

static void assert_acknowledged(const struct connection *to, uint32_t acknowledged,
                                struct span options)
{
    assert_sent(0, FRONT,
                at_client(to->way, &(struct segment){.sequence = to->member,
                                                     .acknowledged = acknowledged,
                                                     .flags = ACK,
                                                     .options = options}));
}

static struct span no_options(void)
{
    return span_of(NULL, 0);
}

static void the_handshake_carries_the_header(void **state)
{
    for (size_t i = 0; i < WITHIN; i++) {
        struct connection to = open_connection(&fullnat_ways[i]);
        answer(&to);
        struct segment segment = client_says(&to, 0, 0);
        segment.padding = 6; // of a short frame
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_header(&to, 0, ACK);
        // It was lost: the member answers the SYN again, and the client acknowledges again.
        answer(&to);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_header(&to, 0, ACK);
        // The first data goes right behind it.
        segment = client_says(&to, 0, 100);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_shifted(&to, 0, segment);
        // Where it comes again, either may be lost.
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 2);
        assert_header(&to, 0, ACK | 0x08);
        assert_shifted(&to, 1, segment);
        assert_int_equal(rig.stage.counters.introductions[0], 3 + 3 * i);
        // What the member acknowledges of it is nothing to the client.
        uint32_t size = (uint32_t)to.header.size;
        member_says(&to, to.begins, no_options());
        assert_acknowledged(&to, to.begins, no_options());
        member_says(&to, to.begins + size - 1, no_options());
        assert_acknowledged(&to, to.begins, no_options());
        member_says(&to, to.begins + size, no_options());
        assert_acknowledged(&to, to.begins, no_options());
        // From then on it is numbers alone.
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_shifted(&to, 0, segment);
        member_says(&to, to.begins + size + 100, no_options());
        assert_acknowledged(&to, to.begins + 100, no_options());
        to.client += 100;
        segment = client_says(&to, FIN, 10);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_shifted(&to, 0, segment);
    }
}

// The acknowledgement was lost on its way here, or carries data itself.
static void data_goes_behind_a_header_of_its_own(void **state)
{
    for (size_t i = 0; i < WITHIN; i++) {
        struct connection to = open_connection(&fullnat_ways[i]);
        answer(&to);
        // What was overtaken is no beginning.
        struct segment later = client_says(&to, 0, 200);
        later.sequence += 1000;
        put(FRONT, from_client(to.way, &later));
        assert_int_equal(sent.count, 1);
        assert_shifted(&to, 0, later);
        struct segment segment = client_says(&to, 0, 1000);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 2);
        assert_header(&to, 0, ACK | 0x08);
        assert_shifted(&to, 1, segment);
    }
}

static void the_largest_segment_fits(void **state)
{
    for (size_t i = 0; i < WITHIN; i++) {
        struct connection to = open_connection(&fullnat_ways[i]);
        answer(&to);
        struct segment segment = client_says(&to, 0, i == 0 ? 1460 : 1440);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 2);
        assert_header(&to, 0, ACK | 0x08);
        assert_shifted(&to, 1, segment);
    }
}

static void a_client_that_says_nothing_closes_behind_the_header(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    struct segment segment = client_says(&to, FIN, 0);
    put(FRONT, from_client(to.way, &segment));
    assert_int_equal(sent.count, 2);
    assert_header(&to, 0, ACK | 0x08);
    assert_shifted(&to, 1, segment);
}

static void resets_are_where_the_receiver_is(void **state)
{
    // Before the header was sent, the member has nothing; afterwards it has that.
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    struct segment reset = client_says(&to, RST, 0);
    put(FRONT, from_client(to.way, &reset));
    assert_sent(0, BACK, at_member(to.way, to.port, &reset));
    put(FRONT,
        from_client(to.way, &(struct segment){
                                .sequence = to.client, .acknowledged = to.member, .flags = ACK}));
    assert_header(&to, 0, ACK);
    put(FRONT, from_client(to.way, &reset));
    assert_int_equal(sent.count, 1);
    assert_shifted(&to, 0, reset);
    // The member's, of a SYN that it refuses.
    struct way other = fullnat_ways[1];
    struct connection refused = open_connection(&other);
    struct segment no = {.sequence = 1, .acknowledged = refused.begins, .flags = RST | ACK};
    put(BACK, from_member(&other, refused.port, &no));
    assert_sent(0, FRONT, at_client(&other, &no));
}

// Who asks whether the member is there sends a byte in front of the next one (RFC 9293 section
// 3.8.4).
static void keep_alives_are_answered(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    struct segment probe = client_says(&to, 0, 0);
    probe.sequence--;
    put(FRONT, from_client(to.way, &probe));
    assert_int_equal(sent.count, 1);
    assert_sent(0, BACK, at_member(to.way, to.port, &probe));
    struct segment acknowledgement = client_says(&to, 0, 0);
    put(FRONT, from_client(to.way, &acknowledgement));
    member_says(&to, to.begins + (uint32_t)to.header.size, no_options());
    put(FRONT, from_client(to.way, &probe));
    assert_int_equal(sent.count, 1);
    assert_shifted(&to, 0, probe);
}

#define SACK(one, two)                                                                      \
    {                                                                                       \
        1, 1, 5, 18, (uint8_t)((one) >> 24), (uint8_t)((one) >> 16), (uint8_t)((one) >> 8), \
            (uint8_t)(one), (uint8_t)(((one) + 50) >> 24), (uint8_t)(((one) + 50) >> 16),   \
            (uint8_t)(((one) + 50) >> 8), (uint8_t)((one) + 50), (uint8_t)((two) >> 24),    \
            (uint8_t)((two) >> 16), (uint8_t)((two) >> 8), (uint8_t)(two),                  \
            (uint8_t)(((two) + 50) >> 24), (uint8_t)(((two) + 50) >> 16),                   \
            (uint8_t)(((two) + 50) >> 8), (uint8_t)((two) + 50)                             \
    }

static void selective_acknowledgements_are_the_clients_numbers(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    uint32_t size = (uint32_t)to.header.size;
    struct segment segment = client_says(&to, 0, 500);
    put(FRONT, from_client(to.way, &segment));
    // The header is lost, and what is behind it is not.
    uint32_t one = to.begins + size, two = to.begins + size + 200;
    const uint8_t before[] = SACK(one, two), after[] = SACK(one - size, two - size);
    member_says(&to, to.begins, span_of(before, sizeof(before)));
    assert_acknowledged(&to, to.begins, span_of(after, sizeof(after)));
    // Once it is there, all numbers are, by the short path and the stages.
    member_says(&to, to.begins + size, no_options());
    one = to.begins + 300, two = to.begins + 400;
    const uint8_t later[] = SACK(one, two), told_later[] = SACK(one - size, two - size);
    member_says(&to, to.begins + size + 100, span_of(later, sizeof(later)));
    assert_acknowledged(&to, to.begins + 100, span_of(told_later, sizeof(told_later)));
    struct segment says = {.sequence = to.member,
                           .acknowledged = to.begins + size + 100,
                           .flags = ACK,
                           .options = span_of(later, sizeof(later))};
    struct frame_spec spec = from_member(to.way, to.port, &says), expected;
    spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
    put(BACK, spec);
    says.acknowledged -= size;
    says.options = span_of(told_later, sizeof(told_later));
    expected = at_client(to.way, &says);
    expected.ipv4_options = spec.ipv4_options;
    assert_sent(0, FRONT, expected);
}

// Nothing comes in front of the header by way of the SYN.
static void a_syn_is_a_plain_one(void **state)
{
    static const uint8_t options[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2,  3, 4, 0, 0, 0, 0,
                                      3, 3, 7,    34,   6, 1, 2, 3,  4, 30, 4, 0, 1, 1, 1, 1},
                         plain[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0,
                                    3, 3, 7,    1,    1, 1, 1, 1,  1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < WITHIN; i++) {
        struct segment segment = {.sequence = CLIENT_ISN,
                                  .flags = SYN,
                                  .options = span_of(options, sizeof(options)),
                                  .size = 33};
        put(FRONT, from_client(&fullnat_ways[i], &segment));
        assert_int_equal(sent.count, 1);
        uint16_t port = load_be16(sent.packets[0].frame.bytes + l4_of(&fullnat_ways[i]));
        segment.options = span_of(plain, sizeof(plain));
        segment.size = 0;
        assert_sent(0, BACK, at_member(&fullnat_ways[i], port, &segment));
    }
}

// Who begins in the middle makes no connection by it, and none by a SYN afterwards that the
// member takes without the header.
static void a_stream_begins_where_the_member_says(void **state)
{
    const struct way *way = &fullnat_ways[0];
    struct segment early = {.sequence = 5000, .acknowledged = 1, .flags = ACK, .size = 20};
    put(FRONT, from_client(way, &early));
    assert_int_equal(sent.count, 1);
    struct connection to = {.way = way,
                            .port = load_be16(sent.packets[0].frame.bytes + l4_of(way)),
                            .client = 9001,
                            .begins = 9001,
                            .member = 7001,
                            .header = header_of(way)};
    assert_sent(0, BACK, at_member(way, to.port, &early));
    put(FRONT, from_client(way, &(struct segment){.sequence = 9000, .flags = SYN}));
    answer(&to);
    struct segment segment = client_says(&to, 0, 10);
    put(FRONT, from_client(way, &segment));
    assert_int_equal(sent.count, 2);
    assert_header(&to, 0, ACK | 0x08);
    assert_shifted(&to, 1, segment);
    member_says(&to, to.begins + (uint32_t)to.header.size + 10, no_options());
    // A SYN that nobody asked for changes nothing; a connection anew with it does.
    put(FRONT, from_client(way, &(struct segment){.sequence = 777777, .flags = SYN}));
    put(FRONT, from_client(way, &segment));
    assert_int_equal(sent.count, 1);
    assert_shifted(&to, 0, segment);
    to.client = to.begins = 777778;
    answer(&to);
    put(FRONT,
        from_client(way, &(struct segment){
                             .sequence = to.client, .acknowledged = to.member, .flags = ACK}));
    assert_int_equal(sent.count, 1);
    assert_header(&to, 0, ACK);
}

// As a flow began it goes on.
static void a_change_counts_for_new_connections(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    rig_reload(&rig, not_told);
    answer(&to);
    struct segment segment = client_says(&to, 0, 10);
    put(FRONT, from_client(to.way, &segment));
    assert_int_equal(sent.count, 2);
    assert_header(&to, 0, ACK | 0x08);

    put(FRONT,
        from_client(&fullnat_ways[1], &(struct segment){.sequence = CLIENT_ISN, .flags = SYN}));
    uint16_t port = load_be16(sent.packets[0].frame.bytes + FRAME_IPV6_L4);
    rig_reload(&rig, told);
    struct segment says = {
        .sequence = 7000, .acknowledged = CLIENT_ISN + 1, .flags = SYN | ACK, .window = 1000};
    put(BACK, from_member(&fullnat_ways[1], port, &says));
    assert_sent(0, FRONT, at_client(&fullnat_ways[1], &says));
    segment.sequence = CLIENT_ISN + 1;
    put(FRONT, from_client(&fullnat_ways[1], &segment));
    assert_int_equal(sent.count, 1);
    assert_sent(0, BACK, at_member(&fullnat_ways[1], port, &segment));
}

// The client must know its own segment by what a router quotes of it.
static void a_quoted_segment_is_the_clients(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    struct segment segment = client_says(&to, 0, 30);
    put(FRONT, from_client(to.way, &segment));
    static struct frame quoted;
    quoted = sent.packets[1].frame;
    struct frame_spec error = {
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = "10.2.0.254",
        .destination = to.way->local,
        .protocol = IPPROTO_ICMP,
        .icmp_type = 3,
        .icmp_code = 4,
        .icmp_rest = 1400,
        .payload = quoted.bytes + FRAME_IP_AT,
        .payload_size = (uint16_t)(quoted.size - FRAME_IP_AT),
    };
    put(BACK, error);
    assert_int_equal(sent.count, 1);
    struct frame_spec own = from_client(to.way, &segment);
    own.ttl = 63;
    frame_build(&quoted, &own);
    error.payload = quoted.bytes + FRAME_IP_AT;
    error.destination_mac = client_mac;
    error.source_mac = front_mac;
    error.source = to.way->vip;
    error.destination = to.way->client;
    error.ttl = 63;
    assert_sent(0, FRONT, error);
}

// A connection whose segments are lost, doubled and overtaken on every part of their way: a client
// that sends a stream, and a member that puts it together.
#define STREAM  6000u
#define SEGMENT 700u
#define FLYING  4u

struct flight {
    uint32_t count;
    struct frame frames[4 * FLYING];
};

struct run {
    struct connection to;
    struct random random;
    uint8_t stream[STREAM];
    uint32_t unacknowledged, next; // the client's, from the stream's beginning
    bool member_there[STREAM + WIRE_PROXY_SIZE_MAX];
    uint8_t member_has[STREAM + WIRE_PROXY_SIZE_MAX];
    struct flight towards_us[2], from_us[2]; // by port
};

static void fly(struct run *run, struct flight *flight, const struct frame *frame)
{
    uint32_t copies = random_below(&run->random, 10) == 0   ? 0
                      : random_below(&run->random, 15) == 0 ? 2
                                                            : 1;
    for (uint32_t i = 0; i < copies && flight->count < 4 * FLYING; i++)
        flight->frames[flight->count++] = *frame;
}

// Any of those in flight, mostly the first.
static bool land(struct run *run, struct flight *flight, struct frame *frame)
{
    if (flight->count == 0)
        return false;
    uint32_t index = random_below(&run->random, 5) == 0
                         ? (uint32_t)random_below(&run->random, flight->count)
                         : 0;
    *frame = flight->frames[index];
    memmove(&flight->frames[index], &flight->frames[index + 1],
            (--flight->count - index) * sizeof(*frame));
    return true;
}

static void client_sends(struct run *run, uint32_t at, uint32_t size, uint8_t flags)
{
    static struct frame frame;
    const struct segment segment = {.sequence = run->to.begins + at,
                                    .acknowledged = run->to.member,
                                    .flags = flags | ACK,
                                    .data = run->stream + at,
                                    .size = (uint16_t)size};
    struct frame_spec spec = from_client(run->to.way, &segment);
    frame_build(&frame, &spec);
    fly(run, &run->towards_us[FRONT], &frame);
}

static void client_goes_on(struct run *run)
{
    uint32_t size = 1 + (uint32_t)random_below(&run->random, SEGMENT);
    if (random_below(&run->random, 4) == 0 && run->unacknowledged < run->next) {
        size = RTE_MIN(size, run->next - run->unacknowledged);
        client_sends(run, run->unacknowledged, size, 0);
    } else if (run->next - run->unacknowledged < FLYING * SEGMENT && run->next < STREAM) {
        size = RTE_MIN(size, STREAM - run->next);
        client_sends(run, run->next, size, 0);
        run->next += size;
    } else {
        client_sends(run, run->next, 0, 0);
    }
}

static uint32_t member_acknowledges(const struct run *run)
{
    uint32_t all = 0;
    while (all < STREAM + run->to.header.size && run->member_there[all])
        all++;
    return all;
}

static void member_receives(struct run *run, const struct frame *frame)
{
    assert_true(frame_checksums_are_right(frame->bytes, frame->size));
    const uint8_t *tcp = frame->bytes + l4_of(run->to.way);
    uint32_t at = load_be32(tcp + 4) - run->to.begins;
    const uint8_t *data = tcp + 20;
    size_t size = (size_t)(frame->bytes + frame->size - data);
    if (tcp[13] & SYN)
        return;
    assert_true(at + size <= STREAM + run->to.header.size);
    for (size_t i = 0; i < size; i++) {
        assert_true(!run->member_there[at + i] || run->member_has[at + i] == data[i]);
        run->member_has[at + i] = data[i];
        run->member_there[at + i] = true;
    }
    static struct frame answer_frame;
    const struct segment segment = {.sequence = run->to.member,
                                    .acknowledged = run->to.begins + member_acknowledges(run),
                                    .flags = ACK};
    struct frame_spec spec = from_member(run->to.way, run->to.port, &segment);
    frame_build(&answer_frame, &spec);
    fly(run, &run->towards_us[BACK], &answer_frame);
}

static void client_receives(struct run *run, const struct frame *frame)
{
    assert_true(frame_checksums_are_right(frame->bytes, frame->size));
    const uint8_t *tcp = frame->bytes + l4_of(run->to.way);
    int32_t acknowledged = (int32_t)(load_be32(tcp + 8) - run->to.begins);
    // Never what was not sent. What was overtaken may count from before the header was taken.
    assert_in_range(acknowledged + (int32_t)run->to.header.size, 0,
                    run->next + run->to.header.size);
    if (acknowledged > (int32_t)run->unacknowledged)
        run->unacknowledged = (uint32_t)acknowledged;
}

static void pass_on(struct run *run, uint16_t port)
{
    static struct frame frame;
    if (!land(run, &run->towards_us[port], &frame))
        return;
    rig_burst(&rig, port, &frame, 1, &sent);
    for (uint32_t i = 0; i < sent.count; i++)
        fly(run, &run->from_us[sent.packets[i].port], &sent.packets[i].frame);
}

static void streams_arrive_whole_behind_the_header(void **state)
{
    static struct run run;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        close_rig(state);
        open_rig(state);
        memset(&run, 0, sizeof(run));
        run.random = random_from_seed(seed);
        run.to = open_connection(&fullnat_ways[seed % WITHIN]);
        answer(&run.to);
        for (uint32_t i = 0; i < STREAM; i++)
            run.stream[i] = (uint8_t)random_next(&run.random);
        static struct frame frame;
        uint32_t turns = 0;
        for (; run.unacknowledged < STREAM && turns < 100000; turns++) {
            if (turns % 4 == 0)
                client_goes_on(&run);
            pass_on(&run, FRONT);
            if (land(&run, &run.from_us[BACK], &frame))
                member_receives(&run, &frame);
            pass_on(&run, BACK);
            if (land(&run, &run.from_us[FRONT], &frame))
                client_receives(&run, &frame);
        }
        assert_in_range(turns, 1, 99999);
        size_t header_size = run.to.header.size;
        assert_memory_equal(run.member_has, run.to.header.data, header_size);
        assert_memory_equal(run.member_has + header_size, run.stream, STREAM);
    }
}

// A connection of more than 2^31 bytes counts past its beginning.
static void long_streams_are_far_from_their_beginning(void **state)
{
    struct connection to = open_connection(&fullnat_ways[0]);
    answer(&to);
    put(FRONT,
        from_client(to.way, &(struct segment){
                                .sequence = to.client, .acknowledged = to.member, .flags = ACK}));
    uint32_t size = (uint32_t)to.header.size;
    for (uint32_t turn = 0; turn < 9; turn++) {
        uint32_t sequence = to.begins + turn * 0x40000000u;
        member_says(&to, sequence + size, no_options());
        assert_acknowledged(&to, sequence, no_options());
        to.client = sequence;
        struct segment segment = client_says(&to, 0, 5);
        put(FRONT, from_client(to.way, &segment));
        assert_int_equal(sent.count, 1);
        assert_shifted(&to, 0, segment);
        // The same by the stages.
        struct frame_spec spec = from_client(to.way, &segment), expected;
        spec.ipv4_options = span_of("\x01\x01\x01\x01", 4);
        put(FRONT, spec);
        assert_int_equal(sent.count, 1);
        segment.sequence += size;
        expected = at_member(to.way, to.port, &segment);
        expected.ipv4_options = spec.ipv4_options;
        assert_sent(0, BACK, expected);
    }
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(the_handshake_carries_the_header),
        RIG_TEST(data_goes_behind_a_header_of_its_own),
        RIG_TEST(the_largest_segment_fits),
        RIG_TEST(a_client_that_says_nothing_closes_behind_the_header),
        RIG_TEST(resets_are_where_the_receiver_is),
        RIG_TEST(keep_alives_are_answered),
        RIG_TEST(selective_acknowledgements_are_the_clients_numbers),
        RIG_TEST(a_syn_is_a_plain_one),
        RIG_TEST(a_stream_begins_where_the_member_says),
        RIG_TEST(a_change_counts_for_new_connections),
        RIG_TEST(a_quoted_segment_is_the_clients),
        RIG_TEST(streams_arrive_whole_behind_the_header),
        RIG_TEST(long_streams_are_far_from_their_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
