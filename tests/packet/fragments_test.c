// Fragments in, packets out: every order, in each way of forwarding and of replies; what may not
// pass; floods.
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/byteorder.h"
#include "dataplane/packet/wire/parse.h"
#include "tests/packet/one_rig.h"
#include "tests/packet/outcomes.h"
#include "tests/packet/stage_configurations.h"
#include "tests/test.h"

#define SYN WIRE_TCP_SYN

#define PIECES    4
#define PIECE     1000 // bytes
#define L4_SIZE   (3 * PIECE + 200)
#define ORDERS    24
#define SENT_MOST 64

static uint32_t last_id;

static int open_rig(void **state)
{
    rig_open(&rig, configuration);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, FRONT, "fd00:1::10", client_mac);
    rig_neighbour(&rig, FRONT, "10.1.0.21", member_mac);
    static const char *const back[] = {"10.2.0.11", "fd00:2::11", "10.2.0.12", "10.2.0.31",
                                       "fd00:2::31"};
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++)
        rig_neighbour(&rig, BACK, back[i], member_mac);
    return 0;
}

// A datagram (or, for services of TCP, a segment) that needs fragments.
static struct frame_spec datagram_to(const char *vip, uint16_t port)
{
    bool udp = port == 53;
    return (struct frame_spec){
        .destination_mac = front_mac,
        .source_mac = client_mac,
        .source = strchr(vip, ':') ? "fd00:1::10" : "10.1.0.10",
        .destination = vip,
        .source_port = 40000,
        .destination_port = port,
        .protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
        .payload_size = (uint16_t)(L4_SIZE - (udp ? 8 : 20)),
    };
}

// Cut into PIECES, under a new identification.
static void cut(struct frame_spec spec, struct frame *pieces)
{
    static struct frame whole;
    frame_build(&whole, &spec);
    last_id++;
    for (size_t i = 0; i < PIECES; i++)
        frame_fragment(&pieces[i], &whole, last_id, i * PIECE,
                       i + 1 < PIECES ? PIECE : L4_SIZE - (PIECES - 1) * PIECE);
}

// The `number`th order of the pieces.
static void order_of(size_t number, size_t *order)
{
    size_t left[PIECES];
    for (size_t i = 0; i < PIECES; i++)
        left[i] = i;
    for (size_t i = 0, choices = PIECES; i < PIECES; i++, choices--) {
        size_t chosen = number % choices;
        number /= choices;
        order[i] = left[chosen];
        left[chosen] = left[choices - 1];
    }
}

static struct sent outs[PIECES];
static const struct frame *sent[SENT_MOST];
static size_t sent_count;

// Puts frames in, one at a time or together, and gathers what is sent out of `port`.
static void put_in(uint16_t port, const struct frame *frames, const size_t *order, bool together,
                   uint32_t out_port)
{
    static struct frame in_order[PIECES];
    sent_count = 0;
    for (size_t i = 0; i < PIECES; i++)
        in_order[i] = frames[order[i]];
    for (size_t i = 0; i < (together ? 1 : PIECES); i++) {
        rig_burst(&rig, port, &in_order[i], together ? PIECES : 1, &outs[i]);
        for (uint32_t p = 0; p < outs[i].count; p++) {
            assert_int_equal(outs[i].packets[p].port, out_port);
            sent[sent_count++] = &outs[i].packets[p].frame;
        }
    }
}

static uint64_t all_drops(void)
{
    uint64_t drops = 0;
    for (uint32_t reason = 0; reason < DROP_REASONS; reason++)
        drops += rig_drops(&rig, (enum drop_reason)reason);
    return drops;
}

static void assert_arrives(struct frame_spec expected, size_t skip)
{
    static struct frame whole, wanted;
    for (size_t i = 0; i < sent_count; i++) {
        assert_memory_equal(sent[i]->bytes, expected.destination_mac, 6);
        assert_memory_equal(sent[i]->bytes + 6, expected.source_mac, 6);
    }
    assert_true(frame_put_together(sent, sent_count, skip, &whole));
    frame_build(&wanted, &expected);
    assert_int_equal(whole.size, wanted.size);
    assert_memory_equal(whole.bytes, wanted.bytes, wanted.size);
    // Nothing is left, and nothing was dropped.
    assert_int_equal(all_drops(), 0);
    assert_int_equal(fragments_datagrams(rig.stage.fragments), 0);
    assert_int_equal(fragments_waiting(rig.stage.fragments), 0);
}

