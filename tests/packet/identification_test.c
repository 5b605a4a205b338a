// FullNAT gives what is in fragments, or may be, identifications of its own (RFC 6864 section
// 5.3.1): all clients of a member share a local address, and no member may put together parts of
// two clients' datagrams. What is expected is built by the tests' own frames.
#include <netinet/in.h>
#include <string.h>

#include "base/byteorder.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/ways.h"
#include "tests/test.h"

#define CLIENT_ID 4711 // what all clients say
#define CONFIGURATION(cores)                                                          \
    "node: {name: test, cores: " cores "}\n"                                          \
    "ports:\n"                                                                        \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24, fd00:1::1/64]}\n"  \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24, fd00:2::1/64],\n"   \
    "     local-addresses: [10.2.0.200, 'fd00:2::200']}\n"                            \
    "pools:\n"                                                                        \
    "  - {name: p4, forward: fullnat, members: [{name: m, address: 10.2.0.11}]}\n"    \
    "  - {name: p6, forward: fullnat, members: [{name: m, address: 'fd00:2::11'}]}\n" \
    "  - {name: n4, members: [{name: n, address: 10.2.0.12}]}\n"                      \
    "vips:\n"                                                                         \
    "  - {name: u4, address: 10.1.0.100, port: 53, protocol: udp, pool: p4}\n"        \
    "  - {name: u6, address: 'fd00:1::100', port: 53, protocol: udp, pool: p6}\n"     \
    "  - {name: u64, address: 'fd00:1::101', port: 53, protocol: udp, pool: p4}\n"    \
    "  - {name: n4, address: 10.1.0.102, port: 53, protocol: udp, pool: n4}\n"

static void open_with(const char *yaml)
{
    rig_open(&rig, yaml);
    for (int i = 10; i < 20; i++) {
        char address[32];
        snprintf(address, sizeof(address), "10.1.0.%d", i);
        rig_neighbour(&rig, FRONT, address, client_mac);
        snprintf(address, sizeof(address), "fd00:1::%d", i);
        rig_neighbour(&rig, FRONT, address, client_mac);
    }
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
    rig_neighbour(&rig, BACK, "fd00:2::11", member_mac);
}

static int open_rig(void **state)
{
    open_with(CONFIGURATION("[0]"));
    return 0;
}

// A datagram of client `number`, with the identification that all of them use.
static struct frame_spec datagram_of(const struct way *way, int number, uint16_t size)
{
    static char address[32];
    snprintf(address, sizeof(address), "%s%d", is_v6(way->vip) ? "fd00:1::" : "10.1.0.",
             10 + number);
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = address,
        .destination = way->vip,
        .protocol = IPPROTO_UDP,
        .source_port = 40000,
        .destination_port = 53,
        .ipv4_id = CLIENT_ID,
        .payload_size = size,
    };
}

static struct frame_spec at_member(const struct way *way, const struct outcome *outcome,
                                   struct frame_spec datagram)
{
    bool v6 = is_v6(way->member);
    datagram.destination_mac = member_mac;
    datagram.source_mac = back_mac;
    datagram.source = way->local;
    datagram.destination = way->member;
    datagram.source_port = load_be16(outcome->frame.bytes + (v6 ? FRAME_IPV6_L4 : FRAME_IPV4_L4));
    datagram.ttl = 63;
    return datagram;
}

static uint16_t id_of(const struct frame *frame)
{
    return load_be16(frame->bytes + FRAME_IP_AT + 4);
}

// Whole, but somebody behind us may split them.
static void datagrams_that_may_be_split_are_told_apart(void **state)
{
    bool seen[UINT16_MAX + 1] = {false};
    for (int i = 0; i < 100; i++) {
        struct frame_spec datagram = datagram_of(&fullnat_ways[0], i % 10, 100);
        struct outcome outcome = rig_put(&rig, FRONT, datagram);
        datagram.ipv4_id = id_of(&outcome.frame);
        assert_frame(&outcome, BACK, at_member(&fullnat_ways[0], &outcome, datagram));
        assert_false(seen[datagram.ipv4_id]);
        seen[datagram.ipv4_id] = true;
    }
}

// Their identification means nothing, and stays (RFC 6864 section 4.1).
static void atomic_datagrams_stay_as_they_are(void **state)
{
    for (int i = 0; i < 10; i++) {
        struct frame_spec datagram = datagram_of(&fullnat_ways[0], i, 100);
        datagram.dont_fragment = true;
        struct outcome outcome = rig_put(&rig, FRONT, datagram);
        assert_frame(&outcome, BACK, at_member(&fullnat_ways[0], &outcome, datagram));
    }
}