static const struct service {
    const char *vip;
    uint16_t port;
    const char *member; // with NAT
    uint32_t out_port;
    size_t outer_size;
} services[] = {
    {"10.1.0.100", 53, "10.2.0.11", BACK, 0},   {"10.1.0.100", 80, "10.2.0.11", BACK, 0},
    {"fd00:1::100", 80, "fd00:2::11", BACK, 0}, {"10.1.0.101", 80, NULL, FRONT, 0},
    {"10.1.0.102", 80, NULL, BACK, 20},         {"10.1.0.103", 80, NULL, BACK, 40},
};

static void in_every_order_they_reach_the_member(void **state)
{
    static struct frame pieces[PIECES];
    for (size_t s = 0; s < sizeof(services) / sizeof(services[0]); s++) {
        const struct service *service = &services[s];
        struct frame_spec request = datagram_to(service->vip, service->port);
        struct frame_spec expected = request;
        expected.destination_mac = member_mac;
        expected.source_mac = service->out_port == FRONT ? front_mac : back_mac;
        expected.ttl = 63;
        if (service->member) {
            expected.destination = service->member;
            expected.destination_port = 8080;
        }
        for (size_t number = 0; number < 2 * ORDERS; number++) {
            size_t order[PIECES];
            order_of(number / 2, order);
            cut(request, pieces);
            put_in(FRONT, pieces, order, number % 2, service->out_port);
            assert_int_equal(sent_count, PIECES);
            assert_arrives(expected, service->outer_size);
        }
    }
}

static void in_every_order_a_reply_reaches_the_client(void **state)
{
    static struct frame pieces[PIECES];
    for (size_t s = 0; s < 3; s++) {
        const struct service *service = &services[s];
        size_t in_turn[PIECES] = {0, 1, 2, 3};
        struct frame_spec request = datagram_to(service->vip, service->port);
        cut(request, pieces);
        put_in(FRONT, pieces, in_turn, false, BACK);
        struct frame_spec reply = request;
        reply.destination_mac = back_mac;
        reply.source_mac = member_mac;
        reply.source = service->member;
        reply.source_port = 8080;
        reply.destination = request.source;
        reply.destination_port = request.source_port;
        struct frame_spec expected = reply;
        expected.destination_mac = client_mac;
        expected.source_mac = front_mac;
        expected.source = service->vip;
        expected.source_port = service->port;
        expected.ttl = 63;
        for (size_t number = 0; number < 2 * ORDERS; number++) {
            size_t order[PIECES];
            order_of(number / 2, order);
            cut(reply, pieces);
            put_in(BACK, pieces, order, number % 2, FRONT);
            assert_arrives(expected, 0);
        }
    }
}

// Pieces that do not fit a tunnel are fragmented once more.
static void full_sized_fragments_fit_a_tunnel_in_smaller_ones(void **state)
{
    static struct frame whole, pieces[PIECES];
    struct frame_spec request = datagram_to("10.1.0.102", 80);
    frame_build(&whole, &request);
    frame_fragment(&pieces[0], &whole, 7, 0, 1480);
    frame_fragment(&pieces[1], &whole, 7, 1480, 1480);
    frame_fragment(&pieces[2], &whole, 7, 2960, L4_SIZE - 2960);
    sent_count = 0;
    for (int i = 2; i >= 0; i--) {
        rig_burst(&rig, FRONT, &pieces[i], 1, &outs[i]);
        for (uint32_t p = 0; p < outs[i].count; p++)
            sent[sent_count++] = &outs[i].packets[p].frame;
    }
    assert_int_equal(sent_count, 5);
    for (size_t i = 0; i < sent_count; i++)
        assert_true(sent[i]->size <= FRAME_IP_AT + 1500);
    request.destination_mac = member_mac;
    request.source_mac = back_mac;
    request.ttl = 63;
    assert_arrives(request, 20);
}

static struct outcome put(uint16_t port, const struct frame *frame)
{
    static struct outcome outcome;
    rig_packet(&rig, port, frame, &outcome);
    return outcome;
}

static void a_fragment_in_the_place_of_another_is_dropped(void **state)
{
    static struct frame whole, pieces[PIECES], overlap;
    for (int v6 = 0; v6 < 2; v6++) {
        struct frame_spec request = datagram_to(v6 ? "fd00:1::100" : "10.1.0.100", 80);
        frame_build(&whole, &request);
        // The same once more, which changes nothing for the others.
        cut(request, pieces);
        assert_int_equal(put(FRONT, &pieces[0]).kind, OUTCOME_SENT);
        assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_SENT);
        assert_dropped(put(FRONT, &pieces[1]), DROP_FRAGMENT_OVERLAP);
        assert_dropped(put(FRONT, &pieces[0]), DROP_FRAGMENT_OVERLAP);
        assert_int_equal(put(FRONT, &pieces[2]).kind, OUTCOME_SENT);
        assert_int_equal(put(FRONT, &pieces[3]).kind, OUTCOME_SENT);
        // Over the end of another one: nothing more of the datagram passes.
        static const size_t offsets[] = {PIECE - 8, 2 * PIECE + 192, 8 * 40};
        for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
            cut(request, pieces);
            assert_int_equal(put(FRONT, &pieces[0]).kind, OUTCOME_SENT);
            assert_int_equal(put(FRONT, &pieces[3]).kind, OUTCOME_SENT);
            bool last = i == 1; // past the end that was told
            frame_fragment(&overlap, &whole, last_id, offsets[i], last ? PIECE : 16);
            assert_dropped(put(FRONT, &overlap), DROP_FRAGMENT_OVERLAP);
            assert_dropped(put(FRONT, &pieces[1]), DROP_FRAGMENT_OVERLAP);
        }
        // Also what waits.
        cut(request, pieces);
        assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_WAITS);
        frame_fragment(&overlap, &whole, last_id, PIECE + 8, 16);
        uint64_t before = rig_drops(&rig, DROP_FRAGMENT_OVERLAP);
        static struct sent none;
        rig_burst(&rig, FRONT, &overlap, 1, &none);
        assert_int_equal(rig_drops(&rig, DROP_FRAGMENT_OVERLAP) - before, 2);
        assert_dropped(put(FRONT, &pieces[0]), DROP_FRAGMENT_OVERLAP);
        rig_at(&rig, rig.stage.now_ms + 2000);
    }
}

// A first fragment whose header continues in the next one, and the next one that would overwrite
// its flags.
static void tiny_first_fragments_are_dropped(void **state)
{
    static struct frame whole, tiny;
    struct frame_spec request = datagram_to("10.1.0.100", 80);
    frame_build(&whole, &request);
    frame_fragment(&tiny, &whole, 1, 0, 16);
    assert_dropped(put(FRONT, &tiny), DROP_TCP_MALFORMED);
    frame_fragment(&tiny, &whole, 1, 8, 16);
    assert_dropped(put(FRONT, &tiny), DROP_IPV4_MALFORMED);
}

static void what_becomes_of_the_first_becomes_of_the_others(void **state)
{
    static struct frame pieces[PIECES];
    static const struct {
        const char *vip;
        uint16_t port;
        enum drop_reason reason;
    } rows[] = {{"10.1.0.100", 81, DROP_NO_SERVICE}, {"10.1.0.105", 80, DROP_NO_MEMBER}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cut(datagram_to(rows[i].vip, rows[i].port), pieces);
        assert_dropped(put(FRONT, &pieces[0]), rows[i].reason);
        for (size_t p = 1; p < PIECES; p++)
            assert_dropped(put(FRONT, &pieces[p]), rows[i].reason);
    }
    // Neither TCP nor UDP.
    struct frame_spec echo = datagram_to("10.1.0.100", 80);
    echo.protocol = IPPROTO_ICMP;
    echo.icmp_type = 8;
    echo.payload_size = L4_SIZE - 8;
    cut(echo, pieces);
    assert_dropped(put(FRONT, &pieces[0]), DROP_FRAGMENT);
    assert_dropped(put(FRONT, &pieces[1]), DROP_FRAGMENT);
    // A member's own affairs are the kernel's, and those to the port's own address.
    struct frame_spec own = datagram_to("10.1.0.10", 53);
    own.destination_mac = back_mac;
    own.source = "10.2.0.11";
    cut(own, pieces);
    assert_dropped(put(BACK, &pieces[0]), DROP_PUNT_DISABLED);
    assert_dropped(put(BACK, &pieces[1]), DROP_PUNT_DISABLED);
    cut(datagram_to("10.1.0.1", 53), pieces);
    assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_PUNTED);
}