// So do a NAT member's, whose clients have addresses of their own, and those of replies.
static void others_keep_their_own(void **state)
{
    const struct way nat = {"10.1.0.102", "10.1.0.13", "10.2.0.12", "10.1.0.13"};
    struct frame_spec datagram = datagram_of(&nat, 3, 100);
    struct outcome outcome = rig_put(&rig, FRONT, datagram);
    assert_frame(&outcome, BACK, at_member(&nat, &outcome, datagram));

    const struct way *way = &fullnat_ways[0];
    outcome = rig_put(&rig, FRONT, datagram_of(way, 0, 100));
    struct frame_spec reply = {
        .destination_mac = back_mac,
        .source_mac = member_mac,
        .source = way->member,
        .destination = way->local,
        .protocol = IPPROTO_UDP,
        .source_port = 53,
        .destination_port = load_be16(outcome.frame.bytes + FRAME_IPV4_L4),
        .ipv4_id = 77,
    };
    outcome = rig_put(&rig, BACK, reply);
    reply.destination_mac = client_mac;
    reply.source_mac = front_mac;
    reply.source = way->vip;
    reply.destination = "10.1.0.10";
    reply.destination_port = 40000;
    reply.ttl = 63;
    assert_frame(&outcome, FRONT, reply);
}

#define PIECE 512u

// Fragments of one datagram keep one number, in whatever order they come, and those of another that
// has the same identification come between them.
static void fragments_are_told_apart_by_whose_they_are(void **state)
{
    static const uint32_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {2, 0, 1}};
    static struct frame whole[2], wanted, together;
    static struct frame burst[6];
    static struct sent sent;
    for (size_t row = 0; row < FULLNAT_WAYS * 4; row++) {
        const struct way *way = &fullnat_ways[row / 4];
        size_t headers = is_v6(way->vip) ? FRAME_IPV6_L4 : FRAME_IPV4_L4;
        struct frame_spec datagrams[2];
        char addresses[2][32];
        for (int c = 0; c < 2; c++) {
            datagrams[c] = datagram_of(way, c, 3 * PIECE - 8);
            datagrams[c].source = strcpy(addresses[c], datagrams[c].source);
            frame_build(&whole[c], &datagrams[c]);
        }
        for (uint32_t i = 0; i < 6; i++)
            frame_fragment(&burst[i], &whole[i % 2], 90000 + (uint32_t)row,
                           orders[row % 4][i / 2] * PIECE, PIECE);
        assert_int_equal(whole[0].size - headers, 3 * PIECE);
        rig_burst(&rig, FRONT, burst, 6, &sent);
        assert_int_equal(sent.count, 6);
        // Whose is whose only the numbers tell, as to the member.
        uint32_t at = is_v6(way->member) ? FRAME_IP_AT + 40 + 4 : FRAME_IP_AT + 4;
        size_t size = is_v6(way->member) ? 4 : 2;
        const struct frame *parts[2][3];
        uint32_t counts[2] = {0};
        for (uint32_t i = 0; i < 6; i++) {
            const struct frame *piece = &sent.packets[i].frame;
            bool other = memcmp(piece->bytes + at, sent.packets[0].frame.bytes + at, size) != 0;
            assert_true(counts[other] < 3);
            parts[other][counts[other]++] = piece;
        }
        for (int c = 0; c < 2; c++) {
            assert_int_equal(counts[c], 3);
            assert_true(frame_put_together(parts[c], 3, 0, &together));
            struct outcome outcome = {.frame = together};
            struct frame_spec expected = at_member(way, &outcome, datagrams[0]);
            expected.ipv4_id = id_of(&together);
            frame_build(&wanted, &expected);
            assert_int_equal(together.size, wanted.size);
            assert_memory_equal(together.bytes, wanted.bytes, wanted.size);
        }
    }
}

// Each worker has a part of all numbers, wherever in it it stands.
static void workers_share_no_numbers(void **state)
{
    static struct frame frame;
    static struct outcome outcome;
    bool seen[UINT16_MAX + 1] = {false};
    rig_close(&rig);
    open_with(CONFIGURATION("[0-2]"));
    for (uint32_t worker = 0; worker < 3; worker++) {
        rig.stage.worker = worker;
        memset(rig.stage.identifications, 0xff, sizeof(rig.stage.identifications));
        for (int i = 0; i < 10; i++) {
            struct frame_spec datagram = datagram_of(&fullnat_ways[0], i, 100);
            datagram.source_port = (uint16_t)(40000 + worker);
            frame_build(&frame, &datagram);
            rig_handed(&rig, HANDOFF_PROCESS, 0, FRONT, &frame, &outcome);
            assert_int_equal(outcome.kind, OUTCOME_SENT);
            assert_false(seen[id_of(&outcome.frame)]);
            seen[id_of(&outcome.frame)] = true;
        }
    }
}

int main(void)
{
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        RIG_TEST(datagrams_that_may_be_split_are_told_apart),
        RIG_TEST(atomic_datagrams_stay_as_they_are),
        RIG_TEST(others_keep_their_own),
        RIG_TEST(fragments_are_told_apart_by_whose_they_are),
        RIG_TEST(workers_share_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