static void what_waits_too_long_is_dropped(void **state)
{
    static struct frame pieces[PIECES];
    cut(datagram_to("10.1.0.100", 53), pieces);
    assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_WAITS);
    rig_at(&rig, 999);
    stage_expire(&rig.stage);
    assert_int_equal(rig_drops(&rig, DROP_FRAGMENT_TIMEOUT), 0);
    assert_int_equal(*rig.stage.counters.fragment_datagrams, 1);
    assert_int_equal(*rig.stage.counters.fragments_waiting, 1);
    assert_int_equal(put(FRONT, &pieces[2]).kind, OUTCOME_WAITS);
    rig_at(&rig, 1000);
    stage_expire(&rig.stage);
    assert_int_equal(rig_drops(&rig, DROP_FRAGMENT_TIMEOUT), 2);
    assert_int_equal(*rig.stage.counters.fragment_datagrams, 0);
    assert_int_equal(*rig.stage.counters.fragments_waiting, 0);
    // The first is for itself then, and remembered for a second.
    assert_int_equal(put(FRONT, &pieces[0]).kind, OUTCOME_SENT);
    rig_at(&rig, 1999);
    assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_SENT);
    rig_at(&rig, 2000);
    assert_int_equal(put(FRONT, &pieces[2]).kind, OUTCOME_WAITS);
    assert_int_equal(fragments_datagrams(rig.stage.fragments), 1);
}

static void a_change_of_configuration_does_not_stop_them(void **state)
{
    static struct frame pieces[PIECES];
    cut(datagram_to("10.1.0.100", 53), pieces);
    assert_int_equal(put(FRONT, &pieces[0]).kind, OUTCOME_SENT);
    assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_SENT);
    static const char another_member[] =
        "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"
        "ports:\n"
        "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n"
        "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
        "pools: [{name: other, members: [{address: 10.2.0.12}]}]\n"
        "vips: [{name: natu, address: 10.1.0.100, port: 53, protocol: udp, pool: other}]\n";
    rig_reload(&rig, another_member);
    struct outcome outcome = put(FRONT, &pieces[2]);
    assert_int_equal(outcome.kind, OUTCOME_SENT);
    assert_int_equal(outcome.frame.bytes[FRAME_IP_AT + 19], 11);
    // Once the flow is over, nothing keeps the member.
    flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), 1u << 30);
    for (int i = 0; i < 3; i++)
        rig_reload(&rig, another_member);
    assert_dropped(put(FRONT, &pieces[3]), DROP_NO_MEMBER);
}

#define TWO_PORTS                                                      \
    "node: {name: test, cores: [0], flows: {per-worker: 1024}}\n"      \
    "ports:\n"                                                         \
    "  - {name: front, device: net_null0, addresses: [10.1.0.1/24]}\n" \
    "  - {name: back, device: net_null1, addresses: [10.2.0.1/24]}\n"
#define POOL_OF(member) "pools: [{name: p, members: [" member "]}]\n"
#define VIP_AT(port) \
    "vips: [{name: v, address: 10.1.0.100, port: " port ", protocol: udp, pool: p}]\n"
#define FIRST_ONE  "{address: 10.2.0.11}"
#define SECOND_ONE "{address: 10.2.0.12}"

// A slot that is free again is the next one's. Fragments of a datagram to whom had it before go
// nowhere: not to who has it now.
static void who_gets_a_slot_gets_no_fragments_of_the_last_one(void **state)
{
    static const struct {
        const char *between, *after;
    } changes[] = {
        {TWO_PORTS POOL_OF("") VIP_AT("53"), TWO_PORTS POOL_OF(SECOND_ONE) VIP_AT("53")},
        {TWO_PORTS POOL_OF(FIRST_ONE), TWO_PORTS POOL_OF(FIRST_ONE) VIP_AT("54")},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (int reload = 0; reload < 3; reload++)
            rig_reload(&rig, TWO_PORTS); // every slot is free
        static const char before[] = TWO_PORTS POOL_OF(FIRST_ONE) VIP_AT("53");
        static struct frame pieces[PIECES];
        rig_reload(&rig, before);
        cut(datagram_to("10.1.0.100", 53), pieces);
        assert_int_equal(put(FRONT, &pieces[0]).kind, OUTCOME_SENT);
        rig_reload(&rig, before); // they are the same ones' still
        assert_int_equal(put(FRONT, &pieces[1]).kind, OUTCOME_SENT);
        flow_sweep(rig.stage.flows, flow_table_buckets(rig.stage.flows), 1u << 30);
        for (int reload = 0; reload < 3; reload++)
            rig_reload(&rig, changes[i].between);
        rig_reload(&rig, changes[i].after);
        assert_int_equal(rig.tables->member_limit, 2); // both are in slot 1 again
        assert_int_equal(rig.tables->service_limit, 2);
        assert_dropped(put(FRONT, &pieces[2]), DROP_NO_MEMBER);
    }
}

static void a_flood_of_later_fragments_keeps_nobody_out_who_comes_in_order(void **state)
{
    static struct frame pieces[PIECES], flood[PIECES];
    struct frame_spec attack = datagram_to("10.1.0.100", 53);
    attack.source = "203.0.113.6";
    uint32_t waiting = 0;
    uint16_t taken = 0;
    while (rig_drops(&rig, DROP_FRAGMENT_HELD_FULL) == 0 && taken < 200) {
        cut(attack, flood);
        waiting += put(FRONT, &flood[1]).kind == OUTCOME_WAITS;
        taken++;
    }
    // The rig has fewer buffers than places to wait: the unit test fills those.
    assert_int_equal(waiting, 200);
    cut(datagram_to("10.1.0.100", 53), pieces);
    for (size_t p = 0; p < PIECES; p++)
        assert_int_equal(put(FRONT, &pieces[p]).kind, OUTCOME_SENT);
    rig_at(&rig, 1000);
    stage_expire(&rig.stage);
    assert_int_equal(rig_drops(&rig, DROP_FRAGMENT_TIMEOUT), 200);
}

static void a_flood_of_first_fragments_costs_established_flows_nothing(void **state)
{
    static struct frame pieces[PIECES], frame;
    struct frame_spec established = datagram_to("10.1.0.101", 80);
    established.payload_size = 10;
    established.tcp_flags = SYN;
    frame_build(&frame, &established);
    assert_int_equal(put(FRONT, &frame).kind, OUTCOME_SENT);
    for (int i = 0; i < 3000; i++) {
        struct frame_spec attack = datagram_to("10.1.0.101", 80);
        char source[16];
        snprintf(source, sizeof(source), "203.0.%d.%d", i / 200, 1 + i % 200);
        attack.source = source;
        cut(attack, pieces);
        put(FRONT, &pieces[0]);
    }
    assert_int_equal(fragments_datagrams(rig.stage.fragments), FRAGMENTS_DATAGRAMS);
    assert_int_equal(*rig.stage.counters.fragments_evicted, 3000 - FRAGMENTS_DATAGRAMS);
    assert_int_equal(put(FRONT, &frame).kind, OUTCOME_SENT);
    cut(datagram_to("10.1.0.101", 80), pieces);
    for (size_t p = 0; p < PIECES; p++)
        assert_int_equal(put(FRONT, &pieces[p]).kind, OUTCOME_SENT);
}

// IPv4: only the first of a datagram's fragments is answered.
static void a_later_fragment_is_not_answered(void **state)
{
    static struct frame pieces[PIECES];
    struct frame_spec request = datagram_to("10.1.0.100", 53);
    request.ttl = 1;
    cut(request, pieces);
    struct outcome outcome = put(FRONT, &pieces[0]);
    assert_dropped(outcome, DROP_TTL);
    assert_true(outcome.answered);
    outcome = put(FRONT, &pieces[1]);
    assert_dropped(outcome, DROP_TTL);
    assert_false(outcome.answered);
}

// All fragments of a datagram go to one worker, and from there to the flow's owner.
static void with_several_workers_they_gather(void **state)
{
    rig_close(&rig);
    rig_open(&rig, two_workers);
    rig_neighbour(&rig, FRONT, "10.1.0.10", client_mac);
    rig_neighbour(&rig, BACK, "10.2.0.11", member_mac);
    rig_neighbour(&rig, BACK, "10.2.0.12", member_mac);
    static struct frame pieces[PIECES];
    uint32_t gathered_here = 0, owned_here = 0;
    for (uint16_t port = 1000; port < 1064; port++) {
        struct frame_spec request = datagram_to("10.1.0.100", 80);
        request.source_port = port;
        cut(request, pieces);
        struct outcome first = put(FRONT, &pieces[0]);
        if (first.kind == OUTCOME_HANDED && fragments_datagrams(rig.stage.fragments) == 0) {
            // Gathered elsewhere, all of them.
            for (size_t p = 1; p < PIECES; p++)
                assert_int_equal(put(FRONT, &pieces[p]).kind, OUTCOME_HANDED);
            // What comes from there is for a flow of ours, and stays.
            struct outcome handed;
            rig_handed(&rig, HANDOFF_PROCESS, 0, FRONT, &pieces[1], &handed);
            assert_int_equal(handed.kind, OUTCOME_WAITS);
            struct handoff_message message = {
                .packet = rte_pktmbuf_alloc(rig.pool), .port = FRONT, .type = HANDOFF_PROCESS};
            memcpy(rte_pktmbuf_append(message.packet, (uint16_t)pieces[0].size), pieces[0].bytes,
                   pieces[0].size);
            stage_receive_handed(&rig.stage, &message, 1);
            rig_burst(&rig, FRONT, NULL, 0, &outs[0]);
            assert_int_equal(outs[0].count, 2);
            for (size_t p = 2; p < PIECES; p++) {
                rig_handed(&rig, HANDOFF_PROCESS, 0, FRONT, &pieces[p], &handed);
                assert_int_equal(handed.kind, OUTCOME_SENT);
            }
        } else {
            gathered_here++;
            owned_here += first.kind == OUTCOME_SENT;
            for (size_t p = 1; p < PIECES; p++)
                assert_int_equal(put(FRONT, &pieces[p]).kind, first.kind);
            // It makes no difference who brought them here.
            cut(request, pieces);
            while (put(FRONT, &pieces[1]).kind != OUTCOME_WAITS)
                cut(request, pieces);
            struct outcome handed;
            rig_handed(&rig, HANDOFF_PROCESS, 0, FRONT, &pieces[2], &handed);
            assert_int_equal(handed.kind, OUTCOME_WAITS);
            rig_at(&rig, rig.stage.now_ms + 1000);
            stage_expire(&rig.stage);
        }
        assert_int_equal(fragments_datagrams(rig.stage.fragments), 0);
    }
    assert_in_range(gathered_here, 16, 48);
    assert_in_range(owned_here, 4, gathered_here - 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        CASE(in_every_order_they_reach_the_member),
        CASE(in_every_order_a_reply_reaches_the_client),
        CASE(full_sized_fragments_fit_a_tunnel_in_smaller_ones),
        CASE(a_fragment_in_the_place_of_another_is_dropped),
        CASE(tiny_first_fragments_are_dropped),
        CASE(what_becomes_of_the_first_becomes_of_the_others),
        CASE(what_waits_too_long_is_dropped),
        CASE(a_change_of_configuration_does_not_stop_them),
        CASE(who_gets_a_slot_gets_no_fragments_of_the_last_one),
        CASE(a_flood_of_later_fragments_keeps_nobody_out_who_comes_in_order),
        CASE(a_flood_of_first_fragments_costs_established_flows_nothing),
        CASE(a_later_fragment_is_not_answered),
        CASE(with_several_workers_they_gather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
